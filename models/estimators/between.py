"""Between: the cross-section of unit means, where nothing that happens over time is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.absorb import group_sums
from models.design import Design
from models.estimators.linear import (
    fit_screened,
    fit_statistics,
    refuse_effects,
    refuse_weights,
    report,
    take_rows,
)
from models.results import ModelResult
from models.study import ModelSpec

OPTIONS: frozenset[str] = frozenset()


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """Least squares of unit means on unit means, one row a unit whatever its number of periods.

    `n_obs` counts units. Raises BadInput if the study names effects or weights.
    """
    refuse_effects(spec, ((),))
    refuse_weights(design, spec)
    means = unit_means(design)
    linear, warnings = fit_screened(means, constant=True)
    result = report(linear, means, spec, fit_statistics(linear, "r2_between"), warnings=warnings)
    return replace(result, n_periods=len(design.times))


def unit_means(design: Design) -> Design:
    """One row a unit: its means, at its first row's cluster columns."""
    first = np.flatnonzero(np.diff(design.unit, prepend=-1))
    periods = np.bincount(design.unit).astype(np.float64)
    sums = group_sums(design.unit, np.column_stack([design.y, design.X]), None, len(periods))
    means = sums / periods[:, None]
    return replace(take_rows(design, first), y=means[:, 0], X=means[:, 1:])
