"""Brings selected observations from publishers' region codes to the units of a panel, in SQL.

Table `picked` (col, kind, geo, period, value, flags) goes in; `converted` (col, unit, period,
value, flags, route, version) comes out: one row per cell that any source code speaks of. Counts
and money are added up over parts and split by weights; a rate is never converted, only carried
over for a region that is the same or renamed. A cell whose parts are not all known is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pandas as pd

from data.errors import ContractBroken
from data.regions.crosswalk import RANKS, Link
from data.sql import ALL_FLAGS, statement

_CONVERT = """
CREATE TABLE converted AS
WITH parts AS (
    SELECT p.col, l.unit, p.period, l.grp, l.route, l.rank, l.distance, l.version,
           p.value, p.flags, p.geo, l.weight, l.cover
    FROM picked p JOIN links l ON p.geo = l.source
    WHERE l.rank <= 2 OR p.kind <> 'rate'
), candidates AS (
    SELECT col, unit, period, route, rank, distance, version, grp,
           CASE WHEN count(value) = count(*) AND sum(cover) >= CASE rank WHEN 4 THEN $coverage
                                                               ELSE 0.999999 END
                THEN CASE WHEN count(*) = 1 AND any_value(weight) = 1 THEN any_value(value)
                          ELSE sum(value * weight ORDER BY geo) END END AS value,
           {flags} AS flags
    FROM parts
    GROUP BY col, unit, period, route, rank, distance, version, grp
)
SELECT col, unit, period, value, flags, route, version
FROM candidates
QUALIFY row_number() OVER (
    PARTITION BY col, unit, period ORDER BY value IS NULL, rank, distance, grp
) = 1
"""

_DOUBLES = """
SELECT p.col, l.unit, p.period, list_sort(list(p.geo))
FROM picked p JOIN links l ON p.geo = l.source
WHERE l.rank <= 2 OR p.kind <> 'rate'
GROUP BY p.col, l.unit, p.period, l.grp
HAVING sum(l.cover) > 1.000001
LIMIT 1
"""

_LINK_COLUMNS = [
    *("source", "unit", "route", "rank", "version"),
    *("distance", "grp", "weight", "cover"),
]

_BROADCAST = """
INSERT INTO converted
SELECT p.col, l.unit, p.period, p.value, p.flags, 'parent', ''
FROM picked_parents p JOIN parent_links l ON p.geo = l.source
"""


def convert(
    connection: duckdb.DuckDBPyConnection, links: Sequence[Link], coverage: float
) -> None:
    """Creates `converted` from `picked`. `coverage` is the least share weights must reach.

    Raises ContractBroken where two codes of one column denote the same region.
    """
    table = pd.DataFrame([_row(link) for link in links], columns=_LINK_COLUMNS)
    connection.register("links", table)
    _refuse_doubles(connection)
    connection.execute(statement(_CONVERT, flags=ALL_FLAGS), {"coverage": coverage})


def _refuse_doubles(connection: duckdb.DuckDBPyConnection) -> None:
    """Two spellings of one region in one column would be added up in silence."""
    double = connection.execute(_DOUBLES).fetchone()
    if double is not None:
        raise ContractBroken(
            f"column {double[0]}",
            f"codes {' and '.join(double[3])} both stand for {double[1]} in {double[2]}",
            "leave one of them out in the recipe's `where`",
        )


def _row(link: Link) -> tuple[object, ...]:
    return (
        *(link.source, link.unit, link.route, RANKS[link.route], link.version),
        *(link.distance, link.group, link.weight, link.cover),
    )


def broadcast(connection: duckdb.DuckDBPyConnection, links: Sequence[tuple[str, str]]) -> None:
    """Adds the figures of `picked_parents` to `converted`: links are (parent's code, unit)."""
    table = pd.DataFrame(links, columns=["source", "unit"], dtype="str")
    connection.register("parent_links", table)
    connection.execute(_BROADCAST)


def wide(
    connection: duckdb.DuckDBPyConnection, what: str, columns: Sequence[str]
) -> pd.DataFrame:
    """`columns` of the panel by unit and period; `what` is shown: value, flags or route."""
    asked = [duckdb.ConstantExpression(column) for column in columns or ("",)]
    some = connection.table("converted").filter(duckdb.ColumnExpression("col").isin(*asked))
    long = some.project(f"col, unit, period, {what}").df()
    return long.pivot(index=["unit", "period"], columns="col", values=what)
