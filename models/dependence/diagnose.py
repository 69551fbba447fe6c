"""From a fitted linear model to the diagnostics that its study asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from data.errors import BadInput
from models.absorb import absorb, is_nested
from models.calendar_grid import CalendarGrid, calendar_grid
from models.dependence.cross_section import (
    breusch_pagan_lm,
    pairs_of,
    pesaran_cd,
    scaled_lm,
    weighted_cd,
)
from models.dependence.effects import (
    effect_f_tests,
    lm_tests,
    poolability,
    pooled_fit,
    wooldridge_effects,
)
from models.dependence.independent_unit_roots import (
    dickey_fuller,
    im_pesaran_shin,
    levin_lin_chu,
    maddala_wu,
)
from models.dependence.moran import morans_i
from models.dependence.serial import (
    baltagi_li,
    durbin_watson,
    lag_regression,
    wooldridge_difference,
    wooldridge_within,
)
from models.dependence.spatial_lm import spatial_tests
from models.dependence.unit_roots import Case, cips
from models.design import Design, Floats
from models.neighbours import spatial_weights
from models.results import ModelResult, Test
from models.study import ModelSpec
from models.unit_regressions import UnitRegressions, regress_units

LAGS = 1  # of the differences, in tests that take units as independent


def diagnose(design: Design, spec: ModelSpec, result: ModelResult) -> tuple[Test, ...]:
    """The tests that `spec.diagnostics` names, for the model fitted to `design`.

    Raises BadInput for a test that the model or the panel cannot carry.
    """
    return tuple(test for name in spec.diagnostics for test in TESTS[name](design, spec, result))


def model_residuals(design: Design, spec: ModelSpec, result: ModelResult) -> Floats:
    """The model's residuals on the calendar (N, S), NaN where it has none.

    Net of its effects; of unit means for random effects and Mundlak's; in differences for first
    differences. By the model's own weights.
    """
    grid = calendar_grid(design)
    slopes = {term.term: term.estimate for term in result.terms}
    beta = np.array([slopes.get(name, 0.0) for name in design.terms])
    left = design.y - design.X @ beta
    if spec.estimator == "first-difference":
        return _differenced(design, grid, left)
    own = design.effects
    if spec.estimator in ("random", "mundlak"):
        own = (design.unit,)
    elif not own:
        own = (np.zeros_like(design.unit),)
    return grid.spread(absorb(own, design.weights, design.n_obs).residual(left[:, None])[:, 0])


def _differenced(design: Design, grid: CalendarGrid, left: Floats) -> Floats:
    levels = grid.spread(left)
    change = np.full_like(levels, np.nan)
    change[:, 1:] = np.diff(levels, axis=1)
    rows = np.flatnonzero(np.isfinite(grid.gather(change)))
    effects = tuple(codes[rows] for codes in design.effects) or (np.zeros_like(rows),)
    values = grid.gather(change)[rows, None]
    kept = replace(grid, unit=grid.unit[rows], period=grid.period[rows])
    return kept.spread(absorb(effects, None, len(rows)).residual(values)[:, 0])


def _cd(design: Design, spec: ModelSpec, result: ModelResult) -> tuple[Test, ...]:
    if any(is_nested(codes, design.time) for codes in design.effects):
        what = "cd is not valid on residuals net of time effects, which sum to zero over units"
        raise BadInput("diagnostics", what, 'use "cd-two-way"')
    return (pesaran_cd(pairs_of(model_residuals(design, spec, result))),)


def _cd_two_way(design: Design, spec: ModelSpec, result: ModelResult) -> tuple[Test, ...]:
    residuals = model_residuals(design, spec, result)
    return (weighted_cd(residuals, pairs_of(residuals)),)


def _cd_units(design: Design, _spec: ModelSpec, _result: ModelResult) -> tuple[Test, ...]:
    return (pesaran_cd(pairs_of(unit_residuals(design)), "pesaran_cd_unit_regressions"),)


def _cd_lm(design: Design, spec: ModelSpec, result: ModelResult) -> tuple[Test, ...]:
    residuals = model_residuals(design, spec, result)
    pairs = pairs_of(residuals)
    one_way = spec.effects == ("unit",) and bool(np.isfinite(residuals).all())
    return (breusch_pagan_lm(pairs), scaled_lm(pairs, unit_effects=one_way))


def unit_residuals(design: Design) -> Floats:
    """Residuals (N, S) of one regression a unit, NaN for units too short for one."""
    grid = calendar_grid(design)
    y, X = grid.spread(design.y), _with_constant(grid, design)
    fits = regress_units(y, X)
    residuals = np.full(y.shape, np.nan)
    fitted = np.einsum("isk,ik->is", X[fits.units], fits.beta)
    residuals[fits.units] = y[fits.units] - fitted
    return residuals


def _unit_fits(design: Design) -> UnitRegressions:
    grid = calendar_grid(design)
    return regress_units(grid.spread(design.y), _with_constant(grid, design))


def _with_constant(grid: CalendarGrid, design: Design) -> Floats:
    return grid.spread(np.column_stack([design.X, np.ones(design.n_obs)]))


def _serial(design: Design, spec: ModelSpec, result: ModelResult) -> tuple[Test, ...]:
    residuals = model_residuals(design, spec, result)
    if spec.estimator == "first-difference":
        return wooldridge_difference(residuals)
    net = any(is_nested(codes, design.unit) for codes in design.effects)
    if net or spec.estimator in ("random", "mundlak"):
        return (wooldridge_within(residuals), *durbin_watson(residuals))
    note = "residuals on their lag; unit effects would show here too"
    return (lag_regression(residuals, 0.0, "serial_correlation", note),)


def _random_effects(design: Design, _spec: ModelSpec, _result: ModelResult) -> tuple[Test, ...]:
    _refuse_weights(design, "random-effects")
    residuals = calendar_grid(design).spread(pooled_fit(design).residuals)
    balanced = np.isfinite(residuals).all() and residuals.shape[1] > 2
    joint = (baltagi_li(residuals),) if balanced else ()
    return (*lm_tests(residuals), wooldridge_effects(residuals), *joint)


def _effects(design: Design, _spec: ModelSpec, _result: ModelResult) -> tuple[Test, ...]:
    _refuse_weights(design, "effects")
    return effect_f_tests(design)


def _poolability(design: Design, _spec: ModelSpec, _result: ModelResult) -> tuple[Test, ...]:
    _refuse_weights(design, "poolability")
    return poolability(design, _unit_fits(design))


def _homogeneity(design: Design, spec: ModelSpec, _result: ModelResult) -> tuple[Test, ...]:
    # here, because it loads scipy.stats, which would slow the start of every fit
    from models.estimators.mean_group import homogeneity, unit_model

    _refuse_weights(design, "homogeneity")
    kept = tuple(name for name in spec.effects if name in ("unit", "time"))
    model = unit_model(design, replace(spec, estimator="mean-group", effects=kept, options={}))
    fits = regress_units(model.y, np.concatenate([model.X, model.own], axis=2))
    if len(fits.units) < 2:
        what = "fewer than two units are long enough for a regression of their own"
        raise BadInput("diagnostics", what, 'drop "homogeneity"')
    return homogeneity(model, fits)


def _cips(design: Design, _spec: ModelSpec, _result: ModelResult) -> tuple[Test, ...]:
    return (cips(calendar_grid(design).spread(design.y), "drift"),)


def _cips_trend(design: Design, _spec: ModelSpec, _result: ModelResult) -> tuple[Test, ...]:
    return (cips(calendar_grid(design).spread(design.y), "trend"),)


def _unit_root(design: Design, _spec: ModelSpec, _result: ModelResult) -> tuple[Test, ...]:
    return _independent_unit_roots(calendar_grid(design).spread(design.y), "drift")


def _unit_root_trend(design: Design, _spec: ModelSpec, _result: ModelResult) -> tuple[Test, ...]:
    return _independent_unit_roots(calendar_grid(design).spread(design.y), "trend")


def _independent_unit_roots(y: Floats, case: Case) -> tuple[Test, ...]:
    found = dickey_fuller(y, case, LAGS)
    pooled = (levin_lin_chu(y, case, LAGS),) if np.isfinite(y).all() else ()
    return (im_pesaran_shin(found), maddala_wu(found), *pooled)


def _moran(design: Design, spec: ModelSpec, result: ModelResult) -> tuple[Test, ...]:
    W = spatial_weights(design, spec.neighbours)
    return (morans_i(model_residuals(design, spec, result), W),)


def _spatial_lm(design: Design, spec: ModelSpec, _result: ModelResult) -> tuple[Test, ...]:
    return spatial_tests(design, spec, spatial_weights(design, spec.neighbours))


def _refuse_weights(design: Design, name: str) -> None:
    if design.weights is not None:
        raise BadInput("diagnostics", f"{name} has no weighted form here", "drop it, or weights")


Diagnostic = Callable[[Design, ModelSpec, ModelResult], tuple[Test, ...]]
TESTS: Mapping[str, Diagnostic] = {
    "cd": _cd,
    "cd-two-way": _cd_two_way,
    "cd-units": _cd_units,
    "cd-lm": _cd_lm,
    "cips": _cips,
    "cips-trend": _cips_trend,
    "unit-root": _unit_root,
    "unit-root-trend": _unit_root_trend,
    "serial": _serial,
    "effects": _effects,
    "random-effects": _random_effects,
    "poolability": _poolability,
    "homogeneity": _homogeneity,
    "moran": _moran,
    "spatial-lm": _spatial_lm,
}
