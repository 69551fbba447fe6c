"""Oster's delta: how much stronger than on the controls selection on the rest would have to be."""

from __future__ import annotations

import numpy as np

from models.design import Floats
from models.least_squares import LinearFit
from models.sensitivity.omitted import left_by

R2_FACTOR = 1.3  # Oster's suggestion for the largest R2: this times that of the controlled fit


def oster_delta(fit: LinearFit, term: str, r2_max: float | None = None) -> tuple[float, float]:
    """Delta at which the estimate would be zero, and the largest R2 assumed (Oster 2019).

    Effects count as unrelated controls: all moments are those left after them. The short
    regression holds the treatment alone, the full one the fit's other regressors too. Without
    r2_max it is min(1, 1.3 R2). Delta is NaN where r2_max does not exceed the fit's own R2.
    """
    y, X, j = _moments_of(fit, term)
    x, others = X[:, j], np.delete(X, j, axis=1)
    n = len(y)
    own = left_by(others, x)
    full_beta = float(own @ y / (own @ own))
    short_beta = float(x @ y / (x @ x))
    total = float(y @ y)
    short_r2 = 1.0 - float(np.sum((y - short_beta * x) ** 2)) / total
    full_r2 = 1.0 - float(np.sum(left_by(X, y) ** 2)) / total
    largest = min(1.0, R2_FACTOR * full_r2) if r2_max is None else r2_max
    if largest <= full_r2:
        return float("nan"), largest
    moved, var_y, var_x, var_own = short_beta - full_beta, total / n, x @ x / n, own @ own / n
    shared = full_beta**3 * (var_own * var_x - var_own**2)
    above = (
        full_beta * (full_r2 - short_r2) * var_y * var_own
        + full_beta * var_x * var_own * moved**2
        + 2.0 * full_beta**2 * var_own * var_x * moved
        + shared
    )
    below = (
        (largest - full_r2) * var_y * (moved * var_x + full_beta * (var_x - var_own))
        + full_beta**2 * var_own * var_x * moved
        + shared
    )
    return float(above / below), largest


def _moments_of(fit: LinearFit, term: str) -> tuple[Floats, Floats, int]:
    """Rooted y and X, around their means where the fit has a constant, and the term's place."""
    j = fit.terms.index(term)
    root = np.sqrt(fit.weights)
    y, X = fit.y * root, fit.X * root[:, None]
    constants = _constant_columns(fit.X)
    if constants:  # moments are taken around the mean where the fit has a constant
        y, X = _without(y, root), np.delete(X, constants, axis=1)
        X = np.column_stack([_without(column, root) for column in X.T])
        j -= sum(c < j for c in constants)
    return y, X, j


def _constant_columns(X: Floats) -> list[int]:
    return [j for j in range(X.shape[1]) if np.ptp(X[:, j]) == 0.0]


def _without(v: Floats, root: Floats) -> Floats:
    """A rooted column less its weighted mean."""
    return v - root * (root @ v) / (root @ root)
