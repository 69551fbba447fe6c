"""Variances for errors that are correlated over time or space rather than within clusters."""

from __future__ import annotations

import numpy as np

from data.errors import BadInput
from models.absorb import group_sums
from models.design import Codes, Floats
from models.least_squares import LinearFit

EARTH_RADIUS_KM = 6371.01
MOST_NEAR = 0.5  # share of pairs of units; of more, what is left of the variance is cancellation
MANY_NEAR = 0.1  # from here on a true null of 36 places is rejected one time in eight


def default_lags(n_periods: int) -> int:
    """floor(T^(1/4)), the lag that is used where the study names none."""
    return int(np.floor(n_periods**0.25 + 1e-12))


def driscoll_kraay(fit: LinearFit, calendar: Codes, lags: int) -> Floats:
    """Variance (k, k) robust to correlation across units and, up to `lags` periods, over time.

    `calendar` (n,) counts periods from the first one, gaps included. Bartlett weights on the
    scores summed by period, no small-sample factor: Driscoll and Kraay (1998).
    """
    sums = group_sums(calendar, fit.scores, None, int(calendar.max()) + 1)
    return fit.bread @ bartlett(sums, lags) @ fit.bread


def newey_west(fit: LinearFit, unit: Codes, calendar: Codes, lags: int) -> Floats:
    """Variance (k, k) robust to correlation within units up to `lags` periods: Bartlett weights,
    no small-sample factor, Newey and West (1987) summed over units.
    """
    scores, n_periods = fit.scores, int(calendar.max()) + 1
    order = np.lexsort((calendar, unit))
    position = (unit * (n_periods + lags) + calendar)[order]  # lags of one unit never meet another
    scores = scores[order]
    meat = scores.T @ scores
    for lag in range(1, lags + 1):
        found = np.minimum(np.searchsorted(position, position + lag), len(position) - 1)
        pairs = position[found] == position + lag
        product = scores[pairs].T @ scores[found[pairs]]
        meat += (1.0 - lag / (lags + 1.0)) * (product + product.T)
    return fit.bread @ meat @ fit.bread


def panel_corrected(fit: LinearFit, unit: Codes, time: Codes) -> Floats:
    """Variance (k, k) from the units' contemporaneous covariances, Beck and Katz (1995).

    The covariance of two units is averaged over the periods that both have, without correction
    for degrees of freedom.
    """
    n_units, n_periods = int(unit.max()) + 1, int(time.max()) + 1
    root = np.sqrt(fit.weights)
    errors, present = np.zeros((2, n_units, n_periods))
    errors[unit, time], present[unit, time] = root * fit.residuals, 1.0
    shared = present @ present.T
    covariance = np.divide(errors @ errors.T, shared, out=np.zeros_like(shared), where=shared > 0)
    k = fit.X.shape[1]
    rooted = np.zeros((n_periods, n_units, k))
    rooted[time, unit] = fit.X * root[:, None]
    meat = sum((block.T @ covariance @ block for block in rooted), np.zeros((k, k)))
    return fit.bread @ meat @ fit.bread


def conley(
    fit: LinearFit, unit: Codes, latitude: Floats, longitude: Floats, km: float
) -> tuple[Floats, float]:
    """Variance (k, k) robust to correlation between units up to `km` apart and within units.

    Scores are summed by unit, so that any pattern over time is allowed for; pairs of units count
    fully within the distance and not beyond it (uniform kernel), as in Conley (1999). May have
    negative eigenvalues: see `cluster.repair`. latitude and longitude (n,) are degrees. Also the
    share of pairs of different units that are near: scores sum to zero over all units, so that
    little is left of the variance where most are. Raises BadInput beyond MOST_NEAR, for missing
    coordinates, or ones that move within a unit.
    """
    n_units = int(unit.max()) + 1
    counts = np.bincount(unit, minlength=n_units)[:, None]
    places = np.column_stack([latitude, longitude])
    centres = group_sums(unit, places, None, n_units) / counts
    if not np.all(np.abs(places - centres[unit]) <= 1e-6):
        raise BadInput(
            "inference.kind = 'conley'",
            "coordinates are missing for some rows, or differ within a unit",
            "give each unit one latitude and one longitude, in degrees",
        )
    sums = group_sums(unit, fit.scores, None, n_units)
    near = distances_km(centres[:, 0], centres[:, 1]) <= km
    share = float(near.sum() - n_units) / max(1, n_units * (n_units - 1))
    if share > MOST_NEAR:
        raise BadInput(
            "inference.kind = 'conley'",
            f"{share:.0%} of all pairs of units lie within {km:g} km, so that most of it cancels",
            'use a shorter distance, or kind = "cluster" by a coarser column',
        )
    return fit.bread @ (sums.T @ near.astype(np.float64) @ sums) @ fit.bread, share


def distances_km(latitude: Floats, longitude: Floats) -> Floats:
    """Great-circle distances (N, N) between places (N,), by the haversine formula."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    across = np.sin((phi[:, None] - phi) / 2) ** 2
    along = np.cos(phi)[:, None] * np.cos(phi) * np.sin((lam[:, None] - lam) / 2) ** 2
    distances: Floats = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(across + along, 1.0)))
    return distances


def bartlett(sums: Floats, lags: int) -> Floats:
    """Long-run cross-products (k, k) of a series (T, k), Bartlett weights."""
    meat = sums.T @ sums
    for lag in range(1, min(lags, len(sums) - 1) + 1):
        product = sums[lag:].T @ sums[:-lag]
        meat += (1.0 - lag / (lags + 1.0)) * (product + product.T)
    return np.asarray(meat)


def require_periods(n_periods: int, lags: int, kind: str) -> None:
    """Raises BadInput for lags that reach beyond the periods there are."""
    if lags < 0 or lags >= n_periods or n_periods < 2:
        raise BadInput(
            f"inference.kind = '{kind}'",
            f"{lags} lag(s) with {n_periods} period(s)",
            "use fewer lags, or cluster by unit",
        )
