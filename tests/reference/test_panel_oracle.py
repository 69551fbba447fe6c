"""The panels against two that somebody else joined from the same publishers' files.

Every cell agrees to 1e-9, relative, or stands in `DIFFERENCES` with the reason; a reason without
a cell fails too. The tolerance covers the order of additions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from data.ingest import ingest
from data.panel import Panel
from data.panels.build import build_panel, datasets_of
from data.warehouse import Warehouse

pytestmark = pytest.mark.realdata

GREECE = ("EL51", "EL52", "EL53", "EL54", "EL61", "EL62", "EL63", "EL64", "EL65")
OVERSEAS = ("FRA1", "FRA2", "FRA3", "FRA4")
LONDON = ("UKI1", "UKI2")
LABOUR_FORCE = (
    *("youth_unemp_ths", "youth_emp_ths", "unemp_ths", "emp_ths", "unemp_rate"),
    *("youth_unemp_rate", "youth_unemp_rate_male", "youth_unemp_rate_female"),
)
SHARES = ("emp_share_public_services_OQ", "emp_share_industry_BE")
INCOMES = (
    *("hh_primary_income_mio_eur", "hh_disposable_income_mio_eur"),
    *("hh_net_redistribution_mio_eur", "hh_net_redistribution_eur_pc"),
)
PUBLISHED_2024 = (
    *("neet_rate_15_29", "neet_rate_18_29", "tertiary_share_25_64", "low_educ_share_25_64"),
)


@dataclass(frozen=True)
class Difference:
    """Columns and regions in which cells differ: known "here" or "there" only, or in "value"."""

    reason: str
    how: str
    columns: tuple[str, ...]
    regions: tuple[str, ...]


DIFFERENCES = (
    Difference(
        "until 2009 the figures stand under the region's former code, which we rename",
        "here",
        (*LABOUR_FORCE, *SHARES),
        (*GREECE, *OVERSEAS),
    ),
    Difference(
        "the figures stand under the region's former code, which we rename",
        "here",
        ("youth_unemp_rate_published_v2014",),
        (*GREECE, *OVERSEAS),
    ),
    Difference(
        "until 2009 the figures stand under the region's former code, which we rename",
        "here",
        ("adult_training_rate",),
        GREECE,
    ),
    Difference(
        "London is published as two regions until 2009 and as five later, which we add up",
        "here",
        (*LABOUR_FORCE, *SHARES, *INCOMES),
        LONDON,
    ),
    Difference(
        "GDP per head, which implies a population, is published for London's five regions only",
        "there",
        ("pop_implied",),
        LONDON,
    ),
    Difference(
        "the file of 2024 gives the former region by name, where they average its parts",
        "here",
        PUBLISHED_2024,
        ("HR04", "HU10", "IE01", "IE02", "LT00", "UKM2", "UKM3", *LONDON),
    ),
    Difference(
        "they average the rates of a region's parts by population, which we never do",
        "there",
        PUBLISHED_2024,
        ("HU10", "IE01", "IE02", "LT00", "PL12", "UKM2", "UKM3", *LONDON),
    ),
    Difference(
        "they mix in the rates of neighbours where maps overlap; we carry over as published",
        "value",
        PUBLISHED_2024,
        ("CZ02", "CZ06", "CZ07", "FR22", "ITH3", "NL33", "RO11"),
    ),
    Difference(
        "they fall back on their own rate where the published one stands under a former code",
        "value",
        ("yei_running_2012",),
        (*GREECE, *OVERSEAS),
    ),
)


@pytest.fixture(scope="module")
def build(realdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Panel]:
    """Loads what a panel needs from the publishers' files and builds it."""
    home = tmp_path_factory.mktemp("home")

    def built(name: str) -> Panel:
        ingest(datasets_of(name), home, realdata, None, lambda _: None)
        with Warehouse(home) as warehouse:
            return build_panel(name, warehouse, None, lambda _: None)

    return built


@pytest.fixture(scope="module")
def europe(build: Callable[[str], Panel]) -> pd.DataFrame:
    return build("eu-nuts2").frame


@pytest.fixture(scope="module")
def joined_europe(realdata: Path) -> pd.DataFrame:
    table = pd.read_parquet(realdata / "joined" / "eu_nuts2_2013_panel.parquet")
    return table.sort_values(["geo", "year"]).reset_index(drop=True)


def differing(ours: pd.Series, theirs: pd.Series) -> pd.Series:
    """Per cell: "", or how it differs."""
    here, there = ours.notna(), theirs.notna()
    apart = here & there & ((ours - theirs).abs() > 1e-9 * theirs.abs())
    how = np.select([apart, here & ~there, there & ~here], ["value", "here", "there"], "")
    return pd.Series(how, index=ours.index)


def test_europe_has_the_same_regions_and_years(
    europe: pd.DataFrame, joined_europe: pd.DataFrame
) -> None:
    index = ["geo", "year", "country", "nuts1", "name"]
    pd.testing.assert_frame_equal(europe[index], joined_europe[index], check_dtype=False)


def test_europe_agrees_but_for_named_cells(
    europe: pd.DataFrame, joined_europe: pd.DataFrame
) -> None:
    numbers = joined_europe.select_dtypes("float64").columns
    assert set(numbers) <= set(europe.columns)
    met: set[tuple[int, str]] = set()
    for column in numbers:
        how = differing(europe[column], joined_europe[column])
        for kind in ("value", "here", "there"):
            unexplained = set(europe.loc[how == kind, "geo"])
            for place, difference in enumerate(DIFFERENCES):
                if difference.how == kind and column in difference.columns:
                    if unexplained & set(difference.regions):
                        met.add((place, column))
                    unexplained -= set(difference.regions)
            assert not unexplained, (column, kind)
    expected = {(place, c) for place, d in enumerate(DIFFERENCES) for c in d.columns}
    assert met == expected


def test_europes_flags_are_the_publishers(
    europe: pd.DataFrame, joined_europe: pd.DataFrame
) -> None:
    renamed = europe["geo"].isin([*GREECE, *OVERSEAS, *LONDON])
    for column in (c for c in map(str, joined_europe) if c.endswith("_flag")):
        theirs = joined_europe[column].fillna("").map(lambda flags: "".join(sorted(flags)))
        ours = europe[column].fillna("")
        assert (ours == theirs)[~renamed].all(), column
        assert (theirs != "").any()


def test_the_publishers_own_rates_confirm_the_counts(europe: pd.DataFrame) -> None:
    """Spain 2013: 55.48 % from counts (realdata/eurostat_bulk_tsv_2017/PROVENANCE.md)."""
    chosen = europe[(europe["country"] == "ES") & (europe["year"] == 2013)]
    unemployed, employed = chosen["youth_unemp_ths"].sum(), chosen["youth_emp_ths"].sum()
    assert 100 * unemployed / (unemployed + employed) == pytest.approx(55.48, abs=0.05)
    published = europe["youth_unemp_rate_published_v2014"]
    assert published.corr(europe["youth_unemp_rate"]) > 0.999


def years_from(known: pd.Series, year: int) -> NDArray[np.bool_]:
    """Where the second level of the index is at least `year`."""
    return np.asarray(known.index.get_level_values(1) >= year)


def test_the_regions_of_2021_have_the_same_totals(
    build: Callable[[str], Panel], europe: pd.DataFrame
) -> None:
    """Where a country is fully known in both.

    Mayotte (FRY5) is in the regions of 2021 only. Eurostat gives Scotland's population under the
    codes of 2013 and those of 2016, from 2012 on with sums that differ in the fifth digit.
    """
    later = build("eu-nuts2-2021").frame
    later = later[later["geo"] != "FRY5"]
    compared = 0
    for column in ("population", "youth_unemp_ths", "gdp_mio_eur", "esf_payment_eur"):
        sums = [f.groupby(["country", "year"])[column] for f in (europe, later)]
        known = (sums[0].count() == sums[0].size()) & (sums[1].count() == sums[1].size())
        if column == "population":
            known &= ~((known.index.get_level_values(0) == "UK") & years_from(known, 2012))
        ours, others = (s.sum()[known] for s in sums)
        np.testing.assert_allclose(others, ours, rtol=1e-6)
        compared += int(known.sum())
    assert compared > 1200


def test_regions_that_did_not_change_are_the_same_in_2021(
    build: Callable[[str], Panel], europe: pd.DataFrame
) -> None:
    later = build("eu-nuts2-2021").frame
    columns = ["geo", "year", "population", "youth_unemp_rate", "gdp_pc_eur", "esf_payment_eur_pc"]
    both = europe[columns].merge(later[columns], on=["geo", "year"], suffixes=("", "_2021"))
    # before 2010 Slovenia's regions need weights, which only the panel of 2021 uses
    both = both[~both["geo"].isin([*LONDON, "SI03", "SI04"])]
    assert both["geo"].nunique() == 272 - 40 - 2
    for column in columns[2:]:
        assert not differing(both[column], both[f"{column}_2021"]).any(), column


def test_prices_of_2015_are_one_in_2015(build: Callable[[str], Panel]) -> None:
    frame = build("eu-nuts2-2021").frame
    level = frame.groupby(["country", "year"])["price_level_2015"].mean().unstack()
    np.testing.assert_allclose(level[2015].dropna(), 1.0, rtol=2e-3)
    assert level.loc["EL", 2000] == pytest.approx(0.76, abs=0.03)


def test_the_states_agree_everywhere(build: Callable[[str], Panel], realdata: Path) -> None:
    ours = build("us-states").frame
    theirs = pd.read_parquet(realdata / "joined" / "us_state_panel.parquet")
    theirs = theirs.sort_values(["state", "year"]).reset_index(drop=True)
    index = ["state", "year", "fips"]
    pd.testing.assert_frame_equal(ours[index], theirs[index], check_dtype=False)
    for column in theirs.columns.difference(index):
        assert not differing(ours[column], theirs[column].astype(float)).any(), column
