"""The text of a Eurostat TSV: its header, the grammar of its lines, and what breaks it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb
from duckdb import DuckDBPyConnection

from data.errors import BadInput
from data.sources.staged import SourceFile, period
from data.sql import literal, statement

CELL = r"(?:-?[0-9]+(?:\.[0-9]+)?|:)(?: ?| [a-z]{1,6} ?| [a-z]{0,6} ?@[A-Z] ?)"
LINE = rf"[^\t]+(?:\t{CELL})+"


@dataclass(frozen=True)
class Header:
    """`keys` are the dimensions before the tab, `across` the one that runs over the columns."""

    keys: tuple[str, ...]
    across: str
    columns: tuple[str, ...]
    newline: str


def read_header(file: SourceFile) -> Header:
    """The first line, taken apart; raises BadInput if it is not a TSV header of Eurostat's."""
    with file.path.open("rb") as stream:
        raw = stream.readline()
    where = f"{file.name}, line 1"
    todo = "fetch the file again, in TSV"
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput(where, "is not text", todo) from None
    newline = "\\r\\n" if text.endswith("\r\n") else "\\n"
    first, *columns = text.rstrip("\r\n").split("\t")
    keys, slash, across = first.rpartition("\\")
    if not slash or not columns:
        raise BadInput(where, "is not a header such as `unit,geo\\time` and periods", todo)
    names = [_plain_name(name) for name in (*keys.split(","), across)]
    header = Header(tuple(names[:-1]), names[-1], tuple(c.strip() for c in columns), newline)
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


def refuse_cut(file: SourceFile) -> None:
    """Raises BadInput if the last line has no end: its last figure may lack digits."""
    with file.path.open("rb") as stream:
        stream.seek(0, 2)
        size = stream.tell()
        stream.seek(max(size - 1, 0))
        if stream.read(1) != b"\n":
            what = "ends in the middle of a line, so it was cut"
            raise BadInput(file.name, what, "fetch the file again")


def check_lines(con: DuckDBPyConnection, file: SourceFile, header: Header) -> bool:
    """Holds each line against the grammar; returns whether any cell has a confidential mark."""
    lines = text_table(file, header, ("line",), "\x01")
    try:
        found = con.execute(
            statement(
                "SELECT count(*), count(*) FILTER (WHERE NOT regexp_full_match(line, $grammar)),"
                " coalesce(bool_or(contains(line, '@')), false) FROM {lines}",
                lines=lines,
            ),
            {"grammar": LINE},
        ).fetchone()
    except duckdb.Error as fault:
        raise unreadable(file, fault) from None
    assert found is not None
    if found[0] == 0:
        raise BadInput(file.name, "holds no rows", "fetch the file again")
    if found[1]:
        raise first_wrong_cell(file, header)
    return bool(found[2])


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
            if number > 1 and (not key or not cells):
                where = f"{file.name}, line {number}"
                return BadInput(where, "has no key or no figures", "mend or fetch the file again")
    return BadInput(file.name, "has a line that cannot be read", "fetch the file again")


def unreadable(file: SourceFile, fault: duckdb.Error) -> BadInput:
    """DuckDB's complaint about a text file as one message with file and line."""
    text = str(fault)
    line = re.search(r"[Ll]ine:? (\d+)", text)
    where = f"{file.name}, line {line.group(1)}" if line else file.name
    columns = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    what = (
        f"has {columns.group(2)} columns where the header has {columns.group(1)}"
        if columns
        else "is not valid UTF-8 text"
        if "unicode" in text.lower()
        else "cannot be read as a table"
    )
    return BadInput(where, what, "mend the line or fetch the file again")


def table(file: SourceFile, header: Header) -> str:
    """The file as an SQL table function: column k, then c0, c1, ... all VARCHAR."""
    return text_table(file, header, ("k", *(f"c{i}" for i in range(len(header.columns)))), "\t")


def text_table(file: SourceFile, header: Header, names: tuple[str, ...], delimiter: str) -> str:
    """The lines below the header as an SQL table function of VARCHAR columns."""
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    return (
        f"read_csv({literal(str(file.path))}, delim='{delimiter}', header=false, skip=1, quote='',"
        f" escape='', columns={{{columns}}}, auto_detect=false, null_padding=false,"
        f" strict_mode=true, new_line='{header.newline}')"
    )
