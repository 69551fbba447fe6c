"""Local projections against linearmodels horizon by horizon, a known response, and refusals."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from linearmodels.panel import PanelOLS

from data.errors import BadInput
from models.design import Design
from models.estimators import local_projection
from models.results import ModelResult
from models.study import Inference, ModelSpec

DK = Inference(kind="driscoll-kraay")


def simulated(units: int, periods: int, missing: float = 0.0, spread: float = 1.0) -> Design:
    """y = 0.7 y(-1) + shock + unit effect + noise, the shock being independent of the past."""
    rng = np.random.default_rng(2)
    shock = rng.normal(size=(units, periods))
    effect = spread * rng.normal(size=units)
    y = np.zeros((units, periods))
    y[:, 0] = effect / 0.3 + rng.normal(size=units)
    for t in range(1, periods):
        y[:, t] = 0.7 * y[:, t - 1] + shock[:, t] + effect + rng.normal(size=units)
    unit, time = np.nonzero(rng.random((units, periods)) >= missing)
    return Design(
        y=y[unit, time],
        X=np.column_stack([shock[unit, time], rng.normal(size=len(unit))]),
        terms=("shock", "control"),
        n_treatments=1,
        weights=None,
        unit=unit,
        time=time,
        units=np.arange(units).astype(object),
        times=np.arange(1990, 1990 + periods),
        parent=None,
        effects=(unit, time),
        effect_names=("unit", "time"),
    )


def run(design: Design, **changes: Any) -> ModelResult:
    spec = ModelSpec("m", "local-projection", "y", ("shock",), ("control",), ("unit", "time"))
    return local_projection.fit(design, dataclasses.replace(spec, **changes))


def peer(design: Design, horizon: int, lags: int) -> PanelOLS:
    """The same regression, its frame made by pandas on the calendar."""
    index = [design.unit, design.times[design.time]]
    frame = pd.DataFrame({"y": design.y, "shock": design.X[:, 0], "control": design.X[:, 1]})
    frame.index = pd.MultiIndex.from_arrays(index, names=["unit", "year"])
    wide = {name: frame[name].unstack().reindex(columns=design.times) for name in frame}
    parts = {"led": wide["y"].shift(-horizon, axis=1)}
    parts |= {"shock": wide["shock"], "control": wide["control"]}
    for lag in range(1, lags + 1):
        parts[f"y{lag}"] = wide["y"].shift(lag, axis=1)
        parts[f"shock{lag}"] = wide["shock"].shift(lag, axis=1)
    table = pd.DataFrame({name: part.stack() for name, part in parts.items()}).dropna()
    return PanelOLS(
        table["led"], table.drop(columns="led"), entity_effects=True, time_effects=True
    )


@pytest.mark.parametrize("missing", [0.0, 0.08])
@pytest.mark.parametrize("lags", [0, 2])
def test_each_horizon_is_a_two_way_regression(missing: float, lags: int) -> None:
    design = simulated(30, 25, missing)
    ours = run(design, inference=DK, options={"horizon": 4, "lags": lags})
    for h in (0, 1, 4):
        reach = max(2, h + 1)  # floor(25 ** 0.25) = 2
        theirs = peer(design, h, lags).fit(
            cov_type="kernel",
            kernel="bartlett",
            bandwidth=reach,
            debiased=False,
            count_effects=False,
            auto_df=False,
        )
        term = ours.term(f"shock h={h}")
        assert term.estimate == pytest.approx(theirs.params["shock"], rel=1e-9)
        assert term.std_error == pytest.approx(theirs.std_errors["shock"], rel=1e-8)
        assert ours.fit[f"n_obs h={h}"] == theirs.nobs
    assert [t.term for t in ours.terms] == [f"shock h={h}" for h in range(5)]


def test_clustered_errors_too() -> None:
    design = simulated(30, 25)
    ours = run(design, inference=Inference(correction="CR0"), options={"horizon": 2})
    theirs = peer(design, 2, 0).fit(
        cov_type="clustered",
        cluster_entity=True,
        debiased=False,
        count_effects=False,
        auto_df=False,
    )
    expected = theirs.std_errors["shock"]
    assert ours.term("shock h=2").std_error == pytest.approx(expected, rel=1e-8)


def test_response_of_an_autoregression() -> None:
    """The truth is 0.7 to the power of the horizon, met where no unit effects are removed."""
    design = simulated(400, 60, spread=0.0)
    by_year = dataclasses.replace(design, effects=(design.time,), effect_names=("time",))
    options = {"horizon": 6, "lags": 1}
    ours = run(by_year, inference=DK, options=options, effects=("time",))
    for h in range(7):
        term = ours.term(f"shock h={h}")
        assert abs(term.estimate - 0.7**h) < 4 * term.std_error
        assert term.std_error < 0.03
    assert not ours.warnings


def test_unit_effects_bias_responses_and_the_caution_says_how_much() -> None:
    """Mei, Sheng and Shi: at horizon 3 of 60 periods, about the summed responses over 60."""
    ours = run(simulated(2000, 60), inference=DK, options={"horizon": 3, "lags": 1})
    bias = ours.term("shock h=3").estimate - 0.7**3
    total = sum(term.estimate for term in ours.terms)
    assert bias == pytest.approx(-total / 60, rel=0.35)
    assert any(f"of order {total / 59:.2g}" in warning for warning in ours.warnings)


def test_short_panels_are_cautioned() -> None:
    ours = run(simulated(40, 12), inference=DK, options={"horizon": 3})
    short = [warning for warning in ours.warnings if "fewer than 30 periods" in warning]
    assert len(short) == 1  # of four horizons


def test_row_without_treatment_still_lends_its_outcome() -> None:
    design = simulated(30, 25)
    X = design.X.copy()
    X[design.time == 10, 0] = np.nan
    ours = run(dataclasses.replace(design, X=X), inference=DK, options={"horizon": 1})
    assert ours.fit["n_obs h=0"] == 30 * 24
    assert ours.fit["n_obs h=1"] == 30 * 23


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": -1}, "horizon = -1"),
        ({"horizon": 2, "lags": "two"}, "lags = 'two'"),
        ({"horizon": 9}, "horizon 9, treatment: 'shock' does not vary within units"),
        ({"horizon": 0, "lags": 10}, "no row has all lags and an outcome 0"),
    ],
)
def test_impossible_wish_is_one_message(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        run(simulated(20, 10), options=options)
