"""What every reader leaves behind in the staging database, and the steps they share.

A reader fills three tables (or views): `series` (series INTEGER, one VARCHAR column per dimension),
`periods` (period USMALLINT, time VARCHAR) and `cells` (series, period, value DOUBLE, flags
VARCHAR). Splitting series from cells keeps fifty million cells small and fast to check: codes
are split, and duplicates looked for, once a series instead of once a cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from duckdb import DuckDBPyConnection

from data.errors import BadInput, ContractBroken
from data.recipes import DatasetRecipe, Excused, FileLayout
from data.sql import listed, quoted, statement

PERIOD = re.compile(r"(\d{4})(?:-?(Q[1-4]|S[12]|W\d{2})|-(\d{2}(?:-\d{2})?)|M(\d{2}))?")


@dataclass(frozen=True)
class SourceFile:
    """A publisher's file, unpacked: `path` is the plain text or workbook, `name` what to call it.

    `companions` are the files of the same folder that a layout needs beside it; `scratch` is a
    folder for what a reader has to write down on its way.
    """

    path: Path
    name: str
    scratch: Path
    companions: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Load:
    """One file on its way into the staging database behind `con`."""

    con: DuckDBPyConnection
    file: SourceFile
    recipe: DatasetRecipe
    layout: FileLayout


# reads one file into the staging tables; raises BadInput naming file and line or cell
Reader = Callable[[Load], None]
Dated = Callable[[SourceFile], date | None]


def period(text: str) -> str | None:
    """The period in its present spelling ("2013", "2013-Q1", "2013-04"), or None if it is none."""
    match = PERIOD.fullmatch(text.strip())
    if match is None:
        return None
    year, part, tail, month = match.groups()
    rest = part or tail or month
    return f"{year}-{rest}" if rest else year


def file_dimensions(load: Load, columns: Sequence[str], where: str) -> None:
    """Checks that a file has exactly the dimensions its layout promises; `time` is left out."""
    recipe, layout = load.recipe, load.layout
    wanted = {name for name in recipe.dimensions if name not in layout.constants}
    allowed = {*recipe.dimensions, *layout.dropped}
    twice = sorted({name for name in columns if list(columns).count(name) > 1})
    missing, unknown = sorted(wanted - set(columns)), sorted(set(columns) - allowed)
    if twice:
        raise BadInput(where, f"column {', '.join(twice)} is there twice", "fetch the file again")
    if missing or unknown:
        parts = [f"column {', '.join(missing)} is missing"] if missing else []
        parts += [f"column {', '.join(unknown)} is not in the recipe"] if unknown else []
        raise BadInput(
            where,
            " and ".join(parts),
            f"the recipe of {recipe.id} names {', '.join(sorted(wanted))}",
        )


def keep_periods(con: DuckDBPyConnection, times: Sequence[str]) -> None:
    """Writes table `periods`, numbered as `times` is ordered."""
    con.execute(
        "CREATE TABLE periods AS SELECT unnest(range(len($1)))::USMALLINT AS period,"
        " unnest($1::VARCHAR[]) AS time",
        [list(times)],
    )


def tidy_flags(con: DuckDBPyConnection) -> None:
    """Flags as sorted letters; a confidentiality mark (`@C`) is the letter c."""
    raws = [row[0] for row in con.execute("SELECT DISTINCT flags FROM cells").fetchall()]
    for raw in raws:
        tidy = "".join(sorted(set(re.sub(r"[@\s]", "", raw).lower())))
        if tidy != raw:
            con.execute("UPDATE cells SET flags = ? WHERE flags = ?", [tidy, raw])


def from_long(load: Load) -> None:
    """Turns table `long` (dimensions, time, value, flags, place) into the three staging tables.

    `place` says where in the file a row stands, as macro `spelt` puts it. Raises BadInput on a key
    that is there twice, unless the recipe excuses such keys: then their rows are added up.
    """
    con, recipe = load.con, load.recipe
    excuse = next((e for e in recipe.excused if e.rule == "key"), None)
    if excuse is not None:
        add_up_double_keys(load, excuse)
    number_series(con, recipe)
    con.execute(
        statement(
            "CREATE TABLE cells AS SELECT s.series, p.period, l.value, l.flags"
            " FROM long l JOIN periods p USING (time) JOIN series s ON {same}",
            same=same_key(recipe.dimensions, "l", "s"),
        )
    )
    # two numbers are compared sooner than all codes
    twice = "SELECT 1 FROM cells GROUP BY series, period HAVING count(*) > 1 LIMIT 1"
    if con.execute(twice).fetchone():
        raise double_key(load)
    tidy_flags(con)


def number_series(con: DuckDBPyConnection, recipe: DatasetRecipe) -> None:
    """Tables `series` and `periods` of the keys in `long`."""
    con.execute(
        "CREATE TABLE periods AS"
        " SELECT (row_number() OVER (ORDER BY time) - 1)::USMALLINT AS period, time"
        " FROM (SELECT DISTINCT time FROM long)"
    )
    con.execute(
        statement(
            "CREATE TABLE series AS SELECT row_number() OVER ()::INTEGER AS series, {dims}"
            " FROM (SELECT DISTINCT {dims} FROM long)",
            dims=listed(recipe.dimensions),
        )
    )


def same_key(dimensions: Sequence[str], one: str, other: str) -> str:
    """SQL for rows of two aliases whose dimensions agree, a missing code agreeing with itself."""
    return " AND ".join(
        f"{one}.{quoted(d)} IS NOT DISTINCT FROM {other}.{quoted(d)}" for d in dimensions
    )


def add_up_double_keys(load: Load, excuse: Excused) -> None:
    """Makes one row of all rows of a key; raises ContractBroken beyond the excuse's ceiling."""
    dims = listed(load.recipe.dimensions)
    found = load.con.execute(
        statement(
            "SELECT count(*) FROM (SELECT 1 FROM long GROUP BY {dims}, time HAVING count(*) > 1)",
            dims=dims,
        )
    ).fetchone()
    assert found is not None
    if found[0] > excuse.ceiling:
        raise ContractBroken(
            f"dataset {load.recipe.id}, rule key, file {load.file.name}",
            f"{found[0]} keys are there twice where {excuse.ceiling} are excused ({excuse.reason})",
            "look at the new ones before raising the ceiling in the recipe",
        )
    load.con.execute(
        statement(
            "CREATE OR REPLACE TABLE long AS SELECT {dims}, time, sum(value) AS value,"
            " string_agg(flags, '') AS flags FROM long GROUP BY {dims}, time",
            dims=dims,
        )
    )


def double_key(load: Load) -> BadInput:
    """The first key that `long` holds twice, and both places."""
    dims = listed(load.recipe.dimensions)
    found = load.con.execute(
        statement(
            "SELECT {dims}, time, list(spelt(place) ORDER BY spelt(place)) FROM long"
            " GROUP BY {dims}, time HAVING count(*) > 1 ORDER BY ALL LIMIT 1",
            dims=dims,
        )
    ).fetchone()
    assert found is not None
    key = ", ".join(str(part) for part in found[:-1])
    return BadInput(
        f"{load.file.name}, {found[-1][0]} and {found[-1][1]}",
        f"key ({key}) is there twice",
        "keep one row; if both belong, the recipe lacks the dimension that tells them apart",
    )
