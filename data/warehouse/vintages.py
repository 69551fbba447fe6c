"""Editions of a dataset and how one is laid into its history.

Observations are bitemporal: each cell says from which publication date until which it was the
publisher's word (`valid_from` <= day < `valid_to`). An edition may arrive after a later one; it
is laid in between. Of two editions of the same day the one loaded last is that day's word.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from duckdb import DuckDBPyConnection

from data.sources.staged import same_key
from data.sql import listed, literal, quoted, statement

OPEN_END = date(9999, 12, 31)
ATTACHED = "warehouse"  # a view names its tables by catalogue, which is the file's name


@dataclass(frozen=True)
class Vintage:
    """One edition of a dataset, as the publisher sent it.

    `rows` are the observations in the file, `changed` those that differ from what stood before,
    `quarantined` those set aside. `raw` is the kept file's place below the home folder.
    """

    dataset: str
    vintage: int
    published: date
    retrieved: datetime
    sha256: str
    file: str
    raw: str
    rows: int
    changed: int
    quarantined: int
    title: str
    publisher: str
    licence: str


@dataclass(frozen=True)
class Edition:
    """Where an edition belongs in the history: `following` is the next complete one, if any.

    A `partial` edition is an extract: of cells that it leaves out it says nothing.
    """

    published: date
    following: date | None = None
    partial: bool = False


@dataclass(frozen=True)
class Tables:
    """The tables of one dataset in the warehouse, attached under its file's name; SQL names.

    `extracts` lists which cells an edition spoke of that holds only a part of the dataset.
    """

    schema: str
    view: str
    cells: str
    series: str
    periods: str
    extracts: str


def tables(dataset: str) -> Tables:
    """Where a dataset (`publisher/name`, already checked) lives in the warehouse."""
    schema, name = dataset.split("/")
    at = f"{ATTACHED}.{quoted(schema)}"
    suffixes = ("", "__cells", "__series", "__periods", "__extracts")
    return Tables(at, *(f"{at}.{quoted(name + suffix)}" for suffix in suffixes))


def create_tables(con: DuckDBPyConnection, dataset: str, dimensions: tuple[str, ...]) -> None:
    """Makes the empty tables of a dataset and the view that a reader of the file looks for."""
    t = tables(dataset)
    columns = ", ".join(f"{quoted(d)} VARCHAR" for d in dimensions)
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {t.schema}")
    con.execute(f"CREATE TABLE {t.series} (series INTEGER, {columns})")
    con.execute(f"CREATE TABLE {t.periods} (period USMALLINT, time VARCHAR)")
    con.execute(
        f"CREATE TABLE {t.cells} (series INTEGER, period USMALLINT, value DOUBLE, flags VARCHAR,"
        " valid_from DATE, valid_to DATE)"
    )
    con.execute(f"CREATE TABLE {t.extracts} (published DATE, series INTEGER, period USMALLINT)")
    con.execute(
        statement(
            "CREATE VIEW {view} AS SELECT {dims}, p.time, c.value, c.flags, c.valid_from,"
            " c.valid_to FROM {cells} c JOIN {series} s USING (series)"
            " JOIN {periods} p USING (period)",
            view=t.view,
            dims=listed(dimensions, of="s"),
            cells=t.cells,
            series=t.series,
            periods=t.periods,
        )
    )


def map_staged(con: DuckDBPyConnection, dataset: str, dimensions: tuple[str, ...]) -> None:
    """View `incoming`: the staged cells under the warehouse's numbers of series and periods.

    New combinations of codes and new periods get the next free numbers and are marked `fresh`
    in `series_map` and `period_map`.
    """
    t = tables(dataset)
    con.execute(
        statement(
            "CREATE TABLE series_map AS SELECT s.series AS staged, coalesce(w.series,"
            " (SELECT coalesce(max(series), 0) FROM {series})"
            " + row_number() OVER (PARTITION BY w.series IS NULL))::INTEGER AS series,"
            " w.series IS NULL AS fresh FROM series s LEFT JOIN {series} w ON {same}",
            series=t.series,
            same=same_key(dimensions, "s", "w"),
        )
    )
    con.execute(
        statement(
            "CREATE TABLE period_map AS SELECT s.period AS staged, coalesce(w.period,"
            " (SELECT coalesce(max(period) + 1, 0) FROM {periods})"
            " + row_number() OVER (PARTITION BY w.period IS NULL) - 1)::USMALLINT AS period,"
            " s.time, w.period IS NULL AS fresh FROM periods s LEFT JOIN {periods} w USING (time)",
            periods=t.periods,
        )
    )
    con.execute(
        "CREATE VIEW incoming AS SELECT m.series, n.period, c.value, c.flags FROM cells c"
        " JOIN series_map m ON m.staged = c.series JOIN period_map n ON n.staged = c.period"
    )


def compare(con: DuckDBPyConnection, dataset: str, edition: Edition) -> int:
    """Works out, outside the warehouse, what an edition changes; returns how many cells.

    Fills `closing` (rows whose word ends on the day of the edition) and `opening` (rows whose
    word begins), both with the day `ends` on which a later edition spoke of that cell again.
    """
    t = tables(dataset)
    slots = {"cells": t.cells, "extracts": t.extracts, "day": day(edition.published)}
    slots["following"] = day(edition.following or OPEN_END)
    slots["how"] = "" if edition.partial else "LEFT"
    slots["differs"] = "i.value IS DISTINCT FROM s.value OR i.flags <> s.flags"
    for step in COMPARISON:
        con.execute(statement(step, **slots))
    found = con.execute(
        "SELECT count(*) FROM (SELECT series, period FROM closing UNION"
        " SELECT series, period FROM opening)"
    ).fetchone()
    assert found is not None
    return int(found[0])


COMPARISON = (
    "CREATE TABLE standing AS SELECT series, period, value, flags, valid_from, valid_to"
    " FROM {cells} WHERE valid_from <= {day} AND valid_to > {day}",
    "CREATE TABLE spoken AS SELECT series, period, min(published) AS ends FROM {extracts}"
    " WHERE published > {day} AND published < {following} GROUP BY ALL",
    "CREATE TABLE closing AS SELECT s.*, coalesce(p.ends, {following}) AS ends FROM standing s"
    " {how} JOIN incoming i USING (series, period) LEFT JOIN spoken p USING (series, period)"
    " WHERE i.series IS NULL OR {differs}",
    "CREATE TABLE opening AS SELECT i.*, coalesce(p.ends, {following}) AS ends FROM incoming i"
    " LEFT JOIN standing s USING (series, period) LEFT JOIN spoken p USING (series, period)"
    " WHERE s.series IS NULL OR {differs}",
    # where the next edition says the same, its row only has to begin earlier
    "CREATE TABLE earlier AS SELECT o.series, o.period, o.ends FROM opening o JOIN {cells} c"
    " ON c.series = o.series AND c.period = o.period AND c.valid_from = o.ends"
    " AND c.value IS NOT DISTINCT FROM o.value AND c.flags = o.flags",
)

LAYING = (
    "INSERT INTO {cells} SELECT series, period, value, flags, ends, valid_to FROM closing"
    " WHERE ends < valid_to",
    "DELETE FROM {cells} c USING closing x WHERE c.series = x.series AND c.period = x.period"
    " AND c.valid_from = {day} AND x.valid_from = {day}",
    "UPDATE {cells} c SET valid_to = {day} FROM closing x WHERE c.series = x.series"
    " AND c.period = x.period AND c.valid_from = x.valid_from AND c.valid_from < {day}",
    "UPDATE {cells} c SET valid_from = {day} FROM earlier e WHERE c.series = e.series"
    " AND c.period = e.period AND c.valid_from = e.ends",
    "INSERT INTO {cells} SELECT o.series, o.period, o.value, o.flags, {day}, o.ends FROM opening o"
    " ANTI JOIN earlier e USING (series, period)",
    "INSERT INTO {series} SELECT m.series, {dims} FROM series_map m"
    " JOIN series s ON s.series = m.staged WHERE m.fresh",
    "INSERT INTO {periods} SELECT period, time FROM period_map WHERE fresh",
)


def lay_in(con: DuckDBPyConnection, dataset: str, edition: Edition, dims: tuple[str, ...]) -> None:
    """Applies what `compare` found; to be called inside the one transaction of the swap."""
    t = tables(dataset)
    slots = {"cells": t.cells, "series": t.series, "periods": t.periods}
    slots |= {"day": day(edition.published), "dims": listed(dims, of="s")}
    for step in LAYING:
        con.execute(statement(step, **slots))
    remember_extract(con, t, edition, "incoming")


def lay_first(con: DuckDBPyConnection, dataset: str, edition: Edition) -> None:
    """Lays in the first edition of a dataset, whose staged numbers the warehouse takes over."""
    t = tables(dataset)
    slots = {"cells": t.cells, "series": t.series, "periods": t.periods}
    slots |= {"day": day(edition.published), "end": day(OPEN_END)}
    con.execute(statement("INSERT INTO {series} SELECT * FROM series", **slots))
    con.execute(statement("INSERT INTO {periods} SELECT period, time FROM periods", **slots))
    con.execute(
        statement(
            "INSERT INTO {cells} SELECT series, period, value, flags, {day}, {end} FROM cells",
            **slots,
        )
    )
    remember_extract(con, t, edition, "cells")


def remember_extract(
    con: DuckDBPyConnection, t: Tables, edition: Edition, staged: Literal["incoming", "cells"]
) -> None:
    """Notes which cells a partial edition spoke of, for editions that arrive late."""
    if edition.partial:
        con.execute(
            statement(
                "INSERT INTO {extracts} SELECT {day}, series, period FROM {staged}",
                extracts=t.extracts,
                day=day(edition.published),
                staged=staged,
            )
        )


def day(of: date) -> str:
    """A date as SQL."""
    return f"DATE {literal(of.isoformat())}"
