"""Files as grids of text: table `grid` with columns c0, c1, ..., and `#row`, its number.

In a workbook, `#row` counts on from sheet to sheet in steps of ROWS.

Text all the way, so that no library guesses a type: `01` stays `01`, and a figure is judged
where the reader knows its place.
"""

from __future__ import annotations

import csv
import re
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
from duckdb import DuckDBPyConnection

from data.errors import BadInput
from data.sources.sheet_rows import Row, letters
from data.sources.staged import Load
from data.sources.text_files import odd_line, refuse_cut, unreadable
from data.sources.workbooks import Workbook
from data.sql import literal, quoted, statement

# a place is one number: sheet, row and column, each with room for as many as there may be
ROWS, COLUMNS = 1 << 21, 1 << 20
ROW, COLUMN = f"(place // {COLUMNS})", f"(place % {COLUMNS} + 1)"


@dataclass(frozen=True)
class Grid:
    """`columns` are the file's, in order; `parts` the dimensions found in the names of `sheets`."""

    columns: tuple[str, ...]
    sheets: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    def sql(self, column: str) -> str:
        """The name of a column in table `grid`; names of two columns may differ by case alone."""
        return f"c{self.number(column)}"

    def need(self, load: Load, column: str) -> None:
        """Raises BadInput if the file has no such column."""
        if column not in self.columns:
            some = ", ".join(self.columns[:12])
            raise BadInput(
                load.file.name,
                f"column {column!r} is missing among {some}",
                "fetch the file again, or correct the recipe",
            )

    @property
    def row_place(self) -> str:
        """SQL for the place of a row: with the number of a column added, that of a cell."""
        return f'"#row" * {COLUMNS}'

    def number(self, column: str) -> int:
        """The number of a column, from 0."""
        return self.columns.index(column)

    def place(self, column: str) -> str:
        """SQL for where the cell of `column` stands, as a number (see `spell_places`)."""
        return f"({self.row_place} + {self.number(column)})"

    def spell_places(self, con: DuckDBPyConnection) -> None:
        """Makes the macro `spelt`: line and column, or sheet and cell."""
        if self.sheets:
            spell_cells(con, self.sheets, len(self.columns))
            return
        names = ", ".join(map(literal, self.columns))
        words = f"'line ' || {ROW} || ', column ' || [{names}][{COLUMN}]"
        con.execute(f"CREATE OR REPLACE MACRO spelt(place) AS {words}")


def spell_cells(con: DuckDBPyConnection, sheets: Sequence[str], width: int) -> None:
    """Makes the macro `spelt` for places in these sheets, none wider than `width` columns."""
    names = ", ".join(map(literal, sheets))
    called = ", ".join(literal(letters(column)) for column in range(1, width + 1))
    sheet, cell = f"[{names}][{ROW} // {ROWS} + 1]", f"[{called}][{COLUMN}]"
    words = f"'sheet ' || {sheet} || ', cell ' || {cell} || {ROW} % {ROWS}"
    con.execute(f"CREATE OR REPLACE MACRO spelt(place) AS {words}")


def read_grid(load: Load) -> Grid:
    """Makes table `grid` of the file, and macro `spelt`; raises BadInput if it cannot be read."""
    grid = grid_of(load)
    grid.spell_places(load.con)
    return grid


def grid_of(load: Load) -> Grid:
    """The reading of a file by its kind."""
    suffix = Path(load.file.name.removesuffix(".gz")).suffix.lower()
    if suffix in (".xlsx", ".xlsm"):
        return sheets_grid(load)
    if suffix in (".parquet", ".dta"):
        return frame_grid(load, suffix)
    return text_grid(load)


def text_grid(load: Load) -> Grid:
    """A csv or tsv file."""
    refuse_cut(load.file)
    settings = load.layout.settings
    header = int(settings.get("header", 1))
    encoding, delimiter = settings.get("encoding", "utf-8"), settings.get("delimiter", ",")
    names = text_header(load, header, encoding, delimiter)
    types = "{" + ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names))) + "}"
    create = statement(
        "CREATE TABLE grid AS SELECT *, {first} + row_number() OVER () AS {row}"
        " FROM read_csv({path}, delim={delimiter}, skip={first}, header=false, columns={types},"
        " auto_detect=false, quote='\"', escape='\"', strict_mode=true,"
        " null_padding=false)",
        first=str(header),
        row=quoted("#row"),
        path=literal(str(recoded(load, encoding))),
        delimiter=literal(delimiter),
        types=types,
    )
    load.con.execute("SET preserve_insertion_order = true")  # a row knows its line
    try:
        load.con.execute(create)
    except duckdb.Error as fault:
        raise unreadable(load.file, fault) from None
    finally:
        load.con.execute("SET preserve_insertion_order = false")
    refuse_no_row(load, f"{load.file.name}, line {header}")
    return Grid(tuple(names))


def recoded(load: Load, encoding: str) -> Path:
    """The file in UTF-8, in the scratch folder if it is not so already."""
    if encoding == "utf-8":
        return load.file.path
    path = load.file.scratch / "recoded"
    try:
        with load.file.path.open(encoding=encoding, newline="") as stream, path.open(
            "w", encoding="utf-8", newline=""
        ) as out:
            shutil.copyfileobj(stream, out)
    except UnicodeDecodeError:
        raise BadInput(load.file.name, f"is not {encoding} text", "fetch it again") from None
    return path


def text_header(load: Load, header: int, encoding: str, delimiter: str) -> list[str]:
    """The names in row `header`, or those the recipe gives; raises BadInput on a double one."""
    where = f"{load.file.name}, line {header}"
    try:
        with load.file.path.open(encoding=encoding, newline="") as stream:
            rows = csv.reader(stream, delimiter=delimiter)
            names = next((row for i, row in enumerate(rows, start=1) if i == header), [])
    except UnicodeDecodeError:
        line = (odd_line(load.file) or (header, ""))[0]
        where = f"{load.file.name}, line {line}"
        raise BadInput(where, f"is not {encoding} text", "fetch the file again") from None
    except csv.Error as fault:
        raise BadInput(where, f"is no list of names ({fault})", "fetch the file again") from None
    return checked_names(load, names, where)


def checked_names(load: Load, found: Sequence[object], where: str) -> list[str]:
    """Column names, trimmed; raises BadInput if there is none or one is there twice."""
    given = load.layout.settings.get("column_names")
    names = [str(name).strip().removeprefix("\ufeff") for name in (given or found)]
    if not names or "".join(names) == "":
        raise BadInput(where, "has no column names", "fetch the file again")
    for name in names:
        if name and names.count(name) > 1:
            raise BadInput(where, f"column {name!r} is there twice", "fetch the file again")
    return [name or f"#{i}" for i, name in enumerate(names, start=1)]


def frame_grid(load: Load, suffix: str) -> Grid:
    """A parquet or Stata file; its rows are counted from 1."""
    try:
        if suffix == ".dta":
            frame = pd.read_stata(load.file.path, convert_categoricals=False)
            load.con.register("frame", frame)
            source = "frame"
        else:
            source = f"read_parquet({literal(str(load.file.path))})"
        names = load.con.sql(statement("SELECT * FROM {source}", source=source)).columns
        cells = (f"{quoted(name)}::VARCHAR AS c{i}" for i, name in enumerate(names))
        load.con.execute(
            statement(
                "CREATE TABLE grid AS SELECT {cells}, row_number() OVER () AS {row} FROM {source}",
                cells=", ".join(cells),
                row=quoted("#row"),
                source=source,
            )
        )
    except (duckdb.Error, ValueError, OSError, struct.error) as fault:
        what = f"cannot be read ({str(fault).splitlines()[0]})"
        raise BadInput(load.file.name, what, "fetch the file again") from None
    refuse_no_row(load, load.file.name)
    return Grid(tuple(names))


def sheets_grid(load: Load) -> Grid:
    """A workbook: the sheets whose names fit the recipe's pattern, below one another."""
    settings = load.layout.settings
    pattern = re.compile(settings.get("sheets", ".*"))
    book = Workbook(load.file)
    taken = [(name, match) for name in book.sheets if (match := pattern.fullmatch(name))]
    if not taken:
        what = f"has no sheet like {pattern.pattern!r}"
        raise BadInput(load.file.name, what, "fetch the file again, or correct the recipe")
    header = int(settings.get("header", 1))
    first = int(settings.get("first_row", header + 1))
    columns: list[str] = []
    tables = []
    for number, (name, match) in enumerate(taken):
        rows = book.rows(name)
        where = f"{load.file.name}, sheet {name}, row {header}"
        names = stripped(rows[header - 1] if len(rows) >= header else ())
        found = checked_names(load, names, where)
        if columns and found != columns:
            raise BadInput(where, "has other columns than the sheet before", "fetch the file again")
        columns = found
        place = number * ROWS + first
        tables.append(sheet_table(len(columns), rows[first - 1 :], place, groups(match)))
    load.con.register("sheet_rows", pa.concat_tables(tables))
    load.con.execute("CREATE TABLE grid AS SELECT * FROM sheet_rows")
    load.con.unregister("sheet_rows")
    refuse_no_row(load, load.file.name)
    return Grid(tuple(columns), tuple(name for name, _ in taken), tuple(pattern.groupindex))


def groups(match: re.Match[str]) -> dict[str, str | None]:
    """The parts of a sheet's name that are dimensions, as columns `#name`."""
    return {f"#{name}": value for name, value in match.groupdict().items()}


def stripped(row: Sequence[str | None]) -> list[str]:
    """A header row without the empty cells at its end."""
    cells = [cell or "" for cell in row]
    while cells and cells[-1] == "":
        cells.pop()
    return cells


def sheet_table(
    width: int, rows: Sequence[Row], first: int, facts: Mapping[str, str | None]
) -> pa.Table:
    """A sheet's rows, `width` columns of text, numbered from `first`; empty ones left out."""
    kept = [(i, row) for i, row in enumerate(rows, start=first) if row]
    across = [*zip_longest(*(row[:width] for _, row in kept))]
    cells = {f"c{j}": pa.array(column, pa.string()) for j, column in enumerate(across)}
    cells |= {f"c{j}": pa.nulls(len(kept), pa.string()) for j in range(len(across), width)}
    cells |= {name: pa.array([value] * len(kept), pa.string()) for name, value in facts.items()}
    cells["#row"] = pa.array([i for i, _ in kept], pa.int64())
    return pa.table(cells)


def refuse_no_row(load: Load, where: str) -> None:
    """Raises BadInput if there is no row below the header."""
    if not load.con.execute("SELECT 1 FROM grid LIMIT 1").fetchone():
        raise BadInput(where, "is followed by no rows", "fetch the file again")
