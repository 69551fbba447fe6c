"""Within (fixed effects): the association net of whatever each effect holds constant."""

from __future__ import annotations

from dataclasses import replace

from data.errors import BadInput
from models.absorb import is_nested
from models.design import Design
from models.estimators.linear import fit_screened, fit_statistics, report
from models.least_squares import LinearFit
from models.nickell import lagged_outcome, nickell_bound
from models.results import ModelResult, Test
from models.study import ModelSpec

OPTIONS: frozenset[str] = frozenset()


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """Least squares with any number of effects absorbed exactly.

    r2_within compares with the outcome's variation after the effects. A regressor that is the
    outcome a period earlier gets its Nickell bias beside it where units have effects. Raises
    BadInput without effects, for a treatment that they absorb, or a lag's coefficient of 1 or more.
    """
    if not design.effects:
        raise BadInput("effects", "within needs some", 'add effects = ["unit", "time"]')
    linear, warnings = fit_screened(design, design.effects)
    statistics = fit_statistics(linear, "r2_within")
    bias = _dynamic_bias(design, linear)
    said = (*warnings, *(test.note for test in bias))  # tables print warnings, not every test
    return report(linear, design, spec, statistics, bias, said)


def _dynamic_bias(design: Design, linear: LinearFit) -> tuple[Test, ...]:
    if not any(is_nested(codes, design.unit) for codes in design.effects):
        return ()
    kept = [design.terms.index(name) for name in linear.terms]
    kept_design = replace(design, X=design.X[:, kept], terms=linear.terms)
    column = lagged_outcome(kept_design)
    if column is not None and linear.beta[column] >= 1.0:
        what = f"explosive: {linear.terms[column]} is estimated at {linear.beta[column]:.3f}"
        raise BadInput("outcome", what, "difference it, add time effects, or shorten the sample")
    bound = nickell_bound(kept_design, linear.beta)
    return () if bound is None else (bound,)
