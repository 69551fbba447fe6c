"""Least squares after the effects are absorbed: what every linear estimator hands to inference."""

from __future__ import annotations

from dataclasses import dataclass

from models.design import Codes, Floats


@dataclass(frozen=True)
class LinearFit:
    """A (weighted, possibly instrumented) linear fit on transformed data.

    y (n,) and X (n, k) are the outcome and regressors after the transformation (effects absorbed,
    differenced, quasi-demeaned), not multiplied by root weights; for two-stage least squares X
    holds the first-stage fitted values and `instruments` (n, l) the transformed excluded ones.
    residuals (n,) are y - (actual regressors) beta; scores are X * (weights * residuals)[:, None].
    bread (k, k) is inv(X' W X). weights (n,) are ones where the study names none, and are scaled
    to mean one. effects are the absorbed code arrays, n_absorbed their joint rank (0 if none).
    """

    terms: tuple[str, ...]
    y: Floats
    X: Floats
    beta: Floats
    residuals: Floats
    weights: Floats
    bread: Floats
    effects: tuple[Codes, ...]
    n_absorbed: int
    instruments: Floats | None = None
