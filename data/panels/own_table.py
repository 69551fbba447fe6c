"""Reads one table from a file as a spreadsheet program or a statistics package writes it.

Every reader gives the cells as they stand: texts from text files and spreadsheets, typed values
from the others.
"""

from __future__ import annotations

import csv
import gzip
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa

from data.errors import BadInput
from data.suggestions import near

QUOTED = re.compile('"[^"]*("|$)')  # to the line's end where the quote ends on a later one
THOUSANDS = "[-+]?[1-9][0-9]{0,2},[0-9]{3}"
GROUPED = "[-+]?[1-9][0-9]{0,2}([.][0-9]{3})+"
DECIMAL_COMMA = r"[-+]?[0-9]+,[0-9]+(?:[eE][-+]?[0-9]+)?"
# what pandas raises where a damaged file's own sizes and kinds make no sense
MIXED_UP = (AttributeError, TypeError, StopIteration, OverflowError, MemoryError)


def read_table(path: Path, sheet: str | None) -> pd.DataFrame:
    """The file's table, rows numbered 0, 1, ... as in the file, blank ones included or left out.

    Raises BadInput for a suffix it does not know, a file that is missing, cut short, empty or
    not what its name says, and a sheet that does not exist.
    """
    suffix = next((s for s in _READERS if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise BadInput(str(path), "unknown kind of file", f"use one of {', '.join(_READERS)}")
    if not path.is_file():
        raise BadInput(str(path), "there is no such file", "check the path in [panel]")
    if sheet is not None and suffix != ".xlsx":
        raise BadInput(str(path), f"has no sheets, yet sheet is {sheet!r}", "leave `sheet` out")
    try:
        return _READERS[suffix](path, sheet)
    except pd.errors.EmptyDataError:
        raise BadInput(str(path), "is empty", "export it again with its data") from None
    except PermissionError:
        raise BadInput(str(path), "may not be read", "ask for the right to read it") from None
    except MIXED_UP:
        raise BadInput(str(path), "is damaged, or too large to read", "copy it again") from None
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile, KeyError, struct.error) as fault:
        what = f"is damaged or cut short ({_first_line(fault)})"
        raise BadInput(str(path), what, "copy it again") from None
    except (pd.errors.ParserError, pa.ArrowException, ValueError) as fault:
        what = f"cannot be read: {_first_line(fault)}"
        raise BadInput(str(path), what, "mend or re-export it") from None


def _first_line(fault: Exception) -> str:
    return next(iter(str(fault).splitlines()), type(fault).__name__)


def _text(path: Path, _sheet: str | None) -> pd.DataFrame:
    """Columns separated by commas, tabs, or semicolons, which go with decimal commas."""
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
        separator = _check_lines(path, stream)
    table = pd.read_csv(
        path,
        sep=separator,
        header=None,  # else pandas renames a second column of one name in silence
        dtype="str",
        keep_default_na=False,
        skip_blank_lines=False,
        encoding="utf-8-sig",
        index_col=False,
    )
    if separator == ",":
        return _headed(table)
    read = table.apply(_with_points)
    _check_points(path, read, table)
    return _headed(read)


def _with_points(column: pd.Series) -> pd.Series:
    """A column of texts, decimal commas written as points.

    As it is, which is text, where it holds points as well, or all commas might stand for thousands.
    """
    entries = column.str.strip()
    commas = entries.str.fullmatch(DECIMAL_COMMA)
    thousands = entries[commas].str.fullmatch(THOUSANDS)
    if thousands.all() or entries.str.fullmatch(DECIMAL_COMMA.replace(",", "[.]")).any():
        return column
    return column.where(~commas, entries.str.replace(",", "."))


def _check_points(path: Path, read: pd.DataFrame, written: pd.DataFrame) -> None:
    """Refuses points that may all stand for thousands, in a file that has decimal commas."""
    commas = [name for name in written if not read[name].equals(written[name])]
    for name in read if commas else ():
        known = written[name].iloc[1:].str.strip()
        pointed = known[known.str.contains(".", regex=False)]
        if len(pointed) and pointed.str.fullmatch(GROUPED).all():
            raise BadInput(
                f"{path}, column {written[name].iloc[0]!r}",
                f"{pointed.iloc[0]} may be meant in thousands: {written[commas[0]].iloc[0]!r} has "
                "decimal commas",
                "write it without points, or with a decimal comma",
            )


def _separator(header: str, row: str) -> str:
    """What separates the columns: most of the commas, semicolons or tabs of the first line.

    Of those of which the first row has as many, if there is one: a header may name units with them.
    """
    bare, below = QUOTED.sub("", header), QUOTED.sub("", row)
    alike = [mark for mark in ",;\t" if 0 < bare.count(mark) == below.count(mark)]
    return max(alike or ",;\t", key=bare.count)


def _check_lines(path: Path, stream: Iterable[bytes]) -> str:
    """What separates the columns.

    Refuses lines with other fields than the header: pandas would fill short ones with blanks.
    """
    lines = _decoded(path, stream)
    first, second = next(lines, ""), next(lines, "")
    separator = _separator(first, second)
    reader = csv.reader(chain([first, second], lines), strict=True, delimiter=separator)
    try:
        header = next(reader, [])
        for row in reader:
            if len(row) != len(header) and any(cell.strip() for cell in row):
                what = f"has {len(row)} fields where the header has {len(header)}"
                raise BadInput(f"{path}, line {reader.line_num}", what, "mend the line")
    except csv.Error as fault:
        raise BadInput(f"{path}, line {reader.line_num}", f"{fault}", "mend the line") from None
    return separator


def _decoded(path: Path, stream: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            todo = "save the file as UTF-8, as csv"
            raise BadInput(f"{path}, line {number}", "is not UTF-8 text", todo) from None


def _parquet(path: Path, _sheet: str | None) -> pd.DataFrame:
    table = pd.read_parquet(path)
    table.select_dtypes("str").to_numpy(dtype="object")  # texts that are none show only when used
    return table


def _stata(path: Path, _sheet: str | None) -> pd.DataFrame:
    with warnings.catch_warnings(action="ignore"):  # of texts that are not UTF-8: read they are
        return pd.read_stata(path)


def _spreadsheet(path: Path, sheet: str | None) -> pd.DataFrame:
    """The sheet's cells as texts, not by way of pandas, which takes #REF! and #DIV/0! for missing.

    Nor by way of openpyxl, which a damaged part makes raise whatever there is.
    """
    from data.sources.staged import SourceFile  # panels from other files do without
    from data.sources.workbooks import Workbook

    book = Workbook(SourceFile(path, str(path), path.parent))
    if not book.sheets:
        raise BadInput(str(path), "has no sheet", "export it again with its data")
    if sheet is not None and sheet not in book.sheets:
        raise BadInput(str(path), f"has no sheet {sheet!r}", near(sheet, book.sheets))
    name = sheet or next(iter(book.sheets))
    rows = book.rows(name)
    line = book.row_without_result(name)
    if line is not None:
        what = "holds a formula whose result is not stored"
        todo = "open and save it in a spreadsheet program"
        raise BadInput(f"{path}, line {line}", what, todo)
    return _headed(_filled(rows))


def _filled(rows: Sequence[Sequence[str | None]]) -> pd.DataFrame:
    """The first row, those that hold something, and the columns that do, however far away."""
    kept = {place: row for place, row in enumerate(rows) if row or not place}
    held = {i for row in kept.values() for i, text in enumerate(row) if text is not None}
    columns = sorted(held)
    cells = [[row[i] if i < len(row) else None for i in columns] for row in kept.values()]
    return pd.DataFrame(cells, index=list(kept), columns=columns, dtype="object")


def _headed(table: pd.DataFrame) -> pd.DataFrame:
    """The first row as names; a column without one is called after its place."""
    if table.empty:
        return table
    names = ["" if pd.isna(name) else str(name).strip() for name in table.iloc[0]]
    body = table.iloc[1:].set_axis(table.index[1:] - 1)
    body.columns = [name or f"column_{place}" for place, name in enumerate(names, start=1)]
    return body


_READERS: dict[str, Callable[[Path, str | None], pd.DataFrame]] = {
    ".csv": _text,
    ".csv.gz": _text,
    ".parquet": _parquet,
    ".dta": _stata,
    ".xlsx": _spreadsheet,
}
