"""The likelihood of a linear mixed model, profiled over slopes and residual variance.

After Bates, Mächler, Bolker and Walker (2015), with exact derivatives. Only cross-products enter,
so an evaluation costs the cube of the number of random effects, never of the rows; groups may be
nested or crossed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import solve_triangular

from models.design import Codes, Floats


@dataclass(frozen=True)
class Grouping:
    """Random effects of one kind: every group has its own coefficients on m columns.

    codes (n,) are 0..J-1 without gaps; values (n, m) hold ones (the intercept) and the columns with
    random slopes, each divided by its `scale` (m,).
    """

    name: str
    codes: Codes
    columns: tuple[str, ...]
    values: Floats
    scale: Floats

    @property
    def size(self) -> int:
        """Number of groups."""
        return int(self.codes.max()) + 1

    @property
    def width(self) -> int:
        """Coefficients of each group."""
        return len(self.columns)

    def dummies(self) -> sp.csr_array:
        """The design matrix (n, J m) of these effects, group by group."""
        n, m = self.values.shape
        column = self.codes[:, None] * m + np.arange(m)
        rows = np.repeat(np.arange(n), m)
        return sp.csr_array((self.values.ravel(), (rows, column.ravel())), (n, self.size * m))


@dataclass(frozen=True)
class CrossProducts:
    """All of the data that the likelihood needs.

    Q (n, p) orthonormal with X = Q R, and e (n,) = y - X start: A = Z'Z (q, q), B = Z'[Q e]
    (q, p + 1), S = [Q e]'[Q e].
    """

    groupings: tuple[Grouping, ...]
    n: int
    R: Floats
    start: Floats
    A: Floats
    B: Floats
    S: Floats
    reml: bool

    @property
    def freedom(self) -> int:
        """What the residual sum of squares is divided by."""
        return self.n - len(self.R) if self.reml else self.n

    def blocks(self) -> Iterator[tuple[Grouping, slice]]:
        """Each grouping with the place of its effects among all q."""
        first = 0
        for group in self.groupings:
            last = first + group.size * group.width
            yield group, slice(first, last)
            first = last


def cross_products(
    y: Floats, X: Floats, groupings: tuple[Grouping, ...], reml: bool = True
) -> CrossProducts:
    """The cross-products of y (n,), X (n, p) of full rank, and the groupings' columns."""
    Q, R = np.linalg.qr(X)
    start = solve_triangular(R, Q.T @ y)
    Z = sp.csr_array(sp.hstack([group.dummies() for group in groupings]))
    both = np.column_stack([Q, y - X @ start])
    return CrossProducts(
        groupings, len(y), R, start, (Z.T @ Z).toarray(), Z.T @ both, both.T @ both, reml
    )


@dataclass(frozen=True)
class Point:
    """The likelihood at relative factors: the covariance of a group's effects is s2 L L'.

    deviance is -2 log likelihood, gradient (t,) its derivative in theta; slopes (p,) refer to Q
    and e; rss is the penalised residual sum of squares and rss_gradient (t,) its derivative; inner
    (p, p) is inv(Q'V^-1 Q), V the relative covariance of y; ZVX (q, p) is Z'V^-1 Q and ZVe (q,)
    Z'V^-1 times the residuals; curvatures, one (m, m) a grouping, are derivatives of the deviance
    in L L'. root (q, q) is the lower Cholesky factor of Lambda'Z'Z Lambda + I.
    """

    theta: Floats
    factors: tuple[Floats, ...]
    deviance: float
    gradient: Floats
    slopes: Floats
    rss: float
    rss_gradient: Floats
    inner: Floats
    ZVX: Floats
    ZVe: Floats
    curvatures: tuple[Floats, ...]
    root: Floats


def evaluate(data: CrossProducts, theta: Floats) -> Point:
    """The profiled likelihood and its exact derivatives at theta (t,)."""
    factors = unpack(data, theta)
    root, T, U = _reduced(data, factors)
    S = data.S - U.T @ U
    ZV = data.B - T.T @ U
    p = len(data.R)
    inner = np.asarray(np.linalg.inv(S[:p, :p]), dtype=np.float64)
    slopes = inner @ S[:p, p]
    rss = float(S[p, p] - S[p, :p] @ slopes)
    left = ZV[:, p] - ZV[:, :p] @ slopes
    sigma2 = rss / data.freedom
    determinant = 2 * float(np.log(np.diag(root)).sum())
    if data.reml:
        determinant += float(np.linalg.slogdet(S[:p, :p])[1]) + log_square(data.R)
    fitted = np.linalg.cholesky(inner) if data.reml else np.zeros((p, 0))
    curvatures, squares = _by_group(data, T, ZV[:, :p] @ fitted, left, sigma2)
    return Point(
        theta=theta,
        factors=factors,
        deviance=determinant + data.freedom * (1 + float(np.log(2 * np.pi * sigma2))),
        gradient=2 * packed(curvatures, factors),
        slopes=slopes,
        rss=rss,
        rss_gradient=-2 * packed(squares, factors),
        inner=inner,
        ZVX=ZV[:, :p],
        ZVe=left,
        curvatures=tuple(curvatures),
        root=root,
    )


def _reduced(data: CrossProducts, factors: tuple[Floats, ...]) -> tuple[Floats, Floats, Floats]:
    """The root of the random effects' system; with it, their products and those with the data."""
    scaled = by_factors(data, factors, data.A)
    K = by_factors(data, factors, scaled.T) + np.eye(len(scaled))
    root = np.asarray(np.linalg.cholesky(K), dtype=np.float64)
    T = solve_triangular(root, scaled.T, lower=True)
    U = solve_triangular(root, by_factors(data, factors, data.B.T).T, lower=True)
    return root, T, U


def _by_group(
    data: CrossProducts, T: Floats, fitted: Floats, left: Floats, sigma2: float
) -> tuple[list[Floats], list[Floats]]:
    """Derivatives of the deviance and of the residual squares by each group's covariance."""
    curvatures, squares = [], []
    for group, block in data.blocks():
        squares.append(outer_sum(group, left[block, None]))
        own = outer_sum(group, T[:, block].T) + outer_sum(group, fitted[block])
        total = diagonal_sum(group, data.A[block, block]) - own
        curvatures.append(total - squares[-1] / sigma2)
    return curvatures, squares


def log_square(R: Floats) -> float:
    """The log of a triangle's squared determinant."""
    return 2 * float(np.log(np.abs(np.diag(R))).sum())


def unpack(data: CrossProducts, theta: Floats) -> tuple[Floats, ...]:
    """The lower-triangular factors, filled row by row from theta (t,)."""
    factors, first = [], 0
    for group in data.groupings:
        below = np.tril_indices(group.width)
        factor = np.zeros((group.width, group.width))
        factor[below] = theta[first : first + len(below[0])]
        factors.append(factor)
        first += len(below[0])
    return tuple(factors)


def packed(curvatures: list[Floats], factors: tuple[Floats, ...]) -> Floats:
    """Derivatives in L L' (m, m) as derivatives in theta (t,), less the factor of two."""
    pairs = zip(curvatures, factors, strict=True)
    return np.concatenate([(M @ L)[np.tril_indices(len(L))] for M, L in pairs])


def by_factors(data: CrossProducts, factors: tuple[Floats, ...], values: Floats) -> Floats:
    """values (r, q) times Lambda, the block-diagonal matrix of all groups' factors."""
    out = np.empty_like(values)
    for (group, block), factor in zip(data.blocks(), factors, strict=True):
        cells = values[:, block].reshape(len(values), group.size, group.width)
        out[:, block] = (cells @ factor).reshape(len(values), -1)
    return out


def outer_sum(group: Grouping, values: Floats) -> Floats:
    """The sum over groups of v v' for their rows v (m, r) of values (J m, r)."""
    cells = values.reshape(group.size, group.width, -1)
    return np.einsum("jar,jbr->ab", cells, cells)


def diagonal_sum(group: Grouping, matrix: Floats) -> Floats:
    """The sum (m, m) of a matrix's diagonal blocks, one a group."""
    cells = matrix.reshape(group.size, group.width, group.size, group.width)
    return np.einsum("jajb->ab", cells)
