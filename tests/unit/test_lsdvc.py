"""Bias-corrected LSDV on simulated panels: truth recovered, errors that measure, refusals."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from data.errors import BadInput
from models.design import Design, Floats
from models.estimators import lsdvc
from models.estimators.gmm.equations import Levels, stack
from models.estimators.gmm.estimation import collect_moments, one_step, solve_step
from models.results import ModelResult
from models.study import Inference, ModelSpec


def simulated(units: int, periods: int, rho: float = 0.6, seed: int = 1) -> Design:
    """y = rho y(-1) + x + unit effect + noise from its stationary start; four units a parent."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(units, periods + 50))
    effect = rng.normal(size=units)
    y = np.zeros((units, periods + 50))
    for t in range(1, periods + 50):
        y[:, t] = rho * y[:, t - 1] + x[:, t] + effect + rng.normal(size=units)
    unit, time = np.divmod(np.arange(units * periods), periods)
    return Design(
        y=y[:, 50:].ravel(),
        X=x[:, 50:].reshape(-1, 1),
        terms=("x",),
        n_treatments=1,
        weights=None,
        unit=unit,
        time=time,
        units=np.arange(units).astype(object),
        times=np.arange(2000, 2000 + periods),
        parent=unit // 4,
        effects=(),
        effect_names=(),
    )


def run(design: Design, **changes: Any) -> ModelResult:
    spec = ModelSpec("m", "lsdvc", "y", ("x",), effects=("unit",))
    return lsdvc.fit(design, dataclasses.replace(spec, **changes))


def test_bias_is_removed_and_errors_measure_what_varies() -> None:
    """40 panels of 40 units: within is off by 0.1, the corrected mean is not; the bootstrap
    error of one panel is within a third of the spread over panels.
    """
    options = {"initial": "ah", "draws": 20}
    fits = [run(simulated(40, 8, seed=seed), options=options) for seed in range(40)]
    estimates = np.array([fit.term("lag(y, 1)").estimate for fit in fits])
    within = np.mean([fit.fit["lag_within"] for fit in fits if fit.fit["lag_within"]])
    assert within < 0.55
    assert estimates.mean() == pytest.approx(0.6, abs=4 * estimates.std() / np.sqrt(40))
    assert abs(estimates.mean() - 0.6) < abs(within - 0.6) / 3
    error = run(simulated(40, 8), options={"draws": 100}).term("lag(y, 1)").std_error
    assert error == pytest.approx(estimates.std(), rel=0.34)


def test_same_seed_same_errors_and_parents_matter() -> None:
    design = simulated(24, 8)
    options = {"draws": 30, "seed": 5}
    first, again = run(design, options=options), run(design, options=options)
    assert first == again
    by_parent = run(design, options=options, inference=Inference(by=("parent",)))
    assert by_parent.n_clusters == {"parent": 6}
    assert by_parent.terms[0].estimate == first.terms[0].estimate
    assert by_parent.terms[0].std_error != first.terms[0].std_error


def test_common_shocks_within_parents_widen_the_error() -> None:
    """A regressor and errors shared by a parent's units: errors by parent are twice as wide."""
    design = simulated(48, 9)
    rng = np.random.default_rng(8)
    x, shock = rng.normal(size=(2, 12, 9))
    y = np.zeros((48, 9))
    for t in range(1, 9):
        own = rng.normal(scale=0.3, size=48)
        y[:, t] = 0.5 * y[:, t - 1] + np.repeat(x[:, t] + shock[:, t], 4) + own
    shared = dataclasses.replace(design, y=y.ravel(), X=np.repeat(x, 4, axis=0).reshape(-1, 1))
    options = {"draws": 60}
    by_unit = run(shared, options=options).term("x").std_error
    by_parent = run(shared, options=options, inference=Inference(by=("parent",))).term("x")
    assert by_parent.std_error > 1.5 * by_unit


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "weights": ({"weights": "pop"}, "takes none"),
    "effects": ({"effects": ("unit", "parent*time")}, r"parent\*time"),
    "inference": ({"inference": Inference(kind="robust")}, "by a bootstrap"),
    "initial": ({"options": {"initial": "ols"}}, "initial is 'ols'"),
    "order": ({"options": {"order": 4}}, "order is 4"),
    "draws": ({"options": {"draws": 1}}, "draws = 1"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_impossible_wish_is_one_message(case: tuple[dict[str, Any], str]) -> None:
    changes, message = case
    with pytest.raises(BadInput, match=message):
        run(simulated(20, 6), **changes)


def test_data_that_cannot_answer() -> None:
    with pytest.raises(BadInput, match="explosive"):
        run(simulated(60, 10, rho=1.1))
    with pytest.raises(BadInput, match="too few periods"):
        run(simulated(60, 2))
    with pytest.raises(BadInput, match="too few periods"):
        run(dataclasses.replace(simulated(60, 6), times=np.arange(2000, 2012, 2)))
    fixed = dataclasses.replace(simulated(20, 6), X=np.repeat(np.arange(20.0), 6)[:, None])
    with pytest.raises(BadInput, match="x: absorbed"):
        run(fixed)


@pytest.mark.parametrize("copies", [1, 2])
def test_the_estimate_alone_is_that_of_the_whole_step(copies: int) -> None:
    """By a Cholesky factor; with each instrument twice, by the pseudo-inverse."""
    rng = np.random.default_rng(5)
    X, rest = rng.normal(size=(80, 2)), rng.normal(size=(80, 6))
    y = X @ [1.0, -2.0] + rng.normal(size=80)
    usable = np.ones((80, 2), dtype=bool)
    rows = stack(Levels(*_levels(y, X), ("a", "b"), 0, 0, usable), "fd", False, "full")
    Z = csr_array(np.tile(np.column_stack([rows.X, rest]), copies))
    moments = collect_moments(rows, Z, np.arange(80))
    assert one_step(moments) == pytest.approx(solve_step(moments, moments.ZHZ).beta, rel=1e-9)


def _levels(y: Floats, X: Floats) -> tuple[Floats, Floats]:
    """Two periods, the first of zeros, so that differences are the values themselves."""
    zero = np.zeros_like(X)
    return np.column_stack([0 * y, y]), np.stack([zero, X], axis=1)
