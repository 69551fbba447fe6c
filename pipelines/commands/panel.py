"""`regsi panel`: builds a panel and, if asked, exports it."""

from __future__ import annotations

import argparse
from typing import Any

from data.panels.build import build_panel, datasets_of
from data.panels.store import export
from models.results import as_json
from pipelines import steps
from pipelines.session import Session


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Loads what the panel lacks, builds it and says what it holds."""
    with steps.warehouse_with(datasets_of(args.name), session) as warehouse:
        panel = build_panel(args.name, warehouse, session.as_of, session.say)
    if args.out is not None:
        export(panel, args.out)
    frame = panel.frame
    document = {
        "name": panel.name,
        "sha256": panel.sha256,
        "rows": len(frame),
        "units": int(frame[panel.unit].nunique()),
        "periods": int(frame[panel.time].nunique()),
        "columns": [as_json(column) for column in panel.columns.values()],
        "vintages": [as_json(vintage) for vintage in panel.vintages],
        "simulated": panel.simulated,
        "notes": list(panel.notes),
        "out": str(args.out) if args.out else None,
    }
    return document, _text(document, panel.simulated)


def _text(document: dict[str, Any], simulated: bool) -> str:
    mark = " (SIMULATED DATA)" if simulated else ""
    lines = [
        f"{document['name']}{mark}: {document['rows']:,} rows, {document['units']:,} units, "
        f"{document['periods']:,} periods, sha256 {document['sha256'][:12]}"
    ]
    width = max((len(column["name"]) for column in document["columns"]), default=0)
    for column in document["columns"]:
        lines.append(
            f"  {column['name']:<{width}}  {column['level']:<9} {column['unit']}: {column['label']}"
        )
    lines += [f"note: {note}" for note in document["notes"]]
    if document["out"]:
        lines.append(f"written: {document['out']}")
    return "\n".join(lines)
