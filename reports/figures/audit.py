"""How often each kind of inference rejects where there is nothing to find: the placebo audit."""

from __future__ import annotations

import numpy as np

from models.engine.placebo_audit import UNFIT
from models.engine.results import Curve, RejectionRate
from models.study.results import PanelSummary, StudyResults
from reports.figures.style import (
    ACCENT,
    ALARM,
    INK,
    MARGIN,
    OTHER,
    WIDTH,
    Picture,
    framed,
    house_style,
    quiet,
    written,
)
from reports.sources import source_line
from reports.variables import panel_word

ROW, LEFT = 0.19, 2.2  # inches
NOMINAL = 5.0  # per cent


def audit_plot(curve: Curve, results: StudyResults) -> Picture:
    """A line for each test, the one that rejects least on top, with its simulation's interval."""
    rates = sorted(curve.placebo_audit.rates, key=lambda rate: rate.rejection_rate)
    shares = np.array([100 * rate.rejection_rate for rate in rates])
    errors = np.array([196 * rate.simulation_error for rate in rates])
    said = _sentence(curve)
    title = "How often each test finds what is not there"
    with house_style():
        frame = framed(title, said, source_line(results.panel), ROW * len(rates) + 0.5)
        axes = frame.axes(LEFT, 0.38, WIDTH - LEFT - MARGIN, ROW * len(rates))
        axes.axvline(NOMINAL, color=INK, lw=0.7)
        colours = [_colour(rate) for rate in rates]
        axes.hlines(range(len(rates)), shares - errors, shares + errors, color=colours, lw=1.1)
        axes.scatter(shares, range(len(rates)), c=colours, s=16, zorder=3)
        names = [_in_words(results.panel, rate) for rate in rates]
        axes.set_yticks(range(len(rates)), names, fontsize=7)
        for label, rate in zip(axes.get_yticklabels(), rates, strict=True):
            label.set_fontweight("bold" if rate.chosen else "normal")
        axes.set_ylim(len(rates) - 0.4, -0.6)
        axes.set_xlim(0, max(2 * NOMINAL, 1.05 * float((shares + errors).max())))
        axes.set_xlabel("placebo treatments called significant at 5 %, per cent", fontsize=7)
        axes.tick_params(axis="x", labelsize=7)
        quiet(axes, "bottom")
        return written("audit", frame.figure, curve.simulated, said)


def _colour(rate: RejectionRate) -> str:
    unfit = rate.rejection_rate > UNFIT
    return ALARM if unfit else ACCENT if rate.chosen else OTHER


def _sentence(curve: Curve) -> str:
    audit = curve.placebo_audit
    chosen = next((rate for rate in audit.rates if rate.chosen), None)
    own = "; the study\u2019s own test in bold" if chosen else ""
    if chosen and chosen.placebos < audit.placebos // 2:
        own += f", tried on {chosen.placebos:,} of them"
    return (
        f"{audit.placebos:,} made-up treatments with the real one\u2019s level, persistence and "
        "spread, in place of it in the main model. A 5 % test should find something in 5 % of "
        f"them{own}; red ones find twice as much or more. Lines: 95 % interval of the simulation."
    )


def _in_words(panel: PanelSummary, rate: RejectionRate) -> str:
    by = " and ".join(panel_word(panel, name) for name in rate.by)
    ending = f", {rate.correction}" if rate.correction else ""
    return f"{rate.kind}{f' by {by}' if by else ''}{ending}"
