"""First differences: changes on changes, so that whatever stays with a unit drops out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from data.errors import BadInput
from models.design import Design
from models.estimators.linear import fit_screened, fit_statistics, report, take_rows
from models.results import ModelResult
from models.study import ModelSpec

OPTIONS = frozenset({"constant"})


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """Least squares on differences between neighbouring periods of the calendar.

    Neighbours are as far apart as the closest two periods of the sample (one year in a yearly
    panel); a gap loses its row. Option `constant` (default true) keeps a constant, which is a
    common drift; effects are absorbed from the differences. Weights are those of the later period.
    Raises BadInput if no unit has two neighbouring periods.
    """
    changes = differenced(design)
    keep_constant = bool(spec.options.get("constant", True)) and not design.effects
    linear, warnings = fit_screened(changes, changes.effects, constant=keep_constant)
    return report(linear, changes, spec, fit_statistics(linear, "r2"), warnings=warnings)


def differenced(design: Design) -> Design:
    """The design in differences, at the later row of each pair of neighbouring periods."""
    if len(design.times) < 2:
        raise BadInput("sample", "has a single period", "widen it: differences need two")
    calendar = design.times[design.time]
    step = int(np.diff(design.times).min())
    pairs = (np.diff(design.unit) == 0) & (np.diff(calendar) == step)
    later = np.flatnonzero(pairs) + 1
    if not len(later):
        raise BadInput(
            "sample", f"no unit has two periods {step} apart", "widen it: differences need pairs"
        )
    return replace(
        take_rows(design, later),
        y=design.y[later] - design.y[later - 1],
        X=design.X[later] - design.X[later - 1],
    )
