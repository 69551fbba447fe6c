"""The specification curve: all estimates in order, and under them the choices that made each.

Laid out as by Simonsohn, Simmons and Nelson (2020, Nature Human Behaviour 4).
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from models.engine.results import Curve
from models.study.results import StudyResults
from reports.figures.style import (
    ACCENT,
    INK,
    LINE,
    MARGIN,
    OTHER,
    SOFT,
    WIDTH,
    Picture,
    framed,
    house_style,
    quiet,
    written,
)
from reports.numbers import p_value, per_cent
from reports.sources import source_line
from reports.tables.facts import effect_label
from reports.variables import Variables

SHOWN = 1200  # points drawn of a longer curve, evenly by rank
BINS = 300  # columns of the choice panel
LEFT, ROW, TALL = 2.75, 0.115, 1.35  # inches
LONGEST = 44  # characters of a choice
SHORTEST = 13  # characters left of a name
SHADES = LinearSegmentedColormap.from_list("chosen", ["#ffffff", ACCENT])


def curve_plot(curve: Curve, results: StudyResults) -> Picture:
    """The sorted curve with its intervals and its choice panel; the main model is marked."""
    specs = sorted_specs(curve)
    rows = choice_rows(curve, specs, results)
    with house_style():
        said = subtitle(curve)
        panel = ROW * len(rows)
        frame = framed("All specifications", said, source_line(results.panel), TALL + panel + 0.3)
        width = WIDTH - LEFT - MARGIN
        upper = frame.axes(LEFT, panel + 0.15, width, TALL)
        _draw_curve(upper, specs, curve)
        if rows:
            lower = frame.axes(LEFT, 0.05, width, panel)
            lower.sharex(upper)
            _draw_choices(lower, rows, len(specs))
        return written("curve", frame.figure, curve.simulated, f"Specification curve. {said}")


def sorted_specs(curve: Curve) -> pd.DataFrame:
    """Specifications by size, in one unit: columns `y`, `low`, `high` beside the choices.

    The unit is the outcome's where there is one pair of outcome and treatment, else standard
    deviations of the outcome for one of the treatment.
    """
    specs = curve.specs.dropna(subset=["estimate", "conf_low", "conf_high"])
    scale = np.ones(len(specs))
    if len(curve.by_pair) > 1:
        scale = (specs["standardised"] / specs["estimate"]).to_numpy(dtype=np.float64)
    sized = specs.assign(
        y=specs["estimate"] * scale, low=specs["conf_low"] * scale, high=specs["conf_high"] * scale
    )
    return sized.sort_values("y", kind="stable", ignore_index=True)


def subtitle(curve: Curve) -> str:
    """The curve in one sentence: how many, which signs, and the joint test."""
    summary, above = curve.summary, per_cent(curve.summary.share_positive)
    band = "Band: 95 % intervals (CR1)" + (", too narrow on this panel" if curve.rows_unfit else "")
    band = f"OVERRIDDEN INFERENCE; {band}" if curve.override else band
    return (
        f"{summary.specs:,} defensible specifications: {above} above zero "
        f"({per_cent(summary.share_positive_significant)} with p < 0.05 by t-test and bootstrap), "
        f"{per_cent(1 - summary.share_positive)} not "
        f"({per_cent(summary.share_negative_significant)} with p < 0.05). Joint test against no "
        f"association at all: p = {p_value(curve.joint.p_value)}. {band}. Below, darker: more of "
        "the specifications at that place made the choice."
    )


def _draw_curve(axes: Axes, specs: pd.DataFrame, curve: Curve) -> None:
    ranks = np.unique(np.linspace(0, len(specs) - 1, min(SHOWN, len(specs))).astype(np.int64))
    shown = specs.iloc[ranks]
    axes.fill_between(ranks, shown["low"], shown["high"], color=LINE, alpha=0.6, lw=0)
    axes.plot(ranks, shown["y"], color=ACCENT, lw=1.4)
    axes.axhline(0, color=INK, lw=0.7)
    for rank in np.flatnonzero(specs["main"].to_numpy(dtype=bool)):
        y = float(specs["y"].iloc[rank])
        axes.plot(rank, y, "o", color=OTHER, ms=5, mec="white", mew=0.8)
        right = rank < len(specs) / 2
        axes.annotate(
            f"main model ({curve.study.multiverse.model})" if curve.study.multiverse else "main",
            (rank, y),
            xytext=(8 if right else -8, -11),
            textcoords="offset points",
            ha="left" if right else "right",
            color=OTHER,
            fontsize=7.5,
        )
    axes.set_xlim(-0.5, len(specs) - 0.5)
    quiet(axes, "left")
    axes.tick_params(labelbottom=False, labelsize=7)
    unit = "standard deviations" if len(curve.by_pair) > 1 else "own units"
    axes.set_ylabel(f"slope, in {unit}", fontsize=6.5, color=SOFT)


GROUPS = {"effects": "held fixed"}
Choice = tuple[str, str, NDArray[np.bool_]]  # group, level, which specifications chose it


def choice_rows(curve: Curve, specs: pd.DataFrame, results: StudyResults) -> list[Choice]:
    """One row for each level of each choice that the study leaves open, and for each control."""
    variables = Variables.of(results)
    rows: list[Choice] = []
    for choice in ("outcome", "treatment", "effects", "sample", "weights"):
        levels = curve.axes.get(choice, ())
        if len(levels) > 1:
            rows += [
                (choice, _level(choice, level, variables, results), _chosen(specs[choice], level))
                for level in levels
            ]
    controls = specs["controls"].astype(str).map(lambda text: set(text.split(" + ")))
    rows += [
        ("controls", variables.label(name), np.array([name in held for held in controls]))
        for name in curve.controls
    ]
    return rows


def _chosen(column: pd.Series, level: str) -> NDArray[np.bool_]:
    return (column.fillna("none").astype(str) == str(level)).to_numpy(dtype=bool)


def _level(choice: str, level: str, variables: Variables, results: StudyResults) -> str:
    if choice in {"outcome", "treatment"}:
        return variables.label(level)
    if choice == "effects":
        parts = [effect for effect in level.split(" + ") if effect not in {"", "none"}]
        named = ", ".join(effect_label(results, part).removesuffix(" FE") for part in parts)
        return f"{named} FE" if parts else "no FE"
    if choice == "weights":
        return "none" if level in {"none", ""} else variables.label(level)
    return level.replace("_", " ")


def _draw_choices(axes: Axes, rows: list[Choice], number: int) -> None:
    edges = np.linspace(0, number, min(BINS, number) + 1).astype(np.int64)
    counts = np.diff(edges)
    chosen = np.array([row for *_, row in rows], dtype=np.float64)
    grid = np.add.reduceat(chosen, edges[:-1], axis=1) / counts
    spaced = np.zeros((2 * len(rows), len(counts)))
    spaced[::2] = grid  # a blank line after each row keeps rows apart
    axes.imshow(
        spaced,
        cmap=SHADES,
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, number - 0.5, 2 * len(rows) - 0.5, -0.5),
    )
    quiet(axes)
    axes.set_yticks([])
    axes.tick_params(labelbottom=False)
    last = ""
    texts = _fitting([(group, level) for group, level, _ in rows], LONGEST)
    for line, ((group, *_), text) in enumerate(zip(rows, texts, strict=True)):
        _choice_label(axes, 2 * line, GROUPS.get(group, group) if group != last else "", text)
        last = group


def _choice_label(axes: Axes, line: int, group: str, level: str) -> None:
    for text, inches, colour in ((group, LEFT - MARGIN, SOFT), (level, LEFT - 0.75, INK)):
        axes.annotate(
            text,
            (0, line),
            xycoords=("axes fraction", "data"),
            xytext=(-inches * 72, 0),
            textcoords="offset points",
            va="center",
            fontsize=6,
            color=colour,
        )


def _fitting(labels: Sequence[tuple[str, str]], longest: int) -> list[str]:
    """Labels (group, text) shortened to `longest` characters, where they are longer.

    They lose their closing bracket, which says how a variable was transformed; unless that is what
    tells two of a group apart.
    """
    plain = [(group, _without_bracket(text, longest)) for group, text in labels]
    counts = Counter(plain)
    return [
        short if counts[group, short] == 1 else _with_bracket(text, longest)
        for (group, short), (_, text) in zip(plain, labels, strict=True)
    ]


def _without_bracket(label: str, longest: int) -> str:
    base = label.rpartition(" (")[0] or label
    return textwrap.shorten(label if len(label) <= longest else base, longest, placeholder=" …")


def _with_bracket(label: str, longest: int) -> str:
    base, _, rest = label.rpartition(" (")
    if len(label) <= longest or not base:
        return textwrap.shorten(label, longest, placeholder=" …")
    if longest - len(rest) - 2 < SHORTEST:
        rest = rest.rpartition(", ")[2]  # when, rather than which logarithm
    room = max(longest - len(rest) - 2, SHORTEST)
    return f"{textwrap.shorten(base, room, placeholder=' …')} ({rest}"
