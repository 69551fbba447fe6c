"""The text of a Eurostat TSV: its header, the grammar of its lines, and what breaks it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb
from duckdb import DuckDBPyConnection

from data.errors import BadInput
from data.sources.staged import SourceFile, period
from data.sources.text_files import odd_line, refuse_cut, unreadable
from data.sql import literal, statement

CELL = r"(?:-?[0-9]+(?:\.[0-9]+)?|:)(?: ?| [a-z]{1,6} ?| [a-z]{0,6} ?@[A-Z] ?)"
CODE = r"[^\t,]+"


@dataclass(frozen=True)
class Header:
    """`keys` are the dimensions before the tab, `across` the one that runs over the columns."""

    keys: tuple[str, ...]
    across: str
    columns: tuple[str, ...]


def read_header(file: SourceFile) -> Header:
    """The first line, taken apart; raises BadInput if it is not a TSV header of Eurostat's."""
    with file.path.open("rb") as stream:
        raw = stream.readline()
    where = f"{file.name}, line 1"
    todo = "fetch the file again, in TSV"
    try:
        text = raw.decode("utf-8-sig")  # some editors put a byte order mark before the first code
    except UnicodeDecodeError:
        raise BadInput(where, "is not text", todo) from None
    first, *columns = text.rstrip("\r\n").split("\t")
    keys, slash, across = first.rpartition("\\")
    if not slash or not columns:
        raise BadInput(where, "is not a header such as `unit,geo\\time` and periods", todo)
    names = [_plain_name(name) for name in (*keys.split(","), across)]
    header = Header(tuple(names[:-1]), names[-1], tuple(c.strip() for c in columns))
    _check_columns(header, where)
    return header


def _plain_name(name: str) -> str:
    name = name.strip().lower()
    return "time" if name == "time_period" else name


def _check_columns(header: Header, where: str) -> None:
    if "time" not in (*header.keys, header.across):
        raise BadInput(where, "has no time", "fetch the file again, in TSV")
    columns = header.columns
    if header.across == "time":
        for column in columns:
            if period(column) is None:
                raise BadInput(where, f"{column!r} is not a period", "fetch the file again")
        columns = tuple(str(period(column)) for column in columns)
    for column in columns:
        if columns.count(column) > 1 or not column:
            what = f"column {column!r} is there twice or nameless"
            raise BadInput(where, what, "fetch the file again")


def check_lines(con: DuckDBPyConnection, file: SourceFile, header: Header) -> bool:
    """Holds each line against the grammar; returns whether any cell has a confidential mark.

    The lines are counted apart from DuckDB, which must not lose one in silence.
    """
    count = refuse_cut(file)
    lines = text_table(file, ("line",), "\x01")
    try:
        found = con.execute(
            statement(
                "SELECT count(*), count(*) FILTER (WHERE line IS NULL OR NOT"
                " regexp_full_match(line, $grammar)),"
                " coalesce(bool_or(contains(line, '@')), false) FROM {lines}",
                lines=lines,
            ),
            {"grammar": grammar(header)},
        ).fetchone()
    except duckdb.Error as fault:
        raise unreadable(file, fault) from None
    assert found is not None
    if found[1]:
        raise first_wrong_cell(file, header)
    if count < 2:
        raise BadInput(f"{file.name}, line 1", "is followed by no rows", "fetch the file again")
    if found[0] != count - 1:
        lost = f"is followed by {count - 1} lines, of which {found[0]} can be read"
        where, what = odd_line(file) or (1, lost)
        raise BadInput(f"{file.name}, line {where}", what, "mend or fetch the file again")
    return bool(found[2])


def grammar(header: Header) -> str:
    """The pattern of a line: as many codes as the header names, then cells."""
    return CODE + f"(?:,{CODE}){{{len(header.keys) - 1}}}" + rf"(?:\t{CELL})+"


def first_wrong_cell(file: SourceFile, header: Header) -> BadInput:
    """Walks the file to the line that breaks the grammar and names its first wrong cell."""
    cell = re.compile(CELL)
    with file.path.open(encoding="utf-8", errors="replace", newline="\n") as stream:
        for number, text in enumerate(stream, start=1):
            key, *cells = text.rstrip("\r\n").split("\t")
            for column, value in zip(header.columns, cells, strict=False):
                if number > 1 and not cell.fullmatch(value):
                    where = f"{file.name}, line {number}, column {column}"
                    what = f"{value.strip()!r} is neither a number nor `:`"
                    return BadInput(where, what, "mend or fetch the file again")
            codes = key.split(",")
            if number > 1 and (not cells or "" in codes or len(codes) != len(header.keys)):
                where = f"{file.name}, line {number}"
                what = f"key {key!r} does not fit the header ({', '.join(header.keys)})"
                return BadInput(where, what, "mend or fetch the file again")
    return BadInput(f"{file.name}, line 1", "does not fit the lines below", "fetch the file again")


def table(file: SourceFile, header: Header) -> str:
    """The file as an SQL table function: column k, then c0, c1, ... all VARCHAR."""
    return text_table(file, ("k", *(f"c{i}" for i in range(len(header.columns)))), "\t")


def text_table(file: SourceFile, names: tuple[str, ...], delimiter: str) -> str:
    """The lines below the header as an SQL table function of VARCHAR columns."""
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    return (
        f"read_csv({literal(str(file.path))}, delim='{delimiter}', header=false, skip=1, quote='',"
        f" escape='', columns={{{columns}}}, auto_detect=false, null_padding=false,"
        " strict_mode=true)"
    )
