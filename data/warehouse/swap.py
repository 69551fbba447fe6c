"""A checked edition from the staging database into the warehouse, whole or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from duckdb import DuckDBPyConnection

from data.raw import RawFile
from data.recipes import DatasetRecipe
from data.sql import statement
from data.warehouse import VINTAGE_COLUMNS
from data.warehouse.vintages import (
    ATTACHED,
    Edition,
    Vintage,
    compare,
    create_tables,
    lay_first,
    lay_in,
    map_staged,
)
from data.warehouse.writer import beside, transaction

WAREHOUSE = {"warehouse": ATTACHED}


@dataclass(frozen=True)
class Swap:
    """What goes in: the edition's place, the kept file, and how many rows were set aside.

    `earlier` is how many editions of the dataset were loaded before.
    """

    recipe: DatasetRecipe
    edition: Edition
    kept: RawFile
    aside: int
    earlier: int


def editions(con: DuckDBPyConnection, home: Path) -> defaultdict[str, list[Vintage]]:
    """The editions of each dataset that are there; only their one writer can add to them."""
    there: defaultdict[str, list[Vintage]] = defaultdict(list)
    with beside(con, home, read_only=True):
        rows = con.execute(
            statement(
                "SELECT {columns} FROM {warehouse}.vintages", columns=VINTAGE_COLUMNS, **WAREHOUSE
            )
        ).fetchall()
    for vintage in (Vintage(*row) for row in rows):
        there[vintage.dataset].append(vintage)
    return there


def loaded_before(
    earlier: Sequence[Vintage], sha256: str, published: date | None
) -> Vintage | None:
    """Of a dataset's editions the one of these very bytes, unless another has its place since.

    A publisher who takes a revision back may send the old bytes under a new date: that is a new
    edition. Bytes without a date of their own (`published` None) are what they were before.
    """
    in_order = sorted(earlier, key=lambda v: (v.published, v.vintage))
    same = [v for v in in_order if v.sha256 == sha256]
    if published is None or not same:
        return same[-1] if same else None
    in_force = [v for v in in_order if v.published <= published][-1:]
    later = [v for v in same if v.published >= published]
    return next((v for v in (*in_force, *later) if v.sha256 == sha256), None)


def swap_in(home: Path, con: DuckDBPyConnection, swap: Swap) -> Vintage:
    """Compares the staged edition with the history and lays it in; returns its record."""
    id, dimensions, edition = swap.recipe.id, swap.recipe.dimensions, swap.edition
    rows = changed = count(con, "SELECT count(*) FROM cells")
    if swap.earlier:
        with beside(con, home, read_only=True):
            edition = placed(con, id, edition)
            map_staged(con, id, dimensions)
            changed = compare(con, id, edition)
    vintage = described(home, swap, rows, changed)
    with transaction(con, home):
        if swap.earlier:
            lay_in(con, id, edition, dimensions)
        else:
            create_tables(con, id, dimensions)
            remember_dimensions(con, id, dimensions)
            lay_first(con, id, edition)
        record(con, vintage, edition)
        remember_set_aside(con, swap, loaded=True)
    return vintage


def placed(con: DuckDBPyConnection, dataset: str, edition: Edition) -> Edition:
    """The edition with the day of the next complete one that is there already."""
    row = con.execute(
        statement(
            "SELECT min(published) FROM {warehouse}.vintages"
            " WHERE dataset = ? AND published > ? AND NOT partial",
            **WAREHOUSE,
        ),
        [dataset, edition.published],
    ).fetchone()
    return replace(edition, following=row[0] if row else None)


def described(home: Path, swap: Swap, rows: int, changed: int) -> Vintage:
    """The record of an edition."""
    recipe, kept = swap.recipe, swap.kept
    return Vintage(
        dataset=recipe.id,
        vintage=swap.earlier + 1,
        published=swap.edition.published,
        retrieved=kept.retrieved,
        sha256=kept.sha256,
        file=kept.path.name,
        raw=str(kept.path.relative_to(home)),
        rows=rows,
        changed=changed,
        quarantined=swap.aside,
        title=recipe.title,
        publisher=recipe.publisher,
        licence=recipe.licence,
    )


def record(con: DuckDBPyConnection, v: Vintage, edition: Edition) -> None:
    """Writes the record of an edition."""
    con.execute(
        statement(
            "INSERT INTO {warehouse}.vintages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            **WAREHOUSE,
        ),
        [
            *(v.dataset, v.vintage, v.published, v.retrieved, v.sha256, v.file, v.raw),
            *(v.rows, v.changed, v.quarantined, v.title, v.publisher, v.licence),
            edition.partial,
        ],
    )


def remember_dimensions(con: DuckDBPyConnection, id: str, dimensions: tuple[str, ...]) -> None:
    """Writes which columns a dataset has, in order."""
    insert = statement("INSERT INTO {warehouse}.dimensions VALUES (?, ?, ?)", **WAREHOUSE)
    con.executemany(insert, [[id, position, name] for position, name in enumerate(dimensions)])


def remember_set_aside(con: DuckDBPyConnection, swap: Swap, loaded: bool) -> None:
    """Copies the rows set aside into the quarantine, with what they are from."""
    con.execute(
        statement(
            "INSERT INTO {warehouse}.quarantine SELECT ?, ?::DATE, ?, rule, reason, key, time,"
            " value, flags, ? FROM set_aside",
            **WAREHOUSE,
        ),
        [swap.recipe.id, swap.edition.published, swap.kept.sha256, loaded],
    )


def record_refused(home: Path, con: DuckDBPyConnection, swap: Swap) -> None:
    """Puts the rows that stopped a load into the quarantine, instead of those of an earlier try."""
    with transaction(con, home):
        forget = "DELETE FROM {warehouse}.quarantine WHERE sha256 = ? AND dataset = ?"
        con.execute(statement(forget, **WAREHOUSE), [swap.kept.sha256, swap.recipe.id])
        remember_set_aside(con, swap, loaded=False)


def count(con: DuckDBPyConnection, query: str, *values: object) -> int:
    """The one number that `query` yields."""
    row = con.execute(statement(query, **WAREHOUSE), list(values)).fetchone()
    assert row is not None
    return int(row[0])
