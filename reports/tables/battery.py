"""The shape of a regression table for many models of few treatments: a line for each model, its
coefficients side by side.

The first column holds the first treatment of the models under its name; the others hold the
further treatments of the study's first model, and a difference between two where one was asked for.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from models.contrasts import contrast_of, parts
from models.results import ModelResult, Term
from models.study.results import StudyResults
from reports.numbers import decimals_for, fixed, p_value
from reports.tables.facts import rows_behind
from reports.tables.grid import find, interval, with_unit
from reports.tables.parts import GAP
from reports.variables import RESPONSE, Variables

DIGITS = 2  # of the typical standard error: full precision is in the files
HEADS_HIGH = 4  # lines
Pick = Callable[[ModelResult], Term | None]
Texts = tuple[str, str, str]  # estimate, standard error, interval


@dataclass(frozen=True)
class Column:
    """One coefficient over all models: its heading, and which term of a model it shows."""

    heading: str
    pick: Pick
    with_error: bool = True


@dataclass(frozen=True)
class Line:
    """One model, or one horizon of a response: `first` is its own treatment's term."""

    name: str
    model: ModelResult
    first: Term
    further: bool


def battery(
    results: StudyResults, models: tuple[ModelResult, ...], width: int
) -> tuple[list[str], list[str]] | None:
    """Heading and lines; None where models have no treatment, or columns do not fit `width`."""
    shown = [model for model in models if model.treatment]
    if not shown or any(model.terms and not _bare(model) for model in models if model not in shown):
        return None
    variables = Variables.of(results)
    columns = _columns(shown, variables)
    blocks = [
        (heading, _lines(own, models, name))
        for heading, own, name in _blocks(shown, variables)
    ]
    lines = [line for _, block in blocks for line in block]
    cells = {id(line): _cells(line, columns, lines) for line in lines}
    for given_up in range(len(columns)):
        rows = [_texts(cells[id(line)], columns) for line in lines]
        heads, body = _laid_out(columns, lines, rows)
        if max(map(len, (*heads, *body))) <= width:
            return heads, _with_headings(blocks, body, width)
        last = len(columns) - 1 - given_up
        columns = [replace(c, with_error=c.with_error and j < last) for j, c in enumerate(columns)]
    return None


def _bare(model: ModelResult) -> bool:
    """A model that was asked for shares of variance only: constant and dummies."""
    return model.estimator == "mixed"


def _columns(shown: Sequence[ModelResult], variables: Variables) -> list[Column]:
    further = shown[0].treatment[1:]
    columns = [Column("as named above the rows" if further else "", lambda _: None)]
    columns += [Column(variables.label(name), _named(name)) for name in further]
    pairs = {parts(gap.term) for model in shown if (gap := contrast_of(model))}
    if pairs:
        columns.append(Column("difference: first less second", contrast_of))
    return columns


def _named(name: str) -> Pick:
    return lambda model: find(model, name)


def _blocks(
    shown: Sequence[ModelResult], variables: Variables
) -> Iterable[tuple[list[str], list[ModelResult], str]]:
    """Models by outcome and first treatment, each with the lines that stand above them."""
    several = len({model.outcome for model in shown}) > 1
    for outcome in dict.fromkeys(model.outcome for model in shown):
        own = [model for model in shown if model.outcome == outcome]
        title = [f"Outcome: {with_unit(variables, outcome)}"] if several else []
        for name in dict.fromkeys(model.treatment[0] for model in own):
            heading = [*title, variables.label(name)]
            title = []
            yield heading, [model for model in own if model.treatment[0] == name], name


def _lines(own: list[ModelResult], models: tuple[ModelResult, ...], name: str) -> list[Line]:
    numbers = {model.id: number for number, model in enumerate(models, start=1)}
    lines = []
    for model in own:
        found = [t for t in model.terms if t.term == name or _response(t.term, name)]
        for place, term in enumerate(found):
            horizon = RESPONSE.fullmatch(term.term)
            when = f" h = {horizon[2]}" if horizon else ""
            lines.append(Line(f"({numbers[model.id]}) {model.id}{when}", model, term, place == 0))
    return lines


def _response(term: str, name: str) -> bool:
    found = RESPONSE.fullmatch(term)
    return found is not None and found[1] == name


def _cells(line: Line, columns: Sequence[Column], lines: Sequence[Line]) -> list[Texts | None]:
    """Rounded alike over all models of one outcome; the first column by treatment, too."""
    same = [other for other in lines if other.model.outcome == line.model.outcome]
    treatment = line.model.treatment[0]
    found: list[Texts | None] = []
    for number, column in enumerate(columns):
        terms = [
            column.pick(other.model)
            if number
            else other.first if other.model.treatment[0] == treatment else None
            for other in same
        ]  # fmt: skip
        errors = [term.std_error for term in terms if term]
        places = decimals_for([median(errors)] if errors else [], DIGITS)
        own = line.first if number == 0 else column.pick(line.model) if line.further else None
        found.append(_rounded(own, places) if own else None)
    return found


def _rounded(term: Term, places: int) -> Texts:
    error = f"({fixed(term.std_error, places)})"
    return fixed(term.estimate, places), error, interval(term, places)


def _texts(cells: Sequence[Texts | None], columns: Sequence[Column]) -> list[list[str]]:
    """The parts of each column's cell that are shown."""
    return [
        [] if cell is None else [cell[0], *([cell[1]] if column.with_error else []), cell[2]]
        for cell, column in zip(cells, columns, strict=True)
    ]


def _laid_out(
    columns: Sequence[Column], lines: Sequence[Line], rows: Sequence[list[list[str]]]
) -> tuple[list[str], list[str]]:
    left = max(len(line.name) for line in lines)
    names = TAIL if len(columns) == 1 else TAIL[-1:]
    tail = [_tail(line)[-len(names) :] for line in lines]
    tail_widths = [max(map(len, texts)) for texts in zip(*tail, names, strict=True)]
    texts, widths = [], []
    for number in range(len(columns)):
        parts_of = [row[number] for row in rows]
        sizes = [
            max((len(cell[j]) for cell in parts_of if cell), default=0)
            for j in range(max(map(len, parts_of)))
        ]
        widths.append(sum(sizes) + max(len(sizes) - 1, 0))
        texts.append(
            [" ".join(text.rjust(size) for text, size in zip(cell, sizes, strict=False))
             for cell in parts_of]
        )  # fmt: skip
    body = [
        GAP.join(
            [line.name.ljust(left), *(texts[j][i].ljust(widths[j]) for j in range(len(columns)))]
            + [text.rjust(size) for text, size in zip(tail[i], tail_widths, strict=True)]
        ).rstrip()
        for i, line in enumerate(lines)
    ]
    return _heads(columns, left, widths, tail_widths), body


TAIL = ("p", "df", "obs.")  # the first two where they can only be one coefficient's


def _tail(line: Line) -> tuple[str, str, str]:
    term = line.first
    count, _ = rows_behind(line.model, term.term)
    return p_value(term.p_value), fixed(term.df, 1), f"{count:,}"


def _heads(
    columns: Sequence[Column], left: int, widths: Sequence[int], tail: Sequence[int]
) -> list[str]:
    """The columns' names over their cells, and over the last ones p, df and rows of the first."""
    wrapped = [
        textwrap.wrap(column.heading, size, max_lines=HEADS_HIGH, placeholder=" …")
        for column, size in zip(columns, widths, strict=True)
    ]
    high = max(map(len, wrapped))
    under = [
        "estimate (std. error) [95 %]" if column.with_error else "estimate [95 %]"
        for column in columns
    ]
    lines = []
    for number in range(high + 1):
        texts = [
            under[j] if number == high else _from_below(wrapped[j], high, number)
            for j in range(len(columns))
        ]
        cells = [text.ljust(size) for text, size in zip(texts, widths, strict=True)]
        ends = [name if number == high else "" for name in TAIL[-len(tail) :]]
        cells += [text.rjust(size) for text, size in zip(ends, tail, strict=True)]
        lines.append(GAP.join([" " * left, *cells]).rstrip())
    return lines


def _from_below(texts: Sequence[str], high: int, number: int) -> str:
    place = number - (high - len(texts))
    return texts[place] if place >= 0 else ""


def _with_headings(
    blocks: Sequence[tuple[list[str], list[Line]]], body: Sequence[str], width: int
) -> list[str]:
    rows, place = [], 0
    for heading, lines in blocks:
        for text in heading:
            rows += textwrap.wrap(text, width, subsequent_indent="  ")
        rows += body[place : place + len(lines)]
        place += len(lines)
    return rows
