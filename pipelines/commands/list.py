"""`regsi list`: studies, panels, sources, vintages, rows set aside, and runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from data.panels.recipe import panel_names, panel_recipe
from data.recipes import dataset_ids, dataset_recipe
from models.study.file import read_study, study_ids
from pipelines import steps
from pipelines.runs import finished_runs
from pipelines.session import Session

Row = dict[str, Any]


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """The rows of one list, as JSON or as an aligned table."""
    rows = LISTS[args.what](session)
    return rows, _aligned(rows) or f"no {args.what} yet in {session.home}"


def _studies(_session: Session) -> list[Row]:
    studies = [read_study(identifier) for identifier in study_ids()]
    return [
        {"study": s.id, "panel": s.panel.name or str(s.panel.file), "title": s.title}
        for s in studies
    ]


def _panels(_session: Session) -> list[Row]:
    return [{"panel": name, "title": panel_recipe(name).title} for name in panel_names()]


def _sources(_session: Session) -> list[Row]:
    recipes = [dataset_recipe(identifier) for identifier in dataset_ids()]
    return [{"dataset": r.id, "level": r.level, "title": r.title} for r in recipes]


def _vintages(session: Session) -> list[Row]:
    return [
        {
            "dataset": v.dataset,
            "vintage": v.vintage,
            "published": str(v.published),
            "rows": v.rows,
            "sha256": v.sha256[:12],
        }
        for v in steps.vintages(session.home)
    ]


def _quarantine(session: Session) -> list[Row]:
    return [
        {
            "dataset": row["dataset"],
            "published": str(row["published"]),
            "key": row["key"],
            "time": row["time"],
            "value": row["value"],
            "flags": row["flags"],
            "rule": row["rule"],
            "reason": row["reason"],
            "rest": "loaded" if row["loaded"] else "refused",
        }
        for row in steps.set_aside(session.home)
    ]


def _runs(session: Session) -> list[Row]:
    return [
        {"run": r.id, "study": r.manifest["study"]["id"], "created": r.manifest["created"]}
        for r in finished_runs(session.home)
    ]


LISTS: dict[str, Callable[[Session], list[Row]]] = {
    "studies": _studies,
    "panels": _panels,
    "sources": _sources,
    "vintages": _vintages,
    "quarantine": _quarantine,
    "runs": _runs,
}


def _aligned(rows: list[Row]) -> str:
    if not rows:
        return ""
    table = [list(rows[0]), *[[str(value) for value in row.values()] for row in rows]]
    widths = [max(len(line[i]) for line in table) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )
