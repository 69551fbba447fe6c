"""From files to estimates on a world whose truth is known: nothing may be lost on the way.

The bundled study, on files that the ordinary reader loaded. Intervals at 95 % must hold the truth
here: seed and data are fixed, so a failure is a change somewhere on the way, not bad luck.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from data.ingest import ingest
from data.panel import Panel
from data.panels.build import build_panel
from data.simulated import BREAKS, PUBLISHED, SUPPRESSED_BELOW
from data.simulated.world import TRUTH, World, draw_world
from data.warehouse import Warehouse
from models.fitting import fit_study
from models.results import ModelResult
from models.study.file import read_study


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    home = tmp_path_factory.mktemp("home")
    ingest(["simulated"], home, None, None, lambda _: None)
    with Warehouse(home) as warehouse:
        return build_panel("eu-simulated", warehouse, None, lambda _: None)


@pytest.fixture(scope="module")
def world() -> World:
    return draw_world()


@pytest.fixture(scope="module")
def models(panel: Panel) -> dict[str, ModelResult]:
    return {model.id: model for model in fit_study(read_study("eu-youth-simulated"), panel).models}


def column(panel: Panel, world: World, name: str) -> NDArray[np.float64]:
    """A panel column as (R, T), in the world's order."""
    table = panel.frame.pivot(index="geo", columns="year", values=name)
    return table.reindex(index=list(world.regions), columns=list(world.years)).to_numpy()


def test_the_panel_is_marked_and_dated(panel: Panel) -> None:
    assert panel.simulated
    assert len(panel.vintages) == 7
    day = pd.Timestamp(PUBLISHED, unit="s").date().isoformat()
    assert {vintage.published for vintage in panel.vintages} == {day}


def test_the_panel_holds_the_worlds_regions_and_years(panel: Panel, world: World) -> None:
    assert set(panel.frame["geo"]) == set(world.regions)
    assert len(panel.frame) == len(world.regions) * len(world.years)


def test_counts_survive_changed_codes_and_merged_regions(panel: Panel, world: World) -> None:
    persons = column(panel, world, "population")
    np.testing.assert_allclose(persons, world.population["TOTAL"], atol=0.5)
    paid = column(panel, world, "payments_mio_eur")
    np.testing.assert_allclose(paid, world.payments, atol=0.0011)


def test_rates_are_the_true_ones_where_published(panel: Panel, world: World) -> None:
    rate = column(panel, world, "youth_unemp_rate")
    force = world.labour_force["Y15-24"] / 1e3
    true = world.unemployment_rate["Y15-24"]
    since = np.array([BREAKS.get(c, 9999) for c in world.countries])[world.country]
    counted = np.where(world.years >= since[:, None], 1.06 * true, true)
    known = ~np.isnan(rate)
    # unemployed and employed are rounded to a tenth of a thousand, in up to two parts
    slack = 100 * 0.2 / force
    assert (np.abs(rate - counted)[known] <= slack[known]).all()
    small = counted * force / 100 < SUPPRESSED_BELOW - 0.05
    assert np.isnan(rate[small]).all()


def covers(model: ModelResult, term: str, truth: float) -> bool:
    found = model.term(term)
    return found.conf_low <= truth <= found.conf_high


@pytest.mark.parametrize(
    ("model", "term", "truth"),
    [
        ("two-way", "invest", TRUTH.effect_mean),
        ("country-year", "invest", TRUTH.effect_mean),
        ("weighted", "invest", TRUTH.effect_mean),
        ("differences", "invest", TRUTH.effect_mean),
        ("two-way", "gdp", TRUTH.gdp_effect),
        ("country-year", "gdp", TRUTH.gdp_effect),
        ("national", "education", TRUTH.education_effect),
        ("national-null", "culture", TRUTH.culture_effect),
        ("placebo-age", "invest", TRUTH.older_effect),
        ("placebo-lead", "invest_lead", 0.0),
    ],
)
def test_intervals_hold_the_truth(
    model: str, term: str, truth: float, models: dict[str, ModelResult]
) -> None:
    assert covers(models[model], term, truth)


def test_the_effect_is_found_and_precise(models: dict[str, ModelResult]) -> None:
    for name in ("two-way", "country-year"):
        found = models[name].term("invest")
        assert found.p_value < 1e-6
        assert found.std_error < 0.25


def test_national_spending_is_recognised_from_the_data(models: dict[str, ModelResult]) -> None:
    levels = {name: dict(model.level) for name, model in models.items()}
    assert levels["national"] == {"education": "national"}
    assert levels["two-way"] == {"invest": "regional"}
