"""Spatial models: neighbours' regressors (slx), outcomes (lag, durbin) or errors (error).

`slx` is least squares with the neighbours' mean of each regressor added, with every kind of
inference. `lag`, `durbin` and `error` are maximum likelihood through PySAL's spreg (extra
`spatial`), for a cross-section, or a balanced panel with unit effects; `lag-iv` and `error-gm` do
without normal errors (`spatial_moments.py`).
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from scipy.linalg import helmert

from data.errors import BadInput
from models.calendar_grid import calendar_grid
from models.design import Design, Floats
from models.estimators.linear import (
    CONSTANT,
    fit_screened,
    fit_statistics,
    refuse_effects,
    refuse_weights,
    report,
    take_rows,
)
from models.estimators.spatial_moments import moments_of_errors, two_stage_lag
from models.inference.measure import measure
from models.inference.record import from_variance
from models.least_squares import LinearFit
from models.neighbours import neighbour_means, spatial_weights
from models.results import ModelResult
from models.study import Inference, ModelSpec

OPTIONS = frozenset({"model"})
PRECISE = 1e-12  # where the search for rho or lambda stops
NEAR_ONE = 1.0 - 1e-6  # a pull of neighbours beyond it explains all, or nothing stays finite
MODELS = ("slx", "lag", "durbin", "error", "lag-iv", "error-gm")


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """A spatial model of the kind that `model` names (default slx).

    Terms "W x" are the neighbours' means of x; "rho" and "lambda" the pull of their outcomes and
    errors. Raises BadInput for missing neighbours, or for panels that the model cannot take.
    """
    model = spec.options.get("model", "slx")
    if model not in MODELS:
        raise BadInput("model", f"unknown {model!r}", f"choose {', '.join(MODELS)}")
    W = spatial_weights(design, spec.neighbours)
    if model in ("slx", "durbin"):
        design = with_neighbours(design, W)
    if model == "slx":
        linear, dropped = fit_screened(design, design.effects, constant=not design.effects)
        statistics = fit_statistics(linear, "r2_within" if design.effects else "r2")
        return report(linear, design, spec, statistics, (), dropped)
    if model == "lag-iv":
        return two_stage_lag(design, spec, W)
    refuse_weights(design, spec)
    refuse_effects(spec, ((),) if model == "error-gm" else ((), ("unit",)))
    if spec.inference.kind != "classical":
        raise BadInput("inference", f"{model} has classical errors only", 'use "classical", or slx')
    if model == "error-gm":
        return moments_of_errors(design, spec, W)
    return likelihood(design, spec, W, model)


def with_neighbours(design: Design, W: Floats) -> Design:
    """The design with its neighbours' mean regressors; rows without known neighbours go."""
    means = neighbour_means(design, W, design.X)
    rows = np.flatnonzero(np.isfinite(means).all(axis=1))
    if len(rows) == 0:
        raise BadInput("neighbours", "no row has a neighbour in its period", "check the file")
    wider = replace(
        design,
        X=np.hstack([design.X, means]),
        terms=(*design.terms, *(f"W {name}" for name in design.terms)),
    )
    return take_rows(wider, rows)


def likelihood(design: Design, spec: ModelSpec, W: Floats, model: str) -> ModelResult:
    """The maximum-likelihood fit of a lag, Durbin or error model."""
    n_units, n_periods = len(W), len(design.times)
    if design.n_obs != n_units * n_periods or (n_periods > 1) != (spec.effects == ("unit",)):
        what = f"{design.n_obs} rows of {n_units} units and {n_periods} periods"
        todo = 'use a balanced panel with effects = ["unit"], a cross-section without, or slx'
        raise BadInput("sample", what, todo)
    design, dropped = screened(design)
    weights, ml_error, ml_lag = pysal()
    fitted = cross_section if n_periods == 1 else panel
    kind = (ml_error if model == "error" else ml_lag)[n_periods > 1]
    quiet = weights(W, silence_warnings=True)
    beta, vcov, residuals, log_likelihood = fitted(design, quiet, kind)
    names = design.terms if n_periods > 1 else (CONSTANT, *design.terms)
    names = (*names, "lambda" if model == "error" else "rho")
    if abs(beta[-1]) > NEAR_ONE:
        what = f"{names[-1]} is estimated at {beta[-1]:.6f}, where the model has no solution"
        raise BadInput("outcome", what, "drop what units share, or use slx")
    shape, ones = np.empty((design.n_obs, len(beta))), np.ones(design.n_obs)
    linear = LinearFit(names, design.y, shape, beta, residuals, ones, vcov, (), 0)
    convention = "maximum likelihood, asymptotic (information matrix), normal"
    measured = from_variance(linear, vcov, np.inf, convention)
    fit: dict[str, float | None] = {"log_likelihood": log_likelihood}
    return report(linear, design, spec, fit, (), dropped, measured)


def screened(design: Design) -> tuple[Design, tuple[str, ...]]:
    """The design with the regressors that least squares could tell apart, and what was dropped.

    Raises BadInput for a treatment without variation of its own, or an outcome without any left:
    the likelihood would answer with round-off.
    """
    linear, dropped = fit_screened(design, design.effects, constant=not design.effects)
    measure(linear, design, Inference(kind="classical"))
    kept = [j for j, name in enumerate(design.terms) if name in linear.terms]
    names = tuple(design.terms[j] for j in kept)
    return replace(design, X=design.X[:, kept], terms=names), dropped


def pysal() -> tuple[Any, tuple[Any, Any], tuple[Any, Any]]:
    """Weights, error and lag models of PySAL, each for cross-sections and panels.

    Raises BadInput if the extra is not installed.
    """
    try:
        # the base classes, because the others print to standard output
        error, lag, panels = (
            import_module(f"spreg.{name}") for name in ("ml_error", "ml_lag", "panel_fe")
        )
        weights = import_module("libpysal.weights").full2W
    except ImportError:
        what = "lag, durbin and error models need PySAL's spreg"
        raise BadInput("model", what, 'install the extra "spatial" of regsi') from None
    return (
        weights,
        (error.BaseML_Error, panels.BasePanel_FE_Error),
        (lag.BaseML_Lag, panels.BasePanel_FE_Lag),
    )


Fitted = tuple[Floats, Floats, Floats, float]


def cross_section(design: Design, weights: Any, kind: Any) -> Fitted:
    """Coefficients (constant, slopes, rho or lambda), their covariance, residuals, likelihood."""
    X = np.column_stack([np.ones(design.n_obs), design.X])
    with warnings.catch_warnings():
        # spreg hands its tolerance to scipy as a relative one, which is then read as absolute
        warnings.filterwarnings("ignore", "Method 'bounded' does not support", RuntimeWarning)
        found = kind(design.y[:, None], X, weights, epsilon=PRECISE)
    beta = np.asarray(found.betas, dtype=np.float64).ravel()
    vcov = np.asarray(found.vm, dtype=np.float64)
    residuals = np.asarray(found.u, dtype=np.float64).ravel()
    return beta, vcov, residuals, float(np.ravel(found.logll)[0])


def panel(design: Design, weights: Any, kind: Any) -> Fitted:
    """As a cross-section, net of unit effects by Lee and Yu's (2010) transformation.

    T periods become T - 1 orthonormal contrasts, so that the error variance is not understated.
    spreg would subtract unit means again: fed the contrasts and their negatives, it has nothing to
    subtract, and halves the covariance.
    """
    grid = calendar_grid(design)
    contrasts = helmert(grid.n_periods)
    both = np.concatenate([contrasts, -contrasts])
    y = both @ grid.spread(design.y).T
    X = np.einsum("ct,itk->cik", both, grid.spread(design.X))
    found = kind(y.reshape(-1, 1), X.reshape(-1, X.shape[2]), weights, epsilon=PRECISE)
    beta = np.asarray(found.betas, dtype=np.float64).ravel()
    vcov = 2 * np.asarray(found.vm, dtype=np.float64)
    left = np.asarray(found.u, dtype=np.float64).reshape(len(both), -1)[: len(contrasts)]
    residuals = grid.gather((contrasts.T @ left).T)
    # spreg's own figure for panels counts the sample otherwise than for cross-sections
    sigma2, count = float(np.ravel(found.sig2)[0]), left.size
    jacobian = np.linalg.slogdet(np.eye(len(design.units)) - beta[-1] * weights.full()[0])[1]
    likelihood = len(contrasts) * float(jacobian) - count / 2 * (np.log(2 * np.pi * sigma2) + 1)
    return beta, vcov, residuals, float(likelihood)
