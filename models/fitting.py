"""A study and a panel in, fitted models out: the one way from data to results."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from data.errors import BadInput
from data.expressions.calendar_lags import whole_numbers
from data.panel import Panel
from data.suggestions import near
from models.contrasts import with_contrast
from models.dependence.diagnose import diagnose
from models.dynamics import with_dynamics
from models.estimators import load
from models.levels import (
    common_paths,
    enforce,
    national_controls,
    nearly_national,
    treatment_levels,
)
from models.missingness import missingness
from models.plausibility import implausible
from models.results import ModelResult
from models.sample import build_design, derived_frame, sample_rows
from models.sensitivity.battery import with_sensitivity
from models.shared_paths import shared_paths
from models.study import ModelSpec, Study
from models.study.results import PanelSummary, StudyResults
from models.study.text import StudyText
from models.study.used_columns import panel_columns, sources

GROUPED = ("cluster", "wild-cluster", "randomization")
NO_PARENT = "no level above the unit is declared: whether a treatment is national was not checked"


def fit_study(study: Study, panel: Panel, only: str | None = None) -> StudyResults:
    """Fit the models of a study (or the one called `only`) to a panel.

    Raises BadInput, placed in the study file, for whatever cannot be fitted: nothing is returned
    unless every model asked for has its numbers.
    """
    frame = derived_frame(study, panel)
    sample = sample_rows(study, panel, frame)
    models = tuple(
        fit_model(study, panel, sample, index)
        for index, spec in enumerate(study.models)
        if only in (None, spec.id)
    )
    if not models:
        known = [spec.id for spec in study.models]
        raise BadInput(str(study.path), f"no model {only!r}", near(str(only), known))
    used = panel_columns(study, map(str, panel.frame.columns))
    return StudyResults(
        study=study,
        panel=summarise(panel, used),
        models=models,
        missingness=missingness(panel, sample, used, study.models[0].outcome),
    )


def fit_model(study: Study, panel: Panel, sample: pd.DataFrame, index: int) -> ModelResult:
    """Fit the index-th model of a study to the rows of `sample`. Raises BadInput."""
    where = f"{StudyText.of(study.path).place('model', None, index)} model {study.models[index].id}"
    try:
        spec = resolved(study.models[index], panel, where)
        design = build_design(sample, panel, spec, where)
        behind = sources(study.variables)
        own = {name: behind.get(name, frozenset([name])) for name in spec.treatment}
        levels = treatment_levels(design, panel, own, spec.estimator)
        override = enforce(design, spec, levels, where, panel.parent)
        result = with_sensitivity(load(spec.estimator).fit(design, spec), design, spec)
        result = with_dynamics(with_contrast(result, design, spec), design, spec)
        further = diagnose(design, spec, result)
    except BadInput as fault:
        if fault.where.startswith(where):
            raise
        raise BadInput(f"{where}, {fault.where}", fault.what, fault.todo) from None
    traces = (*nearly_national(design, spec, levels), *common_paths(design, spec))
    large = implausible(design, spec, result, study.claims)
    levelled = (*national_controls(design, spec), *shared_paths(design, spec))
    said = (*traces, *levelled, *large)
    cautions = (*design.warnings, *said, *result.warnings, *_needless(spec, override))
    return replace(
        result,
        inference=replace(result.inference, override=override),
        level=levels,
        tests=(*result.tests, *further),
        warnings=tuple(dict.fromkeys(cautions)),
    )


def resolved(spec: ModelSpec, panel: Panel, where: str) -> ModelSpec:
    """The specification with its clusters under the panel's own column names.

    Where a study names none, clusters are the parents, or the units of a panel without parent.
    Raises BadInput for "parent" in a panel that has none.
    """
    names = spec.inference.by
    if not names and spec.inference.kind in GROUPED:
        names = ("unit",) if panel.parent is None else ("parent",)
    index = {"unit": panel.unit, "time": panel.time, "parent": panel.parent}
    if "parent" in names and panel.parent is None:
        raise BadInput(
            where,
            "the panel has no level above the unit to cluster by",
            'declare parent = "..." in [panel], or name a column instead of "parent"',
        )
    by = tuple(index.get(name) or name for name in names)
    return replace(spec, inference=replace(spec.inference, by=by))


def summarise(panel: Panel, used: tuple[str, ...]) -> PanelSummary:
    """The panel's name card, with a description of the columns in `used`. Raises BadInput."""
    periods = whole_numbers(panel.frame[panel.time], panel.name)
    return PanelSummary(
        name=panel.name,
        title=panel.title,
        sha256=panel.sha256,
        rows=len(panel.frame),
        units=panel.frame[panel.unit].nunique(),
        periods=len(set(periods)),
        first=int(periods.min()),
        last=int(periods.max()),
        unit=panel.unit,
        time=panel.time,
        parent=panel.parent,
        vintages=panel.vintages,
        simulated=panel.simulated,
        notes=panel.notes if panel.parent is not None else (*panel.notes, NO_PARENT),
        columns=tuple(panel.columns[name] for name in used if name in panel.columns),
    )


def _needless(spec: ModelSpec, override: str | None) -> tuple[str, ...]:
    if spec.inference.override is None or override is not None:
        return ()
    return ("the override of the level rule was not needed, and is not used",)
