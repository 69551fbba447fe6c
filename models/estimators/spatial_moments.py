"""Spatial models without normal errors: the lag by instruments, the error by its moments.

Kelejian and Prucha (1998): neighbours' outcomes are instrumented by the means of neighbours', and
of their neighbours', regressors; with every kind of inference, effects and gaps. Kelejian and
Prucha (1999): lambda from three moments of the residuals, then generalised least squares.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from data.errors import BadInput
from models.design import Design, Floats
from models.estimators.linear import CONSTANT, fit_statistics, report, take_rows
from models.inference.record import from_variance
from models.least_squares import LinearFit, collinear_columns, fit_least_squares
from models.neighbours import neighbour_means
from models.results import ModelResult
from models.study import ModelSpec


def two_stage_lag(design: Design, spec: ModelSpec, W: Floats) -> ModelResult:
    """The lag model by two-stage least squares; "rho" is the pull of neighbours' outcomes.

    Rows without neighbours, or whose neighbours have none, go. Raises BadInput if none is left,
    or if the neighbours' regressors do not move their outcomes.
    """
    first = neighbour_means(design, W, np.column_stack([design.y, design.X]))
    second = neighbour_means(design, W, first[:, 1:])
    rows = np.flatnonzero(np.isfinite(np.hstack([first, second])).all(axis=1))
    if len(rows) == 0:
        raise BadInput("neighbours", "no row has neighbours with neighbours", "check the file")
    excluded = np.hstack([first[rows, 1:], second[rows]])
    kept = take_rows(design, rows)
    own = [kept.X] if kept.effects else [kept.X, np.ones((len(rows), 1))]
    names = kept.terms if kept.effects else (*kept.terms, CONSTANT)
    X = np.column_stack([*own, first[rows, 0]])
    spare = collinear_columns(excluded, kept.weights)
    linear = fit_least_squares(
        kept.y, X, (*names, "rho"), kept.weights, kept.effects, ("rho",),
        np.delete(excluded, spare, axis=1),
    )  # fmt: skip
    statistics = fit_statistics(linear, "r2_within" if kept.effects else "r2")
    result = report(linear, kept, spec, statistics)
    return replace(result, n_instruments=excluded.shape[1] - len(spare))


def moments_of_errors(design: Design, spec: ModelSpec, W: Floats) -> ModelResult:
    """The error model of a cross-section through PySAL's spreg; lambda, without error, in `fit`.

    Raises BadInput for several periods, or without the extra `spatial`.
    """
    if len(design.times) > 1:
        what = f"error-gm is for a cross-section, not {len(design.times)} periods"
        raise BadInput("sample", what, 'use model = "error", or one period')
    kind, weights = _pysal()
    X = np.column_stack([np.ones(design.n_obs), design.X])
    found = kind(design.y[:, None], X, weights(W, silence_warnings=True).sparse)
    beta = np.asarray(found.betas, dtype=np.float64).ravel()
    vcov = np.asarray(found.vm, dtype=np.float64)
    linear = LinearFit(
        (CONSTANT, *design.terms), design.y, X, beta[:-1],
        np.asarray(found.u, dtype=np.float64).ravel(), np.ones(design.n_obs), vcov, (), 0,
    )  # fmt: skip
    convention = "generalised moments, lambda taken as known, normal"
    measured = from_variance(linear, vcov, np.inf, convention)
    return report(linear, design, spec, {"lambda": float(beta[-1])}, (), (), measured)


def _pysal() -> tuple[Any, Any]:
    try:
        # the base class, because the other prints to standard output
        kind = import_module("spreg.error_sp").BaseGM_Error
        return kind, import_module("libpysal.weights").full2W
    except ImportError:
        what = "error-gm needs PySAL's spreg"
        raise BadInput("model", what, 'install the extra "spatial" of regsi') from None
