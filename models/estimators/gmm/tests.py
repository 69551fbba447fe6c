"""Tests that a dynamic GMM estimate stands on: residual autocorrelation and overidentification."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc, ndtr

from models.calendar_grid import shift
from models.design import Codes, Floats
from models.estimators.gmm.equations import Levels, difference_rows, flat
from models.estimators.gmm.estimation import GmmFit, Step, symmetric_inverse
from models.least_squares import independent
from models.results import Test


def serial_correlation(
    fit: GmmFit, levels: Levels, step: Step, vcov: Floats, order: int, robust: bool
) -> Test:
    """Arellano and Bond's (1991) m statistic of the differenced residuals, standard normal.

    step and vcov (k, k) are those of the estimate reported. In a system the covariance term
    takes the full residual vector, levels too. robust: clustered, else under the one-step H.
    """
    unit, period, differences = difference_rows(levels.usable)
    residual = np.nan_to_num(levels.y - levels.X @ step.beta)
    change = differences @ residual.ravel()
    grid = np.full(levels.y.shape, np.nan)
    grid[unit, period] = change
    lagged = np.nan_to_num(shift(grid, order)[unit, period])
    if not lagged.any():
        return Test(f"ar{order}", np.nan, None, None, "too few periods")
    slope = lagged @ (differences @ flat(levels.X))
    if robust:
        group = cluster_of_units(fit)[unit]
        products = np.bincount(group, lagged * change, fit.moments.cluster.shape[0])
        spread, shared = float(products @ products), step.scores.T @ products
    else:
        spread, shared = under_h(fit, differences.T @ lagged)
    variance = spread - 2 * slope @ (step.projection @ shared) + slope @ vcov @ slope
    if not variance > 0:
        return Test(f"ar{order}", np.nan, None, None, "too few clusters for its variance")
    statistic = float(lagged @ change / np.sqrt(variance))
    return Test(f"ar{order}", statistic, None, float(2 * ndtr(-abs(statistic))))


def under_h(fit: GmmFit, root: Floats) -> tuple[float, Floats]:
    """The variance of root'e for level errors e (N S,), and its covariance with Z'e (l,)."""
    moments = fit.moments
    if moments.rows.errors.shape[1] > len(root):
        root = np.concatenate([root, np.zeros_like(root)])
    shared = np.asarray(moments.Z.T @ (moments.rows.errors @ root))
    return fit.sigma2 * float(root @ root), fit.sigma2 * shared


def cluster_of_units(fit: GmmFit) -> Codes:
    """(N,) the cluster of each unit that has a row, zero for others."""
    rows = fit.moments.rows
    out = np.zeros(int(rows.unit.max()) + 1, dtype=np.int64)
    out[rows.unit] = fit.moments.cluster_of_row
    return out


def sargan(fit: GmmFit) -> Test:
    """Sargan's test of the one-step moments: valid when errors are homoskedastic."""
    gap = fit.moments.Z.T @ fit.one.residuals
    statistic = float(gap @ fit.one.weight @ gap / fit.sigma2)
    return overidentification("sargan", statistic, fit.one.rank - len(fit.one.beta))


def hansen(fit: GmmFit) -> Test:
    """Hansen's J of the two-step estimate: robust, but weak with many instruments."""
    if fit.moments.Z.shape[1] > fit.moments.cluster.shape[0]:
        return Test("hansen_j", np.nan, None, None, "more instruments than clusters")
    gap = fit.moments.Z.T @ fit.two.residuals
    statistic = float(gap @ fit.two.weight @ gap)
    return overidentification("hansen_j", statistic, fit.two.rank - len(fit.two.beta))


def overidentification(name: str, statistic: float, df: int) -> Test:
    """A chi-squared test, or a note that the model is exactly identified."""
    if df <= 0:
        return Test(name, np.nan, df, None, "exactly identified: nothing to test")
    return Test(name, statistic, df, float(chdtrc(df, statistic)))


def difference_in_hansen(fit: GmmFit, label: str, suspect: Codes) -> Test:
    """Whether the instruments numbered `suspect` are valid, given the others (Eichenbaum, Hansen
    and Singleton 1988). Both criteria share one moment covariance, so the statistic is never
    negative (Hayashi 2000, section 3.6).
    """
    name = f"difference_in_hansen: {label}"
    kept = np.setdiff1d(np.arange(fit.moments.Z.shape[1]), suspect)
    weight, rank = symmetric_inverse(fit.one.covariance[np.ix_(kept, kept)])
    cross = fit.moments.XZ[:, kept] @ weight
    curvature = cross @ fit.moments.XZ[:, kept].T
    k = len(fit.two.beta)
    if rank < k or not independent(curvature):
        return Test(name, np.nan, None, None, "the other instruments do not identify the model")
    beta = np.linalg.solve(curvature, cross @ fit.moments.Zy[kept])
    gap = fit.moments.Zy[kept] - fit.moments.XZ[:, kept].T @ beta
    full = fit.moments.Z.T @ fit.two.residuals
    statistic = float(full @ fit.two.weight @ full - gap @ weight @ gap)
    return overidentification(name, statistic, fit.two.rank - rank)


def wald(name: str, beta: Floats, vcov: Floats) -> Test:
    """Whether the coefficients beta (m,) are jointly zero, chi-squared."""
    statistic = float(beta @ np.linalg.solve(vcov, beta))
    return Test(name, statistic, len(beta), float(chdtrc(len(beta), statistic)))
