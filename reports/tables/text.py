"""The regression table for a terminal. Imports nothing heavy: `regsi fit` starts with it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from models.engine.results import Curve
from models.results import ModelResult
from models.study.results import StudyResults
from reports.numbers import split_at_point
from reports.tables.battery import battery
from reports.tables.curve_text import curve_summary
from reports.tables.grid import Grid, Note, regression_grid
from reports.tables.parts import GAP, Cell, Row, wrapped_labels
from reports.tables.stacked import HEADINGS, SAID_ELSEWHERE, settings, stacks

__all__ = ["curve_summary", "text_table"]

LABEL_WIDTH = 36
PAGE = 70  # lines
WIDE = 120  # characters: what a battery of models may take
CONTROLS = "Controls and constants are in the files of `regsi publish` and in --json."
ALIGNED = frozenset({"estimate", "std_error", "number"})


def text_table(
    results: StudyResults,
    models: tuple[ModelResult, ...] = (),
    width: int = 100,
    curve: Curve | None = None,
) -> str:
    """The table of `models` (all of the study's, unless told otherwise), notes included.

    Models stand side by side where that fits `width` characters; a longer battery has one line
    for each model and coefficient, and leaves out controls where it would be longer than a page.
    """
    models = models or results.models
    grid = regression_grid(results, models, curve)
    parts, notes = _side_by_side(grid), grid.notes
    left_out: tuple[str, ...] = ()
    if _widest(parts) > width:
        parts = _stacked(results, models, width)
        notes = tuple(note for note in notes if note.kind not in SAID_ELSEWHERE)
        if sum(map(len, parts)) > PAGE:
            parts, left_out = _abridged(results, models, width), (CONTROLS,)
    rule = "─" * min(_widest(parts), max(width, WIDE))
    heading = [grid.title, *([f"Outcome: {grid.outcome}"] if grid.outcome else [])]
    lines = [*heading, rule]
    for part in parts:
        lines += [*part, rule]
    said = (*left_out, *_together(notes))
    lines += [line for text in said for line in textwrap.wrap(text, max(72, len(rule)))]
    return "\n".join(lines) + "\n"


def _together(notes: Sequence[Note]) -> list[str]:
    """Notes as paragraphs: plain ones run on, but the last, which names the sources."""
    loud = [note.text for note in notes[:-1] if note.kind != "plain"]
    quiet = " ".join(note.text for note in notes[:-1] if note.kind == "plain")
    return [*loud, *([quiet] if quiet else []), *(note.text for note in notes[-1:])]


def _abridged(
    results: StudyResults, models: tuple[ModelResult, ...], width: int
) -> list[list[str]]:
    """Treatments only: side by side, a line for each model, or where they have none stacked."""
    found = battery(results, models, max(width, WIDE))
    if found is None:
        return _stacked(results, models, width, only_treatments=True)
    return [*found, _pairs(settings(results, models), max(width, WIDE))]


def _widest(parts: Sequence[Sequence[str]]) -> int:
    return max(len(line) for part in parts for line in part)


def _side_by_side(grid: Grid) -> list[list[str]]:
    heads = [_words(head.number for head in grid.heads), _words(head.model for head in grid.heads)]
    if not grid.outcome:
        heads.append(_words(head.outcome_name for head in grid.heads))
    return _split(_aligned([*heads, *grid.terms, *grid.facts]), len(heads), len(grid.terms))


def _words(texts: Iterable[str]) -> Row:
    return Row("word", "", tuple(Cell(text) for text in texts))


def _split(lines: list[str], heads: int, terms: int) -> list[list[str]]:
    return [lines[:heads], lines[heads : heads + terms], lines[heads + terms :]]


def _aligned(rows: Sequence[Row]) -> list[str]:
    labels = wrapped_labels([row.label for row in rows], LABEL_WIDTH)
    left = max(map(len, labels))
    columns = [_column(rows, index) for index in range(len(rows[0].cells))]
    return [
        GAP.join([label.ljust(left), *(column[line] for column in columns)]).rstrip()
        for line, label in enumerate(labels)
    ]


def _column(rows: Sequence[Row], index: int) -> list[str]:
    """One model's cells, all of one width: numbers meet at the point, words are centred."""
    cells = [(row.kind in ALIGNED, cell.text if (cell := row.cells[index]) else "") for row in rows]
    numbers = [split_at_point(text) for aligned, text in cells if aligned]
    before = max((len(head) for head, _ in numbers), default=0)
    after = max((len(tail) for _, tail in numbers), default=0)
    texts = [_at_point(text, before, after) if aligned else text for aligned, text in cells]
    width = max(map(len, texts))
    return [text.center(width) for text in texts]


def _at_point(text: str, before: int, after: int) -> str:
    head, tail = split_at_point(text)
    return head.rjust(before) + tail.ljust(after)


def _stacked(
    results: StudyResults,
    models: tuple[ModelResult, ...],
    width: int,
    only_treatments: bool = False,
) -> list[list[str]]:
    rows: list[tuple[str, ...]] = [HEADINGS]
    outcome = ""
    for stack in stacks(results, models, only_treatments):
        rows += [(f"Outcome: {stack.outcome}",)] if stack.outcome != outcome else []
        outcome = stack.outcome
        rows += [(line,) for line in textwrap.wrap(stack.label, width, subsequent_indent="  ")]
        rows += [(f"  {line.model}", *(cell.text for cell in line.cells)) for line in stack.lines]
    lines = _flush_right(rows)
    return [lines[:1], lines[1:], _pairs(settings(results, models), width)]


def _flush_right(rows: Sequence[tuple[str, ...]]) -> list[str]:
    full = [row for row in rows if len(row) > 1]
    widths = [max(len(row[column]) for row in full) for column in range(len(HEADINGS))]
    lines = []
    for name, *texts in rows:
        cells = [text.rjust(size) for text, size in zip(texts, widths[1:], strict=False)]
        lines.append(GAP.join([name.ljust(widths[0]), *cells]).rstrip())
    return lines


def _pairs(pairs: Sequence[tuple[str, str]], width: int) -> list[str]:
    left = max(len(name) for name, _ in pairs) + len(GAP)
    return [
        line
        for name, text in pairs
        for line in textwrap.wrap(
            text, width, initial_indent=name.ljust(left), subsequent_indent=" " * left
        )
    ]
