"""`regsi verify`: every number that a run published, computed again."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.errors import VerificationFailed
from data.panels.store import read_panel
from models.engine.results import as_document as curve_document
from models.results import as_json
from models.study import PanelReference, Study
from models.study.file import read_study
from pipelines import steps
from pipelines.runs import Run, code_sha256, find_run, sha256_of
from pipelines.session import Session

# what another machine's linear algebra may change in the last digits; nothing else may differ
RELATIVE = 1e-9
STUDY, PANEL, RESULTS, CURVE = "study.toml", "panel.parquet", "results.json", "curve.json"
MANIFEST = "run.json"
Faults = dict[str, str]  # what is wrong, by file or by the place of a number


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Checks files by hash, then numbers by recomputation. Raises VerificationFailed on any fault.

    Numbers are recomputed where what they are made from and published in can be read.
    """
    checked = find_run(session.home, args.run)
    faults = _changed_files(checked)
    numbers = 0
    if not faults.keys() & {MANIFEST, STUDY, PANEL}:
        study = read_study(checked.folder / STUDY)
        names = [RESULTS, CURVE] if study.multiverse else [RESULTS]
        published = {name: _document(checked.folder / name) for name in names}
        lacking = {name: "cannot be read" for name in names if published[name] is None}
        faults = lacking | _not_listed(checked, names) | faults
        if not lacking:
            numbers, differing = _compared(published, _recomputed(study, checked, session))
            faults |= differing
    if faults:
        told = [f"{place} {what}" for place, what in faults.items()]
        todo = f"restore {checked.folder}, or remove it and publish the study again"
        what = f"{len(faults)} differences: " + ", ".join(told[:5])
        raise VerificationFailed(f"run {checked.id}", what, todo + _code_hint(checked))
    files = len(checked.manifest["files"])
    document = {"run": checked.id, "numbers": numbers, "files": files, "differences": []}
    return document, f"{checked.id}: {numbers:,} numbers recomputed and {files} files as published"


def _code_hint(checked: Run) -> str:
    same = checked.manifest.get("code_sha256") == code_sha256()
    return "" if same else " (the code has changed since this run)"


def _changed_files(checked: Run) -> Faults:
    faults = _not_listed(checked, [STUDY, PANEL])
    lacking = [key for key in ("panel", "code_sha256") if key not in checked.manifest]
    if lacking:
        faults[MANIFEST] = f"lacks {' and '.join(lacking)}"
    for name, sha256 in checked.manifest["files"].items():
        path = checked.folder / name
        if not path.is_file():
            faults[name] = "is missing"
        elif sha256_of(path) != sha256:
            faults[name] = "was changed after publication"
    return faults


def _not_listed(checked: Run, names: list[str]) -> Faults:
    listed = checked.manifest["files"]
    return {name: "is not in the manifest" for name in names if name not in listed}


def _document(path: Path) -> Any:
    """A file of numbers; None if there is none that can be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _recomputed(study: Study, checked: Run, session: Session) -> dict[str, Any]:
    """The files of numbers that the study makes of the run's panel, by name."""
    file = checked.folder / PANEL
    # the hash by which the run knows it is that of the user's own file, where it was read from one
    panel = replace(read_panel(file), sha256=checked.manifest["panel"]["sha256"])
    study = replace(study, panel=PanelReference(file=file, unit=panel.unit, time=panel.time))
    again: dict[str, Any] = {RESULTS: as_json(steps.fit(study, panel, session).models)}
    if study.multiverse:
        again[CURVE] = curve_document(steps.specification_curve(study, panel, session))
    return again


def _compared(published: dict[str, Any], again: dict[str, Any]) -> tuple[int, Faults]:
    """How many numbers there are, and which of them came out otherwise."""
    pairs = list(_pairs(published, json.loads(json.dumps(again)), ""))
    return len(pairs), {place: "differs" for place, old, new in pairs if not _same(old, new)}


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
