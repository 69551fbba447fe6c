"""Where simulation tests leave their tables, for the documentation to show.

Each test writes one file of rows, so that tests can run in any order and in several processes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def results_folder() -> Path:
    """`REGSI_SIMULATION`, or var/simulation in the project."""
    folder = Path(os.environ.get("REGSI_SIMULATION", PROJECT / "var" / "simulation"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def record(table: str, name: str, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write rows to `<table>-<name>.json`; the rows of one table share their columns."""
    path = results_folder() / f"{table}-{name}.json"
    path.write_text(json.dumps(list(rows), indent=1) + "\n", "utf-8")
    return path


def markdown(table: str) -> str:
    """All recorded rows of a table, sorted by file name, as a Markdown table."""
    rows = [
        row
        for path in sorted(results_folder().glob(f"{table}-*.json"))
        for row in json.loads(path.read_text("utf-8"))
    ]
    if not rows:
        return ""
    columns = list(rows[0])
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(str(row[column]) for column in columns)} |" for row in rows]
    return "\n".join(lines) + "\n"
