"""What one country's leaving does to the headline: the main model without each group."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd

from models.engine.results import Curve
from models.study.results import StudyResults
from models.verdicts import headline
from reports.figures.style import (
    ACCENT,
    INK,
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
from reports.figures.units import coefficient_unit
from reports.sources import source_line
from reports.variables import Variables, panel_word, spelled

ROW, LEFT = 0.15, 1.4  # inches


def leave_out_plot(curve: Curve, results: StudyResults) -> Picture:
    """One line for each group left out, in order of the estimate; the full sample's as a rule."""
    table = curve.leave_out.dropna(subset=["estimate"]).sort_values(
        "estimate", kind="stable", ignore_index=True
    )
    word = panel_word(results.panel, curve.leave_out_by or "parent")
    said = _sentence(table, word)
    title = f"The headline without each {word}"
    with house_style():
        size = (ROW if len(table) <= 30 else 0.12) * len(table)
        frame = framed(title, said, source_line(results.panel), size + 0.55)
        axes = frame.axes(LEFT, 0.4, WIDTH - LEFT - MARGIN, size)
        rows = np.arange(len(table))
        axes.hlines(rows, table["conf_low"], table["conf_high"], color=ACCENT, lw=1.1)
        axes.plot(table["estimate"], rows, "o", color=ACCENT, ms=3.2, mec="white", mew=0.5)
        axes.axvline(0, color=INK, lw=0.7)
        for full in curve.specs.loc[curve.specs["main"], "estimate"]:
            axes.axvline(full, color=OTHER, lw=0.8, ls=(0, (4, 2)))
        axes.set_yticks(rows, [str(name) for name in table["left_out"]], fontsize=6.5)
        axes.set_ylim(len(table) - 0.4, -0.6)
        axes.tick_params(axis="x", labelsize=7)
        axes.set_xlabel(_axis_label(results), fontsize=7, color=SOFT)
        quiet(axes, "bottom")
        return written("leave_out", frame.figure, curve.simulated, said)


def _axis_label(results: StudyResults) -> str:
    model, term = headline(results)
    unit = coefficient_unit(Variables.of(results), term.term, model.outcome)
    return textwrap.shorten(f"Coefficient, {unit}" if unit else "Coefficient", 96)


def _sentence(table: pd.DataFrame, word: str) -> str:
    estimates = table["estimate"].to_numpy(dtype=np.float64)
    turned = int((np.sign(estimates) != np.sign(np.median(estimates))).sum())
    holds = int(((table["conf_low"] <= 0) & (table["conf_high"] >= 0)).sum())
    sign = f"the sign turns in {spelled(turned)}" if turned else "the sign never turns"
    return (
        f"Estimate and 95 % interval ({table['correction'].iloc[0]}); dashed: with every {word}. "
        f"Of {len(estimates)} times, {sign} and the interval holds zero in "
        f"{spelled(holds) if holds else 'none'}."
    )
