"""The spreadsheet that Eurostat's Data Browser exports: one table a sheet, flags beside figures.

Above the table stand "Last updated" and one line for each dimension that does not vary in the
sheet, with its code in brackets where codes were asked for. The table begins with `TIME` and the
periods; each period takes two columns, figure and flags. Its rows are codes and labels, or labels
only. Sheets that are no extract (Summary, Structure, tables added by users) are passed over.

Where a file has labels only, the recipe's [labels] give the codes, or, for regions, the sheet
`Structure` of a companion file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pyarrow as pa

from data.errors import BadInput
from data.sources.grids import COLUMNS, ROWS, spell_cells
from data.sources.sheet_rows import Row, cell, letters
from data.sources.staged import Load, SourceFile, file_dimensions
from data.sources.texts import Spelling, finish
from data.sources.workbooks import Workbook
from data.sql import literal, quoted, statement

UPDATED = "Last updated:"
FLAGS = re.compile("[a-z]*")
CODE = re.compile(r"^(?P<label>.*) \[(?P<code>[^\]]+)\]$")
# what the dimensions are called where their codes are not shown
CALLED = {
    "Time frequency": "freq",
    "Unit of measure": "unit",
    "Sex": "sex",
    "Age class": "age",
    "International Standard Classification of Education (ISCED 2011)": "isced11",
    "Training": "training",
    "Activity and employment status": "wstatus",
}


@dataclass(frozen=True)
class Sheet:
    """An extract: the codes or labels that hold for all of it, and its table."""

    name: str
    fixed: Mapping[str, str]
    dimension: str
    coded: bool
    periods: Mapping[int, str]  # column, counted from 0 -> period
    rows: Sequence[Row]
    first: int  # number of the table's first row in the sheet


def read(load: Load) -> None:
    """Fills the staging tables; raises BadInput naming file, sheet and cell."""
    sheets = extracts(load.file)
    names = [*sheets[0].fixed, sheets[0].dimension]
    for sheet in sheets:
        where = f"{load.file.name}, sheet {sheet.name}"
        file_dimensions(load, [*sheet.fixed, sheet.dimension], where)
        refuse_other_flags(load.file, sheet)
    tables = [t for number, sheet in enumerate(sheets) for t in figures(number, sheet, names)]
    texts = pa.concat_tables(tables) if tables else None
    if not texts:
        raise BadInput(load.file.name, "holds no figures", "fetch the file again")
    load.con.register("sheet_texts", texts)
    load.con.execute("CREATE TABLE texts AS SELECT * FROM sheet_texts")
    load.con.unregister("sheet_texts")
    last = max(column for sheet in sheets for column in sheet.periods)
    spell_cells(load.con, [sheet.name for sheet in sheets], last + 1)
    if not sheets[0].coded and load.file.companions:
        codes_from(load, sheets[0].dimension)
    finish(load, names, Spelling(missing=("", ":")))


def stated(file: SourceFile) -> date | None:
    """The day on which the data were last updated, as the sheets say."""
    book = Workbook(file)
    for name in book.sheets:
        for row in book.rows(name, last=10):
            if str(cell(row, 0)).strip() == UPDATED and (moment := cell(row, 1)):
                return datetime.strptime(moment.split(" ")[0], "%d/%m/%Y").date()
    return None


def extracts(file: SourceFile) -> list[Sheet]:
    """The sheets that Eurostat wrote as extracts; raises BadInput if there is none."""
    book = Workbook(file)
    sheets = []
    for name in book.sheets:
        if any(str(cell(row, 0)).strip() == UPDATED for row in book.rows(name, last=4)):
            sheets.append(sheet(file, name, book.rows(name)))
    if not sheets:
        raise BadInput(file.name, "holds no extract of the Data Browser", "export it again")
    return sheets


def sheet(file: SourceFile, name: str, rows: Sequence[Row]) -> Sheet:
    """Takes a sheet apart; raises BadInput where it does not look like an extract."""
    heads = [i for i, row in enumerate(rows) if cell(row, 0) == "TIME"]
    if not heads or heads[0] + 1 >= len(rows):
        raise BadInput(f"{file.name}, sheet {name}", "has no row TIME", "export it again")
    head = heads[0]
    fixed = dict(fixed_dimension(row) for row in rows[4:head] if cell(row, 0))
    below = str(cell(rows[head + 1], 0))
    return Sheet(
        name=name,
        fixed=fixed,
        dimension=below.split(" ")[0].lower(),
        coded=below.endswith("(Codes)"),
        periods={i: str(c) for i, c in enumerate(rows[head]) if c not in (None, "", "TIME")},
        rows=table(rows[head + 2 :]),
        first=head + 3,
    )


def fixed_dimension(row: Row) -> tuple[str, str]:
    """Name and code (or label) of a dimension that does not vary in a sheet."""
    name, value = str(row[0]).strip(), next((str(c).strip() for c in row[1:] if c), "")
    called, coded = CODE.match(name), CODE.match(value)
    dimension = called["code"].lower() if called else CALLED.get(name, name)
    return dimension, coded["code"] if coded else value


def table(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows up to the first empty one; notes and the legend of flags follow it."""
    end = next((i for i, row in enumerate(rows) if not cell(row, 0)), len(rows))
    return rows[:end]


def figures(number: int, sheet: Sheet, names: Sequence[str]) -> Iterator[pa.Table]:
    """The figures of the sheet of that number, a period at a time, as rows of `texts`."""
    own = [str(row[0]).strip() for row in sheet.rows]
    place = np.arange(sheet.first, sheet.first + len(own)) + number * ROWS
    codes = [[sheet.fixed[name]] * len(own) if name in sheet.fixed else own for name in names]
    for column, period in sheet.periods.items():
        texts = [cell(row, column) for row in sheet.rows]
        flags = [(flags or "").strip() for flags in flags_of(sheet, column)]
        columns = [*codes, [period] * len(own), texts, flags]
        arrays = [pa.array(column, pa.string()) for column in columns]
        arrays.append(pa.array(place * COLUMNS + column, pa.int64()))
        yield pa.table(arrays, names=[*names, "time", "text", "flags", "place"])


def flags_of(sheet: Sheet, column: int) -> list[str | None]:
    """What stands to the right of a column of figures."""
    return [cell(row, column + 1) for row in sheet.rows]


def refuse_other_flags(file: SourceFile, sheet: Sheet) -> None:
    """Raises BadInput on the first cell that holds no flags where they belong."""
    wrong = [
        (row, column, flags)
        for column in sheet.periods
        for row, flags in enumerate(flags_of(sheet, column), start=sheet.first)
        if flags and not FLAGS.fullmatch(flags.strip())
    ]
    if wrong:
        row, column, flags = min(wrong)
        raise BadInput(
            f"{file.name}, sheet {sheet.name}, cell {letters(column + 2)}{row}",
            f"{flags!r} stands where flags belong",
            "export the table again, with flags",
        )


def codes_from(load: Load, dimension: str) -> None:
    """Codes instead of labels by the companion's list; rows whose label it lacks are set aside."""
    pairs: dict[str, str] = {}
    for companion in load.file.companions:
        there = SourceFile(companion, companion.name, load.file.scratch)
        pairs |= structure(there, dimension)
    labels = pa.table({"label": list(pairs), "code": list(pairs.values())})
    load.con.register("labels", labels)
    slots = {"name": quoted(dimension), "reason": literal(f"no code of {dimension}")}
    load.con.execute(
        statement(
            "INSERT INTO set_aside SELECT NULL, NULL, 'code', {reason}, {name}, time, NULL, flags"
            " FROM texts WHERE {name} NOT IN (SELECT label FROM labels)",
            **slots,
        )
    )
    load.con.execute(
        statement(
            "CREATE OR REPLACE TABLE texts AS SELECT t.* REPLACE (l.code AS {name})"
            " FROM texts t JOIN labels l ON l.label = t.{name}",
            **slots,
        )
    )
    load.con.unregister("labels")


def structure(file: SourceFile, dimension: str) -> dict[str, str]:
    """Labels and codes of a dimension in the sheet Structure of an export with codes."""
    book = Workbook(file)
    if "Structure" not in book.sheets:
        raise BadInput(file.name, "has no sheet Structure", "export it again, with codes")
    rows = [row for row in book.rows("Structure") if cell(row, 1) == dimension]
    return {label: str(row[3]) for row in rows if (label := cell(row, 4)) is not None}
