"""The shape of a regression table for many models: a line for each, one coefficient at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.results import ModelResult
from models.study_results import StudyResults
from reports.numbers import fixed, p_value, result_id
from reports.tables.facts import effect_label, fit_words, inference_name
from reports.tables.grid import (
    CONSTANTS,
    decimals_by_outcome,
    find,
    interval,
    term_order,
    with_unit,
)
from reports.tables.parts import Cell
from reports.variables import Variables, counted, panel_word

SAID_ELSEWHERE = frozenset({"layout", "convention"})  # notes that this shape has no use for
HEADINGS = ("", "estimate", "std. error", "95 % interval", "p", "df", "obs.")


@dataclass(frozen=True)
class Line:
    """One model's coefficient: `cells` go with HEADINGS after the first."""

    model: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Stack:
    """One coefficient over all models of one outcome; `outcome` is empty if there is but one."""

    label: str
    outcome: str
    lines: tuple[Line, ...]


def stacks(
    results: StudyResults, models: tuple[ModelResult, ...], only_treatments: bool = False
) -> tuple[Stack, ...]:
    """Coefficients in table order, apart by outcome where the models have several."""
    variables = Variables.of(results)
    numbers = {model.id: number for number, model in enumerate(models, start=1)}
    outcomes = dict.fromkeys(model.outcome for model in models)
    found = []
    for outcome in outcomes:
        title = with_unit(variables, outcome) if len(outcomes) > 1 else ""
        for name in term_order(models):
            treatment = any(name in model.treatment for model in models)
            having = [m for m in models if m.outcome == outcome and find(m, name)]
            if having and (treatment or not only_treatments):
                label = CONSTANTS.get(name) or variables.label(name)
                lines = _lines(results, having, name, numbers)
                found.append(Stack(label, title, lines))
    return tuple(found)


def _lines(
    results: StudyResults, models: list[ModelResult], name: str, numbers: Mapping[str, int]
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
        n_obs = Cell(f"{model.n_obs:,}", result_id(results.study.id, model.id, "n_obs"))
        cells = (*(Cell(text, result) for text in texts), n_obs)
        lines.append(Line(f"({numbers[model.id]}) {model.id}", cells))
    return tuple(lines)


def settings(results: StudyResults, models: tuple[ModelResult, ...]) -> tuple[tuple[str, str], ...]:
    """Each model's number and id, and in words its estimator, fixed effects, weights and errors."""
    said = []
    for number, model in enumerate(models, start=1):
        parts = [model.estimator, *(effect_label(results, effect) for effect in model.effects)]
        parts += [f"weights {model.weights}"] if model.weights else []
        by = [
            counted(count, panel_word(results.panel, name))
            for name, count in model.n_clusters.items()
        ]
        brief = ", ".join([inference_name(results, model), *by])
        parts.append(model.inference.convention.rstrip(".") or brief)
        parts += ["level rule overridden"] if model.inference.override else []
        parts += fit_words(model)
        said.append((f"({number}) {model.id}", "; ".join(parts)))
    return tuple(said)
