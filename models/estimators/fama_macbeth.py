"""Fama and MacBeth (1973): a cross-section for each period, then the mean of their slopes.

Standard errors come from how the slopes vary from period to period, so shocks that hit all units
of a period do no harm; slopes that are alike from one period to the next (units' own levels) do,
which is what `newey-west` is for, and only in part.
"""

from __future__ import annotations

import numpy as np

from data.errors import BadInput
from models.design import Codes, Design, Floats
from models.estimators.linear import (
    CONSTANT,
    inference_used,
    refuse_effects,
    refuse_weights,
    terms_of,
)
from models.inference.dependence import bartlett, default_lags, require_periods
from models.inference.record import of_estimates, require_measurable
from models.results import ModelResult
from models.study import Inference, ModelSpec

OPTIONS: frozenset[str] = frozenset()


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """Mean slopes over periods; inference `classical` (periods independent) or `newey-west`.

    Raises BadInput for weights, effects, other inference, or a period with too few units.
    """
    refuse_weights(design, spec)
    refuse_effects(spec, ((),))
    slopes = period_slopes(design)
    names = (*design.terms, CONSTANT)
    calendar = design.times - design.times[0]
    vcov, convention = _over_periods(slopes, calendar, spec.inference)
    X = np.column_stack([design.X, np.ones(design.n_obs)])
    require_measurable(names, np.diag(vcov), design.y, X)
    uncertainty = of_estimates(slopes.mean(axis=0), vcov, len(slopes) - 1.0, convention)
    return ModelResult(
        id=spec.id,
        estimator=spec.estimator,
        outcome=spec.outcome,
        treatment=spec.treatment,
        n_obs=design.n_obs,
        n_units=len(design.units),
        n_periods=len(design.times),
        n_clusters={},
        n_instruments=None,
        inference=inference_used(spec, uncertainty),
        terms=terms_of(names, slopes.mean(axis=0), uncertainty),
        fit={"r2_mean": _mean_r2(design, slopes)},
    )


def period_slopes(design: Design) -> Floats:
    """Coefficients (T, k + 1) of each period's cross-section, the constant last.

    Raises BadInput naming a period in which they are not determined.
    """
    X = np.column_stack([design.X, np.ones(design.n_obs)])
    order = np.argsort(design.time, kind="stable")
    starts = np.flatnonzero(np.diff(design.time[order], prepend=-1))
    products = X[:, :, None] * X[:, None, :]
    gram = np.add.reduceat(products[order], starts)
    moments = np.add.reduceat((X * design.y[:, None])[order], starts)
    scale = np.sqrt(np.einsum("tii->ti", gram))
    scale[scale == 0.0] = 1.0
    scaled = gram / (scale[:, :, None] * scale[:, None, :])
    least = np.linalg.eigvalsh(scaled)[:, 0]
    units = np.bincount(design.time)
    bad = np.flatnonzero((least < 1e-12) | (units <= X.shape[1]))
    if len(bad):
        raise BadInput(
            "sample",
            f"the cross-section of {design.times[bad[0]]} ({units[bad[0]]} units) does not "
            "determine the slopes",
            "drop the regressor that is the same for all units in a period, or the period",
        )
    return np.asarray(np.linalg.solve(scaled, (moments / scale)[..., None])[..., 0] / scale)


def _over_periods(slopes: Floats, calendar: Codes, how: Inference) -> tuple[Floats, str]:
    """Variance (k, k) of the mean of slopes (T, k), and how it was made.

    `calendar` (T,) counts periods from the first, gaps included: lags never reach across them.
    """
    periods = len(slopes)
    if periods < 2:
        raise BadInput("sample", "has a single period", "widen it, or use pooled")
    if how.kind not in ("classical", "newey-west"):
        raise BadInput(
            f"inference.kind = '{how.kind}'",
            "Fama-MacBeth takes its errors from the variation of slopes over periods",
            'use kind = "classical" or "newey-west", or the pooled estimator with clusters',
        )
    lags = 0
    if how.kind == "newey-west":
        lags = default_lags(periods) if how.lags is None else how.lags
        require_periods(periods, lags, how.kind)
    gaps = np.zeros((int(calendar[-1]) + 1, slopes.shape[1]))
    gaps[calendar] = slopes - slopes.mean(axis=0)
    vcov = bartlett(gaps, lags) / (periods * (periods - 1.0))
    return vcov, f"Fama-MacBeth over {periods} periods, {lags} lag(s), t with {periods - 1} df"


def _mean_r2(design: Design, slopes: Floats) -> float | None:
    X = np.column_stack([design.X, np.ones(design.n_obs)])
    residuals = design.y - np.einsum("nk,nk->n", X, slopes[design.time])
    units = np.bincount(design.time)
    means = np.bincount(design.time, design.y) / units
    total = np.bincount(design.time, (design.y - means[design.time]) ** 2)
    if (total <= 0.0).any():
        return None
    return float(np.mean(1.0 - np.bincount(design.time, residuals**2) / total))
