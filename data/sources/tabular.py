"""Any table that a recipe can describe: csv, parquet, xlsx or dta; long, wide, or a mere list.

Settings:

- `columns`: which column holds `time` and each dimension, or how to put it together from columns
  ("{year:d}-Q{quarter:d}"; `:d` writes a whole number plainly, `:02d` with leading noughts).
- `values`: the column of the figures, or a table code = column, whose codes form the dimension
  `measure` (or as setting `measure` calls it). Without it the table is a list: each row counts 1.
- `wide`: figures run across columns: `{ dimension = "time", columns = "[0-9]{4}" }`.
- `sheets`, `file_parts`: patterns of sheet and file names; their named groups are dimensions.
- `header`: the row of the column names, `column_names` those to use instead, `first_row` where
  figures begin, `skip` (column = values) which rows to leave out.
- `flags` (a column), `encoding`, `delimiter`, `thousands`, `missing` do what they say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from data.errors import BadInput
from data.sources.grids import Grid, read_grid
from data.sources.staged import Load, SourceFile, file_dimensions
from data.sources.texts import Spelling, finish
from data.sources.workbooks import Workbook
from data.sql import listed, literal, quoted, statement

SLOT = re.compile(r"\{([^{}:]+)(?::(0?\d*d))?\}")


@dataclass(frozen=True)
class Across:
    """Columns that hold figures: what each stands for in dimension `dimension` (None: nothing)."""

    dimension: str | None
    columns: Mapping[str, str]  # column name -> code


def read(load: Load) -> None:
    """Fills the staging tables; raises BadInput naming file and line or cell."""
    settings = load.layout.settings
    grid = read_grid(load)
    across = figures(load, grid)
    parts = {name: expression(load, grid, spec) for name, spec in columns(settings).items()}
    parts |= {name: quoted(f"#{name}") for name in grid.parts}
    parts |= {name: literal(value) for name, value in file_parts(load).items()}
    parts |= {k: literal(v) for k, v in load.layout.constants.items() if k == "time"}
    names = [*parts, *([across.dimension] if across.dimension else [])]
    if "time" not in names:
        raise BadInput(f"recipe {load.recipe.id}", "does not say where time stands", "add it")
    file_dimensions(load, [n for n in names if n != "time"], load.file.name)
    stage_texts(load, grid, across, parts)
    spelling = Spelling(settings.get("thousands", ""), tuple(settings.get("missing", ("", ":"))))
    finish(load, [name for name in names if name != "time"], spelling)


def stated(file: SourceFile) -> date | None:
    """The day on which a workbook was last saved; other files do not say."""
    return Workbook(file).saved() if file.name.endswith((".xlsx", ".xlsm")) else None


def columns(settings: Mapping[str, Any]) -> dict[str, str]:
    """Which column, or template, gives each dimension."""
    return dict(settings.get("columns", {}))


def file_parts(load: Load) -> dict[str, str]:
    """The dimensions that the name of the file gives."""
    pattern = load.layout.settings.get("file_parts")
    match = re.fullmatch(pattern, load.file.name) if pattern else None
    return match.groupdict() if match else {}


def figures(load: Load, grid: Grid) -> Across:
    """The columns of the figures; raises BadInput if one is missing."""
    wide, values = load.layout.settings.get("wide"), load.layout.settings.get("values")
    if wide is not None:
        used = {c for spec in columns(load.layout.settings).values() for c in slots(spec)}
        pattern = re.compile(wide["columns"])
        taken = {c: c for c in grid.columns if c not in used and pattern.fullmatch(c)}
        if not taken:
            what = f"has no column like {wide['columns']!r}"
            raise BadInput(load.file.name, what, "fetch the file again, or correct the recipe")
        return Across(wide["dimension"], taken)
    if values is None:
        return Across(None, {})
    named = values if isinstance(values, dict) else {"": str(values)}
    for column in named.values():
        grid.need(load, column)
    given = load.layout.settings.get("measure", "measure")
    dimension = given if isinstance(values, dict) else None
    return Across(dimension, {column: measure for measure, column in named.items()})


def slots(spec: str) -> list[str]:
    """The columns that a template names."""
    found = [match.group(1) for match in SLOT.finditer(spec)]
    return found or [spec]


def expression(load: Load, grid: Grid, spec: str) -> str:
    """SQL for a dimension: a column as it stands, or a template filled in."""
    for column in slots(spec):
        grid.need(load, column)
    if not SLOT.search(spec):
        return f"nullif(trim({grid.sql(spec)}), '')"
    parts, end = [], 0
    for match in SLOT.finditer(spec):
        parts.append(literal(spec[end : match.start()]))
        parts.append(slot_value(load, grid, match.group(1), match.group(2)))
        end = match.end()
    return " || ".join([*parts, literal(spec[end:])])


def slot_value(load: Load, grid: Grid, column: str, form: str | None) -> str:
    """SQL for one column inside a template; raises BadInput if a whole number is none."""
    name = f"trim({grid.sql(column)})"
    if form is None:
        return name
    bad = load.con.execute(
        statement(
            "SELECT spelt({place}), {name} FROM grid WHERE {name} <> ''"
            " AND NOT regexp_full_match({name}, '[0-9]+([.]0*)?') LIMIT 1",
            place=grid.place(column),
            name=name,
        )
    ).fetchone()
    if bad is not None:
        where = f"{load.file.name}, {bad[0]}"
        raise BadInput(where, f"{bad[1]!r} is not a whole number", "mend or fetch the file again")
    whole = f"split_part({name}, '.', 1)"
    width = form.rstrip("d").lstrip("0")
    return f"lpad({whole}, greatest(len({whole}), {width})::INTEGER, '0')" if width else whole


def stage_texts(load: Load, grid: Grid, across: Across, parts: Mapping[str, str]) -> None:
    """Table `texts`: one row per figure."""
    # a table without figures is a list: each row says that its codes belong together
    chosen = list(across.columns)
    cells = ", ".join(map(grid.sql, chosen)) or "'1'"
    numbers = [grid.number(column) for column in chosen or grid.columns[:1]]
    # the code that a column stands for: the period of a column headed 2013, a measure's name
    code = f", unnest([{', '.join(map(literal, across.columns.values()))}]) AS "
    load.con.execute(
        statement(
            # what a row says is worked out within, once and not for each of its figures
            "CREATE TABLE texts AS SELECT {names}{code}, unnest({figures}) AS text, flags,"
            " place + unnest({numbers}::BIGINT[]) AS place FROM (SELECT {parts}, [{cells}] AS"
            " {figures}, {flags} AS flags, {row} AS place FROM grid WHERE {keep})",
            names=listed(parts),
            figures=quoted("#figures"),
            parts=", ".join(f"{sql} AS {quoted(name)}" for name, sql in parts.items()),
            code=code + quoted(across.dimension) if across.dimension else "",
            cells=cells,
            flags=flags(load, grid),
            row=grid.row_place,
            numbers=str(numbers),
            keep=kept(load, grid, parts),
        )
    )


def flags(load: Load, grid: Grid) -> str:
    """SQL for the flags of a row; raises BadInput if their column is not there."""
    column = load.layout.settings.get("flags")
    if column is None:
        return "''"
    grid.need(load, column)
    plain = ", ".join(map(literal, load.layout.settings.get("unflagged", ())))
    text = f"lower({grid.sql(column)})"
    return f"CASE WHEN {grid.sql(column)} IN ({plain}) THEN '' ELSE {text} END" if plain else text


def kept(load: Load, grid: Grid, parts: Mapping[str, str]) -> str:
    """SQL for the rows to read: none the recipe leaves out, and none without any code."""
    codes = [sql for name, sql in parts.items() if name in columns(load.layout.settings)]
    tests = [f"coalesce({', '.join(codes)}) IS NOT NULL"] if codes else []
    for column, values in load.layout.settings.get("skip", {}).items():
        grid.need(load, column)
        some = ", ".join(literal(str(value)) for value in values)
        tests.append(f"coalesce({grid.sql(column)} NOT IN ({some}), true)")
    return " AND ".join(tests) or "true"
