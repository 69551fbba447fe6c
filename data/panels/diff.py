"""Two editions of one panel, compared: which cells were revised, which rows are new.

`stages` leads from the old panel to the new one in named steps, each a panel of its own, so that
the change of any estimate can be split into what each step did to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.errors import BadInput
from data.panel import Panel


@dataclass(frozen=True)
class PanelChange:
    """What differs between two panels of the same recipe.

    revised has one row per cell that both panels know with different values (unit, time, column,
    old, new), largest relative change first; appeared and withdrawn count cells that only the
    new, or only the old, panel knows among the rows both have. A period is new if it has rows for
    the first time, or a column its first figure in it: a panel by recipe has its rows from the
    beginning. So is a unit.
    """

    revised: pd.DataFrame
    new_periods: tuple[object, ...]
    new_units: tuple[object, ...]
    lost_rows: int
    appeared: int
    withdrawn: int


def compare(old: Panel, new: Panel) -> PanelChange:
    """The difference between two editions.

    Raises BadInput if their index columns differ or do not tell their rows apart.
    """
    before, after = _aligned(old, new)
    both = before.index.intersection(after.index)
    columns = _numeric(before, after)
    a, b = before.loc[both, columns].to_numpy(float), after.loc[both, columns].to_numpy(float)
    known_a, known_b = ~np.isnan(a), ~np.isnan(b)
    rows, cols = np.nonzero(known_a & known_b & (a != b))
    revised = pd.DataFrame(
        {
            old.unit: both.get_level_values(0)[rows],
            old.time: both.get_level_values(1)[rows],
            "column": np.asarray(columns, object)[cols],
            "old": a[rows, cols],
            "new": b[rows, cols],
        }
    )
    size = (revised["new"] / revised["old"] - 1).abs()
    revised = revised.loc[size.sort_values(ascending=False, kind="stable").index]
    first = _first_figures(before, after, columns)
    return PanelChange(
        revised.reset_index(drop=True),
        _with_rows_of(first.periods, 1, _only_new(before, after, old.time)),
        _with_rows_of(first.units, 0, _only_new(before, after, old.unit)),
        len(before.index.difference(after.index)),
        int((known_b & ~known_a).sum()),
        int((known_a & ~known_b).sum()),
    )


def stages(old: Panel, new: Panel) -> Iterator[tuple[str, Panel]]:
    """(what changed, panel) from the old edition to the new one, each step on top of the last."""
    before, after = _aligned(old, new)
    both = before.index.intersection(after.index)
    columns = _numeric(before, after)
    current = before.astype(dict.fromkeys(columns, "float64"))
    revised = after.loc[both, columns]
    known = current.loc[both, columns].notna() & revised.notna()
    current.loc[both, columns] = current.loc[both, columns].where(~known, revised)
    yield "revised values", _panel(new, current)
    first = _first_figures(before, after, columns)
    added = after.loc[after.index.difference(before.index)]
    is_new_period = added.index.get_level_values(1).isin(_only_new(before, after, old.time))
    is_new_unit = added.index.get_level_values(0).isin(_only_new(before, after, old.unit))
    current.loc[both, columns] = current.loc[both, columns].where(~first.periods, after)
    current = pd.concat([current, added[is_new_period & ~is_new_unit]])
    yield "new periods", _panel(new, current)
    current.loc[both, columns] = current.loc[both, columns].where(~first.units, after)
    current = pd.concat([current, added[is_new_unit]])
    yield "new units", _panel(new, current)
    yield "cells or rows filled or withdrawn, changed flags", new


def _aligned(old: Panel, new: Panel) -> tuple[pd.DataFrame, pd.DataFrame]:
    if (old.unit, old.time) != (new.unit, new.time):
        raise BadInput(
            f"panel {new.name}",
            f"its index was {old.unit}, {old.time} and is {new.unit}, {new.time}",
            "compare dates on the same side of that change",
        )
    for panel in (old, new):
        twice = panel.frame[panel.frame.duplicated([panel.unit, panel.time])]
        if len(twice):
            unit, time = twice[[panel.unit, panel.time]].iloc[0]
            raise BadInput(
                f"panel {panel.name}, {panel.unit} {unit}, {panel.time} {time}",
                "two rows for one unit and period, so that cells cannot be compared",
                "keep one row for each in the file",
            )
    return old.frame.set_index([old.unit, old.time]), new.frame.set_index([new.unit, new.time])


@dataclass(frozen=True)
class _First:
    """Which cells of rows that both panels have, by column, are a period's or a unit's first."""

    periods: pd.DataFrame
    units: pd.DataFrame


def _first_figures(before: pd.DataFrame, after: pd.DataFrame, columns: list[str]) -> _First:
    """Cells that appeared in a period, or for a unit, of which a column had no figure before.

    A column that had none at all is a new column, not a new period or unit.
    """
    both = before.index.intersection(after.index)
    was = before[columns].notna()
    appeared = ~was.loc[both] & after.loc[both, columns].notna() & was.any()
    empty = [
        ~was.groupby(level=level).any().reindex(both.get_level_values(level)).set_axis(both)
        for level in (0, 1)
    ]
    return _First(periods=appeared & empty[1] & ~empty[0], units=appeared & empty[0])


def _with_rows_of(
    cells: pd.DataFrame, level: int, others: tuple[object, ...]
) -> tuple[object, ...]:
    """The units or periods of the cells that are true, and the others; sorted."""
    found = cells.index[cells.any(axis=1)].get_level_values(level)
    return tuple(sorted({*found, *others}))


def _numeric(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    numeric = before.select_dtypes("number").columns
    return [name for name in numeric if name in after.columns]


def _only_new(before: pd.DataFrame, after: pd.DataFrame, level: str) -> tuple[object, ...]:
    known = set(before.index.get_level_values(level))
    return tuple(sorted(set(after.index.get_level_values(level)) - known))


def _panel(new: Panel, frame: pd.DataFrame) -> Panel:
    ordered = frame.reset_index().sort_values([new.unit, new.time], ignore_index=True)
    return replace(new, frame=ordered)
