"""The shape of a regression table for many models: a line for each, one coefficient at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.contrasts import parts as difference
from models.results import ModelResult
from models.study.results import StudyResults
from reports.numbers import fixed, p_value, result_id
from reports.tables.facts import (
    effect_label,
    fit_words,
    inference_name,
    role_words,
    rows_behind,
    weights_label,
)
from reports.tables.grid import (
    CONSTANTS,
    decimals_by_outcome,
    find,
    interval,
    term_order,
    with_unit,
)
from reports.tables.parts import Cell
from reports.variables import RESPONSE, Variables, counted, in_sentence, panel_word

SAID_ELSEWHERE = frozenset({"layout", "convention"})  # notes that this shape has no use for
OWN_COUNTS = re.compile(r" \((\d[^()]*)\)")  # in a convention: how many clusters this model has
HEADINGS = ("", "estimate", "std. error", "95 % interval", "p", "df", "obs.")


@dataclass(frozen=True)
class Line:
    """One model's coefficient: `cells` go with HEADINGS after the first."""

    model: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Stack:
    """One coefficient over all models of one outcome; `outcome` is empty if there is but one.

    Responses by horizon stand with the variable they respond to.
    """

    label: str
    outcome: str
    lines: tuple[Line, ...]


def stacks(
    results: StudyResults, models: tuple[ModelResult, ...], only_treatments: bool = False
) -> tuple[Stack, ...]:
    """Coefficients in table order, apart by outcome where the models have several.

    `only_treatments` keeps what a model was asked for, which is what a reader compares; all else
    is in the files.
    """
    variables = Variables.of(results)
    numbers = {model.id: number for number, model in enumerate(models, start=1)}
    outcomes = dict.fromkeys(model.outcome for model in models)
    found = []
    for outcome in outcomes:
        title = with_unit(variables, outcome) if len(outcomes) > 1 else ""
        lines: dict[str, list[Line]] = {}
        for name in term_order(models):
            having = [m for m in models if m.outcome == outcome and find(m, name)]
            if having and (not only_treatments or _asked_for(name, models)):
                stack, horizon = _horizon(name)
                lines.setdefault(stack, []).extend(_lines(results, having, name, numbers, horizon))
        found += [
            Stack(CONSTANTS.get(name) or variables.label(name), title, tuple(one))
            for name, one in lines.items()
        ]
    return tuple(found)


def _horizon(name: str) -> tuple[str, str]:
    """The variable of a response, and its horizon in words; of another term itself and nothing."""
    response = RESPONSE.fullmatch(name)
    return (response[1], f" h = {response[2]}") if response else (name, "")


def _asked_for(name: str, models: tuple[ModelResult, ...]) -> bool:
    """Whether it is a treatment's, or of a model without one: a response, or an event time's; or
    the difference of two.
    """
    return any(
        name in model.treatment
        or difference(name)
        or (find(model, name) and not any(find(model, one) for one in model.treatment))
        for model in models
    )


def _lines(
    results: StudyResults,
    models: list[ModelResult],
    name: str,
    numbers: Mapping[str, int],
    horizon: str,
) -> tuple[Line, ...]:
    places = decimals_by_outcome(models, name)
    lines = []
    for model in models:
        term, decimals = model.term(name), places[model.outcome]
        result = result_id(results.study.id, model.id, name)
        texts = (
            fixed(term.estimate, decimals),
            fixed(term.std_error, decimals),
            interval(term, decimals),
            p_value(term.p_value),
            fixed(term.df, 1),
        )
        count, figure = rows_behind(model, name)
        n_obs = Cell(f"{count:,}", result_id(results.study.id, model.id, figure))
        cells = (*(Cell(text, result) for text in texts), n_obs)
        lines.append(Line(f"({numbers[model.id]}) {model.id}{horizon}", cells))
    return tuple(lines)


def settings(results: StudyResults, models: tuple[ModelResult, ...]) -> tuple[tuple[str, str], ...]:
    """Each model's number and id, and in words its estimator, fixed effects, weights and errors.

    A convention that several models share is said once, after them, by their numbers.
    """
    errors = [_errors(results, model) for model in models]
    sharing: dict[str, list[int]] = {}
    for number, (said, _) in enumerate(errors, start=1):
        sharing.setdefault(said, []).append(number)
    lines = []
    for number, (model, (said, counts)) in enumerate(zip(models, errors, strict=True), start=1):
        role = role_words(results, model)
        parts = [*([role] if role else []), model.estimator, *_effects(results, model)]
        weights = weights_label(results, model)
        parts += [f"weighted by {in_sentence(weights)}"] if weights else []
        parts += [said] if len(sharing[said]) == 1 else []
        parts += [counts] if counts else []
        parts += ["level rule overridden"] if model.inference.override else []
        parts += fit_words(results, model)
        lines.append((f"({number}) {model.id}", "; ".join(parts)))
    shared = [(f"({spans(who)})", said) for said, who in sharing.items() if len(who) > 1]
    return (*lines, *shared)


def _effects(results: StudyResults, model: ModelResult) -> list[str]:
    """All fixed effects in one: 'State and year FE'."""
    names = [effect_label(results, effect).removesuffix(" FE") for effect in model.effects]
    if not names:
        return []
    *others, last = (name if not n else in_sentence(name) for n, name in enumerate(names))
    return [f"{', '.join(others)} and {last} FE" if others else f"{last} FE"]


def _errors(results: StudyResults, model: ModelResult) -> tuple[str, str]:
    """How errors were measured, in words, and the counts of clusters that are this model's own."""
    by = [
        counted(count, panel_word(results.panel, name)) for name, count in model.n_clusters.items()
    ]
    said = model.inference.convention.rstrip(".")
    if not said:
        return ", ".join([inference_name(results, model), *by]), ""
    found = OWN_COUNTS.search(said)
    counts = found[1] if found else ""
    return OWN_COUNTS.sub("", said), " and ".join(by) if len(by) > 1 else counts


def spans(numbers: Sequence[int]) -> str:
    """Ascending numbers with runs closed up: 1–3, 5, 7, 8."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(texts)
