"""Mundlak's correlated random effects: within slopes, and beside them what distinguishes units.

Pooled least squares of the outcome on the regressors and their unit means (Mundlak 1978): the
regressors' coefficients are the within estimates, and the means' coefficients being zero is the
random-effects assumption, tested with the errors that the study asks for, so clusters do no harm.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import fdtrc

from models.absorb import absorb, group_sums, group_totals
from models.design import Design, Floats
from models.estimators.linear import fit_screened, fit_statistics, refuse_effects, report
from models.inference import Uncertainty
from models.inference.measure import measure
from models.least_squares import LinearFit, collinear_columns, independent
from models.results import ModelResult, Test
from models.study import ModelSpec

OPTIONS: frozenset[str] = frozenset()


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """Least squares with unit means added, effects [] or ["time"]; unit-constant regressors stay.

    With time effects the means are of the regressors net of them only where the panel is balanced:
    elsewhere the slopes come close to the two-way within ones without being them. Raises BadInput
    for other effects.
    """
    refuse_effects(spec, ((), ("time",)))
    wide = with_unit_means(design)
    linear, warnings = fit_screened(wide, wide.effects, constant=not wide.effects)
    measured = measure(linear, wide, spec.inference)
    tests = _means_matter(linear, measured)
    statistics = fit_statistics(linear, "r2")
    ours = tuple(text for text in warnings if "unit mean of" not in text)
    return report(linear, wide, spec, statistics, tests, ours, measured)


def with_unit_means(design: Design) -> Design:
    """The design with the (weighted) unit means of the regressors that vary within units."""
    within = absorb((design.unit,), design.weights, design.n_obs).residual(design.X)
    spare = collinear_columns(within, design.weights, design.X)
    moving = [j for j in range(design.X.shape[1]) if j not in spare]
    totals = group_totals(design.unit, design.weights)
    sums = group_sums(design.unit, design.X[:, moving], design.weights, len(totals))
    means: Floats = (sums / totals[:, None])[design.unit]
    names = tuple(f"unit mean of {design.terms[j]}" for j in moving)
    return replace(design, X=np.column_stack([design.X, means]), terms=(*design.terms, *names))


def _means_matter(linear: LinearFit, measured: Uncertainty) -> tuple[Test, ...]:
    """Wald test that the means have no coefficients, F with the errors' fewest df."""
    means = [j for j, name in enumerate(linear.terms) if name.startswith("unit mean of ")]
    if not means or measured.vcov is None:
        return ()
    gap, spread = linear.beta[means], measured.vcov[np.ix_(means, means)]
    if not independent(spread):
        note = "fewer clusters than unit means to test"
        return (Test("hausman_robust", float("nan"), None, None, note),)
    statistic = float(gap @ np.linalg.solve(spread, gap)) / len(means)
    df = float(measured.df[means].min())
    p_value = float(fdtrc(len(means), df, statistic))
    note = "F test that unit means have no coefficients (random effects consistent)"
    return (Test("hausman_robust", statistic, (float(len(means)), df), p_value, note),)
