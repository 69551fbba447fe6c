"""Where simulation tests leave their tables, for the documentation to show.

Each test writes one file of rows, so that tests can run in any order and in several processes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.results import ModelResult

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


def coverage_of(
    table: str,
    said: Mapping[str, str],
    results: Sequence[ModelResult],
    truths: Mapping[str, float],
) -> dict[str, float]:
    """The share of results whose interval holds each term's truth, recorded with the bias.

    `said` begins each row: what was estimated, which names the file too, and in which world.
    """
    shares, rows = {}, []
    for term, truth in truths.items():
        found = [result.term(term) for result in results]
        shares[term] = float(np.mean([one.conf_low <= truth <= one.conf_high for one in found]))
        bias = round(float(np.mean([one.estimate for one in found]) - truth), 4)
        counts = {"term": term, "draws": len(results), "bias": bias}
        rows.append({**said, **counts, "coverage": round(shares[term], 4)})
    record(table, next(iter(said.values())).replace(" ", "-").replace(",", ""), rows)
    return shares


def rows_of(table: str) -> list[dict[str, object]]:
    """All recorded rows of a table, sorted by file name."""
    return [
        row
        for path in sorted(results_folder().glob(f"{table}-*.json"))
        for row in json.loads(path.read_text("utf-8"))
    ]


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows that share their columns as a Markdown table."""
    columns = list(rows[0])
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(str(row[column]) for column in columns)} |" for row in rows]
    return "\n".join(lines) + "\n"


HEAD = """# Do 95 % intervals cover?

Written by `make docs-tables` from the records of `make test-slow`: the share of new panels, drawn
from a world whose truth is known, in which an interval holds the truth. 1,000 draws leave an error
of 0.7 points, so between 0.93 and 0.97 an interval keeps its word. Below those stand the same
methods in worlds they are not meant for, and what happens there. What has no row has not been
simulated since the records were last cleared.
"""
TABLES = {
    "inference-coverage": "Kinds of inference",
    "static-coverage": "Static estimators",
    "dynamic-coverage": "Dynamic and heterogeneous estimators",
    "event-coverage": "Event studies",
    "spatial-coverage": "Spatial models",
    "mixed": "Mixed models",
    "families": "Families of hypotheses: how often the family errs at 5 %",
    "dependence": "Tests of dependence: the share rejected at 5 %",
}
KEEPS_ITS_WORD = (0.93, 0.97)


def page() -> str:
    """The recorded tables; coverage apart by whether intervals hold the truth as often as said."""
    parts = [HEAD]
    low, high = KEEPS_ITS_WORD
    for table, title in TABLES.items():
        if not (rows := rows_of(table)):
            continue
        parts.append(f"## {title}\n")
        if "coverage" not in rows[0]:
            parts.append(markdown(rows))
            continue
        kept = [row for row in rows if low <= float(str(row["coverage"])) <= high]
        failing = [row for row in rows if row not in kept]
        parts += ["As often as they say:\n", markdown(kept)] if kept else []
        parts += ["Less often, or more:\n", markdown(failing)] if failing else []
    return "\n".join(parts)


def main(target: Path) -> None:
    """Write the page to `target`, or leave it as it was where there is nothing to show."""
    if not any(rows_of(table) for table in TABLES):
        sys.exit(f"error: {results_folder()}: no records of simulations; run `make test-slow`")
    target.parent.mkdir(exist_ok=True)
    target.write_text(page(), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
