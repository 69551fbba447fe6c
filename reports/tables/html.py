"""The regression table as HTML: each number carries the id of its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from models.engine.results import Curve
from models.study.results import StudyResults
from reports.numbers import split_at_point
from reports.tables.grid import Grid, regression_grid
from reports.tables.parts import Row
from reports.tables.stacked import HEADINGS, SAID_ELSEWHERE, settings, stacks
from reports.templates import stylesheet, templates

SIDE_BY_SIDE = 5  # models on a page; more are stacked


@dataclass(frozen=True)
class Split:
    """A number cut at its decimal point, with room for its column's longest on either side."""

    before: str
    after: str
    before_width: int
    after_width: int


def html_table(
    results: StudyResults, heading: bool = True, curve: Curve | None = None
) -> Markup:
    """A table element with caption and notes; stacked where there are too many models."""
    grid = regression_grid(results, curve=curve)
    if len(grid.heads) > SIDE_BY_SIDE:
        return Markup(
            templates()
            .get_template("tables/stacked.html")
            .render(
                grid=grid,
                heading=heading,
                headings=HEADINGS,
                said_elsewhere=SAID_ELSEWHERE,
                stacks=stacks(results, results.models),
                settings=settings(results, results.models),
            )
        )
    rows = [*grid.terms, *grid.facts]
    splits = [column_splits(rows, index) for index in range(len(grid.heads))]
    template = templates().get_template("tables/table.html")
    return Markup(template.render(grid=grid, heading=heading, rows=_rows(grid, splits)))


def html_page(results: StudyResults, run_id: str, curve: Curve | None = None) -> str:
    """A page of its own around the table."""
    page = templates().get_template("tables/page.html")
    return page.render(
        css=Markup(stylesheet()),
        study=results.study,
        run_id=run_id,
        simulated=results.panel.simulated,
        table=html_table(results, curve=curve),
    )


def column_splits(rows: Sequence[Row], index: int) -> list[Split | None]:
    """The decimal numbers of one model's column, cut; None for words, intervals and counts."""
    halves = [
        split_at_point(cell.text)
        if (cell := row.cells[index]) and row.kind not in {"word", "interval"} and "." in cell.text
        else None
        for row in rows
    ]
    before = max((len(half[0]) for half in halves if half), default=0)
    after = max((len(half[1]) for half in halves if half), default=0)
    return [Split(*half, before, after) if half else None for half in halves]


def _rows(grid: Grid, splits: list[list[Split | None]]) -> list[dict[str, object]]:
    rows = [*grid.terms, *grid.facts]
    return [
        {
            "kind": row.kind,
            "label": row.label,
            "starts_facts": number == len(grid.terms),
            "cells": [
                (cell, column[number]) for cell, column in zip(row.cells, splits, strict=True)
            ],
        }
        for number, row in enumerate(rows)
    ]
