"""Random effects: a weighted mixture of the within and the between comparison.

Variance components after Swamy and Arora (1972), in the form for unbalanced panels of Baltagi and
Chang (1994), which is the same thing where every unit has as many periods. The estimate is
consistent only if the units' own levels have nothing to do with the regressors: the Hausman test
beside it compares with the within estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtrc

from data.errors import BadInput
from models.absorb import absorb, group_sums
from models.design import Codes, Design, Floats
from models.estimators.linear import (
    CONSTANT,
    fit_screened,
    fit_statistics,
    refuse_effects,
    refuse_exact,
    refuse_weights,
    report,
)
from models.inference.measure import measure
from models.least_squares import LinearFit, collinear_columns, fit_least_squares, independent
from models.results import ModelResult, Test
from models.study import Inference, ModelSpec

OPTIONS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class VarianceComponents:
    """Error variances within groups and between them, and each group's theta (N,)."""

    idiosyncratic: float
    group: float
    theta: Floats


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """Feasible generalised least squares by quasi-demeaning.

    `effects` is ["unit"] (the default) or ["time"]. Raises BadInput for weights, other effects, or
    too few groups for the variance between them.
    """
    refuse_weights(design, spec)
    refuse_effects(spec, ((), ("unit",), ("time",)))
    group = design.time if spec.effects == ("time",) else design.unit
    components = variance_components(design, group)
    quasi = quasi_demeaned(design, group, components.theta)
    linear, warnings = fit_screened(quasi)
    tests = (hausman(design, quasi, linear, group, spec.inference),)
    statistics = fit_statistics(linear, "r2") | _described(components)
    return report(linear, quasi, spec, statistics, tests, warnings)


def variance_components(design: Design, group: Codes) -> VarianceComponents:
    """Swamy and Arora's components for groups (n,). Raises BadInput with too few groups."""
    periods = np.bincount(group).astype(np.float64)
    n_groups, n = len(periods), design.n_obs
    within = absorb((group,), None, n).residual(np.column_stack([design.y, design.X]))
    moving = _independent(within[:, 1:], design.X)
    slopes, _, _, _ = np.linalg.lstsq(within[:, 1:][:, moving], within[:, 0], rcond=None)
    left = within[:, 0] - within[:, 1:][:, moving] @ slopes
    df = n - n_groups - len(moving)
    if df <= 0 or n_groups <= design.X.shape[1] + 1:
        raise BadInput(
            "sample",
            f"{n_groups} groups of {n} rows are too few for variance components",
            'use fewer regressors, or "within"',
        )
    idiosyncratic = float(left @ left) / df
    refuse_exact(idiosyncratic, design)
    rss, rank, trace = _between(design, group, periods)
    # the mean square between groups, less what the noise within them contributes
    group_variance = max(0.0, (rss - (n_groups - rank) * idiosyncratic) / (n - trace))
    theta = 1.0 - np.sqrt(idiosyncratic / (idiosyncratic + periods * group_variance))
    return VarianceComponents(idiosyncratic, group_variance, theta)


def _between(design: Design, group: Codes, periods: Floats) -> tuple[float, int, float]:
    """Of group means weighted by periods: residual sum of squares, rank, and the trace term."""
    sums = group_sums(group, np.column_stack([design.y, design.X]), None, len(periods))
    means = sums / periods[:, None]
    W = np.column_stack([np.ones(len(periods)), means[:, 1:]])
    W = np.delete(W, collinear_columns(W, periods), axis=1)
    root = np.sqrt(periods)
    Q, R = np.linalg.qr(W * root[:, None])
    y = means[:, 0] * root
    residual = y - Q @ (Q.T @ y)
    # trace of (W'PW)^-1 W'PP'W, the P weighting rows by periods twice over
    trace = float(np.sum((Q * root[:, None]) ** 2))
    return float(residual @ residual), R.shape[0], trace


def _independent(X: Floats, original: Floats) -> list[int]:
    spare = collinear_columns(X, None, original)
    return [j for j in range(X.shape[1]) if j not in spare]


def quasi_demeaned(design: Design, group: Codes, theta: Floats) -> Design:
    """y and X less theta times their group means, with the constant as a last regressor."""
    periods = np.bincount(group).astype(np.float64)
    columns = np.column_stack([design.y, design.X, np.ones(design.n_obs)])
    means = group_sums(group, columns, None, len(periods)) / periods[:, None]
    quasi = columns - theta[group, None] * means[group]
    return replace(design, y=quasi[:, 0], X=quasi[:, 1:], terms=(*design.terms, CONSTANT))


def hausman(
    design: Design, quasi: Design, linear: LinearFit, group: Codes, how: Inference
) -> Test:
    """Do the within and the random-effects slopes differ?

    With classical errors, Hausman's (1978) quadratic form. Otherwise the regression form, which
    stays valid with clusters: the group-demeaned regressors added to the quasi-demeaned model have
    no coefficients (Wooldridge 2010, section 10.7.3).
    """
    if how.kind == "classical":
        return _quadratic_form(design, linear, group)
    return _regression_form(quasi, linear, group, how)


def _quadratic_form(design: Design, linear: LinearFit, group: Codes) -> Test:
    moving = _moving(design, group)
    names = tuple(design.terms[j] for j in moving)
    within = fit_least_squares(design.y, design.X[:, moving], names, None, (group,))
    here = [linear.terms.index(name) for name in names]
    gap = within.beta - linear.beta[here]
    df = within.n_obs - len(names) - within.n_absorbed
    inside = within.bread * float(within.residuals @ within.residuals) / df
    noise = float(linear.residuals @ linear.residuals) / (linear.n_obs - len(linear.terms))
    spread = inside - linear.bread[np.ix_(here, here)] * noise
    statistic = float(gap @ np.linalg.solve(spread, gap))
    if statistic < 0.0:
        return Test("hausman", float("nan"), None, None, "variances not ordered: no statistic")
    return Test("hausman", statistic, float(len(names)), float(chdtrc(len(names), statistic)))


def _regression_form(quasi: Design, linear: LinearFit, group: Codes, how: Inference) -> Test:
    moving = _moving(replace(quasi, X=quasi.X[:, :-1], terms=quasi.terms[:-1]), group)
    names = tuple(f"within {quasi.terms[j]}" for j in moving)
    demeaned = absorb((group,), None, quasi.n_obs).residual(quasi.X[:, moving])
    kept = [quasi.terms.index(name) for name in linear.terms]
    X = np.column_stack([quasi.X[:, kept], demeaned])
    spare = [j for j in collinear_columns(X, None) if j >= len(kept)]
    names = tuple(name for j, name in enumerate(names, len(kept)) if j not in spare)
    wide = fit_least_squares(quasi.y, np.delete(X, spare, axis=1), (*linear.terms, *names))
    measured = measure(wide, quasi, how)
    if measured.vcov is None or not names:
        return Test("hausman_robust", float("nan"), None, None, "no variance to test with")
    gap = wide.beta[len(kept) :]
    spread = measured.vcov[len(kept) :, len(kept) :]
    if not independent(spread):
        note = "fewer clusters than slopes to compare"
        return Test("hausman_robust", float("nan"), None, None, note)
    statistic = float(gap @ np.linalg.solve(spread, gap))
    note = f"regression form, {measured.convention}"
    p_value = float(chdtrc(len(names), statistic))
    return Test("hausman_robust", statistic, float(len(names)), p_value, note)


def _moving(design: Design, group: Codes) -> list[int]:
    """Columns of X that vary within groups, none spanned by those before it."""
    within = absorb((group,), None, design.n_obs).residual(design.X)
    return _independent(within, design.X)


def _described(components: VarianceComponents) -> dict[str, float | None]:
    theta = components.theta
    described: dict[str, float | None] = {
        "sigma2_idiosyncratic": components.idiosyncratic,
        "sigma2_group": components.group,
        "theta": float(np.mean(theta)),
    }
    if np.ptp(theta) > 0.0:
        described |= {"theta_min": float(theta.min()), "theta_max": float(theta.max())}
    return described
