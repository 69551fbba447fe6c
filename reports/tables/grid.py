"""The regression table before it takes a form: models as columns, coefficients as rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from models.engine.results import Curve
from models.results import ModelResult, Term
from models.study.results import StudyResults
from reports.events import without_repeats
from reports.numbers import decimals_for, fixed, result_id
from reports.tables.facts import fact_rows
from reports.tables.notes import Note, table_notes
from reports.tables.parts import Cell, Row
from reports.variables import Variables

__all__ = ["Cell", "Grid", "Head", "Note", "Row", "regression_grid"]

CONSTANTS = dict.fromkeys(("const", "constant", "_cons", "Intercept"), "Constant")
Kind = Literal["estimate", "std_error", "interval"]


@dataclass(frozen=True)
class Head:
    """One column: its number, the model's id, and its outcome as a label and as a name."""

    number: str
    model: str
    outcome: str
    outcome_name: str


@dataclass(frozen=True)
class Grid:
    """A table of numbers already rounded. `terms` come in threes: estimate, error, interval.

    `outcome` is the label of the outcome where all models share it, else empty.
    """

    study: str
    title: str
    outcome: str
    heads: tuple[Head, ...]
    terms: tuple[Row, ...]
    facts: tuple[Row, ...]
    notes: tuple[Note, ...]
    simulated: bool


def regression_grid(
    results: StudyResults, models: tuple[ModelResult, ...] = (), curve: Curve | None = None
) -> Grid:
    """The table of `models` (all of the study's, unless told otherwise) in the study's order."""
    models = models or results.models
    variables = Variables.of(results)
    outcomes = {model.outcome for model in models}
    return Grid(
        study=results.study.id,
        title=results.study.title,
        outcome=with_unit(variables, models[0].outcome) if len(outcomes) == 1 else "",
        heads=tuple(_head(index, model, variables) for index, model in enumerate(models, start=1)),
        terms=tuple(_term_rows(results.study.id, models, variables)),
        facts=fact_rows(results, models),
        notes=table_notes(results, models, variables, curve),
        simulated=results.panel.simulated,
    )


def with_unit(variables: Variables, name: str) -> str:
    """A label followed by its unit, for headings."""
    unit = variables.measure(name).unit
    return f"{variables.label(name)} ({unit})" if unit else variables.label(name)


def _head(index: int, model: ModelResult, variables: Variables) -> Head:
    return Head(f"({index})", model.id, variables.label(model.outcome), model.outcome)


def term_order(models: Iterable[ModelResult]) -> list[str]:
    """Coefficients as a table has them: treatments first, then the rest as they first appear,
    constants last; what repeats another row number for number is left to the files.
    """
    models = tuple(models)
    treatments = [name for model in models for name in model.treatment]
    present = [term.term for model in models for term in model.terms]
    ordered = dict.fromkeys(name for name in treatments + present if name in set(present))
    return sorted(without_repeats(ordered), key=lambda name: name in CONSTANTS)


def _term_rows(study: str, models: tuple[ModelResult, ...], variables: Variables) -> Iterable[Row]:
    for name in term_order(models):
        terms = {model.id: find(model, name) for model in models}
        places = decimals_by_outcome(models, name)
        label = CONSTANTS.get(name) or variables.label(name)
        for kind in ("estimate", "std_error", "interval"):
            cells = tuple(
                _cell(kind, term, places[model.outcome], result_id(study, model.id, name))
                if (term := terms[model.id])
                else None
                for model in models
            )
            yield Row(kind, label if kind == "estimate" else "", cells)


def find(model: ModelResult, name: str) -> Term | None:
    """The coefficient `name` of `model`, if it has one."""
    return next((term for term in model.terms if term.term == name), None)


def decimals_by_outcome(models: Iterable[ModelResult], name: str) -> dict[str, int]:
    """Decimals for coefficient `name`: one number for all models of one outcome."""
    errors: dict[str, list[float]] = defaultdict(list)
    for model in models:
        term = find(model, name)
        errors[model.outcome] += [term.std_error] if term else []
    return {outcome: decimals_for(found) for outcome, found in errors.items()}


def _cell(kind: str, term: Term, decimals: int, result: str) -> Cell:
    if kind == "estimate":
        return Cell(fixed(term.estimate, decimals), result)
    if kind == "std_error":
        return Cell(f"({fixed(term.std_error, decimals)})", result)
    return Cell(interval(term, decimals), result)


def interval(term: Term, decimals: int) -> str:
    """A 95 % interval in brackets."""
    return f"[{fixed(term.conf_low, decimals)}, {fixed(term.conf_high, decimals)}]"
