"""A verdict's coefficients in units that a reader knows, after the reason that names them."""

from __future__ import annotations

from models.results import ModelResult, Term
from models.verdicts import Verdict, deciding
from reports.briefs.estimate import interval_words, plain_estimate
from reports.briefs.subject import Subject
from reports.briefs.text import plain, say
from reports.figures.units import coefficient_unit
from reports.numbers import result_id
from reports.variables import closed, in_sentence, with_article

COUNTED = frozenset({"slow", "margin"})  # rules whose margins are declared in coefficients


def restated(subject: Subject, verdict: Verdict) -> str:
    """One sentence more on what decided; empty where the reason holds no coefficient."""
    if verdict.grade == "none":
        return ""
    found = [
        (model, model.term(model.treatment[0]))
        for model, _ in deciding(subject.results, verdict.claim.id)
        if model.treatment
    ]
    if found and verdict.claim.rule == "difference":
        return _in_plain_words(subject, *found[0])
    if found and verdict.claim.rule in COUNTED:
        return _counted(subject, found, verdict.claim.rule)
    return ""


def _in_plain_words(subject: Subject, model: ModelResult, term: Term) -> str:
    """The difference of two groups for the same step as the headline's."""
    treatment = subject.variables.measure(term.term)
    outcome = subject.variables.measure(model.outcome)
    result = result_id(subject.results.study.id, model.id, term.term)
    found = plain_estimate(term, treatment, outcome, result)
    size = plain(say(found.size(found.middle)))
    return (
        f"In plain words: with {closed(in_sentence(treatment.label))} {found.step}, "
        f"{with_article(outcome.label)} is {size} {found.unit} {found.direction(found.middle)} "
        f"({plain(interval_words(found))})."
    )


def _counted(subject: Subject, found: list[tuple[ModelResult, Term]], rule: str) -> str:
    """What the coefficients count, where they count the same."""
    units = {coefficient_unit(subject.variables, term.term, model.outcome) for model, term in found}
    known = units - {""}
    if len(known) != 1:
        return ""
    alike = len(units) == 1 and rule != "slow"
    return f"{'Coefficients count' if alike else 'The first coefficient counts'} {known.pop()}."
