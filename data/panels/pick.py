"""Takes a recipe's columns out of the warehouse's observations: selection and aggregation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import product
from math import prod
from typing import Protocol

import duckdb

from data.errors import BadInput, ContractBroken
from data.panels.editions import EditionInForce, Wanted, wanted
from data.panels.recipe import PanelRecipe, Pick
from data.recipes import dataset_recipe
from data.sql import ALL_FLAGS, literal, quoted, statement
from data.suggestions import near

_AGGREGATES = {
    "sum": "CASE WHEN bool_and(value IS NOT NULL) THEN sum(value ORDER BY value) END",
    "mean": "CASE WHEN bool_and(value IS NOT NULL) THEN sum(value ORDER BY value) / count(*) END",
    "count": "count(value)",
}
_COMPLETE = "CASE WHEN count(*) = {parts} THEN {aggregate} END"
_LAYOUT = """
CREATE TABLE {table} (
    col VARCHAR, kind VARCHAR, geo VARCHAR, period INTEGER, value DOUBLE, flags VARCHAR
)
"""
_CELLS = """
CREATE OR REPLACE TEMP TABLE cells (
    col VARCHAR, geo VARCHAR, period INTEGER, value DOUBLE, flags VARCHAR, n BIGINT
)
"""
_SELECT = """
INSERT INTO cells
SELECT k.col, o.geo, o.period, {aggregate}, {flags}, count(*)
FROM observations o JOIN (VALUES {codes}) k({names}) ON {same}
WHERE o.period BETWEEN ? AND ?
GROUP BY k.col, o.geo, o.period
"""
# copied once: each selection would read all of an Arrow table, and every period's text, again
_COPY = """
CREATE OR REPLACE TEMP TABLE observations AS
SELECT * EXCLUDE (time), TRY_CAST(substr(time, 1, 4) AS INTEGER) AS period FROM selected
"""
_STORE = """
INSERT INTO {table}
SELECT col, kind, geo, period, value, flags
FROM cells JOIN (VALUES {kinds}) k(col, kind, dataset) USING (col)
"""
_SOURCES = "INSERT INTO columns_of SELECT col, dataset FROM (VALUES {kinds}) k(col, kind, dataset)"
_FILL = """
INSERT INTO picked
SELECT ?, ?, r.geo, y.period, ?, NULL
FROM (SELECT DISTINCT geo FROM picked WHERE col IN (SELECT unnest(?))) r
CROSS JOIN (SELECT DISTINCT period FROM observations) y
ANTI JOIN picked p ON p.col = ? AND p.geo = r.geo AND p.period = y.period
WHERE y.period BETWEEN ? AND ?
"""


class Observations(Protocol):
    """What is asked of the warehouse: all observations of a dataset as known on a day."""

    def observations(self, dataset: str, as_of: date | None) -> duckdb.DuckDBPyRelation:
        """One text column per dimension, `time`, `value` and `flags`."""
        ...


def pick_columns(
    connection: duckdb.DuckDBPyConnection,
    recipe: PanelRecipe,
    warehouse: Observations,
    editions: Mapping[Wanted, EditionInForce],
) -> None:
    """Creates tables `picked` and `picked_parents` (col, kind, geo, period, value, flags).

    Columns without an edition stay without rows.

    Raises BadInput for a selection that finds nothing or a dimension that does not exist, and
    ContractBroken for two observations of one cell.
    """
    for table in ("picked", "picked_parents"):
        connection.execute(statement(_LAYOUT, table=table))
    connection.execute("CREATE TABLE columns_of (col VARCHAR, dataset VARCHAR)")
    for key, edition in editions.items():
        picks = [pick for pick in recipe.picks if wanted(pick) == key]
        if not picks:
            continue
        _check_dimensions(recipe, picks)
        relation = _needed(warehouse.observations(key[0], edition.day), picks)
        connection.register("selected", relation.to_arrow_table())
        connection.execute(_COPY)
        connection.unregister("selected")
        _pick(connection, recipe, picks)
        _fill_ledger(connection, recipe, picks)
    connection.execute("DROP TABLE IF EXISTS observations")


def _needed(
    relation: duckdb.DuckDBPyRelation, picks: Sequence[Pick]
) -> duckdb.DuckDBPyRelation:
    """Only rows that some pick may want: every pick narrows the dimension, so does the union."""
    for dimension in picks[0].where:
        wanted = [pick.where.get(dimension) for pick in picks]
        if None not in wanted:
            codes = sorted({code for each in wanted for code in each or ()})
            column = duckdb.ColumnExpression(dimension)
            relation = relation.filter(column.isin(*map(duckdb.ConstantExpression, codes)))
    return relation


def _pick(
    connection: duckdb.DuckDBPyConnection, recipe: PanelRecipe, picks: Sequence[Pick]
) -> None:
    """The columns of one dataset, those that select and aggregate alike in one pass."""
    alike: dict[tuple[str, tuple[str, ...]], list[Pick]] = {}
    for pick in picks:
        alike.setdefault((_aggregate(pick), tuple(pick.where)), []).append(pick)
    connection.execute(_CELLS)
    for (aggregate, dimensions), some in alike.items():
        same = [f"o.{quoted(name)} = k.w{i}" for i, name in enumerate(dimensions)]
        connection.execute(
            statement(
                _SELECT,
                aggregate=aggregate,
                flags=ALL_FLAGS,
                codes=_rows((p.name, *codes) for p in some for codes in product(*p.where.values())),
                names=", ".join(["col", *(f"w{i}" for i in range(len(dimensions)))]),
                same=" AND ".join(same) or "true",
            ),
            [recipe.first, recipe.last],
        )
    _refuse_misfits(connection, recipe, picks)
    for table, at in (("picked", "unit"), ("picked_parents", "parent")):
        kinds = [(p.name, p.kind, p.dataset) for p in picks if p.at == at]
        if kinds:
            connection.execute(statement(_STORE, table=table, kinds=_rows(kinds)))
            connection.execute(statement(_SOURCES, kinds=_rows(kinds)))


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows of text as SQL, each once."""
    return ", ".join(f"({', '.join(map(literal, row))})" for row in dict.fromkeys(rows))


def _aggregate(pick: Pick) -> str:
    """SQL for the value of a cell."""
    aggregate = _AGGREGATES[pick.aggregate] if pick.over else "any_value(value)"
    parts = _parts(pick)
    if parts is None:
        return aggregate
    return statement(_COMPLETE, parts=str(int(parts)), aggregate=aggregate)


def _refuse_misfits(
    connection: duckdb.DuckDBPyConnection, recipe: PanelRecipe, picks: Sequence[Pick]
) -> None:
    """Raises on the first column without any cell, or with several observations of one."""
    most = dict(connection.execute("SELECT col, max(n) FROM cells GROUP BY col").fetchall())
    for pick in picks:
        where = f"panel {recipe.id}, column {pick.name}"
        if pick.name not in most:
            raise BadInput(
                where,
                f"nothing in {pick.dataset} fits {_shown(pick)} in {recipe.first}-{recipe.last}",
                "check the codes in the recipe, or load an edition that has them",
            )
        if most[pick.name] > 1 and not pick.over:
            raise ContractBroken(
                where,
                f"{most[pick.name]} observations of {pick.dataset} for one cell",
                "narrow `where` to one code of each dimension, or name the dimension in `over`",
            )


def _fill_ledger(
    connection: duckdb.DuckDBPyConnection, recipe: PanelRecipe, picks: Sequence[Pick]
) -> None:
    """What a ledger leaves out is `absent`: for regions it lists, in the years it covers."""
    for pick in picks:
        if pick.absent is None:
            continue
        names = [p.name for p in picks]
        connection.execute(
            _FILL,
            [pick.name, pick.kind, pick.absent, names, pick.name, recipe.first, recipe.last],
        )


def _parts(pick: Pick) -> int | None:
    """How many observations make a cell: as stated, or all listed codes of what is summed."""
    listed = [len(pick.where[dimension]) for dimension in pick.over if dimension in pick.where]
    if pick.parts is not None or not listed or len(listed) < len(pick.over):
        return pick.parts
    return prod(listed)


def _check_dimensions(recipe: PanelRecipe, picks: Sequence[Pick]) -> None:
    """Names reach SQL only if the dataset's own recipe has them."""
    known = dataset_recipe(picks[0].dataset).dimensions
    for pick in picks:
        for name in [*pick.where, *(d for d in pick.over if d != "time")]:
            if name not in known:
                raise BadInput(
                    f"panel {recipe.id}, column {pick.name}",
                    f"{pick.dataset} has no dimension {name!r}",
                    near(name, known),
                )


def _shown(pick: Pick) -> str:
    return ", ".join(f"{d} = {'/'.join(codes)}" for d, codes in pick.where.items()) or "it"
