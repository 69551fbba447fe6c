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
    floats = [quoted(name) for name, kind in zip(used, kinds, strict=True) if kind in FLOATS]
    known = [f"{quoted(name)} IS NOT NULL" for name in used]
    known += [f"NOT {is_nan(column)}" for column in holed(connection, relation, floats)]
    return " AND ".join(known)


def is_nan(column: str) -> str:
    """Whether a column is NaN, in SQL.

    Not by isnan(): as a condition on a Parquet file, DuckDB 2.0 takes it for false wherever the
    file's own least and largest values, which leave NaN out, are numbers.
    """
    return f"(NOT isfinite({column}) AND NOT isinf({column}))"


def holed(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]
) -> list[str]:
    """Those of the columns that hold NaN somewhere.

    Only these need a condition: in every pass over the rows it costs more than this look at them
    once, and DuckDB plans for a fifth of the rows behind it.
    """
    tests = ", ".join(f"bool_or({is_nan(column)})" for column in columns) or "NULL"
    query = statement("SELECT {tests} FROM {table}", tests=tests, table=relation)
    found = connection.execute(query).fetchone() or ()
    return [column for column, nan in zip(columns, found, strict=False) if nan]
