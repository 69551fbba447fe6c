"""Columns as they are taken out of observations, before any region is converted."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import pytest

from data.panels.editions import EditionInForce
from data.panels.pick import pick_columns
from data.panels.recipe import PanelRecipe, Pick, Territory

TEENS = "manning/teen_employment"  # dimensions geo and variable, quarters
Row = tuple[str, str, str, float | None]
Cells = dict[tuple[str, str, int], float | None]
QUARTERS: list[Row] = [
    *(("A", "rate", f"2001-Q{q}", value) for q, value in enumerate((4.0, 1.0, 2.0, 9.0), start=1)),
    *(("B", "rate", f"2001-Q{q}", value) for q, value in enumerate((4.0, None, 2.0, 9.0), start=1)),
    *(("C", "rate", f"2001-Q{q}", value) for q, value in enumerate((4.0, 1.0, 2.0), start=1)),
]


class Stored:
    """A warehouse of one dataset."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, rows: list[Row]) -> None:
        self.connection = connection
        connection.execute(
            "CREATE TABLE stored (geo VARCHAR, variable VARCHAR, time VARCHAR, value DOUBLE,"
            " flags VARCHAR DEFAULT '')"
        )
        connection.executemany("INSERT INTO stored VALUES (?, ?, ?, ?, '')", rows)

    def observations(self, dataset: str, as_of: date | None) -> duckdb.DuckDBPyRelation:
        assert (dataset, as_of) == (TEENS, None)
        return self.connection.table("stored")


def picked(rows: list[Row], years: tuple[int, int], **columns: Any) -> Cells:
    """Values by column, region and year: the recipe's columns as keywords of `Pick`."""
    picks = tuple(
        Pick(name, name, "", "regional", "rate", TEENS, **about) for name, about in columns.items()
    )
    recipe = PanelRecipe(
        "small", "Small", "geo", "year", *years, None, Territory(), picks, (), (), False, ""
    )
    edition = EditionInForce(TEENS, None, ())
    with duckdb.connect() as store, duckdb.connect() as connection:
        pick_columns(connection, recipe, Stored(store, rows), {(TEENS, None, False): edition})
        found = connection.execute("SELECT col, geo, period, value FROM picked").fetchall()
    assert len(found) == len({row[:3] for row in found})
    return {row[:3]: row[3] for row in found}


@pytest.mark.parametrize("parts", [None, 4])
def test_a_mean_of_which_one_part_is_missing_is_missing(parts: int | None) -> None:
    """Not the mean of the others, nor theirs over all; counted are those that are known."""
    over: dict[str, Any] = {"where": {"variable": ("rate",)}, "over": ("time",)}
    mean = {**over, "aggregate": "mean", "parts": parts}
    known = {**over, "aggregate": "count"}
    found = picked(QUARTERS, (2001, 2001), mean=mean, known=known)
    assert [found["mean", geo, 2001] for geo in "AB"] == [4.0, None]
    assert [found["known", geo, 2001] for geo in "ABC"] == [4.0, 3.0, 3.0]
    # three quarters are a whole year only where the recipe does not say how many make one
    assert found["mean", "C", 2001] == (None if parts else pytest.approx(7 / 3, rel=1e-15))


def test_a_ledger_is_filled_within_the_recipe_s_years_and_its_own() -> None:
    """It lists something of 2000 to 2004 but for 2002; the recipe wants 2001 to 2003."""
    rows: list[Row] = [
        *(("A", "paid", str(year), 5.0) for year in (2000, 2001, 2003, 2004)),
        ("B", "paid", "2001", 7.0),
    ]
    paid = {"where": {"variable": ("paid",)}, "absent": 0.0}
    found = picked(rows, (2001, 2003), paid=paid)
    assert found == {
        ("paid", "A", 2001): 5.0,
        ("paid", "A", 2003): 5.0,
        ("paid", "B", 2001): 7.0,
        ("paid", "B", 2003): 0.0,
    }
