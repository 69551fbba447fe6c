"""Static estimators against linearmodels and pyfixest on drawn panels: unbalanced, weighted.

Tolerance 1e-9 relative to the largest coefficient or error: closed forms on well-scaled data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import linearmodels as lm
import numpy as np
import pandas as pd
import pyfixest
import pytest
import statsmodels.api as sm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.panel import Panel
from models.results import ModelResult
from tests.study_case import estimates, fit_one, model_text, panel_of, std_errors

CR1 = '{ kind = "cluster", by = ["unit"], correction = "CR1" }'
drawn = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass(frozen=True)
class World:
    """A drawn panel: `frame` with geo, year, country, outcome y, x1, x2, instruments, weights."""

    frame: pd.DataFrame
    panel: Panel

    @property
    def indexed(self) -> pd.DataFrame:
        return self.frame.set_index(["geo", "year"])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    units, periods = draw(st.integers(12, 30)), draw(st.integers(4, 9))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    geo, year = (grid.ravel() for grid in np.meshgrid(range(units), range(periods), indexing="ij"))
    n = len(geo)
    own, common = random.normal(size=units)[geo], random.normal(size=periods)[year]
    z1, z2 = random.normal(size=n), random.normal(size=n)
    hidden = random.normal(size=n)
    x1 = 0.8 * z1 + 0.4 * z2 + own + hidden
    x2 = random.normal(size=n) + common
    y = x1 - 0.5 * x2 + 2 * own + common + hidden + random.normal(size=n) * (1 + (geo % 3))
    frame = pd.DataFrame(
        {
            "geo": geo, "year": year + 2000, "country": geo // 3, "y": y, "x1": x1, "x2": x2,
            "z1": z1, "z2": z2, "w": random.uniform(0.5, 3, size=n),
        }
    )  # fmt: skip
    missing = draw(st.sampled_from([0.0, 0.15]))
    frame = frame[random.uniform(size=n) >= missing].reset_index(drop=True)
    return World(frame, panel_of(frame, "geo", "year", "country"))


def fitted(folder: Path, world: World, estimator: str, **given: Any) -> ModelResult:
    text = model_text(estimator, "y", "x1", given.pop("controls", ["x2"]), **given)
    return fit_one(folder, world.panel, text)


def near(ours: float, theirs: float) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


def same(result: ModelResult, params: pd.Series, errors: pd.Series | None = None) -> None:
    for name, value in estimates(result).items():
        peer = {"constant": "const"}.get(name, name)
        near(value, params[peer])
    if errors is not None:
        for name, value in std_errors(result).items():
            peer = {"constant": "const"}.get(name, name)
            near(value, errors[peer])


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # pyfixest's own
@drawn
@given(world=worlds(), weighted=st.booleans(), both=st.booleans())
def test_within_is_pyfixest(tmp_path: Path, world: World, weighted: bool, both: bool) -> None:
    effects = ["unit", "time"] if both else ["unit"]
    more = 'weights = "w"' if weighted else ""
    ours = fitted(tmp_path, world, "within", effects=effects, inference=CR1, more=more)
    theirs = pyfixest.feols(
        f"y ~ x1 + x2 | {'geo + year' if both else 'geo'}",
        world.frame,
        vcov={"CRV1": "geo"},
        weights="w" if weighted else None,
        fixef_rm="none",
        demeaner=pyfixest.MapDemeaner(fixef_tol=1e-14),
        ssc=pyfixest.ssc(k_adj=True, k_fixef="nonnested", G_adj=True),
    )
    same(ours, theirs.coef(), theirs.se())


@drawn
@given(world=worlds(), weighted=st.booleans())
def test_within_is_linearmodels(tmp_path: Path, world: World, weighted: bool) -> None:
    more = 'weights = "w"' if weighted else ""
    ours = fitted(tmp_path, world, "within", effects=["unit", "time"], more=more)
    data = world.indexed
    model = lm.PanelOLS(
        data["y"], data[["x1", "x2"]], entity_effects=True, time_effects=True,
        weights=data["w"] if weighted else None, check_rank=False,
    )  # fmt: skip
    theirs = model.fit(auto_df=False, count_effects=True)
    same(ours, theirs.params, theirs.std_errors)
    assert ours.fit["df_residual"] == theirs.df_resid


@drawn
@given(world=worlds(), weighted=st.booleans())
def test_pooled_is_statsmodels(tmp_path: Path, world: World, weighted: bool) -> None:
    more = 'weights = "w"' if weighted else ""
    ours = fitted(tmp_path, world, "pooled", inference=CR1, more=more)
    X = sm.add_constant(world.frame[["x1", "x2"]])
    weights = world.frame["w"] if weighted else 1.0
    theirs = sm.WLS(world.frame["y"], X, weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": world.frame["geo"]}
    )
    same(ours, theirs.params, theirs.bse)


@drawn
@given(world=worlds())
def test_between_and_differences_are_linearmodels(tmp_path: Path, world: World) -> None:
    data = world.indexed
    X = sm.add_constant(data[["x1", "x2"]])
    theirs = lm.BetweenOLS(data["y"], X).fit()
    same(fitted(tmp_path, world, "between"), theirs.params, theirs.std_errors)
    if len(data) == data.index.get_level_values(0).nunique() * world.frame["year"].nunique():
        # with gaps linearmodels differences across them, which a calendar does not allow
        changes = lm.FirstDifferenceOLS(data["y"], data[["x1", "x2"]]).fit()
        ours = fitted(tmp_path, world, "first-difference", more="constant = false")
        same(ours, changes.params, changes.std_errors)


def test_differences_stop_at_gaps(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "geo": np.repeat([1, 2, 3], 4), "year": [1, 2, 4, 5] * 3,
            "x": [1.0, 3, 4, 8, 2, 5, 1, 1, 0, 2, 5, 9],
            "y": [2.0, 5, 5, 9, 1, 5, 2, 2, 0, 3, 6, 7],
        }
    )  # fmt: skip
    panel = panel_of(frame, "geo", "year")
    result = fit_one(tmp_path, panel, model_text("first-difference", "y", "x"))
    changes = np.array([[2.0, 3], [4, 4], [3, 4], [0, 0], [2, 3], [4, 1]])
    theirs = sm.OLS(changes[:, 1], sm.add_constant(changes[:, 0])).fit()
    assert result.n_obs == 6
    assert [result.term(n).estimate for n in ("constant", "x")] == pytest.approx(theirs.params)
    assert [result.term(n).std_error for n in ("constant", "x")] == pytest.approx(theirs.bse)


@drawn
@given(world=worlds())
def test_random_effects_are_linearmodels(tmp_path: Path, world: World) -> None:
    data = world.indexed
    X = sm.add_constant(data[["x1", "x2"]])
    # small_sample: Baltagi and Chang's components, ours on unbalanced panels
    theirs = lm.RandomEffects(data["y"], X).fit(small_sample=True)
    ours = fitted(tmp_path, world, "random")
    same(ours, theirs.params)
    variances = theirs.variance_decomposition
    assert ours.fit["sigma2_group"] == pytest.approx(variances["Effects"], rel=1e-9)
    assert ours.fit["sigma2_idiosyncratic"] == pytest.approx(variances["Residual"], rel=1e-9)


@drawn
@given(world=worlds(), lags=st.integers(0, 2))
def test_fama_macbeth_is_linearmodels(tmp_path: Path, world: World, lags: int) -> None:
    data = world.indexed
    X = sm.add_constant(data[["x1", "x2"]])
    theirs = lm.FamaMacBeth(data["y"], X).fit(cov_type="kernel", bandwidth=lags, debiased=True)
    how = f'{{ kind = "newey-west", lags = {lags} }}'
    same(fitted(tmp_path, world, "fama-macbeth", inference=how), theirs.params, theirs.std_errors)


@drawn
@given(world=worlds(), weighted=st.booleans())
def test_mundlak_slopes_are_within_slopes(tmp_path: Path, world: World, weighted: bool) -> None:
    more = 'weights = "w"' if weighted else ""
    mundlak = fitted(tmp_path, world, "mundlak", inference=CR1, more=more)
    within = fitted(tmp_path, world, "within", effects=["unit"], inference=CR1, more=more)
    for name in ("x1", "x2"):
        near(mundlak.term(name).estimate, within.term(name).estimate)
    # the test of the means, as statsmodels makes it
    frame = world.frame
    weights = frame["w"] if weighted else pd.Series(1.0, frame.index)
    total = weights.groupby(frame["geo"]).transform("sum")
    X = sm.add_constant(frame[["x1", "x2"]])
    for name in ("x1", "x2"):
        X[f"m_{name}"] = (frame[name] * weights).groupby(frame["geo"]).transform("sum") / total
    fit = sm.WLS(frame["y"], X, weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": frame["geo"]}, use_t=True
    )
    wald = fit.f_test("m_x1 = 0, m_x2 = 0")
    (test,) = mundlak.tests
    assert test.statistic == pytest.approx(float(wald.fvalue), rel=1e-7)
    assert test.p_value == pytest.approx(float(wald.pvalue), rel=1e-6, abs=1e-12)


@drawn
@given(world=worlds(), weighted=st.booleans(), count=st.integers(1, 2))
def test_iv_is_linearmodels(tmp_path: Path, world: World, weighted: bool, count: int) -> None:
    names = ["z1", "z2"][:count]
    more = f"instruments = {names}\n" + ('weights = "w"' if weighted else "")
    ours = fitted(tmp_path, world, "iv-within", effects=["unit", "time"], inference=CR1, more=more)
    frame = world.frame
    dummies = pd.get_dummies(frame[["geo", "year"]].astype(str), drop_first=True, dtype=float)
    exogenous = pd.concat([frame[["x2"]], sm.add_constant(dummies)], axis=1)
    weights = frame["w"] if weighted else None
    model = lm.IV2SLS(frame["y"], exogenous, frame[["x1"]], frame[names], weights=weights)
    theirs = model.fit(cov_type="clustered", clusters=frame["geo"])
    groups = frame["geo"].nunique()
    # ours: units' dummies nest in clusters and are not counted, the constant counts with them
    counted = 2 + frame["year"].nunique() - 1 + 1
    factor = groups / (groups - 1) * (len(frame) - 1) / (len(frame) - counted)
    for name in ("x1", "x2"):
        term = ours.term(name)
        assert term.estimate == pytest.approx(theirs.params[name], rel=1e-8)
        error = theirs.std_errors[name] * np.sqrt(factor)
        assert term.std_error == pytest.approx(error, rel=1e-8)
    assert ours.n_instruments == count
