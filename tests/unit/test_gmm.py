"""Dynamic GMM on simulated panels: against linearmodels' own GMM, theory, and impossible wishes."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pytest
from linearmodels.iv import IV2SLS, IVGMM

from data.errors import BadInput
from models.design import Codes, Design, Floats
from models.estimators import gmm
from models.results import ModelResult
from models.study import Inference, ModelSpec

BY_OUTCOME = ({"gmm": "y", "lags": [2]}, {"iv": "x"})


def simulated(units: int, periods: int, missing: float = 0.0, rho: float = 0.5) -> Design:
    """y = rho y(-1) + x + unit effect + noise, from its stationary start; years from 1990."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(units, periods + 50))
    effect = rng.normal(size=units)
    y = np.zeros((units, periods + 50))
    for t in range(1, periods + 50):
        y[:, t] = rho * y[:, t - 1] + x[:, t] + effect + rng.normal(size=units)
    kept = rng.random((units, periods)) >= missing
    unit, period = np.nonzero(kept)
    return Design(
        y=y[:, 50:][unit, period],
        X=x[:, 50:][unit, period][:, None],
        terms=("x",),
        n_treatments=1,
        weights=None,
        unit=unit,
        time=period,
        units=np.array([f"u{i:04d}" for i in range(units)], dtype=object),
        times=np.arange(1990, 1990 + periods),
        parent=unit // 4,
        effects=(),
        effect_names=(),
    )


def run(design: Design, estimator: str = "difference-gmm", **changes: Any) -> ModelResult:
    spec = ModelSpec(
        id="m", estimator=estimator, outcome="y", treatment=("x",), effects=("unit",)
    )
    return gmm.fit(design, dataclasses.replace(spec, **changes))


def deviations_by_hand(design: Design) -> tuple[Floats, Floats, Floats, Codes]:
    """Forward deviations of y on (y(-1), x), and Z of lags 2 and 3 of y and of x, by plain loops.

    Returns y (r,), X (r, 2), Z (r, l) and the unit (r,) of each row.
    """
    values = {(u, t): (y, x) for u, t, y, x in zip(
        design.unit.tolist(), design.time.tolist(), design.y.tolist(), design.X[:, 0].tolist(),
        strict=True,
    )}  # fmt: skip
    rows, keys, wide = [], [], []
    for u in range(len(design.units)):
        known = [t for t in range(len(design.times)) if (u, t) in values and (u, t - 1) in values]
        full = {t: np.array([*values[u, t], values[u, t - 1][0]]) for t in known}
        for t in known:
            later = [full[s] for s in known if s > t]
            if later:
                scale = np.sqrt(len(later) / (len(later) + 1))
                rows.append(scale * (full[t] - np.mean(later, axis=0)))
                wide.append({
                    (t, lag): values[u, t + 1 - lag][0]
                    for lag in (2, 3) if (u, t + 1 - lag) in values
                })  # fmt: skip
                keys.append(u)
    table = np.array(rows)
    labels = sorted({label for entry in wide for label in entry})
    Z = np.array([[entry.get(label, 0.0) for label in labels] for entry in wide])
    return table[:, 0], table[:, [2, 1]], np.column_stack([Z, table[:, 1]]), np.array(keys)


@pytest.mark.parametrize("missing", [0.0, 0.12])
def test_deviations_equal_two_stage_least_squares(missing: float) -> None:
    """In forward deviations H is the identity: one step is 2SLS, two steps linearmodels' GMM."""
    design = simulated(150, 7, missing)
    y, X, Z, unit = deviations_by_hand(design)
    lags = ({"gmm": "y", "lags": [2, 3]}, {"iv": "x"})
    options = {"transform": "fod", "instruments": lags}
    one = run(design, options={**options, "steps": 1})
    peer = IV2SLS(y, None, X, Z).fit(cov_type="clustered", clusters=unit)
    assert [t.estimate for t in one.terms] == pytest.approx(peer.params.to_numpy(), rel=1e-9)
    assert [t.std_error for t in one.terms] == pytest.approx(peer.std_errors.to_numpy(), rel=1e-9)
    assert one.n_instruments == Z.shape[1]
    two = run(design, options={**options, "steps": 2, "windmeijer": False})
    both = IVGMM(y, None, X, Z, weight_type="clustered", clusters=unit).fit(iter_limit=2)
    assert [t.estimate for t in two.terms] == pytest.approx(both.params.to_numpy(), rel=1e-9)
    j = next(test for test in two.tests if test.test == "hansen_j")
    assert j.statistic == pytest.approx(both.j_stat.stat, rel=1e-8)


def test_differences_equal_deviations_with_all_lags() -> None:
    """Arellano and Bover (1995): balanced, one step, all moments, the two are one estimator."""
    design = simulated(100, 6)
    everything = ({"gmm": "y", "lags": [2]}, {"gmm": "x", "lags": [1]})
    options = {"steps": 1, "instruments": everything}
    differences = run(design, options=options)
    deviations = run(design, options={**options, "transform": "fod"})
    for a, b in zip(differences.terms, deviations.terms, strict=True):
        assert a.estimate == pytest.approx(b.estimate, rel=1e-9)


def test_clusters_above_the_unit() -> None:
    """Errors clustered by parent, one step, are linearmodels' with the same clusters."""
    design = simulated(150, 7)
    y, X, Z, unit = deviations_by_hand(design)
    options = {
        "steps": 1, "transform": "fod",
        "instruments": ({"gmm": "y", "lags": [2, 3]}, {"iv": "x"}),
    }  # fmt: skip
    ours = run(design, inference=Inference(by=("parent",)), options=options)
    peer = IV2SLS(y, None, X, Z).fit(cov_type="clustered", clusters=unit // 4)
    assert [t.std_error for t in ours.terms] == pytest.approx(peer.std_errors.to_numpy(), rel=1e-9)
    assert ours.n_clusters == {"parent": 38}


@pytest.mark.parametrize("estimator", ["difference-gmm", "system-gmm"])
@pytest.mark.parametrize("transform", ["fd", "fod"])
def test_recovers_the_truth(estimator: str, transform: str) -> None:
    options = {"transform": transform, "instruments": BY_OUTCOME}
    result = run(simulated(1500, 7, 0.1), estimator, options=options, effects=("unit", "time"))
    for term, truth in zip(result.terms, (0.5, 1.0), strict=False):
        assert abs(term.estimate - truth) < 4 * term.std_error
        assert term.std_error < 0.05
    tests = {test.test: test for test in result.tests}
    assert tests["ar1"].statistic < -5
    assert abs(tests["ar2"].statistic) < 4


@pytest.mark.parametrize("estimator", ["difference-gmm", "system-gmm"])
def test_scaling_a_regressor_scales_its_coefficient(estimator: str) -> None:
    design = simulated(120, 6, 0.1)
    changed = dataclasses.replace(design, X=design.X * 1000)
    before, after = run(design, estimator), run(changed, estimator)
    assert after.term("x").estimate == pytest.approx(before.term("x").estimate / 1000, rel=1e-7)
    lag = "lag(y, 1)"
    assert after.term(lag).std_error == pytest.approx(before.term(lag).std_error, rel=1e-6)
    assert after.tests[3].statistic == pytest.approx(before.tests[3].statistic, rel=1e-6)


def test_order_of_units_does_not_matter() -> None:
    design = simulated(80, 6, 0.1)
    flipped = 79 - design.unit
    order = np.lexsort([design.time, flipped])
    changed = dataclasses.replace(
        design, y=design.y[order], X=design.X[order], unit=flipped[order], time=design.time[order]
    )
    before, after = run(design), run(changed)
    for a, b in zip(before.terms, after.terms, strict=True):
        assert a.estimate == pytest.approx(b.estimate, rel=1e-9)
        assert a.std_error == pytest.approx(b.std_error, rel=1e-8)


def test_a_gap_in_time_is_never_bridged() -> None:
    """Every other year: no value has a neighbour a year earlier, so there is nothing to fit."""
    design = simulated(60, 8)
    sparse = dataclasses.replace(design, times=np.arange(1990, 2006, 2))
    with pytest.raises(BadInput, match="too few periods"):
        run(sparse)


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "weights": ({"weights": "pop"}, "takes none"),
    "effects": ({"effects": ("unit", "parent*time")}, r"parent\*time"),
    "inference": ({"inference": Inference(kind="driscoll-kraay")}, "driscoll-kraay"),
    "first lag": ({"options": {"instruments": ({"gmm": "y", "lags": [1, 3]},)}}, "lag 1 of y"),
    "unknown": ({"options": {"instruments": ({"iv": "z"},)}}, "no column 'z'"),
    "unread": ({"options": {"instruments": ("x",)}}, "cannot read"),
    "too few": ({"options": {"instruments": ({"iv": "x"},)}}, "do not identify 2"),
    "lags": ({"options": {"lags": 0}}, "lags = 0"),
    "long lags": ({"options": {"lags": 7}}, "too few periods"),
    "classical": ({"inference": Inference(kind="classical")}, "no classical errors"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_impossible_wish_is_one_message(case: tuple[dict[str, Any], str]) -> None:
    changes, message = case
    with pytest.raises(BadInput, match=message):
        run(simulated(60, 7), **changes)


def test_more_instruments_than_clusters_or_observations() -> None:
    with pytest.raises(BadInput, match="leave no two-step weights"):
        run(simulated(20, 9))
    with pytest.raises(BadInput, match="more instruments"):
        run(simulated(3, 9), options={"steps": 1})
    result = run(simulated(31, 9), options={"steps": 2})
    assert any("instruments for 31 clusters" in warning for warning in result.warnings)
    assert run(simulated(31, 9), options={"collapse": True}).n_instruments == 8


def test_regressor_fixed_within_units_is_named() -> None:
    design = simulated(60, 6)
    fixed = dataclasses.replace(design, X=design.unit[:, None].astype(float))
    with pytest.raises(BadInput, match="x: absorbed"):
        run(fixed)
    yearly = dataclasses.replace(design, X=design.time[:, None].astype(float) ** 2)
    with pytest.raises(BadInput, match="x: absorbed"):
        run(yearly, effects=("unit", "time"))


def test_explosive_series_is_refused() -> None:
    with pytest.raises(BadInput, match="explosive"):
        run(simulated(200, 8, rho=1.08), options={"instruments": BY_OUTCOME})


def test_system_of_a_regional_panel_is_fast() -> None:
    """250 units by 20 years, every lag as an instrument: 0.1 s on one thread, a second is ample."""
    design = simulated(250, 20)
    options = {"steps": 1, "instruments": BY_OUTCOME}
    seconds = []
    for _ in range(3):
        start = time.process_time()
        result = run(design, "system-gmm", effects=("unit", "time"), options=options)
        seconds.append(time.process_time() - start)
    assert result.n_instruments == 171 + 18 + 1 + 19
    assert min(seconds) < 1
