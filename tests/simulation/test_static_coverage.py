"""Do the static estimators' 95 % intervals cover the truth, each in the world it is meant for?

A thousand new panels of 60 units and 8 periods with a true slope of 0.5, errors that persist
within units, and clustered inference; 93 to 97 % is the simulation's own leeway. Two worlds in
which an estimator is known to fail stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.design import Design, Floats
from models.estimators import load
from models.estimators.spatial_moments import two_stage_lag
from models.results import ModelResult
from models.study import Inference, ModelSpec
from tests.simulation_record import record

pytestmark = pytest.mark.slow
DRAWS, UNITS, PERIODS, SLOPE = 1000, 60, 8, 0.5
PULL = 0.4
CLUSTERED = Inference("cluster", by=("unit",), correction="CR2")
Rng = np.random.Generator


def persistent(rng: Rng) -> Floats:
    """An AR(0.5) error in each unit, (UNITS, PERIODS)."""
    e = rng.normal(size=(UNITS, PERIODS))
    for t in range(1, PERIODS):
        e[:, t] = 0.5 * e[:, t - 1] + np.sqrt(0.75) * e[:, t]
    return e


def panel(y: Floats, x: Floats, effects: tuple[str, ...], columns: Mapping[str, Floats]) -> Design:
    unit, time = np.divmod(np.arange(UNITS * PERIODS), PERIODS)
    codes = {"unit": unit, "time": time}
    return Design(
        y=y.ravel(), X=x.reshape(-1, 1), terms=("x",), n_treatments=1, weights=None,
        unit=unit, time=time, units=np.arange(UNITS).astype(object), times=np.arange(PERIODS),
        parent=None, effects=tuple(codes[name] for name in effects), effect_names=effects,
        columns={name: values.ravel() for name, values in columns.items()},
    )  # fmt: skip


def unrelated(rng: Rng, effects: tuple[str, ...]) -> Design:
    """Units differ, in ways that have nothing to do with x."""
    x = rng.normal(size=(UNITS, PERIODS)) + rng.normal(size=(UNITS, 1))
    y = SLOPE * x + rng.normal(size=(UNITS, 1)) + persistent(rng)
    return panel(y, x, effects, {})


def confounded(rng: Rng, effects: tuple[str, ...]) -> Design:
    """Units and periods with more x have more y for other reasons."""
    own, common = rng.normal(size=(UNITS, 1)), rng.normal(size=(1, PERIODS))
    x = rng.normal(size=(UNITS, PERIODS)) + own + common
    return panel(SLOPE * x + own + common + persistent(rng), x, effects, {})


def own_levels(rng: Rng, effects: tuple[str, ...]) -> Design:
    """As confounded, without common shocks."""
    own = rng.normal(size=(UNITS, 1))
    x = rng.normal(size=(UNITS, PERIODS)) + own
    return panel(SLOPE * x + own + persistent(rng), x, effects, {})


def still(rng: Rng, effects: tuple[str, ...]) -> Design:
    """x never changes within units and goes with their levels; w varies, and moves x."""
    own, mover = rng.normal(size=(2, UNITS, 1))
    x = np.repeat(mover + own + 0.5 * rng.normal(size=(UNITS, 1)), PERIODS, axis=1)
    w = mover + rng.normal(size=(UNITS, PERIODS))
    design = panel(SLOPE * x + w + own + persistent(rng), x, effects, {})
    return replace(design, X=np.column_stack([design.X, w.ravel()]), terms=("x", "w"))


def common_shocks(rng: Rng, effects: tuple[str, ...]) -> Design:
    """Slopes that vary over periods around the truth, errors independent."""
    x = rng.normal(size=(UNITS, PERIODS))
    slopes = SLOPE + 0.3 * rng.normal(size=(1, PERIODS))
    y = slopes * x + rng.normal(size=(1, PERIODS)) + rng.normal(size=(UNITS, PERIODS))
    return panel(y, x, effects, {})


def endogenous(rng: Rng, effects: tuple[str, ...], strength: float = 0.5) -> Design:
    """x moves with the error; z moves x and nothing else."""
    z, hidden = rng.normal(size=(UNITS, PERIODS)), persistent(rng)
    own = rng.normal(size=(UNITS, 1))
    x = strength * z + hidden + own + rng.normal(size=(UNITS, PERIODS))
    y = SLOPE * x + hidden + own + persistent(rng)
    return panel(y, x, effects, {"z": z})


def hardly_instrumented(rng: Rng, effects: tuple[str, ...]) -> Design:
    """As endogenous, the instrument all but irrelevant, and x without effect."""
    design = endogenous(rng, effects, 0.02)
    return replace(design, y=design.y - SLOPE * design.X[:, 0])


def interval(result: ModelResult) -> tuple[float, float]:
    term = result.term("x")
    return term.conf_low, term.conf_high


def not_rejected(result: ModelResult) -> tuple[float, float]:
    """Everything where the Anderson-Rubin test keeps the (here true) null of no effect."""
    (test,) = (one for one in result.tests if one.test == "anderson_rubin")
    assert test.p_value is not None
    return (-np.inf, np.inf) if test.p_value >= 0.05 else (np.inf, -np.inf)


Draw = Callable[[Rng, tuple[str, ...]], Design]
Case = tuple[str, Draw, tuple[str, ...], Inference, dict[str, Any]]
TWO_WAY = ("unit", "time")
MEANT: dict[str, Case] = {
    "pooled": ("pooled", unrelated, (), CLUSTERED, {}),
    "between": ("between", unrelated, (), Inference("robust"), {}),
    "random effects": ("random", unrelated, (), CLUSTERED, {}),
    "within, two-way": ("within", confounded, TWO_WAY, CLUSTERED, {}),
    "first differences": ("first-difference", confounded, ("time",), CLUSTERED, {}),
    "Mundlak": ("mundlak", own_levels, (), CLUSTERED, {}),
    "Hausman-Taylor": ("hausman-taylor", still, (), CLUSTERED, {"endogenous": "x"}),
    "Fama-MacBeth": ("fama-macbeth", common_shocks, (), Inference("classical"), {}),
    "instrumented within": ("iv-within", endogenous, TWO_WAY, CLUSTERED, {"instruments": "z"}),
}
FAILING: dict[str, tuple[Case, tuple[float, float]]] = {
    "pooled, units confounded": (("pooled", own_levels, (), CLUSTERED, {}), (0.0, 0.05)),
    "random effects, units confounded": (("random", own_levels, (), CLUSTERED, {}), (0.0, 0.85)),
    "Fama-MacBeth, lasting unit levels": (
        ("fama-macbeth", unrelated, (), Inference("classical"), {}), (0.0, 0.8),
    ),
    "within, endogenous": (("within", endogenous, TWO_WAY, CLUSTERED, {}), (0.0, 0.01)),
}  # fmt: skip


def coverage(
    name: str, case: Case, ends: Callable[[ModelResult], tuple[float, float]] = interval
) -> float:
    """The share of draws whose interval holds the true slope; a row for the documentation."""
    estimator, draw, effects, how, options = case
    rng = np.random.default_rng(20260101)
    spec = ModelSpec("m", estimator, "y", ("x",), (), effects, None, how, options)
    fit = load(estimator).fit
    held = 0
    for _ in range(DRAWS):
        low, high = ends(fit(draw(rng, effects), spec))
        held += low <= SLOPE <= high
    share = held / DRAWS
    words = (draw.__doc__ or draw.__name__).strip()
    row = {"estimator": name, "world": words, "draws": DRAWS, "coverage": round(share, 4)}
    record("static-coverage", name.replace(" ", "-").replace(",", ""), [row])
    return share


@pytest.mark.parametrize("name", MEANT)
def test_intervals_cover(name: str) -> None:
    assert 0.93 <= coverage(name, MEANT[name]) <= 0.97


@pytest.mark.parametrize("name", FAILING)
def test_known_failures(name: str) -> None:
    case, (low, high) = FAILING[name]
    assert low <= coverage(name, case) <= high


def test_anderson_rubin_covers_with_an_instrument_that_hardly_moves_x() -> None:
    case: Case = ("iv-within", hardly_instrumented, TWO_WAY, CLUSTERED, {"instruments": "z"})
    assert 0.93 <= coverage("Anderson-Rubin, weak instrument", case, not_rejected) <= 0.97


def test_spatial_lag_by_instruments() -> None:
    """Sixty units on a ring, each pulled by its two neighbours by 0.4; both intervals cover."""
    near = np.roll(np.eye(UNITS), 1, axis=1)
    ring = (near + near.T) / 2
    spread = np.linalg.inv(np.eye(UNITS) - PULL * ring)
    how = Inference("cluster", by=("unit",), correction="CR1")
    spec = ModelSpec("m", "spatial", "y", ("x",), (), ("unit",), None, how)
    rng = np.random.default_rng(20260101)
    held = {"x": 0, "rho": 0}
    for _ in range(DRAWS):
        x = rng.normal(size=(UNITS, PERIODS))
        y = spread @ (SLOPE * x + rng.normal(size=(UNITS, 1)) + persistent(rng))
        result = two_stage_lag(panel(y, x, ("unit",), {}), spec, ring)
        for name, truth in (("x", SLOPE), ("rho", PULL)):
            term = result.term(name)
            held[name] += term.conf_low <= truth <= term.conf_high
    words = "Neighbours' outcomes pull by 0.4, errors persist within units."
    for name, count in held.items():
        share = count / DRAWS
        row = {
            "estimator": f"spatial lag by instruments, {name}", "world": words, "draws": DRAWS,
            "coverage": round(share, 4),
        }  # fmt: skip
        record("static-coverage", f"spatial-lag-by-instruments-{name}", [row])
        assert 0.93 <= share <= 0.97
