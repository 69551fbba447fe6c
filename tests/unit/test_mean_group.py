"""Unit-by-unit slopes and tests of their equality: against statsmodels one unit at a time, what
theory says of their size and power, and requests without meaning.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm

from data.errors import BadInput
from models.calendar_grid import calendar_grid
from models.design import Design, Floats
from models.estimators import mean_group
from models.heterogeneity import pesaran_yamagata, swamy_homogeneity
from models.results import ModelResult
from models.study import Inference, ModelSpec
from models.unit_regressions import regress_units


def simulated(
    units: int, periods: int, spread: float = 0.5, missing: float = 0.0, seed: int = 4
) -> Design:
    """Slopes drawn around 1 and -0.5 with standard deviation `spread`, own constants."""
    rng = np.random.default_rng(seed)
    unit, time = np.nonzero(rng.random((units, periods)) >= missing)
    X = rng.normal(size=(len(unit), 2)) + rng.normal(size=(units, 2))[unit]
    slopes = np.array([1.0, -0.5]) + spread * rng.normal(size=(units, 2))
    y = (X * slopes[unit]).sum(axis=1) + rng.normal(size=units)[unit] + rng.normal(size=len(unit))
    return Design(
        y=y,
        X=X,
        terms=("x", "z"),
        n_treatments=1,
        weights=None,
        unit=unit,
        time=time,
        units=np.array([f"u{i}" for i in range(units)], dtype=object),
        times=np.arange(2000, 2000 + periods),
        parent=unit // 5,
        effects=(),
        effect_names=(),
    )


def run(design: Design, estimator: str = "mean-group", **changes: Any) -> ModelResult:
    spec = ModelSpec("m", estimator, "y", ("x",), ("z",), effects=("unit",))
    return mean_group.fit(design, dataclasses.replace(spec, **changes))


def one_by_one(design: Design) -> list[Any]:
    """statsmodels' regression of every unit, with a constant last."""
    return [
        sm.OLS(design.y[rows], np.column_stack([design.X[rows], np.ones(rows.sum())])).fit()
        for rows in (design.unit == unit for unit in range(len(design.units)))
    ]


def grids(design: Design) -> tuple[Floats, Floats, Floats]:
    """y, X and constant on the calendar."""
    grid = calendar_grid(design)
    y = grid.spread(design.y)
    return y, grid.spread(design.X), np.ones((*y.shape, 1))


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_batched_regressions_are_statsmodels_one_by_one(missing: float) -> None:
    design = simulated(30, 15, missing=missing)
    y, X, own = grids(design)
    fits = regress_units(y, np.concatenate([X, own], axis=2))
    for unit, peer in enumerate(one_by_one(design)):
        assert fits.beta[unit] == pytest.approx(peer.params, rel=1e-10)
        assert fits.variance[unit] == pytest.approx(peer.scale, rel=1e-10)
        covariance = fits.variance[unit] * fits.inverse[unit]
        assert covariance == pytest.approx(peer.cov_params(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_mean_and_its_error_are_those_of_a_sample_of_slopes(missing: float) -> None:
    design = simulated(30, 15, missing=missing)
    slopes = np.array([peer.params for peer in one_by_one(design)])
    result = run(design)
    for column, name in enumerate(("x", "z", "constant")):
        term = result.term(name)
        assert term.estimate == pytest.approx(slopes[:, column].mean(), rel=1e-10)
        error = slopes[:, column].std(ddof=1) / np.sqrt(30)
        assert term.std_error == pytest.approx(error, rel=1e-10)
        assert term.df == 29
    assert result.fit["share_positive x"] == pytest.approx((slopes[:, 0] > 0).mean())


def test_errors_by_parent_sum_deviations_inside_them() -> None:
    """A mean of slopes is a regression on a constant: linear algebra of CR1 without a K."""
    design = simulated(30, 15)
    slopes = np.array([peer.params[0] for peer in one_by_one(design)])
    by_parent = run(design, inference=Inference(by=("parent",)))
    peer = sm.OLS(slopes, np.ones(30)).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(30) // 5, "use_correction": False}
    )
    expected = peer.bse[0] * np.sqrt(6 / 5)
    assert by_parent.term("x").std_error == pytest.approx(expected, rel=1e-9)
    assert by_parent.n_clusters == {"parent": 6}


def test_swamy_statistic_from_statsmodels_regressions() -> None:
    design = simulated(12, 20)
    y, X, own = grids(design)
    peers = one_by_one(design)
    precision = [np.linalg.inv(peer.cov_params()) for peer in peers]
    common = np.linalg.solve(
        sum(precision), sum(p @ peer.params for p, peer in zip(precision, peers, strict=True))
    )
    expected = sum(
        (peer.params - common) @ p @ (peer.params - common)
        for p, peer in zip(precision, peers, strict=True)
    )
    test = swamy_homogeneity(regress_units(y, np.concatenate([X, own], axis=2)))
    assert test.statistic == pytest.approx(expected, rel=1e-9)
    assert test.df == 33


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_pesaran_yamagata_from_statsmodels_regressions(missing: float) -> None:
    """The dispersion is a sum of Wald statistics under each unit's own constrained variance."""
    design = simulated(20, 18, missing=missing)
    y, X, own = grids(design)
    centred, moved = design.y.copy(), design.X.copy()
    for unit in range(20):
        rows = design.unit == unit
        centred[rows] -= centred[rows].mean()
        moved[rows] -= moved[rows].mean(axis=0)
    residual = sm.OLS(centred, moved).fit().resid
    counts = np.bincount(design.unit)
    variance = np.bincount(design.unit, residual**2) / (counts - 1)
    common = sm.WLS(centred, moved, weights=1 / variance[design.unit]).fit().params
    gaps = np.array([peer.params[:2] - common for peer in one_by_one(design)])
    explained = np.bincount(design.unit, (moved * gaps[design.unit]).sum(axis=1) ** 2)
    excess = explained / variance - 2
    exact = 2 * 2 * (counts - 2 - 1) / (counts + 1)
    delta, adjusted = pesaran_yamagata(y, X, own)
    assert delta.statistic == pytest.approx(excess.sum() / np.sqrt(2 * 2 * 20), rel=1e-9)
    assert adjusted.statistic == pytest.approx(excess.sum() / np.sqrt(exact.sum()), rel=1e-9)
    assert adjusted.p_value == pytest.approx(2 * norm.sf(abs(adjusted.statistic)))


def test_tests_of_equal_slopes_have_size_and_power() -> None:
    """300 panels with equal slopes: 5 % rejections; a spread of 0.5 is always found."""
    equal = [run(simulated(40, 12, 0.0, seed=s)).tests[2].p_value for s in range(300)]
    assert 0.02 < np.mean(np.array(equal) < 0.05) < 0.09
    different = run(simulated(40, 12, 0.5))
    assert all(test.p_value is not None and test.p_value < 1e-6 for test in different.tests)


def test_common_factor_is_taken_out_by_averages() -> None:
    """A factor in x and y with loadings of each unit's own: mean group is off, CCE is not."""
    rng = np.random.default_rng(9)
    units, periods = 60, 40
    factor = rng.normal(size=periods).cumsum()
    loading = 1 + 0.5 * rng.normal(size=(2, units, 1))
    x = loading[0] * factor + rng.normal(size=(units, periods))
    y = 0.5 * x + 2 * loading[1] * factor + rng.normal(size=(units, periods))
    design = dataclasses.replace(
        simulated(units, periods), y=y.ravel(), X=x.reshape(-1, 1), terms=("x",)
    )
    plain, averaged = run(design).term("x"), run(design, "cce-mean-group").term("x")
    assert abs(plain.estimate - 0.5) > 10 * plain.std_error
    assert abs(averaged.estimate - 0.5) < 3 * averaged.std_error
    assert [term.term for term in run(design, "cce-mean-group").terms] == ["x"]


def test_scaling_and_order_of_units() -> None:
    design = simulated(20, 12)
    before = run(design, options={"weighting": "swamy"})
    scaled = dataclasses.replace(design, X=design.X * [1000.0, 1.0], y=design.y + 7)
    after = run(scaled, options={"weighting": "swamy"})
    assert after.term("x").estimate == pytest.approx(before.term("x").estimate / 1000, rel=1e-8)
    assert after.term("z").std_error == pytest.approx(before.term("z").std_error, rel=1e-8)
    flipped = 19 - design.unit
    order = np.lexsort([design.time, flipped])
    changed = dataclasses.replace(
        design, y=design.y[order], X=design.X[order], unit=flipped[order], time=design.time[order]
    )
    again = run(changed, options={"weighting": "swamy"})
    assert again.term("x").estimate == pytest.approx(before.term("x").estimate, rel=1e-10)
    assert again.tests[1].statistic == pytest.approx(before.tests[1].statistic, rel=1e-9)


def test_units_without_a_regression_are_named() -> None:
    design = simulated(10, 12)
    kept = ~((design.unit == 3) & (design.time > 2))
    X = design.X.copy()
    X[design.unit == 5, 1] = 2.0
    short = dataclasses.replace(
        design, y=design.y[kept], X=X[kept], unit=design.unit[kept], time=design.time[kept]
    )
    result = run(short)
    assert result.n_units == 8
    assert any("2 units left out" in w and "u3, u5" in w for w in result.warnings)


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "effects": ({"effects": ("unit", "parent*time")}, r"parent\*time"),
    "cce time": ({"estimator": "cce-mean-group", "effects": ("time",)}, "stand in for time"),
    "kind": ({"inference": Inference(kind="conley")}, "clusters of units"),
    "correction": ({"inference": Inference(correction="CR2")}, "no CR2 correction"),
    "weighting": ({"options": {"weighting": "size"}}, "weighting is 'size'"),
    "swamy by parent": (
        {"options": {"weighting": "swamy"}, "inference": Inference(by=("parent",))},
        "take units as independent",
    ),
    "cce swamy": (
        {"estimator": "cce-mean-group", "options": {"weighting": "swamy"}}, "averaged equally",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_impossible_wish_is_one_message(case: tuple[dict[str, Any], str]) -> None:
    changes, message = case
    with pytest.raises(BadInput, match=message):
        run(simulated(10, 8), **changes)


def test_data_that_cannot_answer() -> None:
    with pytest.raises(BadInput, match="0 units have 4 periods"):
        run(simulated(30, 3))
    with pytest.raises(BadInput, match="takes none"):
        run(dataclasses.replace(simulated(10, 8), weights=np.ones(80)))
    national = simulated(10, 20)
    same = np.tile(national.X[:20, :1], (10, 1))
    with pytest.raises(BadInput, match="0 units have"):
        run(dataclasses.replace(national, X=same, terms=("x",)), "cce-mean-group")
