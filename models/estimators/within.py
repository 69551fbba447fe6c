"""Within (fixed effects): the association net of whatever each effect holds constant."""

from __future__ import annotations

from data.errors import BadInput
from models.design import Design
from models.estimators.linear import fit_screened, fit_statistics, report
from models.results import ModelResult
from models.study import ModelSpec

OPTIONS: frozenset[str] = frozenset()


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """Least squares with any number of effects absorbed exactly.

    r2_within compares with the outcome's variation after the effects. Raises BadInput without
    effects, or for a treatment that they absorb.
    """
    if not design.effects:
        raise BadInput("effects", "within needs some", 'add effects = ["unit", "time"]')
    linear, warnings = fit_screened(design, design.effects)
    return report(linear, design, spec, fit_statistics(linear, "r2_within"), warnings=warnings)
