"""Each rule of a contract on the smallest table that breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest

from data.contracts import check, check_freshness
from data.errors import ContractBroken
from data.recipes import Additivity, Contract, DatasetRecipe, Excused, FileLayout, ValueRange
from data.warehouse.writer import STAGING

Row = tuple[str, str, str, float | None, str]
SEXES = Additivity("sex", "T", ("F", "M"), slack=0.15)
ROWS: list[Row] = [
    ("F", "AT11", "2011", 1.0, ""),
    ("M", "AT11", "2011", 2.0, "b"),
    ("T", "AT11", "2011", 3.0, ""),
    ("F", "BE10", "2011", None, "c"),
    ("M", "BE10", "2011", 2.0, ""),
    ("T", "BE10", "2011", 9.0, ""),
]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


SERIES: list[Row] = [
    *(("F", "AT11", "2010", 1, ""), ("F", "AT11", "2011", 9, "q"), ("F", "AT11", "2012", 3, "")),
    *(("F", "BE10", "2010", 4, ""), ("F", "BE10", "2011", 5, ""), ("F", "BE10", "2012", 2, "")),
]


def staged(con: duckdb.DuckDBPyConnection, rows: list[Row]) -> None:
    con.execute(STAGING)
    con.execute("CREATE TABLE rows (sex VARCHAR, geo VARCHAR, time VARCHAR, v DOUBLE, f VARCHAR)")
    con.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", rows)
    con.execute(
        "CREATE TABLE series AS SELECT (row_number() OVER (ORDER BY geo, sex))::INTEGER AS series,"
        " sex, geo FROM (SELECT DISTINCT sex, geo FROM rows)"
    )
    con.execute(
        "CREATE TABLE periods AS SELECT (row_number() OVER (ORDER BY time) - 1)::USMALLINT AS"
        " period, time FROM (SELECT DISTINCT time FROM rows)"
    )
    con.execute(
        "CREATE TABLE cells AS SELECT series, period, v AS value, f AS flags"
        " FROM rows JOIN series USING (sex, geo) JOIN periods USING (time)"
    )


def recipe(*excused: Excused, **rules: Any) -> DatasetRecipe:
    contract = Contract(**rules)
    layout = FileLayout(("x",), "eurostat_tsv")
    return DatasetRecipe(
        *("p/d", "t", "p", "l", "regional", "", ("sex", "geo"), (layout,)),
        contract=contract,
        excused=excused,
    )


def test_a_sound_table_passes_every_rule(con: duckdb.DuckDBPyConnection) -> None:
    staged(con, ROWS)
    sound = recipe(
        flags="bc",
        ranges=(ValueRange(0, 10), ValueRange(high=2, where={"sex": "M"})),
        additive=(SEXES,),
        expected={"geo": ("AT11",)},
        known={"sex": ("F", "M", "T")},
        rows=(6, 6),
        rows_per_year=(1, 6),
    )
    assert check(con, sound, "x.tsv") == 0


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"flags": "b"}, "rule flags, file x.tsv: 1 rows break it, unknown flag in c: F, BE10"),
        ({"ranges": (ValueRange(high=5),)}, r"rule range.*outside \[-inf, 5\]: T, BE10, 2011: 9"),
        ({"ranges": (ValueRange(low=2, where={"sex": "F"}),)}, "rule range.*: F, AT11, 2011: 1"),
        ({"known": {"geo": ("AT11",)}}, "rule known.*3 rows break it, unknown code of geo: F, BE"),
        ({"expected": {"geo": ("AT11", "CZ01")}}, "rule expected.*geo lacks CZ01"),
        ({"rows": (7, 9)}, "rule rows.*6 rows where 7 to 9 are expected"),
        ({"rows_per_year": (1, 5)}, "rule rows.*6 rows of 2011 where 1 to 5 are expected"),
    ],
)
def test_a_broken_rule_is_named_with_its_rows(
    con: duckdb.DuckDBPyConnection, rules: dict[str, Any], message: str
) -> None:
    staged(con, ROWS)
    with pytest.raises(ContractBroken, match=message):
        check(con, recipe(**rules), "x.tsv")


def test_parts_that_do_not_make_up_the_total(con: duckdb.DuckDBPyConnection) -> None:
    staged(con, [*ROWS[:3], ("F", "BE10", "2011", 1.0, ""), *ROWS[4:]])
    with pytest.raises(ContractBroken, match=r"1 totals are not .* F, M \(T, BE10, 2011: 9"):
        check(con, recipe(additive=(SEXES,)), "x.tsv")


def test_a_total_within_the_rounding_of_its_parts_passes(con: duckdb.DuckDBPyConnection) -> None:
    staged(con, [("F", "A", "1", 1.0, ""), ("M", "A", "1", 2.0, ""), ("T", "A", "1", 3.1, "")])
    assert check(con, recipe(additive=(SEXES,)), "x.tsv") == 0
    strict = Additivity("sex", "T", ("F", "M"), tolerance=0.01)
    con.execute("DROP VIEW staged")
    with pytest.raises(ContractBroken, match="rule additive"):
        check(con, recipe(additive=(strict,)), "x.tsv")


NESTED = Additivity("geo", nested=True, tolerance=0.01, slack=0.06)
COUNTRY: list[Row] = [
    *(("T", "AT", "1", 10.0, ""), ("T", "AT1", "1", 4.1, ""), ("T", "AT2", "1", 6.0, "")),
    *(("T", "BE", "1", 9.0, ""), ("T", "BE1", "1", 4.0, ""), ("T", "BE2", "1", None, "c")),
]


def test_regions_make_up_their_country_where_all_are_given(
    con: duckdb.DuckDBPyConnection,
) -> None:
    staged(con, COUNTRY)
    assert check(con, recipe(additive=(NESTED,)), "x.tsv") == 0
    con.execute("UPDATE cells SET value = 4.4 WHERE value = 4.1")
    con.execute("DROP VIEW staged")
    with pytest.raises(ContractBroken, match=r"codes below it \(T, AT, 1: 10 against 10.4\)"):
        check(con, recipe(additive=(NESTED,)), "x.tsv")


def test_tolerated_rows_are_set_aside(con: duckdb.DuckDBPyConnection) -> None:
    staged(con, ROWS)
    assert check(con, recipe(ranges=(ValueRange(high=5),), tolerate=1), "x.tsv") == 1
    assert con.execute("SELECT max(value), count(*) FROM staged").fetchone() == (3.0, 5)
    assert con.execute("SELECT key, value FROM set_aside").fetchone() == ("T, BE10", 9.0)


def test_a_row_set_aside_takes_no_other_period_of_its_series_with_it(
    con: duckdb.DuckDBPyConnection,
) -> None:
    staged(con, SERIES)
    assert check(con, recipe(flags="q", ranges=(ValueRange(high=8),), tolerate=1), "x.tsv") == 1
    left = con.execute("SELECT geo, time, value FROM staged ORDER BY ALL").fetchall()
    assert left == [row[1:4] for row in SERIES if row[3] != 9.0]


def test_a_row_that_breaks_several_rules_counts_once(con: duckdb.DuckDBPyConnection) -> None:
    staged(con, SERIES)
    ranges = (ValueRange(high=8), ValueRange(high=7, where={"geo": "AT11"}))
    broken = recipe(flags="", ranges=ranges, tolerate=1)
    assert check(con, broken, "x.tsv") == 1
    rules = con.execute("SELECT rule FROM set_aside ORDER BY rule").fetchall()
    assert rules == [("flags",), ("range",), ("range",)]


def test_the_message_counts_and_shows_a_row_once(con: duckdb.DuckDBPyConnection) -> None:
    staged(con, SERIES)
    ranges = (ValueRange(high=8), ValueRange(high=7, where={"geo": "AT11"}))
    with pytest.raises(ContractBroken, match=r": 1 rows break it, [^;]*: F, AT11, 2011: 9.0 q;"):
        check(con, recipe(flags="q", ranges=ranges), "x.tsv")


def test_rows_without_a_code_count_one_by_one(con: duckdb.DuckDBPyConnection) -> None:
    staged(con, SERIES)
    without = "INSERT INTO set_aside VALUES (NULL, NULL, 'code', 'no code', 'Wien', ?, NULL, '')"
    con.executemany(without, [["2010"], ["2011"]])
    with pytest.raises(ContractBroken, match=r"rule code.*: 2 rows break it"):
        check(con, recipe(flags="q", tolerate=1), "x.tsv")
    con.execute("DROP VIEW staged")
    assert check(con, recipe(flags="q", tolerate=2), "x.tsv") == 2


def test_an_excused_defect_is_let_through_up_to_its_ceiling(con: duckdb.DuckDBPyConnection) -> None:
    staged(con, ROWS)
    excuse = Excused("range", "known since 2012", ceiling=1, where={"geo": "BE10"})
    high = {"ranges": (ValueRange(high=5),)}
    assert check(con, recipe(excuse, **high), "x.tsv") == 0
    assert con.execute("SELECT max(value) FROM staged").fetchone() == (9.0,)
    con.execute("DROP VIEW staged")
    low = {"ranges": (ValueRange(high=1.5),)}
    with pytest.raises(ContractBroken, match="2 rows break it where 1 are excused"):
        check(con, recipe(excuse, **low), "x.tsv")


def test_an_edition_too_old_is_refused() -> None:
    fresh = recipe(max_age_days=400)
    check_freshness(fresh, date(2025, 1, 1), date(2025, 12, 31))
    with pytest.raises(ContractBroken, match="more than 400 days old"):
        check_freshness(fresh, date(2025, 1, 1), date(2026, 12, 31))


def test_an_edition_of_the_last_day_allowed_is_fresh_and_of_the_day_before_it_is_not() -> None:
    """2025 has 365 days: the first of January 2026 is that many after that of 2025."""
    yearly = recipe(max_age_days=365)
    check_freshness(yearly, date(2025, 1, 1), date(2026, 1, 1))
    with pytest.raises(ContractBroken, match="edition is of 2024-12-31, more than 365 days old"):
        check_freshness(yearly, date(2024, 12, 31), date(2026, 1, 1))
    daily = recipe(max_age_days=0)
    check_freshness(daily, date(2026, 1, 1), date(2026, 1, 1))
    with pytest.raises(ContractBroken, match="more than 0 days old"):
        check_freshness(daily, date(2025, 12, 31), date(2026, 1, 1))
