"""Which spatial model do residuals call for? Moran's I of residuals, and Lagrange multipliers.

Moments of I by Cliff and Ord (1981), which know that residuals are not data; tests against
neighbours' errors and outcomes, each also robust to the other (Anselin, Bera, Florax and Yoon
1996), and against both. Unit effects are taken out by T - 1 orthonormal contrasts, so that what is
left is independent over time, as Lee and Yu (2010) do.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import helmert
from scipy.special import chdtrc, ndtr

from data.errors import BadInput
from models.calendar_grid import calendar_grid
from models.design import Design, Floats
from models.results import Test
from models.study import ModelSpec


def spatial_tests(design: Design, spec: ModelSpec, W: Floats) -> tuple[Test, ...]:
    """Moran's I of the residuals, and the five multipliers, for weights W (N, N).

    For least squares of a cross-section or a balanced panel, effects [] or ["unit"]; one-sided for
    Moran's I. Raises BadInput for other panels, weights or estimators.
    """
    y, X = stacked(design, spec)
    beta = np.asarray(np.linalg.lstsq(X.reshape(-1, X.shape[2]), y.ravel())[0], dtype=np.float64)
    e = y - X @ beta
    return (moran(e, X, W), *multipliers(e, y, X, beta, W))


def stacked(design: Design, spec: ModelSpec) -> tuple[Floats, Floats]:
    """y (S, N) and X (S, N, k): by period, or by contrast net of unit effects. Raises BadInput."""
    grid = calendar_grid(design)
    what = None
    if spec.estimator not in ("pooled", "within") or spec.effects not in ((), ("unit",)):
        what = f"spatial-lm after {spec.estimator} with effects {list(spec.effects)}"
    elif design.weights is not None:
        what = "spatial-lm with weights"
    elif design.n_obs != len(design.units) * grid.n_periods:
        what = "spatial-lm of an unbalanced panel"
    if what:
        todo = 'use "pooled", or "within" with unit effects, on a balanced panel; or "moran"'
        raise BadInput("diagnostics", what, todo)
    y, X = grid.spread(design.y).T, np.swapaxes(grid.spread(design.X), 0, 1)
    if spec.effects:
        contrasts = helmert(grid.n_periods)
        return contrasts @ y, np.einsum("ct,tik->cik", contrasts, X)
    return y, np.concatenate([X, np.ones((*X.shape[:2], 1))], axis=2)


def moran(e: Floats, X: Floats, W: Floats) -> Test:
    """Moran's I of residuals e (S, N) of regressors X (S, N, k), beside its exact moments."""
    blocks, n, k = len(e), e.size, X.shape[2]
    bread = np.linalg.inv(np.einsum("sik,sil->kl", X, X))
    forward, backward = np.einsum("ij,sjk->sik", W, X), np.einsum("ji,sjk->sik", W, X)

    def inside(left: Floats, right: Floats) -> Floats:
        return np.asarray(bread @ np.einsum("sik,sil->kl", left, right))

    across = inside(X, forward)
    trace = blocks * np.trace(W) - np.trace(across)
    square = blocks * np.sum(W * W.T) - 2 * np.trace(inside(backward, forward))
    square += np.trace(across @ across)
    other = blocks * np.sum(W**2) - np.trace(inside(forward, forward))
    other += np.trace(across @ inside(forward, X)) - np.trace(inside(backward, backward))
    scale = n / (blocks * W.sum())
    mean = scale * trace / (n - k)
    variance = scale**2 * (other + square + trace**2) / ((n - k) * (n - k + 2)) - mean**2
    index = scale * float(np.sum(e * (e @ W.T)) / np.sum(e**2))
    z = float((index - mean) / np.sqrt(variance))
    note = f"I = {index:.4f}, expected {mean:.4f} with variance {variance:.6f}; one-sided"
    return Test("morans_i_residuals", z, None, float(ndtr(-z)), note)


def multipliers(e: Floats, y: Floats, X: Floats, beta: Floats, W: Floats) -> tuple[Test, ...]:
    """Lagrange multipliers from residuals e (S, N), each chi-squared."""
    variance = float(np.mean(e**2))
    errors = float(np.sum(e * (e @ W.T))) / variance
    outcomes = float(np.sum(e * (y @ W.T))) / variance
    trace = len(e) * float(np.sum(W**2) + np.sum(W * W.T))
    pulled = ((X @ beta) @ W.T).ravel()
    flat = X.reshape(-1, X.shape[2])
    left = pulled - flat @ np.linalg.lstsq(flat, pulled, rcond=None)[0]
    information = float(left @ left) / variance + trace
    lag = outcomes**2 / information
    robust_lag = (outcomes - errors) ** 2 / (information - trace)
    error = errors**2 / trace
    ratio = trace / information
    robust_error = (errors - ratio * outcomes) ** 2 / (trace * (1 - ratio))
    found = {
        "lm_error": (error, 1),
        "lm_lag": (lag, 1),
        "robust_lm_error": (robust_error, 1),
        "robust_lm_lag": (robust_lag, 1),
        "lm_sarma": (robust_lag + error, 2),
    }
    return tuple(
        Test(name, value, df, float(chdtrc(df, value))) for name, (value, df) in found.items()
    )
