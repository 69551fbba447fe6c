"""Counts are added up and split, rates only carried over, what is not fully known is missing."""

from __future__ import annotations

import duckdb
import pytest

from data.errors import ContractBroken
from data.regions.convert import convert
from data.regions.crosswalk import Link

Cell = tuple[str, str, str, int, float | None, str | None]

LINKS = (
    Link("A", "A", "same", "2013", 0, "same", 1.0, 1.0),
    Link("A_OLD", "A", "recoded", "2010", 1, "recoded 2010", 1.0, 1.0),
    Link("P1", "A", "merged", "2016", 1, "merged 2016", 1.0, 0.5),
    Link("P2", "A", "merged", "2016", 1, "merged 2016", 1.0, 0.5),
    Link("W1", "B", "weighted", "2006", 2, "weighted 2006", 0.25, 0.6),
    Link("W2", "B", "weighted", "2006", 2, "weighted 2006", 1.0, 0.4),
)


def converted(*cells: Cell) -> dict[str, tuple[float | None, str | None, str]]:
    """The converted cells of year 2000 by unit: value, flags, route."""
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE picked (col VARCHAR, kind VARCHAR, geo VARCHAR, period INTEGER,"
            " value DOUBLE, flags VARCHAR)"
        )
        for cell in cells:
            connection.execute("INSERT INTO picked VALUES (?, ?, ?, ?, ?, ?)", list(cell))
        convert(connection, LINKS, coverage=0.999)
        rows = connection.execute("SELECT unit, value, flags, route FROM converted").fetchall()
        return {unit: (value, flags, route) for unit, value, flags, route in rows}


def count(geo: str, value: float | None, flags: str | None = "") -> Cell:
    return ("x", "count", geo, 2000, value, flags)


def rate(geo: str, value: float | None, flags: str | None = "") -> Cell:
    return ("x", "rate", geo, 2000, value, flags)


def test_the_regions_own_code_wins_over_its_parts() -> None:
    assert converted(count("A", 7.0), count("P1", 1.0), count("P2", 2.0))["A"] == (7.0, "", "same")


def test_a_renamed_region_keeps_value_and_flags() -> None:
    assert converted(count("A_OLD", 7.0, "bu"))["A"] == (7.0, "bu", "recoded")
    assert converted(rate("A_OLD", 7.0, "u"))["A"] == (7.0, "u", "recoded")


def test_parts_are_added_up_with_the_union_of_their_flags() -> None:
    assert converted(count("P1", 1.0, "bu"), count("P2", 2.0, "p"))["A"] == (3.0, "bpu", "merged")


def test_an_unknown_own_figure_gives_way_to_known_parts() -> None:
    cells = (count("A", None, "c"), count("P1", 1.0), count("P2", 2.0))
    assert converted(*cells)["A"] == (3.0, "", "merged")


def test_a_missing_part_leaves_the_union_missing() -> None:
    assert converted(count("P1", 1.0), count("P2", None, "c"))["A"] == (None, "c", "merged")
    assert converted(count("P1", 1.0))["A"][0] is None


def test_the_flag_of_a_missing_figure_survives() -> None:
    assert converted(count("A", None, "c"))["A"] == (None, "c", "same")


def test_rates_are_neither_added_up_nor_weighted() -> None:
    assert "A" not in converted(rate("P1", 1.0), rate("P2", 2.0))
    assert "B" not in converted(rate("W1", 1.0), rate("W2", 2.0))


def test_weights_split_and_full_coverage_is_demanded() -> None:
    assert converted(count("W1", 8.0), count("W2", 5.0))["B"] == (7.0, "", "weighted")
    assert converted(count("W1", 8.0))["B"][0] is None


def test_two_spellings_of_one_region_are_refused() -> None:
    with pytest.raises(ContractBroken, match="A and A both stand for A in 2000"):
        converted(count("A", 1.0), count("A", 2.0))
