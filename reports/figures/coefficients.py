"""The coefficient plot: each treatment's estimate and 95 % interval over the study's models."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from models.results import ModelResult, Term
from models.study.results import StudyResults
from models.verdicts import comparable, headline
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
from reports.figures.units import OF_LOGS, coefficient_unit, of_logs
from reports.numbers import decimals_for, fixed, typographic
from reports.sources import source_line
from reports.tables.facts import effect_label, role_words
from reports.variables import Variables, in_sentence

ROW = 0.32  # inches for one model
LEFT, RIGHT = 2.25, 1.75  # inches for names and for numbers
AXIS = 0.45  # inches below a block
TITLE = 96  # characters


@dataclass(frozen=True)
class Block:
    """The models that estimate one treatment for one outcome: they share an axis and a unit."""

    treatment: str
    outcome: str
    lines: tuple[tuple[ModelResult, Term], ...]


def coefficient_plot(results: StudyResults) -> Picture:
    """Every treatment of every outcome: a block of lines each, models from top to bottom."""
    return _picture("coefficients", results, blocks(results))


def headline_plot(results: StudyResults) -> Picture:
    """The headline's coefficient alone, over the models that have it."""
    model, term = headline(results)
    lines = tuple(comparable(results, model, term))
    return _picture("headline", results, [Block(term.term, model.outcome, lines)])


def _picture(name: str, results: StudyResults, found: list[Block]) -> Picture:
    variables = Variables.of(results)
    titles = [textwrap.wrap(block_title(variables, block), TITLE) for block in found]
    heads = [0.2 + 0.14 * len(title) for title in titles]
    sizes = [ROW * len(block.lines) for block in found]
    with house_style():
        frame = framed(
            "Estimates by model",
            _said(found, variables),
            source_line(results.panel),
            sum(heads) + sum(sizes) + AXIS * len(found),
        )
        edge = frame.top - frame.bottom
        for block, title, head, size in zip(found, titles, heads, sizes, strict=True):
            edge -= head + size
            axes = frame.axes(LEFT, edge, WIDTH - LEFT - RIGHT, size)
            edge -= AXIS
            _draw(axes, block, results, variables)
            _heading(axes, "\n".join(title))
        return written(name, frame.figure, results.panel.simulated, _spoken(found, variables))


def blocks(results: StudyResults) -> list[Block]:
    """Treatments and outcomes in the study's order, each with the models that have both."""
    pairs = dict.fromkeys((name, m.outcome) for m in results.models for name in m.treatment)
    found = [
        Block(
            name,
            outcome,
            tuple(
                (model, model.term(name))
                for model in results.models
                if model.outcome == outcome
                and name in model.treatment
                and any(term.term == name for term in model.terms)
            ),
        )
        for name, outcome in pairs
    ]
    return [block for block in found if block.lines]


def block_title(variables: Variables, block: Block) -> str:
    """What was set against what."""
    return f"{variables.label(block.outcome)}, by {in_sentence(variables.label(block.treatment))}"


def _draw(axes: Axes, block: Block, results: StudyResults, variables: Variables) -> None:
    decimals = decimals_for((term.std_error for _, term in block.lines), 2)
    for row, (model, term) in enumerate(block.lines):
        colour = SOFT if role_words(results, model) else ACCENT
        axes.plot([term.conf_low, term.conf_high], [row, row], color=colour, lw=1.6, zorder=3)
        axes.plot(term.estimate, row, "o", color=colour, ms=5, mec="white", mew=0.8, zorder=4)
        _name(axes, row, model, results)
        axes.annotate(
            numbers(term, decimals),
            (1, row),
            xycoords=("axes fraction", "data"),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
        )
    axes.axvline(0, color=INK, lw=0.7, zorder=2)
    axes.set_ylim(len(block.lines) - 0.4, -0.6)
    axes.set_yticks([])
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    quiet(axes, "bottom")
    axes.set_xlabel(_axis_label(variables, block), fontsize=7, color=SOFT)


def _heading(axes: Axes, text: str) -> None:
    axes.annotate(
        text,
        (0, 1),
        xycoords="axes fraction",
        xytext=(-(LEFT - MARGIN) * 72, 5),
        textcoords="offset points",
        va="bottom",
        fontsize=8,
        color=ACCENT,
    )


def numbers(term: Term, decimals: int) -> str:
    """The line in figures."""
    low, high = fixed(term.conf_low, decimals), fixed(term.conf_high, decimals)
    return typographic(f"{fixed(term.estimate, decimals)}  [{low}, {high}]")


def _name(axes: Axes, row: int, model: ModelResult, results: StudyResults) -> None:
    held = ", ".join(effect_label(results, effect) for effect in model.effects) or model.estimator
    held = f"{held}, weighted" if model.weights else held
    role = role_words(results, model)
    held = f"{role.upper()}; {held}" if role else held
    held = f"OVERRIDDEN INFERENCE; {held}" if model.inference.override else held
    for text, offset, size, colour in ((model.id, 4.5, 8, INK), (held, -5.5, 6.5, SOFT)):
        axes.annotate(
            textwrap.shorten(text, 46, placeholder=" …"),
            (0, row),
            xycoords=("axes fraction", "data"),
            xytext=(-(LEFT - MARGIN) * 72, offset),
            textcoords="offset points",
            va="center",
            fontsize=size,
            color=colour,
        )


def _axis_label(variables: Variables, block: Block) -> str:
    unit = coefficient_unit(variables, block.treatment, block.outcome)
    return textwrap.shorten(f"Coefficient, {unit}" if unit else "Coefficient", 76)


def _said(found: list[Block], variables: Variables) -> str:
    logs = any(of_logs(variables, block.treatment, block.outcome) for block in found)
    text = "Coefficient and 95 % interval; each line is one regression."
    return f"{text} {OF_LOGS}" if logs else text


def _spoken(found: list[Block], variables: Variables) -> str:
    sentences = []
    for block in found:
        decimals = decimals_for((term.std_error for _, term in block.lines), 2)
        said = [
            f"{model.id} {numbers(term, decimals)}"
            for model, term in block.lines
            if math.isfinite(term.estimate)
        ]
        sentences.append(f"{block_title(variables, block)}: {'; '.join(said)}.")
    return " ".join(sentences)
