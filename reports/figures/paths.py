"""Event studies as paths: what set adopters apart in each period before and after adoption."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from models.results import ModelResult, Term
from models.study.results import StudyResults
from models.verdicts import comparable, headline
from reports.events import AGAINST_ALL, AVERAGES, EVENT
from reports.figures.coefficients import numbers
from reports.figures.style import (
    ACCENT,
    INK,
    LINE,
    MARGIN,
    SOFT,
    WIDTH,
    Picture,
    framed,
    house_style,
    quiet,
    written,
)
from reports.figures.units import coefficient_unit
from reports.numbers import decimals_for
from reports.sources import source_line
from reports.tables.facts import effect_label
from reports.variables import Variables, plural

LEFT, GAP, TALL = 0.55, 0.18, 1.9  # inches
BASE = -1  # the period that all others are set against
FEWEST = 3  # event times that make a path
PANELS = 4
SAID = (
    "Difference between adopters and others, less {base}, "
    "with 95 % intervals for each {period} alone. Paths that differ before adoption speak against "
    "any reading of what follows as its doing."
)


@dataclass(frozen=True)
class Path:
    """One model's coefficients by time since adoption, in order of time."""

    model: ModelResult
    steps: tuple[tuple[int, Term], ...]


def paths(results: StudyResults) -> tuple[Path, ...]:
    """Those of the models that estimate what the headline does, where it is an event study's."""
    model, term = headline(results)
    if term.term not in AVERAGES:
        return ()
    found = [Path(other, _steps(other)) for other, _ in comparable(results, model, term)]
    return tuple(path for path in found if len(path.steps) >= FEWEST)[:PANELS]


def _steps(model: ModelResult) -> tuple[tuple[int, Term], ...]:
    found = [(int(m[1]), t) for t in model.terms if (m := EVENT.fullmatch(t.term))]
    return tuple(sorted(found, key=lambda step: step[0]))


def path_plot(results: StudyResults) -> Picture:
    """A panel for each model, all on one scale."""
    found, variables = paths(results), Variables.of(results)
    said = _said(found, variables.period)
    with house_style():
        frame = framed("Before and after adoption", said, source_line(results.panel), TALL + 0.75)
        room = (WIDTH - LEFT - MARGIN + GAP) / len(found)
        first: Axes | None = None
        for number, path in enumerate(found):
            axes = frame.axes(LEFT + number * room, 0.4, room - GAP, TALL)
            _draw(axes, path, results)
            if first is None:
                first = axes
                axes.set_ylabel(_unit(path, variables), fontsize=6.5, color=SOFT)
            else:
                axes.sharey(first)
                axes.tick_params(labelleft=False)
            axes.set_xlabel(f"{plural(variables.period)} since adoption", fontsize=6.5, color=SOFT)
        spoken = f"{said} {_spoken(found)}"
        return written("paths", frame.figure, results.panel.simulated, spoken)


def _said(found: tuple[Path, ...], period: str) -> str:
    named = [f"“{path.model.id}”" for path in found if path.model.estimator in AGAINST_ALL]
    of_all = f"the average of all {period}s before adoption"
    if len(named) == len(found):
        return SAID.format(period=period, base=of_all)
    said = SAID.format(period=period, base=f"that of the {period} before adoption (hollow)")
    return f"{said} {' and '.join(named)}: less {of_all}." if named else said


def _draw(axes: Axes, path: Path, results: StudyResults) -> None:
    times = [time for time, _ in path.steps]
    terms = [term for _, term in path.steps]
    axes.axhline(0, color=INK, lw=0.7)
    axes.axvline(BASE + 0.5, color=LINE, lw=0.8, ls=(0, (4, 2)))
    axes.vlines(times, [t.conf_low for t in terms], [t.conf_high for t in terms], ACCENT, lw=1.2)
    axes.plot(times, [t.estimate for t in terms], "o", color=ACCENT, ms=3.6, mec="white", mew=0.5)
    if path.model.estimator not in AGAINST_ALL:
        axes.plot(BASE, 0, "o", color="white", ms=3.6, mec=ACCENT, mew=0.9)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.tick_params(labelsize=6.5)
    quiet(axes, "bottom", "left")
    held = ", ".join(effect_label(results, effect) for effect in path.model.effects)
    title = "\n".join((path.model.id, textwrap.shorten(held, 34, placeholder=" …")))
    axes.set_title(title, fontsize=6.8, loc="left", pad=4)


def _unit(path: Path, variables: Variables) -> str:
    unit = coefficient_unit(variables, "event average", path.model.outcome)
    return f"difference, {unit}" if unit else "difference"


def _spoken(found: tuple[Path, ...]) -> str:
    sentences = []
    for path in found:
        decimals = decimals_for((term.std_error for _, term in path.steps), 2)
        said = "; ".join(f"{time}: {numbers(term, decimals)}" for time, term in path.steps)
        sentences.append(f"{path.model.id}: {said}.")
    return " ".join(sentences)
