"""Takes a recipe's columns out of the warehouse's observations: selection and aggregation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
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
_SELECT = """
CREATE OR REPLACE TEMP TABLE cells AS
SELECT geo, period, {aggregate} AS value, {flags} AS flags, count(*) AS n
FROM observations
WHERE period BETWEEN ? AND ?{tests}
GROUP BY geo, period
"""
# copied once: each column would read all of an Arrow table, and every period's text, again
_COPY = """
CREATE OR REPLACE TEMP TABLE observations AS
SELECT * EXCLUDE (time), TRY_CAST(substr(time, 1, 4) AS INTEGER) AS period FROM selected
"""
_STORE = "INSERT INTO {table} SELECT ?, ?, geo, period, value, flags FROM cells"
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
        for pick in picks:
            _pick(connection, recipe, pick)
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


def _pick(connection: duckdb.DuckDBPyConnection, recipe: PanelRecipe, pick: Pick) -> None:
    where = f"panel {recipe.id}, column {pick.name}"
    table = "picked" if pick.at == "unit" else "picked_parents"
    tests = "".join(
        f" AND {quoted(d)} IN ({', '.join(map(literal, codes))})" for d, codes in pick.where.items()
    )
    aggregate = _AGGREGATES[pick.aggregate] if pick.over else "any_value(value)"
    parts = _parts(pick)
    if parts is not None:
        aggregate = statement(_COMPLETE, parts=str(int(parts)), aggregate=aggregate)
    connection.execute(
        statement(_SELECT, aggregate=aggregate, flags=ALL_FLAGS, tests=tests),
        [recipe.first, recipe.last],
    )
    found = connection.execute("SELECT count(*), max(n) FROM cells").fetchone()
    if found is None or not found[0]:
        raise BadInput(
            where,
            f"nothing in {pick.dataset} fits {_shown(pick)} in {recipe.first}-{recipe.last}",
            "check the codes in the recipe, or load an edition that has them",
        )
    if found[1] > 1 and not pick.over:
        raise ContractBroken(
            where,
            f"{found[1]} observations of {pick.dataset} for one cell",
            "narrow `where` to one code of each dimension, or name the dimension in `over`",
        )
    connection.execute(
        statement(_STORE, table=table),
        [pick.name, pick.kind],
    )
    connection.execute("INSERT INTO columns_of VALUES (?, ?)", [pick.name, pick.dataset])


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
    product = 1
    for length in listed:
        product *= length
    return product


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
