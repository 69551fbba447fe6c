"""Who adopted what and when: the words for the answer of an event study."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from models.verdicts import comparable
from reports.briefs.subject import Subject
from reports.briefs.text import Text, say
from reports.events import AGAINST_ALL, EVENT
from reports.variables import in_sentence, with_article


@dataclass(frozen=True)
class Rule:
    """Adoption of all at once: those for whom `mark`, a label, holds, from `first` on."""

    mark: str
    first: int


def rule(subject: Subject) -> Rule | None:
    """The rule by which a study has its units adopt, where it says `where(column, period, 0)`."""
    spec = next((m for m in subject.results.study.models if m.id == subject.model.id), None)
    cohort = spec.options.get("cohort") if spec else None
    expression = subject.results.study.variables.get(cohort) if isinstance(cohort, str) else None
    if expression is None:
        return None
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError:
        return None
    match tree:
        case ast.Call(
            func=ast.Name(id="where"),
            args=[ast.Name(id=mark), ast.Constant(value=int(first)), ast.Constant(value=0)],
        ) if mark in subject.variables.columns:
            return Rule(in_sentence(subject.variables.label(mark)), first)
    return None


def movement(subject: Subject) -> str:
    """The opening of the answer: between when, and in whom beside whom."""
    found = rule(subject)
    period, outcome = subject.variables.period, with_article(subject.outcome.label)
    of_all = subject.model.estimator in AGAINST_ALL
    last = _last(subject, found.first) if found else 0
    if found is None or last < found.first:
        before = f"the average of the {period}s" if of_all else f"the {period}"
        return (
            f"from {before} before adoption to the {period}s after it, {outcome} in "
            f"{subject.units} that adopted moved "
        )
    before = f"the average before {found.first}" if of_all else f"{found.first - 1}"
    after = f"{found.first}" if last == found.first else f"the average of {found.first} to {last}"
    return (
        f"from {before} to {after}, {outcome} in {subject.units} counted as adopters "
        f"({found.mark}) moved "
    )


def _last(subject: Subject, first: int) -> int:
    """The last period after adoption of all in `first` that is in the estimate.

    The sample's last where the model has no coefficients by time: the outcome may end before it.
    """
    steps = [int(m[1]) for t in subject.model.terms if (m := EVENT.fullmatch(t.term))]
    return first + max(steps) if any(step >= 0 for step in steps) else subject.span[1]


def other_base(subject: Subject) -> Iterable[Text]:
    """That some methods set what follows against another time than the headline does."""
    if not subject.of_event:
        return
    of_all = subject.model.estimator in AGAINST_ALL
    others = [
        f"“{model.id}”"
        for model, _ in comparable(subject.results, subject.model, subject.term)
        if (model.estimator in AGAINST_ALL) is not of_all
    ]
    if others:
        period = subject.variables.period
        all_before = f"the average of all {period}s before adoption"
        last = f"the last {period} before"
        mine, theirs = (all_before, last) if of_all else (last, all_before)
        yield say(
            f"The headline sets what followed against {mine}, {' and '.join(others)} against "
            f"{theirs}: where paths had parted before adoption, the two differ for that alone."
        )


def adopters(subject: Subject) -> str:
    """Whom 'those that adopted' stands for; empty where the study does not say in one rule."""
    found = rule(subject)
    if found is None:
        return ""
    return (
        f"As adopters count, from {found.first} on, the {subject.units} with this mark: "
        f"{found.mark}. Whether and when anything reached one of them is not in these data."
    )
