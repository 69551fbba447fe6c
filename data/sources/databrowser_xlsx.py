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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
from openpyxl.utils import get_column_letter

from data.errors import BadInput
from data.sources.grids import text, workbook
from data.sources.staged import Load, SourceFile, file_dimensions
from data.sources.texts import Spelling, finish
from data.sql import literal, quoted, statement

Row = tuple[object, ...]
UPDATED = "Last updated:"
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
    texts = [row for sheet in sheets for row in figures(load.file, sheet, names)]
    columns = [*names, "time", "text", "flags", "place"]
    arrays = [pa.array(column, pa.string()) for column in zip(*texts, strict=True)]
    if not arrays:
        raise BadInput(load.file.name, "holds no figures", "fetch the file again")
    load.con.register("sheet_texts", pa.table(arrays, names=columns))
    load.con.execute("CREATE TABLE texts AS SELECT * FROM sheet_texts")
    load.con.unregister("sheet_texts")
    if not sheets[0].coded and load.file.companions:
        codes_from(load, sheets[0].dimension)
    finish(load, names, Spelling(missing=("", ":")))


def stated(file: SourceFile) -> date | None:
    """The day on which the data were last updated, as the sheets say."""
    book = workbook(file)
    for name in book.sheetnames:
        for row in book[name].iter_rows(max_row=10, max_col=2, values_only=True):
            if str(row[0]).strip() == UPDATED and len(row) > 1:
                return datetime.strptime(str(row[1]).split(" ")[0], "%d/%m/%Y").date()
    return None


def extracts(file: SourceFile) -> list[Sheet]:
    """The sheets that Eurostat wrote as extracts; raises BadInput if there is none."""
    book = workbook(file)
    sheets = []
    for name in book.sheetnames:
        rows = list(book[name].iter_rows(values_only=True))
        if any(str(row[0]).strip() == UPDATED for row in rows[:4]):
            sheets.append(sheet(file, name, rows))
    if not sheets:
        raise BadInput(file.name, "holds no extract of the Data Browser", "export it again")
    return sheets


def sheet(file: SourceFile, name: str, rows: Sequence[Row]) -> Sheet:
    """Takes a sheet apart; raises BadInput where it does not look like an extract."""
    heads = [i for i, row in enumerate(rows) if row[0] == "TIME"]
    if not heads or heads[0] + 1 >= len(rows):
        raise BadInput(f"{file.name}, sheet {name}", "has no row TIME", "export it again")
    head = heads[0]
    fixed = dict(fixed_dimension(row) for row in rows[4:head] if row[0] not in (None, ""))
    below = rows[head + 1]
    return Sheet(
        name=name,
        fixed=fixed,
        dimension=str(below[0]).split(" ")[0].lower(),
        coded=str(below[0]).endswith("(Codes)"),
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
    end = next((i for i, row in enumerate(rows) if row[0] in (None, "")), len(rows))
    return rows[:end]


def figures(file: SourceFile, sheet: Sheet, names: Sequence[str]) -> list[tuple[str | None, ...]]:
    """The figures of a sheet as rows of dimensions, time, text, flags and place."""
    found = []
    for number, row in enumerate(sheet.rows, start=sheet.first):
        codes = [sheet.fixed.get(name, str(row[0]).strip()) for name in names]
        for column, period in sheet.periods.items():
            flags = row[column + 1] if column + 1 < len(row) else ""
            if flags is not None and not re.fullmatch(r"[a-z]*", str(flags).strip()):
                cell = f"cell {get_column_letter(column + 2)}{number}"
                raise BadInput(
                    f"{file.name}, sheet {sheet.name}, {cell}",
                    f"{flags!r} stands where flags belong",
                    "export the table again, with flags",
                )
            place = f"sheet {sheet.name}, cell {get_column_letter(column + 1)}{number}"
            found.append((*codes, period, text(row[column]), str(flags or "").strip(), place))
    return found


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
    book = workbook(file)
    if "Structure" not in book.sheetnames:
        raise BadInput(file.name, "has no sheet Structure", "export it again, with codes")
    rows = book["Structure"].iter_rows(min_col=2, max_col=5, values_only=True)
    return {str(row[3]): str(row[2]) for row in rows if len(row) == 4 and row[0] == dimension}
