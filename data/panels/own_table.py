"""Reads one table from a file as a spreadsheet program or a statistics package writes it.

Every reader gives the cells as they stand: text from text files, typed values from the others.
"""

from __future__ import annotations

import csv
import gzip
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from data.errors import BadInput
from data.suggestions import near


def read_table(path: Path, sheet: str | None) -> pd.DataFrame:
    """The file's table, rows numbered 0, 1, ... as in the file, blank ones included.

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
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile, KeyError, struct.error) as fault:
        raise BadInput(str(path), f"is damaged or cut short ({fault})", "copy it again") from None
    except (pd.errors.ParserError, pa.ArrowException, ValueError) as fault:
        reason = str(fault).splitlines()[0]
        raise BadInput(str(path), f"cannot be read: {reason}", "mend or re-export it") from None


def _text(path: Path, _sheet: str | None) -> pd.DataFrame:
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
        _check_lines(path, stream)
    table = pd.read_csv(
        path,
        header=None,  # else pandas renames a second column of one name in silence
        dtype="str",
        keep_default_na=False,
        skip_blank_lines=False,
        encoding="utf-8-sig",
        index_col=False,
    )
    return _headed(table)


def _check_lines(path: Path, stream: Iterable[bytes]) -> None:
    """Refuses lines with other fields than the header: pandas would fill short ones with blanks."""
    reader = csv.reader(_decoded(path, stream), strict=True)
    try:
        header = next(reader, [])
        if len(header) == 1 and (mark := next((m for m in ";\t" if m in header[0]), None)):
            name = "tabs" if mark == "\t" else mark
            raise BadInput(
                f"{path}, line 1", f"columns are separated by {name}", "separate them by commas"
            )
        for row in reader:
            if len(row) != len(header) and any(cell.strip() for cell in row):
                what = f"has {len(row)} fields where the header has {len(header)}"
                raise BadInput(f"{path}, line {reader.line_num}", what, "mend the line")
    except csv.Error as fault:
        raise BadInput(f"{path}, line {reader.line_num}", f"{fault}", "mend the line") from None


def _decoded(path: Path, stream: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            todo = "save the file as UTF-8, as csv"
            raise BadInput(f"{path}, line {number}", "is not UTF-8 text", todo) from None


def _parquet(path: Path, _sheet: str | None) -> pd.DataFrame:
    return pd.read_parquet(path)


def _stata(path: Path, _sheet: str | None) -> pd.DataFrame:
    return pd.read_stata(path)


def _spreadsheet(path: Path, sheet: str | None) -> pd.DataFrame:
    """The sheet's cells, not by way of pandas, which takes #REF! and #DIV/0! for missing."""
    table = _cells(path, sheet, computed=True)
    formulas = _cells(path, sheet, computed=False).reindex(table.index, columns=table.columns)
    unknown = table.isna() & formulas.notna()
    if unknown.to_numpy().any():
        line = int(unknown.any(axis=1).to_numpy().argmax()) + 1
        what = "holds a formula whose result is not stored"
        todo = "open and save it in a spreadsheet program"
        raise BadInput(f"{path}, line {line}", what, todo)
    return _headed(table)


def _cells(path: Path, sheet: str | None, computed: bool) -> pd.DataFrame:
    """All cells of a sheet; formulas as their stored results, if `computed`, or as text."""
    from openpyxl import load_workbook  # slow to load, and few panels are workbooks

    book = load_workbook(path, read_only=True, data_only=computed, keep_links=False)
    try:
        names = [str(name) for name in book.sheetnames]
        if sheet is not None and sheet not in names:
            raise BadInput(str(path), f"has no sheet {sheet!r}", near(sheet, names))
        page = book[sheet or names[0]]
        page.reset_dimensions()  # some programs state them wrongly
        table = pd.DataFrame([list(row) for row in page.iter_rows(values_only=True)])
    finally:
        book.close()
    return table.astype("object").dropna(axis="columns", how="all")


def _headed(table: pd.DataFrame) -> pd.DataFrame:
    """The first row as names; a column without one is called after its place."""
    if table.empty:
        return table
    names = ["" if pd.isna(name) else str(name).strip() for name in table.iloc[0]]
    body = table.iloc[1:].reset_index(drop=True)
    body.columns = [name or f"column_{place}" for place, name in enumerate(names, start=1)]
    return body


_READERS: dict[str, Callable[[Path, str | None], pd.DataFrame]] = {
    ".csv": _text,
    ".csv.gz": _text,
    ".parquet": _parquet,
    ".dta": _stata,
    ".xlsx": _spreadsheet,
}
