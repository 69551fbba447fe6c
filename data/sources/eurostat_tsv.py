"""Eurostat's bulk TSV: codes before the first tab, one period a column, flags after a blank.

Reads the old layout (`unit,geo\\time`, descending years), the present one
(`freq,unit,geo\\TIME_PERIOD`, CRLF) and the reversed one (`unit,time\\geo`).

Speed: DuckDB reads the file in parallel and never holds it. A first pass holds each line against
the grammar, a second splits the codes once a line, a third splits and casts the cells with no
further test, since no cell can fail any more.
"""

from __future__ import annotations

import duckdb

from data.errors import BadInput
from data.sources.staged import (
    Load,
    SourceFile,
    file_dimensions,
    from_long,
    keep_periods,
    period,
    tidy_flags,
)
from data.sources.text_files import unreadable
from data.sources.tsv_lines import Header, check_lines, read_header, table
from data.sql import listed, literal, quoted, statement

# most cells are a figure and a blank, which needs no splitting
BARE = "suffix(v, ' ')"
VALUE = (
    f"CASE WHEN {BARE} AND v <> ': ' THEN CAST(v AS DOUBLE)"
    " ELSE CAST(nullif(split_part(v, ' ', 1), ':') AS DOUBLE) END"
)
FLAGS = f"CASE WHEN {BARE} THEN '' ELSE split_part(v, ' ', 2) END"
NUMBER = "(keys.rowid + 1)::INTEGER"  # of a series
# where a mark of confidentiality may follow the flags after one more blank
MARKED_FLAGS = "replace(substr(v, len(split_part(v, ' ', 1)) + 1), ' ', '')"


def read(load: Load) -> None:
    """Fills the staging tables from a plain TSV; raises BadInput naming file and line."""
    header = read_header(load.file)
    dims = [name for name in (*header.keys, header.across) if name != "time"]
    file_dimensions(load, dims, f"{load.file.name}, line 1")
    flags = MARKED_FLAGS if check_lines(load.con, load.file, header) else FLAGS
    stage_keys(load, header)
    if header.across == "time":
        stage_cells(load, header, flags)
    else:
        stage_reversed(load, header, flags)


def stage_keys(load: Load, header: Header) -> None:
    """Table `keys`: the text before each first tab (k), taken apart; only the wanted codes.

    It is not written to afterwards, so that a row's number in it can number its series.
    """
    parts = [f"codes[{i}] AS {quoted(d)}" for i, d in enumerate(header.keys, 1)]
    absent = {d: v for d, v in load.layout.constants.items() if d not in header.keys}
    parts += [f"{literal(v)} AS {quoted(d)}" for d, v in absent.items()]
    create = statement(
        "CREATE TABLE keys AS SELECT k, {parts} FROM"
        " (SELECT k, string_split(k, ',') AS codes FROM {table}) WHERE {wanted}",
        parts=", ".join(parts),
        table=table(load.file, header),
        wanted=wanted(load, header),
    )
    try:
        load.con.execute(create)
    except duckdb.Error as fault:
        raise unreadable(load.file, fault) from None
    refuse_wrong_keys(load, header)
    refuse_double_lines(load, header)


def wanted(load: Load, header: Header) -> str:
    """SQL for the lines whose codes the recipe wants."""
    tests = [
        f"codes[{header.keys.index(name) + 1}] IN ({', '.join(map(literal, codes))})"
        for name, codes in load.recipe.wanted.items()
        if name in header.keys
    ]
    return " AND ".join(tests) or "true"


def refuse_wrong_keys(load: Load, header: Header) -> None:
    """Raises BadInput on the first key with a code that is blank or not allowed."""
    tests = [f"{quoted(d)} = '' OR {quoted(d)} <> trim({quoted(d)})" for d in header.keys]
    if "time" in header.keys:
        tests += ["NOT regexp_full_match(time, '[0-9]{4}(-?[QSMW]?[0-9]{1,2})?')"]
    dropped = load.layout.dropped.items()
    tests += [f"{quoted(d)} <> {literal(v)}" for d, v in dropped if d in header.keys]
    bad = load.con.execute(
        statement("SELECT k FROM keys WHERE {tests} LIMIT 1", tests=" OR ".join(tests))
    ).fetchone()
    if bad is not None:
        raise BadInput(
            at_line(load.file, bad[0]),
            f"key {bad[0]!r} does not fit the header ({', '.join(header.keys)}) or the recipe",
            "mend the line, or say in the recipe how to read it",
        )


def refuse_double_lines(load: Load, header: Header) -> None:
    """Raises BadInput on the first key that two lines share."""
    twice = load.con.execute(
        statement(
            "SELECT min(k) FROM keys GROUP BY {keys} HAVING count(*) > 1 ORDER BY 1 LIMIT 1",
            keys=listed(header.keys),
        )
    ).fetchone()
    if twice is not None:
        where = at_line(load.file, twice[0], nth=2)
        raise BadInput(where, f"key ({twice[0]}) is there twice", "keep one of the lines")


def at_line(file: SourceFile, key: str, nth: int = 1) -> str:
    """File and number of the nth line that starts with `key`."""
    start, seen = f"{key}\t".encode(), 0
    with file.path.open("rb") as stream:
        for number, text in enumerate(stream, start=1):
            seen += text.startswith(start)
            if seen == nth:
                return f"{file.name}, line {number}"
    return file.name


def stage_cells(load: Load, header: Header, flags: str) -> None:
    """`series`, `periods` and `cells` of a file with periods across."""
    con, across = load.con, range(len(header.columns))
    dims = listed(load.recipe.dimensions)
    con.execute(
        statement("CREATE VIEW series AS SELECT {number} AS series, {dims} FROM keys",
                  number=NUMBER, dims=dims)
    )
    keep_periods(con, [str(period(column)) for column in header.columns])
    con.execute(
        statement(
            "CREATE TABLE cells AS SELECT series, period, {value} AS value, {flags} AS flags"
            " FROM (SELECT {number} AS series, unnest([{columns}]) AS v,"
            " unnest([{numbers}]::USMALLINT[]) AS period FROM {table} JOIN keys USING (k))",
            number=NUMBER,
            value=VALUE,
            flags=flags,
            columns=", ".join(f"c{i}" for i in across),
            numbers=", ".join(map(str, across)),
            table=table(load.file, header),
        )
    )
    tidy_flags(con)


def stage_reversed(load: Load, header: Header, flags: str) -> None:
    """The same of a file whose columns are regions (or codes of any other dimension)."""
    columns = header.columns
    codes = load.recipe.wanted.get(header.across, columns)
    taken = [i for i, code in enumerate(columns) if code in codes]
    load.con.execute(
        statement(
            "CREATE TABLE long AS SELECT * REPLACE ({time} AS time),"
            " {value} AS value, {flags} AS flags, k || ', column ' || {across} AS place"
            " FROM (SELECT keys.* EXCLUDE (k), k, unnest([{columns}]) AS v,"
            " unnest([{names}]) AS {across} FROM {table} JOIN keys USING (k))",
            time="regexp_replace(replace(time, 'M', '-'), '^([0-9]{4})([QSW])', '\\1-\\2')",
            value=VALUE,
            flags=flags,
            across=quoted(header.across),
            columns=", ".join(f"c{i}" for i in taken),
            names=", ".join(literal(columns[i]) for i in taken),
            table=table(load.file, header),
        )
    )
    from_long(load)
