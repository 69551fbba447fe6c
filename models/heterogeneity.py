"""Whether units have the same slopes (Swamy 1970; Pesaran and Yamagata 2008), and the mean of
slopes that vary at random (Swamy 1970).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtrc, ndtr, stdtr

from models.design import Floats
from models.inference.multiple import benjamini_hochberg
from models.results import Test
from models.unit_regressions import UnitRegressions, regress_units, remove


@dataclass(frozen=True)
class RandomCoefficients:
    """Swamy's estimate: beta (k,), vcov (k, k) and delta (k, k), the coefficients' covariance.

    `overstated` says that the sampling noise could not be taken out of delta: what was left had
    negative eigenvalues, so delta is the plain spread of the units' estimates.
    """

    beta: Floats
    vcov: Floats
    delta: Floats
    overstated: bool


def random_coefficients(fits: UnitRegressions) -> RandomCoefficients:
    """The generalised mean of the units' coefficients, weighted by spread and precision."""
    gaps = fits.beta - fits.beta.mean(axis=0)
    spread = gaps.T @ gaps / (len(gaps) - 1)
    noise = fits.variance[:, None, None] * fits.inverse
    delta = spread - noise.mean(axis=0)
    overstated = bool(np.linalg.eigvalsh(scaled(delta, spread)).min() <= 0)
    if overstated:
        delta = spread
    weights = np.linalg.inv(delta + noise)
    vcov = np.asarray(np.linalg.inv(weights.sum(axis=0)), dtype=np.float64)
    beta = vcov @ np.einsum("ijk,ik->j", weights, fits.beta)
    return RandomCoefficients(beta, vcov, delta, overstated)


def scaled(matrix: Floats, by: Floats) -> Floats:
    """A covariance (k, k) in units of another one's standard deviations: same signs of roots."""
    root = np.sqrt(np.diag(by))
    return matrix / np.outer(root, root)


def swamy_homogeneity(fits: UnitRegressions) -> Test:
    """Swamy's test that all units share their coefficients: for long panels of few units."""
    precision = np.linalg.inv(fits.variance[:, None, None] * fits.inverse)
    common = np.linalg.solve(precision.sum(axis=0), np.einsum("ijk,ik->j", precision, fits.beta))
    gaps = fits.beta - common
    statistic = float(np.einsum("ij,ijk,ik->", gaps, precision, gaps))
    df = fits.beta.shape[1] * (len(fits.beta) - 1)
    return Test("swamy_homogeneity", statistic, df, float(chdtrc(df, statistic)))


def pesaran_yamagata(y: Floats, X: Floats, Z: Floats) -> tuple[Test, Test]:
    """Delta and adjusted Delta: standard normal if all units share the slopes of X (N, S, k).

    Z (N, S, q) holds what each unit may have of its own: constant, trend, averages. Two-sided;
    errors independent over time. Unbalanced panels sum each unit's own moments.
    """
    left = remove(Z, np.concatenate([y[:, :, None], X], axis=2))
    left[~np.isfinite(left).all(axis=2)] = np.nan
    fits = regress_units(left[:, :, 0], left[:, :, 1:])
    values = np.nan_to_num(left[fits.units])
    y_, X_ = values[:, :, 0], values[:, :, 1:]
    information = np.swapaxes(X_, 1, 2) @ X_
    moments = np.einsum("isk,is->ik", X_, y_)
    pooled = np.linalg.solve(information.sum(axis=0), moments.sum(axis=0))
    freedom = (fits.n_rows - Z.shape[2]).astype(np.float64)
    variance = ((y_ - X_ @ pooled) ** 2).sum(axis=1) / freedom
    weighted = information / variance[:, None, None]
    common = np.linalg.solve(weighted.sum(axis=0), (moments / variance[:, None]).sum(axis=0))
    gaps = fits.beta - common
    k = X.shape[2]
    excess = np.einsum("ij,ijk,ik->i", gaps, weighted, gaps) - k
    exact = 2 * k * (freedom - k) / (freedom + 2)
    delta = float(excess.sum() / np.sqrt(2 * k * len(excess)))
    adjusted = float(excess.sum() / np.sqrt(exact.sum()))
    return (
        Test("pesaran_yamagata_delta", delta, None, two_sided(delta)),
        Test("pesaran_yamagata_delta_adj", adjusted, None, two_sided(adjusted)),
    )


def treatment_homogeneity(y: Floats, X: Floats, Z: Floats, treatments: int) -> tuple[Test, ...]:
    """Adjusted Delta for the first `treatments` columns of X alone, the others' slopes being free.

    Unequal slopes of controls do not count. Nothing where all regressors are treatments.
    """
    if not 0 < treatments < X.shape[2]:
        return ()
    free = np.concatenate([Z, X[:, :, treatments:]], axis=2)
    _, adjusted = pesaran_yamagata(y, X[:, :, :treatments], free)
    note = "slopes of the treatments; controls have slopes of their own in every unit"
    return (replace(adjusted, test="pesaran_yamagata_treatment", note=note),)


def sign_shares(fits: UnitRegressions, column: int) -> dict[str, float]:
    """The shares of units whose slope is positive, and positive or negative beyond chance.

    Each unit's t-test counts with the false discovery rate held at 5 % over units (Benjamini and
    Hochberg 1995); a unit's errors are taken as independent.
    """
    slope = fits.beta[:, column]
    error = np.sqrt(fits.variance * fits.inverse[:, column, column])
    df = (fits.n_rows - fits.beta.shape[1]).astype(np.float64)
    clear = benjamini_hochberg(2 * stdtr(df, -np.abs(slope / error))) < 0.05
    return {
        "share_positive": float((slope > 0).mean()),
        "share_positive_bh": float((clear & (slope > 0)).mean()),
        "share_negative_bh": float((clear & (slope < 0)).mean()),
    }


def two_sided(statistic: float) -> float:
    """The normal p-value of both tails."""
    return float(2 * ndtr(-abs(statistic)))
