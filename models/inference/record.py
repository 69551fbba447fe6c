"""From a variance and its degrees of freedom to standard errors, tests and intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import stdtr, stdtrit  # scipy.stats would double a fit's start-up time

from data.errors import BadInput
from models.design import Floats
from models.inference import Uncertainty
from models.least_squares import LinearFit


def from_variance(
    fit: LinearFit,
    vcov: Floats,
    df: Floats | float,
    convention: str,
    n_clusters: Mapping[str, int] | None = None,
    warnings: tuple[str, ...] = (),
) -> Uncertainty:
    """The record for a variance (k, k) and t distributions of df (k,); infinite df is normal."""
    variance = np.diag(vcov)
    require_variance(fit, variance)
    std_error = np.sqrt(variance)
    degrees = np.broadcast_to(np.asarray(df, dtype=np.float64), std_error.shape).copy()
    statistic = fit.beta / std_error
    half = stdtrit(degrees, 0.975) * std_error
    return Uncertainty(
        std_error=std_error,
        df=degrees,
        statistic=statistic,
        p_value=np.asarray(2.0 * stdtr(degrees, -np.abs(statistic))),
        conf_low=fit.beta - half,
        conf_high=fit.beta + half,
        vcov=vcov,
        n_clusters=dict(n_clusters or {}),
        convention=convention,
        warnings=warnings,
    )


def require_variance(fit: LinearFit, variance: Floats) -> None:
    """Raise BadInput where a variance (k,) is zero beside the outcome's own, or not a number."""
    scale = np.diag(fit.bread) * (fit.weights @ fit.y**2) / fit.n_obs
    for term, value, size in zip(fit.terms, variance, scale, strict=True):
        if not value > 1e-24 * size:
            raise BadInput(
                f"standard error of '{term}'",
                "there is no variance left to measure, so it would be zero",
                "check for an outcome that the regressors explain perfectly; with kind = 'conley' "
                "or two-way clusters, use a shorter distance or one column",
            )
