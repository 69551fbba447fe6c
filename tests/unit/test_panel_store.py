"""A stored panel comes back whole, equal inputs give equal bytes, and exports keep the numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import BadInput
from data.panel import Column, Panel, VintageUsed
from data.panels.own import read_own_panel
from data.panels.recipe import panel_recipe
from data.panels.store import export, read_panel, write_panel


def small() -> Panel:
    frame = pd.DataFrame(
        {
            "geo": ["Q1", "Q1", "Q2", "Q2", "R1", "R1"],
            "country": ["Q", "Q", "Q", "Q", "R", "R"],
            "year": [2000, 2001, 2000, 2001, 2000, 2001],
            "x": [0.1, np.nan, 0.3, 1 / 3, 2.0, 4.0],
            "x_flag": ["b", None, "", "bu", "", "p"],
            "spending": [1.0, 2.0, 1.0, np.nan, 5.0, 5.0],
            "lonely": [1.0, 2.0, np.nan, np.nan, 3.0, 4.0],
        }
    )
    columns = {
        "x": Column("x", "A rate", "percent", "regional", ("eurostat/a",)),
        "spending": Column("spending", "Spending", "euro", "regional", ("eurostat/b",)),
        "lonely": Column("lonely", "Lonely", "euro", "regional"),
    }
    vintage = VintageUsed("eurostat/a", "2017-03-01", "0" * 64, "A", "Eurostat", "CC BY 4.0")
    return Panel(
        *("small", frame, "geo", "year", "country", columns, ""),
        title="Small",
        vintages=(vintage,),
        simulated=True,
        notes=("A note.",),
    )


def test_a_stored_panel_comes_back_whole(tmp_path: Path) -> None:
    panel = small()
    back = write_panel(panel, tmp_path / "panels" / "small-1.parquet")
    pd.testing.assert_frame_equal(back.frame, panel.frame, check_dtype=False)
    assert back.frame["x_flag"].isna().tolist() == [False, True, False, False, False, False]
    assert (back.columns, back.vintages, back.notes) == (panel.columns, panel.vintages, panel.notes)
    assert (back.unit, back.time, back.parent, back.simulated) == ("geo", "year", "country", True)


def test_equal_panels_have_equal_bytes(tmp_path: Path) -> None:
    one = write_panel(small(), tmp_path / "one.parquet")
    two = write_panel(small(), tmp_path / "two.parquet")
    assert one.sha256 == two.sha256
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    small().frame.to_parquet(path)
    with pytest.raises(BadInput, match="is no panel file"):
        read_panel(path)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".dta", ".xlsx"])
def test_exports_keep_full_precision(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"small{suffix}"
    export(small(), path)
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".parquet": pd.read_parquet,
        ".dta": pd.read_stata,
        ".xlsx": pd.read_excel,
    }
    back = readers.get(suffix, pd.read_csv)(path)
    np.testing.assert_array_equal(back["x"].to_numpy(), small().frame["x"].to_numpy())
    assert list(back.columns) == list(small().frame.columns)


def test_long_names_are_shortened_for_stata_and_kept_in_the_label(tmp_path: Path) -> None:
    long = "youth_unemp_rate_published_v2014"
    frame = small().frame.rename(columns={"spending": long, "x_flag": f"{long}_flag"})
    export(replace(small(), frame=frame), tmp_path / "long.dta")
    with pd.read_stata(tmp_path / "long.dta", iterator=True) as reader:
        labels = reader.variable_labels()
    assert labels["youth_unemp_rate_pub__v2014_flag"] == f"{long}_flag: "
    assert long in labels


@pytest.mark.parametrize("name", ["eu-nuts2", "eu-nuts2-2021", "us-states"])
def test_the_bundled_panels_fit_into_stata(tmp_path: Path, name: str) -> None:
    recipe = panel_recipe(name)
    columns = [pick.name for pick in recipe.picks] + [column.name for column in recipe.derived]
    columns += [f"{pick.name}_flag" for pick in recipe.picks if pick.flag]
    frame = pd.DataFrame({column: [1.0] for column in columns}).assign(geo="A", year=2000)
    panel = Panel(*(name, frame, "geo", "year", None, {}, ""))
    export(panel, tmp_path / "bundled.dta")
    assert len(pd.read_stata(tmp_path / "bundled.dta").columns) == len(columns) + 2


def test_an_exported_panel_read_as_ones_own_is_still_simulated(tmp_path: Path) -> None:
    export(small(), tmp_path / "mine.parquet")
    own = read_own_panel(tmp_path / "mine.parquet", "geo", "year", "country")
    assert own.simulated
    assert own.columns["x"].level == "regional"
    assert own.vintages == small().vintages


def test_an_unknown_suffix_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="end it with"):
        export(small(), tmp_path / "small.sav")
    with pytest.raises(BadInput, match="there is no folder"):
        export(small(), tmp_path / "nowhere" / "small.csv")
