"""What event studies refuse, and when they withdraw the causal reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import BadInput
from models.estimators.events.pretrends import bounds, breakdown, sensitivity
from models.results import ModelResult
from tests.study_case import estimates, fit_one, model_text, panel_of

ESTIMATORS = ("event-study", "group-time", "did2s")


def panel_frame(seed: int = 1, treated: int = 20, drift: float = 0.0) -> pd.DataFrame:
    """60 units in 20 countries over 2001-2010; the first of each adopt in 2007; no effect."""
    rng = np.random.default_rng(seed)
    unit, year = np.repeat(np.arange(60), 10), np.tile(np.arange(2001, 2011), 60)
    frame = pd.DataFrame({"geo": unit, "year": year, "country": unit % 20})
    adopts = unit < treated
    frame["first"] = np.where(adopts, 2007.0, np.nan)
    noise = rng.normal(size=600) + np.repeat(rng.normal(size=60), 10)
    frame["y"] = noise + drift * adopts * (year - 2001)
    frame["share"] = 0.9
    return frame


def run(
    folder: Path,
    frame: pd.DataFrame,
    estimator: str = "event-study",
    more: str = "",
    by: str = "unit",
    cohort: str = 'cohort = "first"',
) -> ModelResult:
    body = (
        f'[[model]]\nid = "main"\nestimator = "{estimator}"\noutcome = "y"\n{cohort}\n'
        f'inference = {{ kind = "cluster", by = ["{by}"] }}\n{more}\n'
    )
    return fit_one(folder, panel_of(frame, "geo", "year", "country"), body)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_quiet_data_carry_an_event_study(tmp_path: Path, estimator: str) -> None:
    result = run(tmp_path, panel_frame(), estimator)
    assert not any("no causal reading" in text for text in result.warnings)
    assert abs(result.term("event average").statistic) < 4.0
    assert (result.n_units, result.fit["n_adopters"]) == (60, 20.0)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_trends_before_withdraw_the_causal_reading(tmp_path: Path, estimator: str) -> None:
    result = run(tmp_path, panel_frame(drift=0.4), estimator)
    assert any("no causal reading: units that adopt moved" in text for text in result.warnings)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_four_treated_units_are_too_few(tmp_path: Path, estimator: str) -> None:
    with pytest.raises(BadInput, match="4 treated units: too few"):
        run(tmp_path, panel_frame(treated=4), estimator)


def test_four_treated_clusters_are_too_few(tmp_path: Path) -> None:
    frame = panel_frame()
    frame["country"] = np.minimum(frame["geo"] // 6, 9)  # 20 treated units lie in 4 countries
    with pytest.raises(BadInput, match="treated units lie in 4 cluster"):
        run(tmp_path, frame, by="parent")


def test_national_adoption_is_clustered_by_parent(tmp_path: Path) -> None:
    frame = panel_frame()
    frame["first"] = np.where(frame["country"] < 7, 2007.0, np.nan)
    with pytest.raises(BadInput, match="adoption is national"):
        run(tmp_path, frame, by="unit")
    assert run(tmp_path, frame, by="parent").n_clusters == {"country": 20}


def test_one_period_before_is_too_few(tmp_path: Path) -> None:
    frame = panel_frame()
    with pytest.raises(BadInput, match="0 treated units have 2 periods before"):
        run(tmp_path, frame[frame["year"] >= 2006])


def test_the_base_period_must_be_there(tmp_path: Path) -> None:
    frame = panel_frame()
    with pytest.raises(BadInput, match="no row in 2006"):
        run(tmp_path, frame[frame["year"] != 2006])


def test_nobody_untreated(tmp_path: Path) -> None:
    frame = panel_frame(treated=60)
    with pytest.raises(BadInput, match="0 units are untreated throughout"):
        run(tmp_path, frame)


def test_a_small_place_in_a_large_region(tmp_path: Path) -> None:
    frame = panel_frame()
    run(tmp_path, frame, more='treated_share = "share"')
    frame["share"] = 0.1
    with pytest.raises(BadInput, match="10% of its region"):
        run(tmp_path, frame, more='treated_share = "share"')
    with pytest.raises(BadInput, match="is 2; give a share"):
        run(tmp_path, frame, more="treated_share = 2")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_adoption_by_a_threshold_of_the_outcome(tmp_path: Path, estimator: str) -> None:
    frame = panel_frame()
    before = frame[frame["year"] == 2005].set_index("geo")["y"]
    chosen = before.index[before > before.quantile(0.7)]
    frame["first"] = np.where(frame["geo"].isin(chosen), 2007.0, np.nan)
    with pytest.raises(BadInput, match="adoption follows the outcome: 2 period"):
        run(tmp_path, frame, estimator)
    shown = run(tmp_path, frame, estimator, 'reading = "descriptive"')
    assert any("no causal reading: adoption follows" in text for text in shown.warnings)
    test = next(test for test in shown.tests if test.test == "adoption_follows_outcome")
    assert test.statistic == 1.0


def test_a_description_always_says_so(tmp_path: Path) -> None:
    shown = run(tmp_path, panel_frame(), more='reading = "descriptive"')
    assert "no causal reading: the study asks for a description only" in shown.warnings


@pytest.mark.parametrize(
    ("estimator", "more"),
    [("did2s", 'method = "two-way"'), ("event-study", 'comparison = "never"')],
)
def test_keys_of_another_estimator_are_not_passed_over(
    tmp_path: Path, estimator: str, more: str
) -> None:
    with pytest.raises(BadInput, match=f"is no key of {estimator}"):
        run(tmp_path, panel_frame(), estimator, more)


def test_cohorts_that_cannot_be(tmp_path: Path) -> None:
    frame = panel_frame()
    moved = frame.assign(first=frame["first"].where(frame["year"] < 2009, 2009.0))
    with pytest.raises(BadInput, match="changes within"):
        run(tmp_path, moved)
    with pytest.raises(BadInput, match="is text"):
        run(tmp_path, frame.assign(first=np.where(frame["geo"] < 20, "2007", "never")))
    with pytest.raises(BadInput, match="parts of periods"):
        run(tmp_path, frame.assign(first=frame["first"] + 0.5))
    with pytest.raises(BadInput, match="no unit adopts between"):
        run(tmp_path, frame.assign(first=np.where(frame["geo"] < 20, 2020.0, np.nan)))
    with pytest.raises(BadInput, match="not given"):
        run(tmp_path, frame, cohort="")


def test_zero_missing_and_infinite_mean_never(tmp_path: Path) -> None:
    frame = panel_frame()
    by_missing = estimates(run(tmp_path, frame, "group-time"))
    assert estimates(run(tmp_path, frame.fillna({"first": 0.0}), "group-time")) == by_missing
    assert estimates(run(tmp_path, frame.fillna({"first": 2015.0}), "group-time")) == by_missing


def test_always_treated_units_are_left_out_and_named(tmp_path: Path) -> None:
    frame = panel_frame()
    frame.loc[frame["geo"] == 59, "first"] = 2001.0
    result = run(tmp_path, frame, "group-time")
    assert result.n_units == 59
    assert any(text.startswith("1 units (59) left out") for text in result.warnings)


def path() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three leads and two periods after: estimates, variance, and the changes between leads."""
    beta = np.array([0.010, -0.015, 0.020, 0.120, 0.140])
    error = np.array([0.015, 0.012, 0.010, 0.012, 0.014])
    vcov = (np.full((5, 5), 0.4) + 0.6 * np.eye(5)) * np.outer(error, error)
    moves = np.array([[-1, 1, 0, 0, 0], [0, -1, 1, 0, 0], [0, 0, -1, 0, 0]], dtype=float)
    return beta, vcov, moves


def test_bounds_close_at_the_breakdown_value() -> None:
    beta, vcov, moves = path()
    first, average = sensitivity([-4, -3, -2, 0, 1], beta, vcov, np.inf)
    target = np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    assert first.statistic == breakdown(target, moves, beta, vcov, np.inf)
    low, _ = bounds(target, moves, beta, vcov, np.inf, first.statistic)
    assert low == pytest.approx(0.0, abs=1e-12)
    assert bounds(target, moves, beta, vcov, np.inf, 0.99 * first.statistic)[0] > 0.0
    target = np.array([0.0, 0.0, 0.0, 0.5, 0.5])
    low, _ = bounds(target, 1.5 * moves, beta, vcov, np.inf, average.statistic)
    assert low == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("mbar", "low", "high"),
    [(0.5, 0.082689, 0.155294), (1.0, 0.058487, 0.179496), (2.0, 0.006050, 0.231933)],
)
def test_bounds_contain_conditional_ones(mbar: float, low: float, high: float) -> None:
    """honestdid 0.1.1 (by others; conditional least-favourable sets, 120 grid points): ours are
    up to a quarter wider, never narrower."""
    beta, vcov, moves = path()
    target = np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    ours = bounds(target, moves, beta, vcov, np.inf, mbar)
    assert ours[0] < low
    assert ours[1] > high
    assert ours[1] - ours[0] < 1.25 * (high - low)


def test_without_noise_the_breakdown_value_is_a_ratio() -> None:
    """Largest move before is 0.035; the first change after is 0.12, the mean of two 0.13."""
    beta = np.array([0.010, -0.015, 0.020, 0.120, 0.140])
    first, average = sensitivity([-4, -3, -2, 0, 1], beta, 1e-18 * np.eye(5), np.inf)
    assert first.statistic == pytest.approx(0.12 / 0.035, rel=1e-6)
    assert average.statistic == pytest.approx(0.13 / (1.5 * 0.035), rel=1e-6)


def test_a_missing_adoption_period_is_never_and_said(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    index = pd.MultiIndex.from_product([range(40), range(2001, 2013)], names=["geo", "year"])
    table = index.to_frame(index=False)
    table["y"] = random.normal(size=len(table))
    table["start"] = np.where(table["geo"] < 12, 2007.0, 0.0)
    how = '{ kind = "cluster", by = ["unit"] }'
    text = model_text("group-time", "y", [], (), ("unit", "time"), how, 'cohort = "start"')
    known = fit_one(tmp_path, panel_of(table, "geo", "year"), text)
    table.loc[table["geo"] == 30, "start"] = np.nan
    unknown = fit_one(tmp_path, panel_of(table, "geo", "year"), text)
    assert estimates(unknown) == estimates(known)
    assert not any("no period" in said for said in known.warnings)
    assert any(said.startswith("1 units (30) have no period") for said in unknown.warnings)
