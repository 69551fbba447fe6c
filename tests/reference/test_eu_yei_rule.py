"""The Youth Employment Initiative's 25 % rule on the real panel: strong pre-trends, no claim.

The joined panel was made by somebody else. The two-way path of one cohort in a balanced panel is
the difference of mean changes, which pandas computes here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data.errors import BadInput
from data.panel import Panel
from models.fitting import fit_study
from models.study.file import read_study
from tests.study_case import panel_of

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def panel(realdata: Path) -> Panel:
    frame = pd.read_parquet(realdata / "joined" / "eu_nuts2_2013_panel.parquet")
    return panel_of(frame, "geo", "year", "country")


def test_every_model_declines_a_causal_reading(panel: Panel) -> None:
    for model in fit_study(read_study("eu-yei-rule"), panel).models:
        assert any(text.startswith("no causal reading") for text in model.warnings), model.id


def test_the_paths_parted_before_the_money(panel: Panel) -> None:
    models = {model.id: model for model in fit_study(read_study("eu-yei-rule"), panel).models}
    tests = {test.test: test for test in models["by-year"].tests}
    assert (tests["pre_trend"].p_value or 1.0) < 0.05
    assert (tests["pre_trend_slope"].p_value or 1.0) < 0.01
    assert tests["adoption_follows_outcome"].statistic > 0.99
    assert tests["honest_mbar_first"].statistic == 0.0
    lead = models["by-year"].term("event -7")
    assert lead.conf_high < 0.0  # the gap was 14 points smaller in 2007 than in 2013


@pytest.mark.parametrize("model", ["by-year", "country-year", "group-time", "two-stage"])
def test_a_causal_reading_is_refused(panel: Panel, model: str) -> None:
    study = read_study("eu-yei-rule")
    spec = next(one for one in study.models if one.id == model)
    causal = replace(spec, options={"cohort": "first_money"})
    with pytest.raises(BadInput, match=r"eu-yei-rule.toml:\d+ .*adoption follows the outcome"):
        fit_study(replace(study, models=(causal,)), panel)


def test_the_path_is_that_of_mean_changes(panel: Panel) -> None:
    frame = panel.frame[panel.frame["year"].between(2007, 2015)]
    frame = frame[frame["yei_above25"].notna()]
    wide = frame.pivot(index="geo", columns="year", values="youth_unemp_rate").dropna()
    above = frame.groupby("geo")["yei_above25"].first()[wide.index] == 1
    balanced = frame[frame["geo"].isin(wide.index)]
    model = fit_study(read_study("eu-yei-rule"), replace(panel, frame=balanced)).models[0]
    for event in (-7, -2, 0, 1):
        change = wide[2014 + event] - wide[2013]
        gap = change[above].mean() - change[~above].mean()
        assert model.term(f"event {event}").estimate == pytest.approx(gap, rel=1e-9)
