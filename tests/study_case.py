"""A study file and a panel, fitted: what the tests of estimators start from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data.panel import Column, Level, Panel
from models.fitting import fit_study
from models.results import ModelResult
from models.study import Study
from models.study.file import read_study
from models.study.results import StudyResults


def panel_of(
    frame: pd.DataFrame,
    unit: str,
    time: str,
    parent: str | None = None,
    levels: dict[str, Level] | None = None,
) -> Panel:
    """A frame as a panel; columns count as regional where `levels` does not say otherwise."""
    labels = levels or {}
    columns = {
        name: Column(name, name, "", labels.get(name, "regional"))
        for name in map(str, frame.columns)
        if name not in (unit, time, parent)
    }
    ordered = frame.sort_values([unit, time]).reset_index(drop=True)
    return Panel("test", ordered, unit, time, parent, columns, "0" * 64)


def model_text(
    estimator: str,
    outcome: str,
    treatment: str | Sequence[str],
    controls: Sequence[str] = (),
    effects: Sequence[str] = (),
    inference: str = '{ kind = "classical" }',
    more: str = "",
    name: str = "main",
) -> str:
    """One [[model]] of a study file."""
    wanted = [treatment] if isinstance(treatment, str) else list(treatment)
    return (
        f'[[model]]\nid = "{name}"\nestimator = "{estimator}"\noutcome = "{outcome}"\n'
        f"treatment = {wanted}\ncontrols = {list(controls)}\neffects = {list(effects)}\n"
        f"inference = {inference}\n{more}\n"
    )


def study_of(folder: Path, body: str) -> Study:
    """A study file written to `folder` and read back."""
    path = folder / "study.toml"
    path.write_text(f'[study]\nid = "test"\n[panel]\nname = "test"\n{body}', "utf-8")
    return read_study(path)


def fit_all(folder: Path, panel: Panel, body: str) -> StudyResults:
    """All models of a study file with this body, on this panel."""
    return fit_study(study_of(folder, body), panel)


def fit_one(folder: Path, panel: Panel, body: str) -> ModelResult:
    """The first model of a study file with this body, on this panel."""
    return fit_all(folder, panel, body).models[0]


def estimates(result: ModelResult) -> dict[str, float]:
    """Coefficients by term."""
    return {term.term: term.estimate for term in result.terms}


def std_errors(result: ModelResult) -> dict[str, float]:
    """Standard errors by term."""
    return {term.term: term.std_error for term in result.terms}
