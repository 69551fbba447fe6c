"""One-step and two-step linear GMM over stacked panel equations, pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.sparse import coo_array, csr_array

from models.design import Codes, Floats
from models.estimators.gmm.equations import Equations

WELL_APART = 1e-4  # share of an instrument (its root) that the others may leave unexplained


@dataclass(frozen=True)
class Moments:
    """What the estimator needs of the data: k parameters, l instruments, G clusters of units.

    XZ (k, l) = X'Z; Zy (l,); ZHZ (l, l) the one-step weighting's inverse; cluster (G, r) adds rows
    up by cluster; cluster_of_row (r,).
    """

    rows: Equations
    Z: csr_array
    XZ: Floats
    Zy: Floats
    ZHZ: Floats
    cluster: csr_array
    cluster_of_row: Codes


@dataclass(frozen=True)
class Step:
    """One step of the estimation.

    weight (l, l) is the weighting matrix, rank its rank; beta (k,), residuals (r,);
    projection (k, l) maps moments to beta, bread (k, k) is inv(X'Z weight Z'X);
    scores (G, l) are each cluster's Z'e and covariance (l, l) their cross-product.
    """

    weight: Floats
    rank: int
    beta: Floats
    residuals: Floats
    bread: Floats
    projection: Floats
    scores: Floats
    covariance: Floats


@dataclass(frozen=True)
class GmmFit:
    """Both steps with their covariance matrices (k, k).

    robust1 is the one-step sandwich, classical1 the one-step matrix under H with variance
    sigma2; asymptotic2 the uncorrected two-step matrix and windmeijer2 its finite-sample
    correction (Windmeijer 2005).
    """

    moments: Moments
    one: Step
    two: Step
    sigma2: float
    robust1: Floats
    classical1: Floats
    asymptotic2: Floats
    windmeijer2: Floats


def collect_moments(rows: Equations, Z: csr_array, cluster_of_unit: Codes) -> Moments:
    """Cross-products of rows and instruments; cluster_of_unit (N,) codes 0..G-1."""
    cluster_of_row = cluster_of_unit[rows.unit]
    n_rows = len(rows.unit)
    cluster = csr_array(
        coo_array(
            (np.ones(n_rows), (cluster_of_row, np.arange(n_rows))),
            shape=(int(cluster_of_unit.max()) + 1, n_rows),
        )
    )
    root = rows.errors.T @ Z
    return Moments(
        rows=rows,
        Z=Z,
        XZ=np.asarray((Z.T @ rows.X).T),
        Zy=np.asarray(Z.T @ rows.y),
        ZHZ=(root.T @ root).toarray(),
        cluster=cluster,
        cluster_of_row=cluster_of_row,
    )


def symmetric_inverse(matrix: Floats) -> tuple[Floats, int]:
    """The Moore-Penrose inverse (of the matrix scaled to a unit diagonal, scaled back) and rank."""
    diagonal = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    scale = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    values, vectors = np.linalg.eigh(matrix * np.outer(scale, scale))
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    half = vectors[:, kept] / np.sqrt(values[kept]) * scale[:, None]
    return half @ half.T, int(kept.sum())


def solve_step(moments: Moments, inverse_of: Floats) -> Step:
    """The GMM estimate whose weighting matrix is the inverse of `inverse_of` (l, l)."""
    weight, rank = symmetric_inverse(inverse_of)
    weighted = moments.XZ @ weight
    bread = np.asarray(np.linalg.inv(weighted @ moments.XZ.T), dtype=np.float64)
    projection = bread @ weighted
    beta = projection @ moments.Zy
    residuals: Floats = moments.rows.y - moments.rows.X @ beta
    scores: Floats = (moments.cluster @ moments.Z.multiply(residuals[:, None])).toarray()
    return Step(weight, rank, beta, residuals, bread, projection, scores, scores.T @ scores)


def one_step(moments: Moments) -> Floats:
    """The one-step estimate (k,) by itself: by a Cholesky factor where no instrument is redundant
    or nearly so, else as `solve_step` has it.
    """
    scale = 1 / np.sqrt(np.diag(moments.ZHZ)) if (np.diag(moments.ZHZ) > 0).all() else None
    if scale is None:
        return solve_step(moments, moments.ZHZ).beta
    try:
        root = np.linalg.cholesky(moments.ZHZ * np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return solve_step(moments, moments.ZHZ).beta
    if np.diag(root).min() < WELL_APART:
        return solve_step(moments, moments.ZHZ).beta
    both = np.column_stack([moments.XZ.T, moments.Zy]) * scale[:, None]
    half = solve_triangular(root, both, lower=True)
    X, y = half[:, :-1], half[:, -1]
    return np.asarray(np.linalg.solve(X.T @ X, X.T @ y), dtype=np.float64)


def estimate(moments: Moments) -> GmmFit:
    """Both steps. Raises numpy's LinAlgError where X'Z does not have full rank."""
    one = solve_step(moments, moments.ZHZ)
    two = solve_step(moments, one.covariance)
    sigma2 = error_variance(moments.rows, one.residuals)
    robust1 = one.projection @ one.covariance @ one.projection.T
    return GmmFit(
        moments=moments,
        one=one,
        two=two,
        sigma2=sigma2,
        robust1=robust1,
        classical1=sigma2 * one.bread,
        asymptotic2=two.bread,
        windmeijer2=windmeijer(moments, one, two, robust1),
    )


def error_variance(rows: Equations, residuals: Floats) -> float:
    """The variance of a level error, from the transformed rows: their mean squared residual over
    its multiple of that variance, without a count of parameters. Stata 18's xtabond2 has the
    same; gretl and older xtabond2 divide by the number of level equations in a system.
    """
    chosen = ~rows.in_levels
    multiple = np.asarray(rows.combination.multiply(rows.combination).sum(axis=1))[chosen].mean()
    return float(residuals[chosen] @ residuals[chosen] / (multiple * chosen.sum()))


def windmeijer(moments: Moments, one: Step, two: Step, robust1: Floats) -> Floats:
    """The two-step covariance with the one-step estimate's own uncertainty (Windmeijer 2005).

    The derivative of the weighting matrix is never formed: only its product with the weighted
    mean moment is needed, which costs two passes over the rows.
    """
    X = moments.rows.X
    direction = two.weight @ (moments.Z.T @ two.residuals)
    along = one.scores @ direction
    by_cluster = moments.cluster @ (X * np.asarray(moments.Z @ direction)[:, None])
    slope = np.asarray(moments.Z.T @ (X * along[moments.cluster_of_row][:, None]))
    derivative = two.projection @ (slope + one.scores.T @ by_cluster)
    cross = derivative @ two.bread
    return two.bread + cross + cross.T + derivative @ robust1 @ derivative.T
