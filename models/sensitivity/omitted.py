"""How strong would an omitted variable have to be? (Cinelli and Hazlett 2020)

All R2 are those of the fit after its effects are absorbed, weighted where the fit is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from models.design import Floats
from models.least_squares import LinearFit


@dataclass(frozen=True)
class Omitted:
    """An omitted variable as strong as `times` a named control, and what it would leave.

    r2_treatment and r2_outcome are its partial R2 with the treatment given the regressors, and
    with the outcome given these and the treatment. Where no such variable can exist (an R2 of one
    or more) the estimate is NaN.
    """

    control: str
    times: float
    r2_treatment: float
    r2_outcome: float
    estimate: float


def robustness_value(
    statistic: float, df: float, level: float | None = None, ratio: float = 1.0
) -> float:
    """The partial R2, alike with treatment and outcome, that would take away an estimate.

    `statistic` is the classical t and df its residual degrees of freedom. With `level` (0.05) it is
    what would leave the estimate on the edge of that level; `ratio` is then the standard error in
    use over the classical one, taken as unmoved by the omitted variable. 0 where the estimate is
    inside already.
    """
    whole, edge = abs(statistic) / np.sqrt(df), 0.0
    if level is not None:
        edge = ratio * abs(float(stdtrit(df - 1.0, level / 2.0))) / np.sqrt(df - 1.0)
    f = whole - edge
    if f <= 0.0:
        return 0.0
    if whole * edge > 1.0:  # so strong that even explaining all of the outcome is not what binds
        return float((whole**2 - edge**2) / (1.0 + whole**2))
    return float(0.5 * (np.sqrt(f**4 + 4.0 * f**2) - f**2))


def benchmark(fit: LinearFit, term: str, control: str, times: float, df: float) -> Omitted:
    """What an omitted variable `times` as strong as a control would leave of an estimate."""
    j, c = fit.terms.index(term), fit.terms.index(control)
    others = np.delete(fit.X, [j, c], axis=1)
    with_treatment = np.delete(fit.X, c, axis=1)
    r2_control = _partial_r2(fit.X[:, j], others, fit.X[:, c], fit.weights)
    r2_own = _partial_r2(fit.y, with_treatment, fit.X[:, c], fit.weights)
    r2_treatment = times * r2_control / (1.0 - r2_control)
    missing = Omitted(control, times, r2_treatment, float("nan"), float("nan"))
    if r2_treatment >= 1.0 or times * r2_control >= 1.0:
        return missing
    shared = times * r2_control**2 / ((1.0 - times * r2_control) * (1.0 - r2_control))
    if shared >= 1.0:
        return missing
    factor = (np.sqrt(times) + np.sqrt(shared)) / np.sqrt(1.0 - shared)
    r2_outcome = float(factor**2 * r2_own / (1.0 - r2_own))
    if r2_outcome > 1.0:
        return missing
    error = np.sqrt(fit.bread[j, j] * (fit.weights @ fit.residuals**2) / df)
    bias = error * np.sqrt(df * r2_outcome * r2_treatment / (1.0 - r2_treatment))
    left = float(np.sign(fit.beta[j]) * (abs(fit.beta[j]) - bias))
    return Omitted(control, times, float(r2_treatment), r2_outcome, left)


def _partial_r2(y: Floats, X: Floats, z: Floats, weights: Floats) -> float:
    """The share of what X (n, k) leaves of y (n,) that z (n,) explains."""
    root = np.sqrt(weights)
    left_y, left_z = (left_by(X * root[:, None], v * root) for v in (y, z))
    return float((left_y @ left_z) ** 2 / ((left_y @ left_y) * (left_z @ left_z)))


def left_by(X: Floats, y: Floats) -> Floats:
    """What least squares on X (n, k) leaves of y (n,)."""
    if X.shape[1] == 0:
        return y
    Q, _ = np.linalg.qr(X)
    return y - Q @ (Q.T @ y)
