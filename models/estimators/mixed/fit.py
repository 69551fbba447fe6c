"""Fitting a linear mixed model: the optimum of its likelihood, and how sure its variances are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular

from data.errors import BadInput
from models.design import Floats
from models.estimators.mixed.likelihood import (
    CrossProducts,
    Grouping,
    Point,
    by_factors,
    cross_products,
    evaluate,
    packed,
)

BOUNDARY = 1e-6  # a factor's diagonal below this is a variance of zero
FLAT = 1e-6  # the largest slope of the deviance in a free parameter that counts as an optimum
STEP = 1e-4  # of the central differences of the exact gradient


@dataclass(frozen=True)
class MixedFit:
    """A fitted mixed model with p slopes, q random effects and t factor entries.

    beta (p,), bread (p, p) = inv(X'V^-1 X), where residual_variance V is the covariance of y;
    covariances holds one (m, m) matrix a grouping, in the columns' own units. theta_covariance
    (t, t) is the sampling covariance of the relative factors, zero for those on the boundary.
    """

    data: CrossProducts
    point: Point
    beta: Floats
    bread: Floats
    residual_variance: float
    covariances: tuple[Floats, ...]
    theta_covariance: Floats
    at_zero: tuple[str, ...]

    @property
    def log_likelihood(self) -> float:
        """Of the data, restricted or full."""
        return -self.point.deviance / 2

    def slopes_of_variance(self) -> Floats:
        """Derivatives (p, t) of each coefficient's variance in theta, residual variance fixed."""
        moved = self.point.ZVX @ self.point.inner @ solve_triangular(self.data.R, np.eye(self.p)).T
        return 2 * self.residual_variance * np.array([self._moment(u) for u in moved.T])

    def satterthwaite(self) -> Floats:
        """Degrees of freedom (p,) of each coefficient's t statistic."""
        cross, log_variance = self.log_variance_covariance()
        slope = self.slopes_of_variance()
        variance = self.residual_variance * np.diag(self.bread)
        spread = np.einsum("jt,ts,js->j", slope, self.theta_covariance, slope)
        spread += 2 * variance * (slope @ cross) + variance**2 * log_variance
        return 2 * variance**2 / spread

    def log_variance_covariance(self) -> tuple[Floats, float]:
        """Covariance (t,) of theta with the log residual variance, and the latter's variance."""
        link = self.point.rss_gradient / self.point.rss
        cross = self.theta_covariance @ link
        return cross, 2 / self.data.freedom + float(link @ cross)

    @property
    def p(self) -> int:
        """Number of coefficients."""
        return len(self.beta)

    def _moment(self, values: Floats) -> Floats:
        squares = []
        for group, block in self.data.blocks():
            cells = values[block].reshape(group.size, group.width)
            squares.append(cells.T @ cells)
        return packed(squares, self.point.factors)


def fit_mixed(
    y: Floats, X: Floats, groupings: tuple[Grouping, ...], reml: bool = True
) -> MixedFit:
    """Fit y (n,) on X (n, p) of full rank with random effects, by (restricted) likelihood.

    Raises BadInput if the likelihood has no optimum that can be found.
    """
    data = cross_products(y, X, groupings, reml)
    point = optimum(data)
    free = interior(data, point)
    sigma2 = point.rss / data.freedom
    spread = np.zeros((len(free), len(free)))
    if free.any():
        spread[np.ix_(free, free)] = 2 * np.linalg.inv(hessian(data, point, free))
    inverse = solve_triangular(data.R, np.eye(len(data.R)))
    pairs = list(zip(groupings, point.factors, strict=True))
    return MixedFit(
        data=data,
        point=point,
        beta=data.start + inverse @ point.slopes,
        bread=inverse @ point.inner @ inverse.T,
        residual_variance=sigma2,
        covariances=tuple(
            sigma2 * (L @ L.T) / np.outer(group.scale, group.scale) for group, L in pairs
        ),
        theta_covariance=spread,
        at_zero=tuple(
            f"{column} by {group.name}"
            for group, L in pairs
            for column, value in zip(group.columns, np.diag(L), strict=True)
            if value < BOUNDARY
        ),
    )


def optimum(data: CrossProducts) -> Point:
    """Where the deviance is least. Raises BadInput if its slope does not vanish there.

    With slopes beside intercepts it may have several valleys: the search then starts at strong
    correlations of both signs too, so that the order of groups does not decide where it ends.
    """
    point = min((descended(data, theta) for theta in starts(data)), key=lambda end: end.deviance)
    steepest = np.abs(point.gradient[interior(data, point)]).max(initial=0.0)
    if not steepest < FLAT * data.freedom:
        what = "no best variances of the random effects can be found"
        raise BadInput("slopes", what, "use fewer random slopes, or a larger sample")
    return point


def starts(data: CrossProducts) -> list[Floats]:
    """Where the search for theta (t,) begins: no correlation, and with random slopes both signs."""
    signs = (0.0, 0.7, -0.7) if any(group.width > 1 for group in data.groupings) else (0.0,)
    return [
        np.concatenate([
            (np.eye(g.width) + sign * np.tri(g.width, k=-1))[np.tril_indices(g.width)]
            for g in data.groupings
        ])
        for sign in signs
    ]  # fmt: skip


def descended(data: CrossProducts, theta: Floats) -> Point:
    """The bottom of the valley that theta (t,) lies in."""
    from scipy.optimize import fmin_l_bfgs_b  # slow to load, not needed to read a study

    diagonal = diagonals(data)
    bounds = [(0.0, None) if on else (None, None) for on in diagonal]
    for _ in range(5):
        best = fmin_l_bfgs_b(
            lambda at: deviance_and_gradient(data, at),
            theta, bounds=bounds, factr=1.0, pgtol=1e-9, maxiter=500,
        )[0]  # fmt: skip
        point = polished(data, evaluate(data, np.asarray(best)))
        # at exactly zero the slope vanishes whether or not the variance wants to grow
        lifted = (diagonal & (point.theta < BOUNDARY)) & (diagonal_curvatures(point) < 0)
        if not lifted.any():
            break
        theta = np.where(lifted, 0.1, point.theta)
    return point


def deviance_and_gradient(data: CrossProducts, theta: Floats) -> tuple[float, Floats]:
    """What the optimiser asks for."""
    point = evaluate(data, theta)
    return point.deviance, point.gradient


def polished(data: CrossProducts, point: Point) -> Point:
    """A few Newton steps on the exact gradient, each kept only if it flattens the deviance."""
    for _ in range(4):
        free = interior(data, point)
        if np.abs(point.gradient[free]).max(initial=0.0) < FLAT * 1e-3:
            return point
        move = np.zeros(len(free))
        move[free] = np.linalg.lstsq(hessian(data, point, free), point.gradient[free])[0]
        theta = point.theta - move
        if (theta[diagonals(data)] < 0).any():
            return point
        better = evaluate(data, theta)
        if np.abs(better.gradient[free]).max() >= np.abs(point.gradient[free]).max():
            return point
        point = better
    return point


def hessian(data: CrossProducts, point: Point, free: NDArray[np.bool_]) -> Floats:
    """Second derivatives of the deviance in the free entries, from its exact gradient."""
    columns = []
    for j in np.flatnonzero(free):
        step = np.zeros(len(free))
        step[j] = STEP * max(abs(point.theta[j]), 0.1)
        ahead, behind = (evaluate(data, point.theta + s).gradient[free] for s in (step, -step))
        columns.append((ahead - behind) / (2 * step[j]))
    matrix = np.array(columns)
    return (matrix + matrix.T) / 2


def diagonals(data: CrossProducts) -> NDArray[np.bool_]:
    """Which entries of theta (t,) are diagonal: they may not be negative."""
    widths = [group.width for group in data.groupings]
    return np.concatenate([np.equal(*np.tril_indices(width)) for width in widths])


def diagonal_curvatures(point: Point) -> Floats:
    """Derivative of the deviance in the variance of each entry's row, at theta's places (t,)."""
    rows = [np.diag(M)[np.tril_indices(len(M))[0]] for M in point.curvatures]
    return np.concatenate(rows)


def interior(data: CrossProducts, point: Point) -> NDArray[np.bool_]:
    """Which entries of theta (t,) are free: not a zero variance, nor of a group without any."""
    return ~diagonals(data) | (point.theta >= BOUNDARY)


def random_effects(fit: MixedFit) -> Floats:
    """The best linear unbiased predictions (q,) of all random effects, in the columns' units."""
    weighted = by_factors(fit.data, fit.point.factors, fit.point.ZVe[None, :])
    transposed = tuple(factor.T for factor in fit.point.factors)
    return by_factors(fit.data, transposed, weighted)[0] / scales(fit.data)


def scales(data: CrossProducts) -> Floats:
    """What each random effect's column (q,) was divided by."""
    return np.concatenate([np.tile(group.scale, group.size) for group in data.groupings])


def prediction_covariance(fit: MixedFit) -> Floats:
    """Covariance (q, q) of predicted less true effects, slopes estimated, variances known.

    Henderson's (1975): what is left of the effects' own covariance, plus what the uncertain
    slopes add.
    """
    data, point = fit.data, fit.point
    transposed = tuple(factor.T for factor in point.factors)
    left = by_factors(data, transposed, cho_solve((point.root, True), np.eye(len(point.root))))
    known = by_factors(data, transposed, left.T)
    carried = by_factors(data, transposed, by_factors(data, point.factors, point.ZVX.T)).T
    total = known + carried @ point.inner @ carried.T
    return fit.residual_variance * total / np.outer(scales(data), scales(data))
