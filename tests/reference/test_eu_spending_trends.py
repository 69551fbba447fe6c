"""Trends in countries' spending, on the publishers' own files as pandas reads them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import statsmodels.formula.api as smf

from data.panel import Panel
from data.panels.recipe import panel_recipe
from models.fitting import fit_study
from models.study.file import read_study
from models.study.results import StudyResults
from models.verdicts import judge, read_claim
from tests.study_case import panel_of

pytestmark = pytest.mark.realdata
# the OECD's codes of the panel's countries, in the order of its pattern
ISO = [
    "AUT", "BEL", "CZE", "DEU", "DNK", "EST", "GRC", "ESP", "FIN", "FRA", "HUN", "IRL", "ITA",
    "LUX", "NLD", "POL", "PRT", "SWE", "SVN", "SVK", "GBR",
]  # fmt: skip
BRANCHES = {
    "Total": "total", "Old age": "old_age", "Survivors": "survivors", "Family": "family",
    "Incapacity related": "incapacity", "Unemployment": "unemployment",
    "Active labour market programmes": "labour_market",
}  # fmt: skip


@pytest.fixture(scope="module")
def panel(realdata: Path) -> Panel:
    """The panel's columns, made by pandas."""
    socx = pd.read_csv(realdata / "oecd_socx_2023" / "social_oecd_socx_agg.csv.gz")
    kept = (socx["type2"] == "Public") & (socx["group2"] == "Total")
    kept &= socx["place1_iso3"].isin(ISO) & socx["group1"].isin(BRANCHES)
    wide = socx[kept].pivot(index=["place1_iso3", "year"], columns="group1", values="value")
    cpds = pd.read_excel(realdata / "cpds_2021" / "CPDS_1960-2019_Update_2021.xlsx", "DATA")
    childcare = cpds.set_index(["iso", "year"])["childcare_pmp"].astype(float)
    frame = (100 * wide.rename(columns=BRANCHES)).join(childcare.rename_axis(wide.index.names))
    made = pd.DataFrame(
        {
            "total_pct": frame["total"],
            "old_age_pct": frame["old_age"] + frame["survivors"],
            "family_pct": frame["family"],
            "invest_pct": frame["labour_market"] + frame["childcare_pmp"],
            "compensate_pct": frame[["unemployment", "old_age", "survivors", "incapacity"]].sum(
                axis=1, skipna=False
            ),
        }
    )
    made["invest_share"] = 100 * made["invest_pct"] / made["total_pct"]
    flat = made.reset_index().rename(columns={"place1_iso3": "country"})
    return panel_of(flat, "country", "year")


@pytest.fixture(scope="module")
def results(panel: Panel) -> StudyResults:
    return fit_study(read_study("eu-spending-trends"), panel)


@pytest.mark.parametrize(
    ("model", "outcome"), [("total", "total_pct"), ("investment", "invest_share")]
)
def test_a_trend_is_that_of_dummies_for_countries(
    panel: Panel, results: StudyResults, model: str, outcome: str
) -> None:
    frame = panel.frame.query("1995 <= year <= 2018").dropna(subset=[outcome])
    fit = smf.ols(f"{outcome} ~ year + C(country)", frame).fit()
    found = results.model(model)
    assert found.n_obs == len(frame)
    assert found.term("trend").estimate == pytest.approx(fit.params["year"], rel=1e-9)


@pytest.mark.parametrize(
    ("model", "outcome"), [("total", "total_pct"), ("investment", "invest_share")]
)
def test_a_common_trend_is_no_surer_than_countries_own_trends_are_alike(
    panel: Panel, results: StudyResults, model: str, outcome: str
) -> None:
    frame = panel.frame.query("1995 <= year <= 2018").dropna(subset=[outcome])
    countries = [rows for _, rows in frame.groupby("country")]
    own = [smf.ols(f"{outcome} ~ year", rows).fit().params["year"] for rows in countries]
    spread = pd.Series(own).std() / len(own) ** 0.5
    assert results.model(model).term("trend").std_error > 0.9 * spread


def test_changes_are_compared_within_a_year(panel: Panel, results: StudyResults) -> None:
    frame = panel.frame.sort_values(["country", "year"])
    changes = frame.groupby("country")[["invest_pct", "compensate_pct"]].diff()
    frame = frame.assign(invest=changes["invest_pct"], compensate=changes["compensate_pct"])
    frame = frame.query("1995 <= year <= 2018").dropna(subset=["invest", "compensate"])
    fit = smf.ols("invest ~ compensate + C(country) + C(year)", frame).fit()
    found = results.model("investment-on-compensation").term("d_compensate")
    assert found.estimate == pytest.approx(fit.params["compensate"], rel=1e-8)


def test_verdicts_follow_from_margins_declared_beforehand(results: StudyResults) -> None:
    rulings = {claim: judge(read_claim(claim), results).ruling for claim in results.study.claims}
    assert rulings == {"Q1": "inconclusive", "Q2": "supported", "Q3": "inconclusive"}


def test_a_verdict_on_a_common_trend_says_what_its_error_takes_for_granted(
    results: StudyResults,
) -> None:
    total = judge(read_claim("Q1"), results).reason
    assert "The spread between countries may grow or shrink: 0.0" in total
    for reason in (total, judge(read_claim("Q2"), results).reason):
        assert reason.count("trend is the same for all units in a period: its error rests on") == 1
    assert "the same for all units" not in judge(read_claim("Q3"), results).reason


def test_the_recipe_names_the_countries_that_the_oecd_has_figures_for(panel: Panel) -> None:
    recipe = panel_recipe("eu-countries")
    with_figures = panel.frame.dropna(subset=["total_pct"])["country"]
    assert len(str(recipe.territory.pattern).split("|")) == with_figures.nunique() == len(ISO)
