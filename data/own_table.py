"""Reads one table from a file as a spreadsheet program or a statistics package writes it.

Every reader gives the cells as they stand: text from text files, typed values from the others.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable
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
    except UnicodeDecodeError as fault:
        raise BadInput(
            f"{path}, byte {fault.start}", "is not UTF-8 text", "save the file as UTF-8"
        ) from None
    except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, KeyError) as fault:
        raise BadInput(str(path), f"is damaged or cut short ({fault})", "copy it again") from None
    except (pd.errors.ParserError, pa.ArrowException, ValueError) as fault:
        reason = str(fault).splitlines()[0]
        raise BadInput(str(path), f"cannot be read: {reason}", "mend or re-export it") from None


def _text(path: Path, _sheet: str | None) -> pd.DataFrame:
    table = pd.read_csv(
        path,
        header=None,  # else pandas renames a second column of one name in silence
        dtype="str",
        keep_default_na=False,
        skip_blank_lines=False,
        encoding="utf-8-sig",
        index_col=False,
    )
    if table.shape[1] == 1 and ";" in str(table.iloc[0, 0]):
        raise BadInput(f"{path}, line 1", "columns are separated by ;", "separate them by commas")
    return _headed(table)


def _parquet(path: Path, _sheet: str | None) -> pd.DataFrame:
    return pd.read_parquet(path)


def _stata(path: Path, _sheet: str | None) -> pd.DataFrame:
    return pd.read_stata(path)


def _spreadsheet(path: Path, sheet: str | None) -> pd.DataFrame:
    with pd.ExcelFile(path, engine="openpyxl") as book:
        names = [str(name) for name in book.sheet_names]
        if sheet is not None and sheet not in names:
            raise BadInput(str(path), f"has no sheet {sheet!r}", near(sheet, names))
        table = pd.read_excel(
            book, sheet_name=sheet or names[0], header=None, dtype="object", keep_default_na=False
        )
        return _headed(table)


def _headed(table: pd.DataFrame) -> pd.DataFrame:
    """The first row as names; a column without one is called after its place."""
    if table.empty:
        return table
    names = [str(name).strip() for name in table.iloc[0]]
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
