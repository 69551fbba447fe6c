"""Effective F and the Anderson-Rubin set: statsmodels' Wald tests, and one value in print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import f as fisher

from data.errors import BadInput
from models.estimators.first_stage import critical_value
from models.results import ModelResult, Test
from tests.reference_record import Reference
from tests.study_case import fit_one, model_text, panel_of

CR1 = '{ kind = "cluster", by = ["unit"], correction = "CR1" }'
STATSMODELS = Reference("statsmodels: OLS with dummies")
MONTIEL = Reference("in print: Montiel Olea and Pflueger (2013)")


def world(strength: float, seed: int = 3) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    geo, year = (grid.ravel() for grid in np.meshgrid(range(40), range(6), indexing="ij"))
    n = len(geo)
    z, z2, hidden = random.normal(size=(3, n))
    x = strength * (z + 0.3 * z2) + hidden + random.normal(size=n)
    frame = pd.DataFrame({"geo": geo, "year": year, "x": x, "z": z, "z2": z2})
    frame["c"] = random.normal(size=n)
    frame["y"] = 0.7 * x + frame["c"] + 2 * hidden + random.normal(size=n) * (1 + geo % 2)
    return frame


def instrumented(
    folder: Path, frame: pd.DataFrame, names: list[str], inference: str = CR1
) -> ModelResult:
    text = model_text(
        "iv-within", "y", "x", ["c"], ["unit", "time"], inference, f"instruments = {names}"
    )
    return fit_one(folder, panel_of(frame, "geo", "year"), text)


def reduced_f(frame: pd.DataFrame, y: pd.Series, names: list[str], robust: bool = True) -> float:
    """F of the instruments in a regression with dummies, by statsmodels, CR1 made comparable."""
    dummies = pd.get_dummies(frame[["geo", "year"]].astype(str), drop_first=True, dtype=float)
    X = sm.add_constant(pd.concat([frame[[*names, "c"]], dummies], axis=1))
    hypothesis = ", ".join(f"{name} = 0" for name in names)
    if not robust:
        return float(sm.OLS(y, X).fit().f_test(hypothesis).fvalue)
    fit = sm.OLS(y, X).fit(cov_type="cluster", cov_kwds={"groups": frame["geo"]})
    counted = len(names) + 1 + frame["year"].nunique()  # units' dummies nest in the clusters
    rescaled = (len(frame) - counted) / (len(frame) - X.shape[1])
    return float(fit.f_test(hypothesis).fvalue) * rescaled


def named(result: ModelResult, name: str) -> Test:
    return next(test for test in result.tests if test.test == name)


def test_one_instrument_gives_the_robust_f(tmp_path: Path) -> None:
    frame = world(0.5)
    test = named(instrumented(tmp_path, frame, ["z"]), "effective_f")
    STATSMODELS.agrees("effective F", test.statistic, reduced_f(frame, frame["x"], ["z"]), rel=1e-8)
    assert "below 23.1" in test.note  # Montiel Olea and Pflueger (2013), one instrument, 10 %


def test_equal_variances_give_the_plain_f(tmp_path: Path) -> None:
    frame = world(0.5)
    result = instrumented(tmp_path, frame, ["z", "z2"], '{ kind = "classical" }')
    plain = reduced_f(frame, frame["x"], ["z", "z2"], robust=False)
    STATSMODELS.agrees("effective F", named(result, "effective_f").statistic, plain, rel=1e-8)


def test_critical_values_fall_towards_many_instruments() -> None:
    # equal weights are the case of the noncentral chi-square itself, no approximation
    values = [critical_value(np.eye(count)) for count in (1, 2, 5, 50)]
    MONTIEL.agrees("critical value", values[0], 23.1085, abs=5e-4)
    assert values == sorted(values, reverse=True)
    assert values[-1] > 11.0  # never under 1 + the inverse of the tolerated bias


@pytest.mark.parametrize("names", [["z"], ["z", "z2"]])
def test_anderson_rubin_is_a_wald_test(tmp_path: Path, names: list[str]) -> None:
    frame = world(0.5)
    result = instrumented(tmp_path, frame, names)
    test = named(result, "anderson_rubin")
    STATSMODELS.agrees(
        "Anderson-Rubin statistic", test.statistic, reduced_f(frame, frame["y"], names), rel=1e-7
    )
    assert test.df == (len(names), 39.0)
    critical = fisher.ppf(0.95, len(names), 39)
    low, high = result.fit["ar_low"], result.fit["ar_high"]
    assert low is not None
    assert high is not None
    for end in (low, high):
        value = reduced_f(frame, frame["y"] - end * frame["x"], names)
        STATSMODELS.agrees("F at an end of the set", value, critical, rel=1e-6)
    inside, outside = (low + high) / 2, high + 0.1 * (high - low)
    assert reduced_f(frame, frame["y"] - inside * frame["x"], names) < critical
    assert reduced_f(frame, frame["y"] - outside * frame["x"], names) > critical


def test_weak_instruments_leave_no_bounded_set(tmp_path: Path) -> None:
    result = instrumented(tmp_path, world(0.0), ["z"])
    assert result.fit["ar_low"] is None
    assert result.fit["ar_high"] is None
    assert any("no bounded interval" in text for text in result.warnings)
    assert named(result, "effective_f").statistic < 5


def test_a_spare_instrument_is_named(tmp_path: Path) -> None:
    frame = world(0.5)
    twice = instrumented(tmp_path, frame.assign(again=frame["z"] * 2), ["z", "again"])
    once = instrumented(tmp_path, frame, ["z"])
    assert twice.n_instruments == 1
    assert any("instrument again dropped" in text for text in twice.warnings)
    assert twice.term("x").estimate == pytest.approx(once.term("x").estimate, rel=1e-10)


def test_weak_instruments_are_warned_of_and_strong_ones_are_not(tmp_path: Path) -> None:
    for strength, weak in ((0.3, True), (2.0, False)):
        result = instrumented(tmp_path, world(strength), ["z"])
        assert (named(result, "effective_f").statistic < 23.1) == weak
        assert any("weak instruments: effective F" in text for text in result.warnings) == weak


@pytest.mark.parametrize(
    "how", ['{ kind = "driscoll-kraay" }', '{ kind = "cluster", by = ["unit", "time"] }']
)
def test_an_instrument_of_one_period_costs_the_set_and_not_the_estimate(
    tmp_path: Path, how: str
) -> None:
    """z2 tells the treatment in one year, z in all: only a reduced form has no error for z2."""
    frame = world(2.0)
    frame["z2"] *= frame["year"] == 3
    result = instrumented(tmp_path, frame, ["z", "z2"], how)
    assert result.term("x").std_error > 0
    assert not {"effective_f", "anderson_rubin"} & {test.test for test in result.tests}
    (said,) = (text for text in result.warnings if text.startswith("no effective F"))
    assert "'z2' rests on 3 alone among" in said
    with pytest.raises(BadInput, match="'x' rests on 3 alone among"):
        instrumented(tmp_path, frame, ["z2"], how)
