"""Files as grids of text: table `grid` with columns c0, c1, ..., `#sheet` and `#row`.

Text all the way, so that no library guesses a type: `01` stays `01`, and a figure is judged
where the reader knows its place.
"""

from __future__ import annotations

import csv
import re
import shutil
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import openpyxl
import pandas as pd
import pyarrow as pa
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from data.errors import BadInput
from data.sources.staged import Load, SourceFile
from data.sources.text_files import odd_line, refuse_cut, unreadable
from data.sql import literal, quoted, statement


@dataclass(frozen=True)
class Grid:
    """`columns` are the file's, in order; `parts` the dimensions found in sheet names."""

    columns: tuple[str, ...]
    sheets: bool
    parts: tuple[str, ...] = ()

    def sql(self, column: str) -> str:
        """The name of a column in table `grid`; names of two columns may differ by case alone."""
        return f"c{self.columns.index(column)}"

    def need(self, load: Load, column: str) -> None:
        """Raises BadInput if the file has no such column."""
        if column not in self.columns:
            some = ", ".join(self.columns[:12])
            raise BadInput(
                load.file.name,
                f"column {column!r} is missing among {some}",
                "fetch the file again, or correct the recipe",
            )

    def place(self, column: str) -> str:
        """SQL for where the cell of `column` stands: line and column, or sheet and cell."""
        if not self.sheets:
            return f"""'line ' || "#row" || ', column ' || {literal(column)}"""
        letter = get_column_letter(self.columns.index(column) + 1)
        return f"""'sheet ' || "#sheet" || ', cell {letter}' || "#row" """.strip()


def read_grid(load: Load) -> Grid:
    """Makes table `grid` of the file, by its kind; raises BadInput if it cannot be read."""
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
    return Grid(tuple(names), sheets=False)


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
        if names.count(name) > 1 and name:
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
    return Grid(tuple(names), sheets=False)


def sheets_grid(load: Load) -> Grid:
    """A workbook: the sheets whose names fit the recipe's pattern, below one another."""
    settings = load.layout.settings
    pattern = re.compile(settings.get("sheets", ".*"))
    book = workbook(load.file)
    taken = [(name, match) for name in book.sheetnames if (match := pattern.fullmatch(name))]
    if not taken:
        what = f"has no sheet like {pattern.pattern!r}"
        raise BadInput(load.file.name, what, "fetch the file again, or correct the recipe")
    header = int(settings.get("header", 1))
    first = int(settings.get("first_row", header + 1))
    columns: list[str] = []
    for name, match in taken:
        rows = list(book[name].iter_rows(values_only=True))
        where = f"{load.file.name}, sheet {name}, row {header}"
        names = stripped(rows[header - 1] if len(rows) >= header else ())
        found = checked_names(load, names, where)
        if columns and found != columns:
            raise BadInput(where, "has other columns than the sheet before", "fetch the file again")
        columns = found
        add_rows(load, columns, rows[first - 1 :], first, {"#sheet": name, **groups(match)})
    refuse_no_row(load, load.file.name)
    return Grid(tuple(columns), sheets=True, parts=tuple(pattern.groupindex))


def workbook(file: SourceFile) -> openpyxl.Workbook:
    """An opened workbook; raises BadInput if it is none."""
    try:
        return openpyxl.load_workbook(file.path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, InvalidFileException):
        raise BadInput(file.name, "is not a readable xlsx workbook", "fetch it again") from None


def groups(match: re.Match[str]) -> dict[str, str | None]:
    """The parts of a sheet's name that are dimensions, as columns `#name`."""
    return {f"#{name}": value for name, value in match.groupdict().items()}


def stripped(row: Sequence[object]) -> list[object]:
    """A header row without the empty cells at its end."""
    cells = ["" if cell is None else cell for cell in row]
    while cells and cells[-1] == "":
        cells.pop()
    return cells


def add_rows(
    load: Load,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    first: int,
    facts: Mapping[str, str | None],
) -> None:
    """Appends a sheet's rows to table `grid` as text, each with its row number."""
    kept = [(i, row) for i, row in enumerate(rows, start=first) if any(c is not None for c in row)]
    cells = {
        f"c{j}": pa.array([text(row[j]) if j < len(row) else None for _, row in kept], pa.string())
        for j in range(len(columns))
    }
    cells |= {name: pa.array([value] * len(kept), pa.string()) for name, value in facts.items()}
    cells["#row"] = pa.array([i for i, _ in kept], pa.int64())
    load.con.register("sheet_rows", pa.table(cells))
    exists = load.con.execute(
        "SELECT 1 FROM duckdb_tables() WHERE table_name = 'grid'"
    ).fetchone()
    verb = "INSERT INTO grid" if exists else "CREATE TABLE grid AS"
    load.con.execute(statement("{verb} SELECT * FROM sheet_rows", verb=verb))
    load.con.unregister("sheet_rows")


def text(cell: object) -> str | None:
    """A cell as text; numbers with all their digits."""
    if cell is None or isinstance(cell, str):
        return cell
    return repr(cell) if isinstance(cell, float) else str(cell)


def refuse_no_row(load: Load, where: str) -> None:
    """Raises BadInput if there is no row below the header."""
    if not load.con.execute("SELECT 1 FROM grid LIMIT 1").fetchone():
        raise BadInput(where, "is followed by no rows", "fetch the file again")
