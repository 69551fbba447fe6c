"""The within estimate of an AR(1) panel, and its bias to higher order, balanced or not.

Kiviet (1995) and Bun and Kiviet (2003) for balanced panels, Bruno (2005, Economics Letters 87)
for any pattern of observations; the expected regressors are estimated as in Bruno (2005, Stata
Journal 5), from the residuals of a consistent initial estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.design import Floats
from models.estimators.gmm.equations import Levels, flat


@dataclass(frozen=True)
class Corrected:
    """A bias-corrected within fit: within, bias and beta (k,) with within = beta + bias.

    sigma2 is the error variance at the initial estimate.
    """

    within: Floats
    bias: Floats
    beta: Floats
    sigma2: float


def correct_within(levels: Levels, initial: Floats, order: int) -> Corrected:
    """The within estimate less its bias at `initial` (k,), the lagged outcome being first.

    order 1, 2 or 3 takes the bias up to 1/T, 1/(N T) or 1/(N T^2).
    """
    y, X = demeaned(levels, levels.y[:, :, None])[:, :, 0], demeaned(levels, levels.X)
    stacked = flat(X)
    within = np.asarray(np.linalg.solve(stacked.T @ stacked, stacked.T @ y.ravel()), np.float64)
    residuals: Floats = y - X @ initial
    freedom = levels.usable.sum() - levels.usable.any(axis=1).sum() - len(initial)
    sigma2 = float((residuals**2).sum() / freedom)
    bias = bias_at(levels, initial, residuals, sigma2, order)
    return Corrected(within, bias, within - bias, sigma2)


def demeaned(levels: Levels, values: Floats) -> Floats:
    """values (N, S, k) less each unit's mean over its usable periods, zero elsewhere."""
    usable = levels.usable[:, :, None]
    kept = np.where(usable, values, 0.0)
    means = kept.sum(axis=1, keepdims=True) / np.maximum(usable.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.where(usable, kept - means, 0.0))


def bias_at(
    levels: Levels, initial: Floats, residuals: Floats, sigma2: float, order: int
) -> Floats:
    """The bias (k,) of the within estimate, given demeaned residuals (N, S) of `initial`.

    In Bruno's notation Pi = M C with M the demeaning of usable periods and C the matrix that
    carries past errors into the lagged outcome; V is M times the expected regressors.
    """
    C = carried_errors(float(initial[0]), levels.y.shape[1])
    expected = np.where(levels.usable[:, :, None], levels.X, 0.0)
    expected[:, :, 0] -= residuals @ C.T
    V = demeaned(levels, expected)
    trace, square, cube, fourth = traces(levels, C)
    k = len(initial)
    information = flat(V).T @ flat(V)
    information[0, 0] += sigma2 * square
    Q = np.asarray(np.linalg.inv(information), dtype=np.float64)
    q, q11 = Q[:, 0], Q[0, 0]
    bias = sigma2 * trace * q
    if order >= 2:
        feedback = Q @ (flat(V).T @ flat(C @ V))
        scale = np.trace(feedback) + 2 * sigma2 * q11 * cube
        bias = bias - sigma2 * (feedback + scale * np.eye(k)) @ q
    if order >= 3:
        carried = flat(C.T @ V)
        spread = carried.T @ carried
        # printed without sigma2 before the last product (and so in xtlsdvc), which would let the
        # estimate change with the outcome's unit of measurement
        own = q @ spread @ q + q11 * np.trace(Q @ spread) + 2 * sigma2 * fourth * q11**2
        bias = bias + sigma2**2 * trace * (2 * q11 * Q @ spread @ q + own * q)
    return np.asarray(bias)


def carried_errors(rho: float, periods: int) -> Floats:
    """C (S, S): what an error of period s leaves in the lagged outcome of period t > s.

    Outcomes of the panel's first period are given, so its errors leave nothing.
    """
    ahead = np.arange(periods)[:, None] - np.arange(periods) - 1
    C = np.where(ahead >= 0, rho ** np.maximum(ahead, 0), 0.0)
    C[:, 0] = 0.0
    return C


def traces(levels: Levels, C: Floats) -> tuple[float, float, float, float]:
    """tr Pi, tr Pi'Pi, tr Pi'Pi Pi and tr Pi'Pi Pi'Pi, summed over units."""
    carried = np.broadcast_to(C, (len(levels.y), *C.shape))
    P = demeaned(levels, carried)
    PP = np.swapaxes(P, 1, 2) @ P
    return (
        float(np.einsum("itt->", P)),
        float(np.einsum("itt->", PP)),
        float(np.einsum("its,ist->", PP, P)),
        float((PP**2).sum()),
    )
