"""SDMX-CSV as Eurostat and the OECD send it: one observation a line.

Read are version 1 (`DATAFLOW,LAST UPDATE,...`) and version 2 (`STRUCTURE,STRUCTURE_ID,...`), each
with codes only, with labels as columns of their own after the codes, or with labels in the same
cell ("A:Annual"); and the bare columns that programs keep of it (`freq,unit,geo,time,obs_value`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from data.errors import BadInput
from data.sources.grids import Grid, read_grid
from data.sources.staged import Load, SourceFile, file_dimensions
from data.sources.texts import Spelling, finish
from data.sql import literal, quoted, statement

# what describes the message, not the observation
ABOUT = ("dataflow", "structure", "structure_id", "structure_name", "action", "last update")
TIME, VALUE = ("time_period", "time"), ("obs_value",)
FLAG, CONFIDENTIAL = ("obs_flag", "obs_status"), ("conf_status", "obs_conf")
ACTIONS = ("I", "A", "R", "M")  # what adds or replaces; D deletes
CODE_NAME = re.compile(r"[a-z][a-z0-9_]*|[A-Z][A-Z0-9_]*|LAST UPDATE")
AGAIN = "fetch the file again, as SDMX-CSV"
STAMP = re.compile(r"(\d{2})/(\d{2})/(\d{2}|\d{4})(?: .*)?")


@dataclass(frozen=True)
class Roles:
    """Which column of the file is what; `dimensions` maps name to column."""

    dimensions: dict[str, str]
    time: str
    value: str
    flag: str | None
    confidential: str | None
    action: str | None
    joined: frozenset[str]  # columns whose cells hold label after code


def read(load: Load) -> None:
    """Fills the staging tables; raises BadInput naming file and line."""
    grid = read_grid(load)
    columns = roles(load, grid.columns)
    file_dimensions(load, list(columns.dimensions), f"{load.file.name}, line 1")
    refuse_deletions(load, grid, columns)
    stage(load, grid, columns)
    finish(load, list(columns.dimensions), Spelling(missing=("", ":", "NaN")))


def stated(file: SourceFile) -> date | None:
    """The day in the column LAST UPDATE of the first observation, as version 1 writes it."""
    with file.path.open(encoding="utf-8-sig", errors="replace") as stream:
        header, first = (stream.readline().rstrip("\r\n").split(",") for _ in range(2))
    names = [name.strip().upper() for name in header]
    if "LAST UPDATE" not in names or len(first) <= names.index("LAST UPDATE"):
        return None
    match = STAMP.fullmatch(first[names.index("LAST UPDATE")].strip())
    if match is None:
        return None
    day, month, year = (int(part) for part in match.groups())
    try:
        return datetime(year if year > 99 else 2000 + year, month, day).date()
    except ValueError:
        return None


def roles(load: Load, columns: Sequence[str]) -> Roles:
    """Tells the columns apart; raises BadInput if time or value is missing, or none is known."""
    if any(column.startswith("#") for column in columns):
        raise BadInput(f"{load.file.name}, line 1", "has a column without a name", AGAIN)
    names = {column: column.split(":")[0].strip().lower() for column in columns}
    joined = frozenset(column for column in columns if ":" in column)
    about = {"dataflow", "structure", "structure_id"} & set(names.values())
    labels = label_columns(load, columns) if about else frozenset()
    first = {name: column for column, name in reversed(names.items()) if column not in labels}

    def one(options: Sequence[str]) -> str | None:
        return next((first[name] for name in options if name in first), None)

    time, value = one(TIME), one(VALUE)
    for role, column in (("TIME_PERIOD", time), ("OBS_VALUE", value)):
        if column is None:
            raise BadInput(f"{load.file.name}, line 1", f"column {role} is missing", AGAIN)
    known = {*ABOUT, *TIME, *VALUE, *FLAG, *CONFIDENTIAL}
    return Roles(
        dimensions={name: column for name, column in reversed(first.items()) if name not in known},
        time=str(time),
        value=str(value),
        flag=one(FLAG),
        confidential=one(CONFIDENTIAL),
        action=first.get("action"),
        joined=joined,
    )


def label_columns(load: Load, columns: Sequence[str]) -> frozenset[str]:
    """Columns whose names are words, not codes: they hold the labels of the column before.

    Raises BadInput unless either none or every column of codes has one such column after it: a
    damaged name must not pass for a label.
    """
    names = [c for c in columns if c.split(":")[0].strip().lower() not in ABOUT]
    labels = [c for c in names if not CODE_NAME.fullmatch(c.split(":")[0].strip())]
    if labels and (labels != names[1::2] or len(names) % 2):
        alone = next((c for c in labels if names.index(c) % 2 == 0), labels[-1])
        what = f"column {alone!r} does not hold labels of the column before"
        raise BadInput(f"{load.file.name}, line 1", what, AGAIN)
    return frozenset(labels)


def refuse_deletions(load: Load, grid: Grid, columns: Roles) -> None:
    """Raises BadInput on an action other than adding or replacing."""
    if columns.action is None:
        return
    found = load.con.execute(
        statement(
            'SELECT "#row", {action} FROM grid WHERE {action} NOT IN ({some}) LIMIT 1',
            action=grid.sql(columns.action),
            some=", ".join(map(literal, ACTIONS)),
        )
    ).fetchone()
    if found is not None:
        where = f"{load.file.name}, line {found[0]}"
        raise BadInput(where, f"action {found[1]!r} is not data", "fetch the whole table instead")


def stage(load: Load, grid: Grid, columns: Roles) -> None:
    """Table `texts`: codes without labels, flags with the letter of confidentiality."""
    found = columns.dimensions.items()
    parts = [f"{code(grid, columns, column)} AS {quoted(name)}" for name, column in found]
    marks = [code(grid, columns, c) for c in (columns.flag, columns.confidential) if c]
    flags = " || ".join(f"coalesce({mark}, '')" for mark in marks) or "''"
    load.con.execute(
        statement(
            "CREATE TABLE texts AS SELECT {parts}, {time} AS time, {value} AS text,"
            " lower(regexp_replace({flags}, '[ ,;|]', '', 'g')) AS flags, {place} AS place"
            " FROM grid",
            parts=", ".join(parts),
            time=code(grid, columns, columns.time),
            value=code(grid, columns, columns.value),
            flags=flags,
            place=grid.place(columns.value),
        )
    )


def code(grid: Grid, columns: Roles, column: str) -> str:
    """SQL for the code in a column, without the label that may follow it."""
    cell = grid.sql(column)
    plain = f"split_part({cell}, ':', 1)" if column in columns.joined else cell
    return f"nullif(trim({plain}), '')"
