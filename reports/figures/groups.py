"""Groups' own levels and slopes, shrunken, in order of size."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes

from models.study.results import StudyResults
from reports.figures.group_panels import GroupPanel, group_panels
from reports.figures.style import (
    ACCENT,
    INK,
    MARGIN,
    SOFT,
    WIDTH,
    Picture,
    framed,
    house_style,
    quiet,
    written,
)
from reports.figures.units import coefficient_unit, outcome_size
from reports.sources import source_line
from reports.variables import Variables, in_sentence, panel_word, plural

ROW, LEFT = 0.13, 1.2  # inches
TITLE_WIDTH, AXIS_WIDTH = 42, 52  # characters


def groups_plot(results: StudyResults) -> Picture:
    """A panel for each effect, its groups from the lowest to the highest."""
    panels = group_panels(results)
    most = max(len(panel.effects) for panel in panels)
    words = plural(panel_word(results.panel, panels[0].kind))
    said = (
        f"Deviations of {words} from what is common to all, shrunken, with 95 % intervals; in "
        "order of size."
    )
    with house_style():
        size = ROW * most
        title = f"Own levels or slopes of {words}"
        frame = framed(title, said, source_line(results.panel), size + 0.8)
        room = (WIDTH - MARGIN) / len(panels)
        for number, panel in enumerate(panels):
            height = ROW * len(panel.effects)
            left = number * room + LEFT
            axes = frame.axes(left, 0.45 + size - height, room - LEFT - MARGIN, height)
            _draw(axes, panel, results)
        return written("groups", frame.figure, results.panel.simulated, said)


def _draw(axes: Axes, panel: GroupPanel, results: StudyResults) -> None:
    effects = sorted(panel.effects, key=lambda effect: effect.estimate)
    rows = np.arange(len(effects))
    lows, highs = ([getattr(e, end) for e in effects] for end in ("conf_low", "conf_high"))
    axes.hlines(rows, lows, highs, color=ACCENT, lw=1.0)
    axes.plot([e.estimate for e in effects], rows, "o", color=ACCENT, ms=2.8, mec="white", mew=0.4)
    axes.axvline(0, color=INK, lw=0.7)
    axes.set_yticks(rows, [effect.group for effect in effects], fontsize=6)
    axes.set_ylim(-0.7, len(effects) - 0.3)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel(_axis_label(panel, results), fontsize=6.5, color=SOFT)
    axes.set_title(_title(panel, results), fontsize=7.5, loc="left", pad=4)
    quiet(axes, "bottom")


def _axis_label(panel: GroupPanel, results: StudyResults) -> str:
    variables = Variables.of(results)
    if panel.effect == "level":
        unit = outcome_size(variables.measure(panel.model.outcome))
    else:
        unit = coefficient_unit(variables, panel.effect, panel.model.outcome)
    said = textwrap.shorten(f"Deviation, {unit}" if unit else "Deviation", 2 * AXIS_WIDTH)
    return textwrap.fill(said, AXIS_WIDTH)


def _title(panel: GroupPanel, results: StudyResults) -> str:
    variables = Variables.of(results)
    if panel.effect == "level":
        return f"{panel.model.id}: level"
    label = in_sentence(variables.measure(panel.effect).label)
    return textwrap.fill(f"{panel.model.id}: coefficient of {label}", TITLE_WIDTH)
