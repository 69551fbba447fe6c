"""Sensitivity beside other programs and algebra.

Robustness values and benchmarks: sensemakr for Python 0.0.8 (by the method's authors' group) on
Munnell's states with all dummies, and on its Darfur example, whose values are also in print
(Cinelli and Hazlett 2020: 13.9 and 7.6 percent). Closed forms: 1e-9. Oster's delta: data built so
that the answer is known exactly. Equivalence and detectable coefficients: statsmodels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.weightstats import ttost_ind

from data.errors import BadInput
from models.results import ModelResult, Test
from models.sensitivity.omitted import robustness_value
from tests.study_case import fit_one, model_text, panel_of


def by_name(result: ModelResult) -> dict[str, Test]:
    return {test.test: test for test in result.tests}


@pytest.fixture(scope="module")
def munnell(realdata: Path) -> pd.DataFrame:
    frame = pd.read_csv(realdata / "canonical_panels" / "rdatasets_plm_Produc.csv")
    logs = {name: np.log(frame[name]) for name in ("gsp", "pcap", "pc", "emp")}
    return frame.assign(**logs)[["state", "year", "region", "gsp", "pcap", "pc", "emp", "unemp"]]


def fitted(
    folder: Path, frame: pd.DataFrame, treatment: str, effects: list[str], sensitivity: str
) -> dict[str, Test]:
    controls = [name for name in ("pcap", "pc", "emp", "unemp") if name != treatment]
    body = model_text(
        "within", "gsp", treatment, controls, effects, more=f"sensitivity = {sensitivity}"
    )
    return by_name(fit_one(folder, panel_of(frame, "state", "year"), body))


@pytest.mark.realdata
def test_two_way_as_sensemakr(tmp_path: Path, munnell: pd.DataFrame) -> None:
    for times, pc, unemp in (
        (1, -0.002498684753481341, 0.01980613650731769),
        (2, 0.025977575751675835, 0.0836779050441244),
    ):
        asked = f'{{ benchmark = ["pc", "unemp"], times = {times}, leave_out = false }}'
        found = fitted(tmp_path, munnell, "pcap", ["unit", "time"], asked)
        assert found["robustness_value"].statistic == pytest.approx(0.04013062147886189, rel=1e-9)
        assert found["robustness_value_5pct"].statistic == 0.0
        assert found["benchmark pc"].statistic == pytest.approx(pc, rel=1e-8)
        assert found["benchmark unemp"].statistic == pytest.approx(unemp, rel=1e-8)


@pytest.mark.realdata
def test_one_way_as_sensemakr(tmp_path: Path, munnell: pd.DataFrame) -> None:
    asked = '{ benchmark = ["pcap", "unemp"], times = 2, leave_out = false }'
    found = fitted(tmp_path, munnell, "pc", ["unit"], asked)
    assert found["robustness_value"].statistic == pytest.approx(0.34132498999667993, rel=1e-9)
    assert found["robustness_value_5pct"].statistic == pytest.approx(0.29371853411414056, rel=1e-9)
    assert found["benchmark pcap"].statistic == pytest.approx(0.2830620963549414, rel=1e-9)
    assert found["benchmark unemp"].statistic == pytest.approx(0.03334945887477103, rel=1e-9)


def test_darfur_as_published() -> None:
    assert robustness_value(4.184449984808213, 783.0) == pytest.approx(0.1387763538935877, rel=1e-9)
    edge = robustness_value(4.184449984808213, 783.0, level=0.05)
    assert edge == pytest.approx(0.07625796554485662, rel=1e-9)
    assert round(100 * edge, 1) == 7.6
    # sensemakr's extreme case: so large a t that the second formula applies
    assert robustness_value(40.0, 20.0, level=0.05) == pytest.approx(0.984808, abs=1e-6)


def selected(delta: float, seed: int = 5) -> tuple[pd.DataFrame, float]:
    """y = w + u with no part for x, x = w + c u + e; exact sample moments; the R2 of y on all.

    The control w and the omitted u are uncorrelated and cov(x, u)/var(u) is delta times
    cov(x, w)/var(w), which is proportional selection in Oster's sense.
    """
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(np.column_stack([np.ones(400), rng.normal(size=(400, 4))]))[0][:, 1:]
    w, u, e, noise = (20.0 * basis * [1.5, 0.8, 1.0, 0.5]).T
    y, x = w + u + noise, 0.6 * w + 0.6 * delta * u + e
    r2 = 1.0 - float(noise @ noise) / float((y - y.mean()) @ (y - y.mean()))
    frame = pd.DataFrame({"geo": np.arange(400), "year": 2000, "y": y, "x": x, "w": w})
    return frame, r2


@pytest.mark.parametrize("delta", [0.5, 1.0, 2.5])
def test_delta_is_found_again(tmp_path: Path, delta: float) -> None:
    frame, r2 = selected(delta)
    more = f"sensitivity = {{ r2_max = {r2!r}, leave_out = false }}"
    body = model_text("pooled", "y", "x", ["w"], more=more)
    found = by_name(fit_one(tmp_path, panel_of(frame, "geo", "year"), body))
    assert found["oster_delta"].statistic == pytest.approx(delta, rel=1e-9)


def two_groups(seed: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"geo": np.arange(60), "year": 2000, "x": np.arange(60) % 2})
    return frame.assign(y=rng.normal(size=60) + 0.1 * frame["x"], x=frame["x"].astype(float))


@pytest.mark.parametrize("margin", [0.2, 0.5, 1.0])
def test_equivalence_as_statsmodels(tmp_path: Path, margin: float) -> None:
    frame = two_groups()
    more = f"sensitivity = {{ margin = {margin}, leave_out = false }}"
    result = fit_one(
        tmp_path, panel_of(frame, "geo", "year"), model_text("pooled", "y", "x", more=more)
    )
    one, zero = (frame["y"][frame["x"] == value] for value in (1.0, 0.0))
    p_value, *_ = ttost_ind(one, zero, -margin, margin, usevar="pooled")
    assert by_name(result)["equivalence"].p_value == pytest.approx(p_value, rel=1e-10)


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_detectable_coefficient_as_statsmodels(tmp_path: Path, power: float) -> None:
    more = f"sensitivity = {{ power = {power}, leave_out = false }}"
    frame = two_groups()
    result = fit_one(
        tmp_path, panel_of(frame, "geo", "year"), model_text("pooled", "y", "x", more=more)
    )
    found = by_name(result)["minimum_detectable"].statistic
    size = found / result.term("x").std_error / np.sqrt(30 / 2)  # in standard deviations
    theirs = TTestIndPower().power(effect_size=size, nobs1=30, alpha=0.05)
    assert theirs == pytest.approx(power, rel=1e-9)


@pytest.mark.realdata
def test_without_each_region(tmp_path: Path, munnell: pd.DataFrame) -> None:
    """The range equals separate fits of separate samples; R's lm agrees with these elsewhere."""
    panel = panel_of(munnell.astype({"region": str}), "state", "year", "region")
    controls = ["pc", "emp", "unemp"]
    how = '{ kind = "cluster", by = ["unit"] }'
    body = model_text("within", "gsp", "pcap", controls, ["unit", "time"], how)
    full = fit_one(tmp_path, panel, body).term("pcap")
    alone = {}
    for region in sorted(set(munnell["region"])):
        rest = panel_of(munnell[munnell["region"] != region], "state", "year")
        alone[region] = fit_one(tmp_path, rest, body).term("pcap").estimate
    found = by_name(fit_one(tmp_path, panel, body + "sensitivity = { power = 0.9 }"))
    assert found["leave_out_lowest"].statistic == pytest.approx(min(alone.values()), rel=1e-9)
    assert found["leave_out_highest"].statistic == pytest.approx(max(alone.values()), rel=1e-9)
    changes = {region: (full.estimate - value) / full.std_error for region, value in alone.items()}
    most = max(changes, key=lambda region: abs(changes[region]))
    assert found["largest_influence"].statistic == pytest.approx(changes[most], rel=1e-8)


@pytest.mark.realdata
def test_placebos_are_ordinary_models(tmp_path: Path, munnell: pd.DataFrame) -> None:
    frame = munnell.assign(after=munnell.groupby("state")["pcap"].shift(-2))
    frame.loc[frame["year"] == 1975, "emp"] = np.nan
    panel, effects = panel_of(frame, "state", "year"), ["unit", "time"]
    how = '{ kind = "cluster", by = ["unit"], correction = "CR1" }'
    more = 'sensitivity = { lead = 2, placebo_outcome = "emp", leave_out = false }'
    found = by_name(
        fit_one(tmp_path, panel, model_text("within", "gsp", "pcap", ["pc"], effects, how, more))
    )
    lead = fit_one(
        tmp_path, panel, model_text("within", "gsp", ["after", "pcap"], ["pc"], effects, how)
    ).term("after")
    assert found["placebo_lead"].statistic == pytest.approx(lead.statistic, rel=1e-9)
    assert found["placebo_lead"].p_value == pytest.approx(lead.p_value, rel=1e-9)
    other = fit_one(
        tmp_path, panel, model_text("within", "emp", "pcap", ["pc"], effects, how)
    ).term("pcap")
    assert found["placebo_outcome"].statistic == pytest.approx(other.statistic, rel=1e-9)


def test_requests_that_make_no_sense(tmp_path: Path) -> None:
    frame = two_groups().assign(z=np.random.default_rng(1).normal(size=60))
    panel = panel_of(frame, "geo", "year")

    def refused(asked: str, text: str, estimator: str = "pooled", more: str = "") -> None:
        body = model_text(estimator, "y", "x", more=f"sensitivity = {asked}\n{more}")
        with pytest.raises(BadInput, match=text):
            fit_one(tmp_path, panel, body)

    refused("{ margins = 1 }", r"unknown key 'margins'.*margin")
    refused("{ benchmark = ['z'] }", "'z' is no control of this model")
    refused("{ margin = -1 }", "write a number above zero")
    refused("{ power = 1.5 }", "at most 0.999")
    refused("{ lead = 1 }", "no unit has a row that far ahead")
    refused("{ placebo_outcome = 'nothing' }", "no column of numbers 'nothing'")
    refused("{ r2_max = 0.5 }", "this model has instruments", "iv-within", 'instruments = ["z"]')
    refused("{ margin = 1 }", "unknown key 'sensitivity'", "between")
