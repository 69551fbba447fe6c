"""A brief as PDF, typeset by Typst with the fonts it carries: no system fonts, no dates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typst

from models.study.results import StudyResults
from reports.briefs.text import Brief
from reports.figures.style import Picture
from reports.numbers import typographic
from reports.tables.grid import Grid, regression_grid
from reports.tables.html import SIDE_BY_SIDE, Split, column_splits
from reports.tables.parts import Row
from reports.tables.stacked import HEADINGS, SAID_ELSEWHERE, settings, stacks

TEMPLATE = Path(__file__).with_name("brief.typ")


def pdf_brief(brief: Brief, results: StudyResults, pictures: Mapping[str, Picture]) -> bytes:
    """The same brief on paper. All text travels as data, so none of it can act as markup."""
    document = {
        **asdict(brief),
        "table": table_data(results),
        "pictures": {
            name: {"svg": picture.svg.decode(), "description": picture.description}
            for name, picture in pictures.items()
        },
    }
    written = typst.compile(
        TEMPLATE,
        root=TEMPLATE.parent,
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"brief": json.dumps(document)},
        timestamp=0,
    )
    if not isinstance(written, bytes):
        raise TypeError("a brief is one document")
    return written


def table_data(results: StudyResults) -> dict[str, Any]:
    """The regression table as the template reads it: side by side, or stacked if wide."""
    grid = regression_grid(results)
    return _stacked(results, grid) if len(grid.heads) > SIDE_BY_SIDE else _side_by_side(grid)


def _stacked(results: StudyResults, grid: Grid) -> dict[str, Any]:
    """Treatments only: all else is in the files."""
    return {
        "stacked": True,
        "headings": HEADINGS,
        "stacks": [
            {
                "label": stack.label,
                "outcome": stack.outcome,
                "lines": [
                    [line.model, *(typographic(cell.text) for cell in line.cells)]
                    for line in stack.lines
                ],
            }
            for stack in stacks(results, results.models, only_treatments=True)
        ],
        "said": [f"{name}: {text}." for name, text in settings(results, results.models)],
        "notes": [asdict(note) for note in grid.notes if note.kind not in SAID_ELSEWHERE],
    }


def _side_by_side(grid: Grid) -> dict[str, Any]:
    rows = [*grid.terms, *grid.facts]
    columns = [column_splits(rows, index) for index in range(len(grid.heads))]
    lines = [
        {
            "kind": row.kind,
            "label": row.label,
            "cells": [_cell(row, index, column[number]) for index, column in enumerate(columns)],
        }
        for number, row in enumerate(rows)
    ]
    return {
        "stacked": False,
        "outcome": grid.outcome,
        "heads": [asdict(head) for head in grid.heads],
        "rows": lines[: len(grid.terms)],
        "facts": lines[len(grid.terms) :],
        "notes": [asdict(note) for note in grid.notes],
    }


def _cell(row: Row, index: int, split: Split | None) -> list[object]:
    """Four parts for a number that is aligned, one for what is centred."""
    if split is None:
        return [_words(row, index)]
    return [split.before_width, typographic(split.before), split.after_width, split.after]


def _words(row: Row, index: int) -> str:
    """A cell that is centred: words as they are, intervals and counts with a real minus."""
    cell = row.cells[index]
    text = "" if cell is None else cell.text
    return text if row.kind == "word" else typographic(text)
