"""Random effects where some regressors go with the units' own levels: Hausman and Taylor (1981).

Regressors named `endogenous` may be related to the units' levels, the others may not. Their own
within variation instruments those that vary over time; those that never change within a unit are
instrumented by the unit means of exogenous regressors that do. So, unlike within, it gives slopes
of what never changes. Amemiya and MaCurdy (1986) use each period's value in place of the means,
Breusch, Mizon and Schmidt (1989) also the endogenous ones' deviations of each period.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtrc

from data.errors import BadInput
from models.absorb import absorb, group_sums
from models.design import Design, Floats
from models.estimators.linear import (
    CONSTANT,
    fit_statistics,
    refuse_effects,
    refuse_exact,
    refuse_weights,
    report,
)
from models.estimators.random_effects import VarianceComponents, quasi_demeaned
from models.inference.cluster import find_clusters
from models.least_squares import LinearFit, collinear_columns, fit_least_squares, independent
from models.results import ModelResult, Test
from models.study import Inference, ModelSpec

OPTIONS = frozenset({"endogenous", "variant"})
VARIANTS = ("hausman-taylor", "amemiya-macurdy", "breusch-mizon-schmidt")


@dataclass(frozen=True)
class Roles:
    """Columns of X by role: varying over time or fixed, exogenous or related to units' levels."""

    varying: list[int]
    varying_endogenous: list[int]
    fixed: list[int]
    fixed_endogenous: list[int]


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """Quasi-demeaned two-stage least squares; effects are [] or ["unit"].

    Beside it a test of the instruments to spare. Raises BadInput for weights, other effects, names
    that are no regressors, too few exogenous regressors, or gaps where each period's value is used.
    """
    refuse_weights(design, spec)
    refuse_effects(spec, ((), ("unit",)))
    variant = spec.options.get("variant", VARIANTS[0])
    if variant not in VARIANTS:
        raise BadInput("variant", f"unknown {variant!r}", f"choose {', '.join(VARIANTS)}")
    design, warnings = _without_spare(design)
    roles = find_roles(design, _named(design, spec.options.get("endogenous")))
    components = variance_components(design, roles)
    quasi = quasi_demeaned(design, design.unit, components.theta)
    instruments = excluded_instruments(design, roles, variant, components.theta)
    linear = _two_stage(quasi, roles, instruments)
    statistics = fit_statistics(linear, "r2") | {
        "sigma2_idiosyncratic": components.idiosyncratic,
        "sigma2_group": components.group,
        "theta": float(np.mean(components.theta[np.unique(design.unit)])),
    }
    tests = overidentification(linear, quasi, spec.inference)
    result = report(linear, quasi, spec, statistics, tests, warnings)
    return replace(result, n_instruments=_count(linear))


def _named(design: Design, endogenous: object) -> tuple[str, ...]:
    names = (endogenous,) if isinstance(endogenous, str) else endogenous
    if not isinstance(names, tuple) or not names:
        what = "no regressor is named as related to the units' own levels"
        raise BadInput("endogenous", what, 'add endogenous = ["column", ...], or use "random"')
    for name in names:
        if name not in design.terms:
            raise BadInput("endogenous", f"{name!r} is no regressor", "name regressors only")
    return names


def _without_spare(design: Design) -> tuple[Design, tuple[str, ...]]:
    """The design without controls that the columns before them span. BadInput for treatments."""
    wide = np.column_stack([np.ones(design.n_obs), design.X])
    spare = [j - 1 for j in collinear_columns(wide, None) if j > 0]
    for j in spare:
        if j < design.n_treatments:
            what = f"{design.terms[j]!r} is constant, or a combination of the other treatments"
            raise BadInput("treatment", what, "drop it")
    terms = tuple(name for j, name in enumerate(design.terms) if j not in spare)
    dropped = tuple(
        f"control {design.terms[j]} dropped: the columns before it span it" for j in spare
    )
    return replace(design, X=np.delete(design.X, spare, axis=1), terms=terms), dropped


def find_roles(design: Design, endogenous: tuple[str, ...]) -> Roles:
    """The role of each regressor. Raises BadInput if too few can serve as instruments, or none
    can vary over time.
    """
    if np.bincount(design.unit).max() < 2:
        raise BadInput("sample", "each unit has one period", 'use "pooled" or "iv-within"')
    within = absorb((design.unit,), None, design.n_obs).residual(design.X)
    columns = range(design.X.shape[1])
    still = {j for j in columns if collinear_columns(within[:, [j]], None, design.X[:, [j]])}
    related = {j for j in columns if design.terms[j] in endogenous}
    roles = Roles(
        [j for j in columns if j not in still | related],
        [j for j in columns if j in related - still],
        [j for j in columns if j in still - related],
        [j for j in columns if j in still & related],
    )
    if len(roles.varying) < len(roles.fixed_endogenous):
        names = ", ".join(repr(design.terms[j]) for j in roles.fixed_endogenous)
        what = f"{names} never change within units, and {len(roles.varying)} exogenous ones do"
        todo = "have as many exogenous regressors that vary over time, or drop some of these"
        raise BadInput("endogenous", what, todo)
    return roles


def variance_components(design: Design, roles: Roles) -> VarianceComponents:
    """Error variances from within residuals and from the units' levels, instrumented.

    Raises BadInput if the levels cannot be instrumented.
    """
    periods = np.bincount(design.unit, minlength=len(design.units)).astype(np.float64)
    df = design.n_obs - np.count_nonzero(periods)
    moving = roles.varying + roles.varying_endogenous
    within = absorb((design.unit,), None, design.n_obs).residual
    slopes, _, _, _ = np.linalg.lstsq(
        within(design.X[:, moving]), within(design.y[:, None])[:, 0], rcond=None
    )
    left = design.y - design.X[:, moving] @ slopes
    inside = within(left[:, None])[:, 0]
    idiosyncratic = float(inside @ inside) / df
    refuse_exact(idiosyncratic, design)
    fixed = [*roles.fixed, *roles.fixed_endogenous]
    names = tuple(design.terms[j] for j in fixed)
    levels = fit_least_squares(
        left - inside, np.column_stack([design.X[:, fixed], np.ones(design.n_obs)]),
        (*names, CONSTANT), None, (), names[len(roles.fixed) :], design.X[:, roles.varying],
    )  # fmt: skip
    noise = idiosyncratic * float(np.mean(1.0 / periods[design.unit]))
    group = max(0.0, float(np.mean(levels.residuals**2)) - noise)
    theta = 1.0 - np.sqrt(idiosyncratic / (idiosyncratic + periods * group))
    return VarianceComponents(idiosyncratic, group, theta)


def excluded_instruments(design: Design, roles: Roles, variant: str, theta: Floats) -> Floats:
    """Instruments (n, l) beside the exogenous regressors. Raises BadInput for gaps.

    Units' means go through the same transformation as the regressors, by theta (N,): otherwise
    the zero of a regressor would matter where units have different numbers of rows.
    """
    exogenous = design.X[:, roles.varying]
    related = design.X[:, roles.varying_endogenous]
    deviations = absorb((design.unit,), None, design.n_obs).residual(related)
    if variant == "hausman-taylor":
        counts = np.bincount(design.unit)[:, None]
        sums = group_sums(design.unit, exogenous, None, len(counts))
        means = (1.0 - theta)[:, None] * sums / counts
        return np.column_stack([deviations, means[design.unit]])
    parts = [deviations, _each_period(design, exogenous, variant)]
    if variant == "breusch-mizon-schmidt":
        parts.append(_each_period(design, deviations, variant))
    return np.column_stack(parts)


def _each_period(design: Design, columns: Floats, variant: str) -> Floats:
    """A unit's values of all periods beside each of its rows (n, T * columns)."""
    n_units, n_periods = len(np.unique(design.unit)), len(np.unique(design.time))
    if design.n_obs != n_units * n_periods:
        what = f"{variant} uses the value of each period, and some units lack periods"
        raise BadInput("variant", what, f'use "{VARIANTS[0]}", or a balanced panel')
    wide = columns.reshape(n_units, -1)
    return wide[np.repeat(np.arange(n_units), n_periods)]


def _two_stage(quasi: Design, roles: Roles, excluded: Floats) -> LinearFit:
    related = {*roles.varying_endogenous, *roles.fixed_endogenous}
    names = tuple(quasi.terms[j] for j in sorted(related))
    # a deviation that is the same for all units, such as that of age, tells nothing beyond another
    moving = ~np.isin(np.arange(excluded.shape[1]), collinear_columns(excluded, None))
    return fit_least_squares(quasi.y, quasi.X, quasi.terms, None, (), names, excluded[:, moving])


def _count(linear: LinearFit) -> int:
    return len(linear.terms) + _to_spare(linear).shape[1]


def _to_spare(linear: LinearFit) -> Floats:
    """What the instruments have beyond the first stage's fitted values (n, q)."""
    assert linear.instruments is not None
    projection = linear.X @ (linear.bread @ (linear.X.T @ linear.instruments))
    beyond = linear.instruments - projection
    return np.delete(beyond, collinear_columns(beyond, None, linear.instruments), axis=1)


def overidentification(linear: LinearFit, quasi: Design, how: Inference) -> tuple[Test, ...]:
    """Whether the instruments to spare go with the errors; nothing where there are none.

    Sargan's (1958) test with classical errors, else Wooldridge's (1995) score test, by clusters.
    """
    beyond = _to_spare(linear)
    df = beyond.shape[1]
    if df == 0:
        return ()
    scores = beyond * linear.residuals[:, None]
    total = scores.sum(axis=0)
    if how.kind == "classical":
        name, by = "sargan", "errors of equal variance"
        spread = beyond.T @ beyond * float(np.mean(linear.residuals**2))
    else:
        grouping = how.by[0] if how.by else "unit"
        clusters = find_clusters(quasi, grouping)
        sums = group_sums(clusters.codes, scores, None, clusters.size)
        name, by, spread = "overidentification_score", f"clustered by {grouping}", sums.T @ sums
    if not independent(spread):
        note = "fewer clusters than instruments to spare"
        return (Test(name, float("nan"), None, None, note),)
    statistic = float(total @ np.linalg.solve(spread, total))
    note = f"{df} instruments to spare, {by}"
    return (Test(name, statistic, float(df), float(chdtrc(df, statistic)), note),)
