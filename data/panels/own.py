"""A panel of the user's own, from a file: csv, csv.gz, parquet, dta or xlsx."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import BadInput
from data.panel import Column, Panel
from data.panels.own_table import read_table
from data.panels.store import is_panel_file, read_panel
from data.suggestions import near

BEYOND = 1e12  # all periods, of whatever calendar
INEXACT = 2.0**53  # whole numbers from here on are not told apart
# as R, Python, Stata, Eurostat and spreadsheets write it
MISSING = ("", "NA", "NaN", "nan", ".", ":", "#N/A")


def read_own_panel(
    path: Path, unit: str, time: str, parent: str | None = None, sheet: str | None = None
) -> Panel:
    """The file's table as a panel, sorted by unit and time; its columns count as regional.

    `sheet` names the sheet of a workbook (the first, if None). A column counts as numbers if at
    least half of its entries are. A panel exported to parquet keeps what it knows about its
    columns and sources. Raises BadInput, naming file and line, for a file that cannot be read, a
    missing index column, a time that is no whole number, text among numbers, and infinite values.
    A unit and time may occur twice: a study's sample decides which rows are used.
    """
    table = read_table(path, sheet)
    table.columns = [str(name) for name in table.columns]
    _check_header(table, path, unit, time, parent)
    origin = read_panel(path) if is_panel_file(path) else None
    missing = table.map(_is_missing) if origin is None else table.isna()  # there "" is no flag
    table = table[~missing.all(axis=1)]
    if table.empty:
        raise BadInput(str(path), "has no rows", "export it again with its data")
    frame = _typed(table, missing.loc[table.index], path, unit, time, parent)
    measured = [str(name) for name in frame if name not in (unit, time, parent)]
    panel = Panel(
        name=path.name,
        frame=frame.sort_values([unit, time], kind="stable").reset_index(drop=True),
        unit=unit,
        time=time,
        parent=parent,
        columns={c: Column(c, c, "", "regional", (path.name,)) for c in measured},
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        title=path.name,
    )
    return panel if origin is None else _with_origin(panel, origin)


def _with_origin(panel: Panel, origin: Panel) -> Panel:
    """The panel with all that an exported one says of itself."""
    return replace(
        panel,
        columns={**panel.columns, **origin.columns},
        title=origin.title,
        vintages=origin.vintages,
        simulated=origin.simulated,
        notes=origin.notes,
    )


def _typed(
    table: pd.DataFrame,
    missing: pd.DataFrame,
    path: Path,
    unit: str,
    time: str,
    parent: str | None,
) -> pd.DataFrame:
    """The table with every column as numbers or text, and an index that holds."""
    lines = table.index.to_numpy() + 2  # the header is the first line of a text file or sheet
    columns = {
        name: _values(table[name], missing[name].to_numpy(dtype=bool), path, lines)
        for name in table
        if name != time
    }
    columns[time] = _periods(table[time], path, lines)
    frame = pd.DataFrame({name: columns[name] for name in table})
    _check_index(frame, path, lines, unit, parent)
    for name in (unit, parent):
        if name is None or frame[name].dtype != "float64":
            continue
        if ((frame[name] % 1 == 0) & (frame[name].abs() < INEXACT)).all():
            frame[name] = frame[name].astype("int64")  # a numbered unit is 7, not 7.0
    return frame


def _check_header(
    table: pd.DataFrame, path: Path, unit: str, time: str, parent: str | None
) -> None:
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise BadInput(f"{path}, line 1", f"column {twice[0]!r} occurs twice", "rename one")
    for name in (unit, time, *([parent] if parent else [])):
        if name not in table:
            raise BadInput(f"{path}, line 1", f"has no column {name!r}", near(name, table.columns))


def _is_missing(entry: object) -> bool:
    if isinstance(entry, str):
        return entry.strip() in MISSING
    return entry is None or entry is pd.NaT or entry is pd.NA or entry != entry


def _values(
    column: pd.Series, missing: NDArray[np.bool_], path: Path, lines: NDArray[np.int64]
) -> pd.Series:
    """Numbers as floats, or text with None for missing."""
    known = column[~missing]
    text = known.map(lambda entry: isinstance(entry, str)).to_numpy(dtype=bool)
    if text.all() or column.dtype == "object":
        numbers = pd.to_numeric(known.astype("str").str.strip(), errors="coerce").to_numpy(float)
    else:
        numbers = pd.to_numeric(known, errors="coerce").to_numpy(float)
    bad = np.isnan(numbers)
    if len(known) and bad.mean() > 0.5:
        return column.astype("object").where(~missing, None).map(_as_text).astype("object")
    for faults, what in ((bad, "text among numbers"), (np.isinf(numbers), "an infinite value")):
        if faults.any():
            first = int(np.argmax(faults))
            raise BadInput(
                f"{path}, line {lines[~missing][first]}, column {column.name!r}",
                f"{what}: {str(known.iloc[first])!r}",
                "mend the cell, or leave it empty if it is not known",
            )
    values = np.full(len(column), np.nan)
    values[~missing] = numbers
    return pd.Series(values, index=column.index)


def _as_text(entry: object) -> object:
    return None if entry is None else str(entry)


def _periods(column: pd.Series, path: Path, lines: NDArray[np.int64]) -> pd.Series:
    """Whole numbers, such as years."""
    entries = column.astype("str").str.strip()
    numbers = pd.to_numeric(entries, errors="coerce").to_numpy(float)
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
    wrong = ~(whole & (np.abs(numbers) < BEYOND))
    if wrong.any():
        first = int(np.argmax(wrong))
        fault = "too large for a period" if whole[first] else "no whole number"
        raise BadInput(
            f"{path}, line {lines[first]}, column {column.name!r}",
            f"{entries.iloc[first]!r} is {fault}",
            "periods are whole numbers, such as 2008",
        )
    return pd.Series(numbers.astype("int64"), index=column.index)


def _check_index(
    frame: pd.DataFrame,
    path: Path,
    lines: NDArray[np.int64],
    unit: str,
    parent: str | None,
) -> None:
    for name in (unit, *([parent] if parent else [])):
        empty = frame[name].isna().to_numpy()
        if empty.any():
            line = lines[int(np.argmax(empty))]
            raise BadInput(f"{path}, line {line}", f"column {name!r} is empty", "fill it in")
