"""How the variance of an outcome divides over levels: countries, regions inside them, the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtri

from models.design import Floats
from models.estimators.mixed.fit import MixedFit

RESIDUAL = "residual"


@dataclass(frozen=True)
class VarianceShare:
    """One level's share of the variance left by the slopes; no interval for a variance of zero.

    `level` is parent, unit, time, or residual: what varies from row to row of a unit.
    """

    level: str
    estimate: float
    conf_low: float | None
    conf_high: float | None


def variance_shares(fit: MixedFit) -> tuple[VarianceShare, ...]:
    """The shares of all levels, with 95 % intervals by the delta method on the logit scale.

    Their uncertainty is that of the restricted likelihood. Empty if slopes vary too: the share
    would then depend on the regressors' values.
    """
    if any(group.width > 1 for group in fit.data.groupings):
        return ()
    relative = np.append(fit.point.theta**2, 1.0)
    estimates = relative / relative.sum()
    slopes = share_slopes(fit.point.theta, estimates)
    spread = np.sqrt(np.einsum("jt,ts,js->j", slopes, fit.theta_covariance, slopes))
    names = (*(group.name for group in fit.data.groupings), RESIDUAL)
    return tuple(
        as_share(name, float(share), float(error))
        for name, share, error in zip(names, estimates, spread, strict=True)
    )


def inside_share(fit: MixedFit) -> VarianceShare | None:
    """The units' share of the lasting differences: units' variance over units' and parents'.

    Interval by the delta method on the logit scale. None if slopes vary too, a level is
    missing, or nothing lasts.
    """
    names = [group.name for group in fit.data.groupings]
    if not {"parent", "unit"} <= set(names) or any(g.width > 1 for g in fit.data.groupings):
        return None
    unit, parent = names.index("unit"), names.index("parent")
    theta = fit.point.theta
    total = float(theta[unit] ** 2 + theta[parent] ** 2)
    if total == 0:
        return None
    share = float(theta[unit] ** 2) / total
    if not 0 < share < 1:
        return VarianceShare("inside parent", share, None, None)
    slopes = np.zeros(len(theta))
    slopes[unit], slopes[parent] = 2 / theta[unit], -2 / theta[parent]
    on_logit = float(np.sqrt(slopes @ fit.theta_covariance @ slopes))
    return as_share("inside parent", share, on_logit * share * (1 - share))


def share_slopes(theta: Floats, shares: Floats) -> Floats:
    """Derivatives (t + 1, t) of the shares in the relative standard deviations theta (t,)."""
    total = (theta**2).sum() + 1
    own = np.vstack([np.diag(2 * theta), np.zeros(len(theta))]) / total
    return own - np.outer(shares, 2 * theta) / total


def as_share(level: str, share: float, error: float) -> VarianceShare:
    """A share with its interval, which cannot leave (0, 1)."""
    if not (0 < share < 1 and error > 0):
        return VarianceShare(level, share, None, None)
    reach = float(ndtri(0.975)) * error / (share * (1 - share))
    low, high = expit(logit(share) - reach), expit(logit(share) + reach)
    return VarianceShare(level, share, float(low), float(high))
