"""From loaded files to a panel: selection, aggregation, missing cells, notes, one file each."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import BadInput, ContractBroken
from data.ingest import ingest
from data.panel import Panel
from data.panels import recipe as panel_recipe
from data.panels.build import build_panel, datasets_of
from data.recipes import DatasetRecipe, dataset_recipe
from data.warehouse import Warehouse

TABLE = """unit,age,sex,geo\\time\t2011 \t2010 \t2009
THS,Y15-24,T,EL11\t: \t: \t6.5 u
THS,Y15-24,T,EL51\t11.5 b\t8.6 \t:
THS,Y15-24,T,AT11\t: c\t2.0 \t1.0
THS,Y15-24,M,AT11\t0.5 \t0.7 \t0.6
THS,Y15-24,F,AT11\t0.5 \t: u\t0.4
THS,Y15-24,T,AT\t30.0 \t31.0 \t32.0
THS,Y15-24,T,LT01\t1.0 \t2.0 \t3.0
THS,Y15-24,T,LT02\t1.5 \t: \t3.5
"""
RECIPE = """
[panel]
id = "{id}"
title = "Small"
[index]
unit = "geo"
time = "year"
parent = "country"
first = 2009
last = 2011
[regions]
system = "nuts"
version = "2013"
parents = ["AT", "EL", "LT"]
attributes = ["name"]
[[source]]
dataset = "eurostat/lfst_r_lfu3pers"
where = {{ age = "Y15-24" }}
kind = "count"
level = "regional"
unit = "thousand persons"
[source.columns]
total = {{ where = {{ sex = "T" }}, label = "Total", flag = true }}
both = {{ where = {{ sex = ["M", "F"] }}, over = ["sex"], label = "Men and women" }}
nation = {{ where = {{ sex = "T" }}, at = "parent", level = "national", label = "Country" }}
{more}
[derived]
double = {{ expression = "2 * total", label = "Twice", unit = "persons", level = "regional" }}
"""
LFU = "eurostat/lfst_r_lfu3pers"
Build = Callable[..., Panel]


def load(ids: list[str], *rest: Any) -> None:
    """Ingests small files: the recipes' promises of size are for publishers' whole tables."""

    def small(id: str) -> DatasetRecipe:
        recipe = dataset_recipe(id)
        return replace(recipe, contract=replace(recipe.contract, rows=None, rows_per_year=None))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("data.ingest.dataset_recipe", small)
        ingest(ids, *rest)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that holds `TABLE`, published in 2017."""
    files, home = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("home")
    with gzip.open(files / "lfst_r_lfu3pers.tsv.gz", "wt") as file:
        file.write(TABLE)
    load(["eurostat/lfst_r_lfu3pers"], home, files, date(2017, 3, 1), lambda _: None)
    return home


@pytest.fixture
def build(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Builds a panel from `home` by a recipe written for the test."""
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    monkeypatch.setattr(panel_recipe, "PANELS", recipes)

    def built(
        id: str,
        more: str = "",
        text: str = RECIPE,
        as_of: date | None = None,
        at: Path = home,
    ) -> Panel:
        (recipes / f"{id}.toml").write_text(text.format(id=id, more=more))
        panel_recipe.panel_recipe.cache_clear()
        with Warehouse(at) as warehouse:
            return build_panel(id, warehouse, as_of, lambda _: None)

    return built


def cell(panel: Panel, geo: str, year: int, column: str) -> Any:
    frame = panel.frame
    return frame.loc[(frame["geo"] == geo) & (frame["year"] == year), column].item()


def test_the_grid_is_all_regions_by_all_years(build: Build) -> None:
    frame = build("grid").frame
    assert len(frame) == (9 + 13 + 1) * 3
    assert not frame.duplicated(["geo", "year"]).any()
    assert frame["geo"].is_monotonic_increasing
    assert cell(build("grid"), "AT11", 2009, "name") == "Burgenland"
    assert cell(build("grid"), "EL51", 2009, "country") == "EL"


def test_values_and_flags_arrive_under_the_panels_codes(build: Build) -> None:
    panel = build("values")
    assert cell(panel, "EL51", 2009, "total") == 6.5
    assert cell(panel, "EL51", 2009, "total_flag") == "u"
    assert cell(panel, "EL51", 2011, "total_flag") == "b"
    assert cell(panel, "AT11", 2009, "double") == 2.0
    assert cell(panel, "LT00", 2009, "total") == 6.5


def test_each_cell_says_how_it_came_to_the_panels_regions(build: Build) -> None:
    routed = 'r = { where = { sex = "T" }, label = "Total", route = true }'
    panel = build("routes", routed)
    seen = [cell(panel, geo, 2009, "r_route") for geo in ("AT11", "EL51", "LT00")]
    assert seen == ["same", "recoded", "merged"]
    assert panel.frame.loc[panel.frame["geo"] == "AT12", "r_route"].isna().all()


def test_missing_stays_missing_and_keeps_its_reason(build: Build) -> None:
    panel = build("missing")
    assert np.isnan(cell(panel, "AT11", 2011, "total"))
    assert cell(panel, "AT11", 2011, "total_flag") == "c"
    assert np.isnan(cell(panel, "LT00", 2010, "total"))
    assert np.isnan(cell(panel, "AT12", 2010, "total"))
    assert panel.frame.loc[panel.frame["geo"] == "AT12", "total_flag"].isna().all()
    assert np.isnan(cell(panel, "AT11", 2011, "double"))


def test_sums_need_all_their_parts(build: Build) -> None:
    panel = build("sums")
    assert cell(panel, "AT11", 2009, "both") == pytest.approx(1.0, abs=1e-15)
    assert np.isnan(cell(panel, "AT11", 2010, "both"))
    assert np.isnan(cell(panel, "EL51", 2010, "both"))


def test_national_figures_are_repeated_for_each_region(build: Build) -> None:
    panel = build("national")
    assert panel.frame.loc[panel.frame["country"] == "AT", "nation"].tolist() == 9 * [32, 31, 30]
    assert panel.frame.loc[panel.frame["country"] == "EL", "nation"].isna().all()


def test_columns_vintages_and_conversions_are_recorded(build: Build) -> None:
    panel = build("record")
    assert panel.columns["double"].sources == ("eurostat/lfst_r_lfu3pers",)
    assert panel.columns["nation"].level == "national"
    (vintage,) = panel.vintages
    assert (vintage.published, vintage.publisher) == ("2017-03-01", "Eurostat")
    assert datasets_of("record") == ("eurostat/lfst_r_lfu3pers",)


def test_what_was_converted_is_told_and_reported(build: Build, home: Path) -> None:
    panel = build("report")
    assert "Figures taken over from a region's other code: 1, in regions: 1." in panel.notes
    assert "Figures added up from parts of a region: 2, in regions: 1." in panel.notes
    (path,) = (home / "panels").glob("report-*.regions.csv")
    report = pd.read_csv(path, dtype={"version": "str"})
    shown = report[["route", "version", "unit", "cells"]]
    assert set(shown.itertuples(index=False, name=None)) == {
        ("recoded", "2010", "EL51", 1),
        ("merged", "2016", "LT00", 2),
        ("foreign", "2006", "EL11", 0),
    }


def test_the_same_inputs_give_the_same_file_and_others_another(build: Build, home: Path) -> None:
    first, again = build("same"), build("same")
    assert first.sha256 == again.sha256
    assert len(list((home / "panels").glob("same-*.parquet"))) == 1
    changed = RECIPE.replace("2 * total", "3 * total")
    assert build("same", text=changed).sha256 != first.sha256
    assert len(list((home / "panels").glob("same-*.parquet"))) == 2


def test_a_ledger_says_zero_where_it_lists_nothing(build: Build) -> None:
    more = 'men = { where = { sex = "M" }, absent = 0.0, label = "Men" }'
    panel = build("ledger", more)
    assert cell(panel, "AT11", 2009, "men") == 0.6
    assert cell(panel, "EL51", 2010, "men") == 0.0
    assert np.isnan(cell(panel, "AT12", 2010, "men"))


PINNED = 'old = {{ where = {{ sex = "T" }}, as_of = 2010-01-01, label = "Old", flag = true{} }}'


def test_a_column_pinned_to_an_edition_that_was_never_loaded_says_what_to_load(
    build: Build,
) -> None:
    with pytest.raises(BadInput, match=r"column old.* said on 2010-01-01.*regsi ingest " + LFU):
        build("pinned", PINNED.format(""))


def test_an_optional_column_without_its_edition_is_missing_and_the_panel_says_so(
    build: Build,
) -> None:
    panel = build("pinned", PINNED.format(", optional = true"))
    assert panel.frame[["old", "old_flag"]].isna().all(axis=None)
    assert [note for note in panel.notes if note.startswith("old is missing throughout")]


def test_only_a_pinned_column_is_optional(build: Build) -> None:
    with pytest.raises(BadInput, match="optional without as_of"):
        build("unpinned", PINNED.format(", optional = true").replace("as_of = 2010-01-01, ", ""))


def test_later_extracts_are_left_out_of_a_complete_edition(
    build: Build, home: Path, tmp_path: Path
) -> None:
    again = 'all = { where = { sex = "T" }, complete = true, label = "All" }'
    before = build("complete", again)
    copy = shutil.copytree(home, tmp_path / "copy")
    later = tmp_path / "later"
    later.mkdir()
    with gzip.open(later / "lfst_r_lfu3pers.tsv.gz", "wt") as file:
        file.write("unit,age,sex,geo\\time\t2011 \nTHS,Y15-24,T,AT11\t9.0 \n")
    recipe = dataset_recipe(LFU)
    extract = replace(recipe, files=(replace(recipe.files[0], partial=True),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data.ingest.dataset_recipe", lambda _: extract)
        ingest([LFU], copy, later, date(2019, 1, 1), lambda _: None)
    after = build("complete", again, at=copy)
    assert cell(after, "AT11", 2011, "total") == 9.0
    assert np.isnan(cell(after, "AT11", 2011, "all"))
    assert cell(after, "AT11", 2010, "total") == cell(before, "AT11", 2010, "total")
    assert after.sha256 != before.sha256


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ('x = { where = { sex = "X" }, label = "X" }', BadInput, "column x: nothing in"),
        ('x = { where = { sx = "T" }, label = "X" }', BadInput, "no dimension 'sx'"),
        ('x = { label = "X" }', ContractBroken, "column x: 3 observations"),
        ('x = { where = { sex = "T" }, over = ["ag"], label = "X" }', BadInput, "'ag'"),
    ],
)
def test_a_selection_that_cannot_be_right_is_refused(
    build: Build, more: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build("wrong", more)


def test_before_the_first_edition_there_is_no_panel(build: Build) -> None:
    with pytest.raises(BadInput, match="no edition was known on 2016-01-01"):
        build("early", as_of=date(2016, 1, 1))


@pytest.mark.parametrize("damage", ["cut", "empty", "one byte"])
def test_a_damaged_panel_file_is_built_again(
    damage: str, home: Path, tmp_path: Path, build: Build
) -> None:
    own = tmp_path / "own"
    shutil.copytree(home, own)
    sound = build("damaged", at=own)
    file = next((own / "panels").glob("damaged-*.parquet"))
    content = bytearray(file.read_bytes())
    place = content.index(b"PAR1") + 200  # in the figures, whose pages have checksums
    content[place] ^= 1
    damaged = {"cut": content[:-700], "empty": bytearray(), "one byte": content}[damage]
    file.write_bytes(damaged)
    again = build("damaged", at=own)
    assert again.sha256 == sound.sha256
    pd.testing.assert_frame_equal(again.frame, sound.frame)
