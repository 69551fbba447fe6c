"""Builds a panel by its recipe: select, bring to the panel's regions, derive, store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from data.errors import BadInput
from data.expressions import columns_of, evaluate
from data.panel import Column, Panel
from data.panels.editions import EditionInForce, Wanted, absences, editions_of
from data.panels.pick import pick_columns
from data.panels.recipe import PanelRecipe, panel_names, panel_recipe
from data.panels.store import panel_path, read_panel, write_panel
from data.recipes import dataset_recipe
from data.regions.convert import broadcast, convert, wide
from data.regions.crosswalk import Overlap
from data.regions.report import conversion_table, in_words
from data.regions.systems import region_system
from data.regions.territory import (
    Unit,
    parent_links,
    territory_sha256,
    unit_links,
    units_of,
    version_of,
)
from data.regions.weights import read_overlaps
from data.warehouse import Warehouse

__all__ = ["build_panel", "datasets_of", "panel_names"]

BUILD = "2"  # raise it when the same inputs would give another table


def datasets_of(name: str) -> tuple[str, ...]:
    """Ids of the datasets that panel `name` is built from. Raises BadInput for another name."""
    return panel_recipe(name).datasets


def build_panel(
    name: str, warehouse: Warehouse, as_of: date | None, say: Callable[[str], None]
) -> Panel:
    """The panel called `name` from the `warehouse`, as known on `as_of` (None: today).

    The same inputs give the same file, which is then only read. Raises BadInput where a recipe or
    a dataset it needs is missing, ContractBroken where the data do not fit it.
    """
    recipe = panel_recipe(name)
    editions = editions_of(recipe, warehouse, as_of)
    path = panel_path(warehouse.path.parent, name, _inputs(recipe, editions))
    kept = _kept(path, say)
    if kept is not None:
        return kept
    say(f"building panel {name} from {len(recipe.datasets)} datasets ...")
    # one thread: sums are then taken in one order, and equal inputs give equal bytes
    with duckdb.connect(config={"threads": 1}) as connection:
        pick_columns(connection, recipe, warehouse, editions)
        frame, changed = _table(connection, recipe, _overlaps(recipe, warehouse, editions))
    report = path.with_suffix(".regions.csv")
    panel = write_panel(
        _panel(recipe, _derive(frame, recipe), editions, in_words(changed)), path
    )
    changed.to_csv(report, index=False, lineterminator="\n")
    for sentence in (*absences(recipe, editions), *in_words(changed)):
        say(f"  {sentence}")
    return panel


def _kept(path: Path, say: Callable[[str], None]) -> Panel | None:
    """The panel that was built before; None if there is none, or its file was damaged since."""
    try:
        return read_panel(path) if path.exists() else None
    except BadInput as fault:
        say(f"{fault.where} {fault.what} any more: it is built again")
        return None


def _panel(
    recipe: PanelRecipe,
    frame: pd.DataFrame,
    editions: Mapping[Wanted, EditionInForce],
    changed: tuple[str, ...],
) -> Panel:
    used = dict.fromkeys(vintage for edition in editions.values() for vintage in edition.used)
    return Panel(
        name=recipe.id,
        frame=frame,
        unit=recipe.unit,
        time=recipe.time,
        parent=recipe.parent,
        columns=_columns(recipe),
        sha256="",
        title=recipe.title,
        vintages=tuple(used),
        simulated=recipe.simulated or any(dataset_recipe(d).simulated for d in recipe.datasets),
        notes=(*recipe.notes, *absences(recipe, editions), *changed),
    )


def _inputs(recipe: PanelRecipe, editions: Mapping[Wanted, EditionInForce]) -> str:
    """The hash of everything the table depends on."""
    parts = [BUILD, recipe.id, recipe.sha256, territory_sha256(recipe.territory)]
    parts += [f"{column.name} = {column.expression}" for column in recipe.derived]
    parts += [f"{key[0]} {edition.fingerprint}" for key, edition in editions.items()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _overlaps(
    recipe: PanelRecipe, warehouse: Warehouse, editions: Mapping[Wanted, EditionInForce]
) -> tuple[Overlap, ...]:
    territory = recipe.territory
    if territory.weights is None or territory.system is None:
        return ()
    system = region_system(territory.system)
    day = editions[territory.weights, None, False].day
    observations = warehouse.observations(territory.weights, day)
    return read_overlaps(observations, system, version_of(territory, system), territory.measure)


def _table(
    connection: duckdb.DuckDBPyConnection, recipe: PanelRecipe, overlaps: tuple[Overlap, ...]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All picked columns on the full grid of units by periods, and what was converted how."""
    codes = _codes(connection, "picked")
    units = units_of(recipe.territory, codes, f"panel {recipe.id}")
    links = unit_links(recipe.territory, units, codes, overlaps)
    convert(connection, links, recipe.territory.coverage)
    nations = _codes(connection, "picked_parents")
    broadcast(connection, parent_links(recipe.territory, units, nations))
    grid = pd.MultiIndex.from_product(
        [sorted(units), range(recipe.first, recipe.last + 1)], names=[recipe.unit, recipe.time]
    )
    columns: dict[str, pd.Series] = {}
    picks = recipe.picks
    values = wide(connection, "value", [p.name for p in picks]).reindex(grid)
    flags = wide(connection, "flags", [p.name for p in picks if p.flag]).reindex(grid)
    routes = wide(connection, "route", [p.name for p in picks if p.route]).reindex(grid)
    for pick in picks:
        columns[pick.name] = _known(values, pick.name).astype("float64")
        if pick.flag:
            columns[f"{pick.name}_flag"] = _known(flags, pick.name).astype("str")
        if pick.route:
            columns[f"{pick.name}_route"] = _known(routes, pick.name).astype("str")
    measured = pd.DataFrame(columns).reset_index(drop=True)
    frame = pd.concat([_index(grid, recipe, units), measured], axis=1)
    return frame, conversion_table(connection, recipe.territory)


def _codes(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in connection.table(table).project("geo").distinct().fetchall()]


def _known(table: pd.DataFrame, name: str) -> pd.Series:
    """A column of the wide table; one of which no unit has any cell is all missing."""
    return table[name] if name in table else pd.Series(index=table.index, dtype="object")


def _index(grid: pd.MultiIndex, recipe: PanelRecipe, units: Mapping[str, Unit]) -> pd.DataFrame:
    """The index columns and the attributes of the units, row by row of the grid."""
    index = grid.to_frame(index=False)
    described = index[recipe.unit].map(units)
    if recipe.parent is not None:
        index[recipe.parent] = described.map(lambda unit: unit.parent).astype("str")
    for name in recipe.territory.attributes:
        index[name] = _typed(described.map(lambda unit, name=name: unit.attributes[name]))
    return index


def _typed(attribute: pd.Series) -> pd.Series:
    """Text, or whole numbers where all entries are (FIPS codes)."""
    return attribute.astype("int64" if attribute.str.fullmatch("[0-9]+").all() else "str")


def _derive(frame: pd.DataFrame, recipe: PanelRecipe) -> pd.DataFrame:
    for column in recipe.derived:
        where = f"panel {recipe.id}, column {column.name}"
        values = evaluate(column.expression, frame, recipe.unit, recipe.time, where)
        frame = frame.assign(**{column.name: values.astype("float64")})
    return frame


def _columns(recipe: PanelRecipe) -> dict[str, Column]:
    """What each column measures; a derived one draws on the datasets of all it names."""
    columns = {p.name: Column(p.name, p.label, p.unit, p.level, (p.dataset,)) for p in recipe.picks}
    for d in recipe.derived:
        named = [columns[c].sources for c in columns_of(d.expression) if c in columns]
        sources = tuple(dict.fromkeys(source for each in named for source in each))
        columns[d.name] = Column(d.name, d.label, d.unit, d.level, sources)
    return columns
