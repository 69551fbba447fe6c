"""`regsi verify`: every number that a run published, computed again."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from data.errors import VerificationFailed
from data.panels.store import read_panel
from models.engine.results import as_document as curve_document
from models.results import as_json
from models.study import PanelReference
from models.study.file import read_study
from pipelines import steps
from pipelines.runs import Run, code_sha256, find_run, sha256_of
from pipelines.session import Session

# what another machine's linear algebra may change in the last digits; nothing else may differ
RELATIVE = 1e-9


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Checks files by hash and numbers by recomputation. Raises VerificationFailed on any fault."""
    checked = find_run(session.home, args.run)
    faults = _changed_files(checked)
    numbers, differences = _recompute(checked, session)
    faults += differences
    if faults:
        raise VerificationFailed(
            f"run {checked.id}",
            f"{len(faults)} differences: " + ", ".join(faults[:5]),
            "publish the study anew, or restore the run's folder" + _code_hint(checked),
        )
    files = len(checked.manifest["files"])
    document = {"run": checked.id, "numbers": numbers, "files": files, "differences": []}
    return document, f"{checked.id}: {numbers:,} numbers recomputed and {files} files as published"


def _code_hint(checked: Run) -> str:
    same = checked.manifest["code_sha256"] == code_sha256()
    return "" if same else " (the code has changed since this run)"


def _changed_files(checked: Run) -> list[str]:
    faults = []
    for name, sha256 in checked.manifest["files"].items():
        path = checked.folder / name
        if not path.exists():
            faults.append(f"{name} is missing")
        elif sha256_of(path) != sha256:
            faults.append(f"{name} was changed after publication")
    return faults


def _recompute(checked: Run, session: Session) -> tuple[int, list[str]]:
    study = read_study(checked.folder / "study.toml")
    file = checked.folder / "panel.parquet"
    panel = read_panel(file)
    study = replace(study, panel=PanelReference(file=file, unit=panel.unit, time=panel.time))
    published = {"models": json.loads((checked.folder / "results.json").read_text("utf-8"))}
    again: dict[str, Any] = {"models": as_json(steps.fit(study, panel, session).models)}
    if (checked.folder / "curve.json").exists():
        published["curve"] = json.loads((checked.folder / "curve.json").read_text("utf-8"))
        again["curve"] = curve_document(steps.specification_curve(study, panel, session))
    pairs = list(_pairs(published, json.loads(json.dumps(again)), ""))
    return len(pairs), [place for place, old, new in pairs if not _same(old, new)]


def _pairs(old: Any, new: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Every leaf of the two documents, side by side."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _pairs(old.get(key), new.get(key), f"{place}/{key}" if place else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            name = a.get("id") or a.get("term") or str(i) if isinstance(a, dict) else str(i)
            yield from _pairs(a, b, f"{place}/{name}")
    else:
        yield place, old, new


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, (int, float)):
        return math.isclose(old, new, rel_tol=RELATIVE, abs_tol=1e-300)
    return bool(old == new)
