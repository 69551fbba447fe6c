"""Which rows of a table in DuckDB can be used: those that have every number and every key."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from data.errors import BadInput
from data.sql import listed, quoted, statement

FLOATS = ("FLOAT", "DOUBLE")
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
NUMBERS = (*FLOATS, "DECIMAL", "BOOLEAN", *WHOLE, *(f"U{kind}" for kind in WHOLE))


def complete(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    measured: Sequence[str],
    keys: Sequence[str],
) -> str:
    """The condition, in SQL, that no column is NULL or NaN, which to DuckDB is a number.

    Raises BadInput for columns that are not there, and for `measured` ones that are not of numbers.
    """
    used = [*measured, *keys]
    query = statement("DESCRIBE SELECT {used} FROM {table}", used=listed(used), table=relation)
    try:
        kinds = [row[1] for row in connection.execute(query).fetchall()]
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as fault:
        reason = str(fault).splitlines()[0]
        raise BadInput(relation, reason, "check the path and the columns' names") from None
    for name, kind in zip(measured, kinds, strict=False):
        if kind.partition("(")[0] not in NUMBERS:
            raise BadInput(relation, f"column {name!r} holds {kind}, not numbers", "convert it")
    tests = [f"{quoted(name)} IS NOT NULL" for name in used]
    for name, kind in zip(used, kinds, strict=True):
        if kind in FLOATS:
            # not NOT isnan(): DuckDB 2.0 takes that for true of a Parquet file whose own least and
            # largest values, which leave NaN out, are numbers
            tests.append(f"(isfinite({quoted(name)}) OR isinf({quoted(name)}))")
    return " AND ".join(tests)
