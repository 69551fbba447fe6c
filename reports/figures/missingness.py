"""The missingness picture: which columns lack data, when, and where the outcome is high or low."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from data.panel import Column
from models.study.results import Missingness, MissingShare, StudyResults
from reports.figures.style import (
    INK,
    MARGIN,
    SOFT,
    WIDTH,
    Frame,
    Picture,
    framed,
    house_style,
    quiet,
    written,
)
from reports.numbers import per_cent
from reports.sources import source_line
from reports.variables import Variables, counted, index_word, plural

ROW, LEFT, GAP, RIGHT = 0.2, 2.3, 0.3, 0.2  # inches
LONGEST = 38  # characters of a column's label
SHADES = LinearSegmentedColormap.from_list("missing", ["#f3f5f7", "#7fb0cd", "#0b5d8f", "#062f49"])
QUINTILES = ("lowest", "2", "3", "4", "highest")


def missingness_plot(results: StudyResults) -> Picture:
    """A heat map of the share missing: columns by period, and by quintile of the outcome.

    Columns without a gap are counted in words, not drawn.
    """
    rows = [row for row in results.missingness if row.missing] or list(results.missingness)
    ranked = any(row.by_quintile for row in rows)
    units = plural(index_word(results.panel.unit))
    said = f"Share of {units} without a figure, in per cent; blank where none is missing."
    said += f" Right: {units} ranked by the average of the outcome." if ranked else ""
    complete = len(results.missingness) - len(rows)
    said += f" Complete, and not shown: {counted(complete, 'column')}." if complete else ""
    with house_style():
        room = ROW * len(rows) + 0.6
        frame = framed("What is missing, and where", said, source_line(results.panel), room)
        _panels(frame, rows, results, ranked)
        return written("missingness", frame.figure, results.panel.simulated, spoken(results))


def _panels(
    frame: Frame, rows: Sequence[Missingness], results: StudyResults, ranked: bool
) -> None:
    free = WIDTH - LEFT - RIGHT - (GAP if ranked else 0.0)
    periods = sorted({share.group for row in rows for share in row.by_period})
    wide, tall = free * (0.72 if ranked else 1.0), ROW * len(rows)
    left = frame.axes(LEFT, 0.25, wide, tall)
    _heat(left, [row.by_period for row in rows], periods)
    _period_ticks(left, periods)
    _title(left, index_word(results.panel.time).capitalize())
    _names(left, rows, results)
    if ranked:
        right = frame.axes(LEFT + wide + GAP, 0.25, free - wide, tall)
        _heat(right, [row.by_quintile for row in rows], [1, 2, 3, 4, 5])
        right.set_xticks(range(5), QUINTILES, fontsize=6.5)
        _title(right, "Fifth of the outcome")


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=7.5, color=SOFT, loc="left")


def _heat(axes: Axes, shares: Sequence[tuple[MissingShare, ...]], groups: Sequence[int]) -> None:
    grid = np.full((len(shares), len(groups)), np.nan)
    for line, row in enumerate(shares):
        for share in row:
            grid[line, groups.index(share.group)] = share.share
    x, y = np.arange(len(groups) + 1) - 0.5, np.arange(len(shares) + 1) - 0.5
    shown = np.ma.masked_invalid(grid)
    axes.pcolormesh(x, y, shown, cmap=SHADES, vmin=0, vmax=1, edgecolors="white", linewidth=1.0)
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_yticks([])
    quiet(axes)
    size = 6.5 if len(groups) <= 20 else 5.0
    for line, column in np.argwhere(np.nan_to_num(grid) > 0):
        value = float(grid[line, column])
        text = _short(value)
        axes.text(
            column,
            line,
            text,
            ha="center",
            va="center",
            fontsize=size if len(text) < 3 else 0.75 * size,
            color="white" if value > 0.45 else INK,
        )


def _short(share: float) -> str:
    return per_cent(share).removesuffix(" %").replace("under ", "<").replace("over ", ">")


def _period_ticks(axes: Axes, periods: Sequence[int]) -> None:
    step = -(-len(periods) // 8)
    places = range(0, len(periods), step)
    axes.set_xticks(list(places), [str(periods[place]) for place in places], fontsize=6.5)


def _names(axes: Axes, rows: Sequence[Missingness], results: StudyResults) -> None:
    columns = {column.name: column for column in results.panel.columns}
    for line, row in enumerate(rows):
        label = textwrap.shorten(_label(columns, row.column), LONGEST, placeholder=" …")
        axes.annotate(
            label,
            (0, line),
            xycoords=("axes fraction", "data"),
            xytext=(-(LEFT - MARGIN) * 72, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.0,
        )


def _label(columns: dict[str, Column], name: str) -> str:
    return columns[name].label if name in columns else name.replace("_", " ")


def spoken(results: StudyResults) -> str:
    """The picture in words."""
    variables = Variables.of(results)
    said = [
        f"{variables.label(row.column)}: {per_cent(row.missing / row.rows)} missing"
        for row in results.missingness
        if row.rows
    ]
    return f"Share of missing figures. {'; '.join(said)}."
