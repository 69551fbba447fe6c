"""Pooled least squares: all rows alike, differences between units included."""

from __future__ import annotations

from models.design import Design
from models.estimators.linear import fit_screened, fit_statistics, refuse_effects, report
from models.results import ModelResult
from models.study import ModelSpec

OPTIONS: frozenset[str] = frozenset()


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """Least squares with a constant and no effects. Raises BadInput if the study names effects."""
    refuse_effects(spec, ((),))
    linear, warnings = fit_screened(design, constant=True)
    return report(linear, design, spec, fit_statistics(linear, "r2"), warnings=warnings)
