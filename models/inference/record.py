"""From a variance and its degrees of freedom to standard errors, tests and intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import stdtr, stdtrit  # scipy.stats would double a fit's start-up time

from data.errors import BadInput
from models.design import Floats
from models.inference import Uncertainty
from models.least_squares import LinearFit

# A variance below this share of what the outcome's own length would give is round-off.
ROUND_OFF = 1e-24
# A sum of squares less others that is below this share of the rows' own squares is what is left of
# cancelling: as a variance it means nothing.
CANCELLED = 1e-10


def from_variance(
    fit: LinearFit,
    vcov: Floats,
    df: Floats | float,
    convention: str,
    n_clusters: Mapping[str, int] | None = None,
    warnings: tuple[str, ...] = (),
) -> Uncertainty:
    """The record for a variance (k, k) and t distributions of df (k,); infinite df is normal."""
    require_variance(fit, np.diag(vcov))
    return of_estimates(fit.beta, vcov, df, convention, n_clusters, warnings)


def of_estimates(
    beta: Floats,
    vcov: Floats,
    df: Floats | float,
    convention: str,
    n_clusters: Mapping[str, int] | None = None,
    warnings: tuple[str, ...] = (),
) -> Uncertainty:
    """The record of estimates (k,), their variance (k, k) having been looked at before."""
    std_error = np.sqrt(np.diag(vcov))
    degrees = np.broadcast_to(np.asarray(df, dtype=np.float64), std_error.shape).copy()
    statistic = beta / std_error
    half = stdtrit(degrees, 0.975) * std_error
    return Uncertainty(
        std_error=std_error,
        df=degrees,
        statistic=statistic,
        p_value=np.asarray(2.0 * stdtr(degrees, -np.abs(statistic))),
        conf_low=beta - half,
        conf_high=beta + half,
        vcov=vcov,
        n_clusters=dict(n_clusters or {}),
        convention=convention,
        warnings=warnings,
    )


def require_variance(fit: LinearFit, variance: Floats) -> None:
    """Raise BadInput where a variance (k,) is zero beside the outcome's own, or not a number."""
    scale = np.diag(fit.bread) * (fit.weights @ fit.y**2) / fit.n_obs
    require_above(fit.terms, variance, ROUND_OFF * scale)


def require_uncancelled(fit: LinearFit, variance: Floats, n_treatments: int) -> None:
    """Raise BadInput where terms of both signs leave nothing of a variance (k,), or make one of the
    first `n_treatments` negative: repaired with the others it would be some number.
    """
    influence = fit.scores @ fit.bread
    least = CANCELLED * np.square(influence).sum(axis=0)
    size = np.where(np.arange(len(variance)) < n_treatments, variance, np.abs(variance))
    require_above(fit.terms, size, least)


def require_measurable(terms: tuple[str, ...], variance: Floats, y: Floats, X: Floats) -> None:
    """The same for estimates (k,) that are no one least-squares fit: y (n,), regressors X (n, k).

    The yardstick is the variance of a slope on the one regressor, the whole outcome its error.
    """
    scale = (y @ y) / len(y) / np.square(X).sum(axis=0)
    require_above(terms, variance, ROUND_OFF * scale)


def require_above(terms: tuple[str, ...], variance: Floats, least: Floats) -> None:
    """Raise BadInput, naming the term, unless each variance (k,) is above its least (k,)."""
    for term, value, size in zip(terms, variance, least, strict=True):
        if not value > size:
            raise BadInput(
                f"standard error of '{term}'",
                "there is no variance left to measure: it would be zero or less",
                "check for an outcome that the regressors explain perfectly; with kind = 'conley' "
                "or two-way clusters, use a shorter distance or one column",
            )
