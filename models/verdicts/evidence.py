"""Which of a study's models speak for a claim."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from data.errors import BadInput
from models.engine.results import Curve
from models.estimators.events.event_study import AVERAGE as EVENT_AVERAGE
from models.estimators.events.rules import NO_CAUSAL_READING
from models.results import PLACEBO_TESTS, ModelResult, Term, Test, failing
from models.study import ModelSpec
from models.study.results import StudyResults


def headline(results: StudyResults) -> tuple[ModelResult, Term]:
    """The model that speaks for the study, and its coefficient of the first treatment.

    The model is the multiverse's main one, else the first that counts and has its treatment among
    its terms, else the first with any term. Raises BadInput where no model has a coefficient.
    """
    chosen = results.study.multiverse.model if results.study.multiverse else None
    counting = {model.id for model in counted(results)}
    models = sorted(results.models, key=lambda m: (m.id != chosen, m.id not in counting))
    for model in models:
        for term in model.terms:
            if term.term == next(iter(model.treatment), None):
                return model, term
    for model in models:
        for term in model.terms:
            return model, term
    raise BadInput(
        f"study {results.study.id}", "no model has a coefficient", "add a model with a treatment"
    )


def counted(results: StudyResults) -> tuple[ModelResult, ...]:
    """The models that count for or against a claim: placebos and known-bad twins do not."""
    roles = {spec.id: spec.role for spec in results.study.models}
    return tuple(m for m in results.models if roles.get(m.id, "estimate") == "estimate")


def deciding(results: StudyResults, claim: str) -> tuple[tuple[ModelResult, ModelSpec], ...]:
    """The models that the study file says decide `claim`, with what was asked of them."""
    asked = {spec.id: spec for spec in results.study.models if claim in spec.decides}
    return tuple((m, asked[m.id]) for m in results.models if m.id in asked)


def comparable(
    results: StudyResults, model: ModelResult, term: Term
) -> list[tuple[ModelResult, Term]]:
    """The models of the same outcome that have `term` as a treatment, `model` among them; event
    studies by whichever method.
    """
    counting = {model.id, *(other.id for other in counted(results))}
    return [
        (other, found)
        for other in results.models
        if other.outcome == model.outcome
        and other.id in counting
        and (term.term in (*other.treatment, EVENT_AVERAGE) or other.id == model.id)
        for found in other.terms
        if found.term == term.term
    ]


def multiverse_share(curve: Curve, term: Term, outcome: str) -> float:
    """The share of the specifications of `outcome` whose estimate has the sign of `term`'s."""
    same = curve.specs.loc[curve.specs["outcome"] == outcome, "estimate"]
    return float((same * term.estimate > 0).mean())


def without_causal_reading(model: ModelResult) -> str:
    """Why an event study says nothing about its event, in its own words; empty if it does."""
    return next((text for text in model.warnings if NO_CAUSAL_READING in text), "")


def found_test(model: ModelResult, names: Iterable[str]) -> Test | None:
    """The first of the tests called `names` that the model has with a p-value."""
    found = {test.test: test for test in model.tests if test.p_value is not None}
    return next((found[name] for name in names if name in found), None)


@dataclass(frozen=True)
class Placebo:
    """One coefficient in which a study expects nothing.

    name is that of a model, or of a placebo test of the headline model; figure is what follows the
    study in the id of its result; treatment and outcome are columns, and what a test says of itself
    (`note`) stands where it does not name them.
    """

    name: str
    figure: tuple[str, str]
    p_value: float
    treatment: str = ""
    outcome: str = ""
    note: str = ""


def placebos(results: StudyResults) -> tuple[Placebo, ...]:
    """What a study expects nothing in: its placebo models, and its headline's placebo tests."""
    roles = {spec.id: spec.role for spec in results.study.models}
    found = [
        Placebo(model.id, (model.id, term.term), term.p_value, term.term, model.outcome)
        for model in results.models
        if roles.get(model.id) == "placebo"
        for term in model.headlines()
    ]
    model = headline(results)[0]
    found += [
        Placebo(test.test, (model.id, f"test/{test.test}"), test.p_value, note=test.note)
        for test in model.tests
        if test.test in PLACEBO_TESTS and test.p_value is not None
    ]
    return tuple(found)


def failed_placebos(results: StudyResults) -> tuple[Placebo, ...]:
    """The placebos that show something, at 5 % corrected for their number."""
    found = placebos(results)
    fail = failing([placebo.p_value for placebo in found])
    return tuple(placebo for placebo, failed in zip(found, fail, strict=True) if failed)


def p_words(p: float | None) -> str:
    """A p-value as it stands in a sentence."""
    return "below 0.001" if p is not None and p < 0.0005 else f"{p:.3f}"


def decimals_of(term: Term) -> int:
    """Decimals that show a coefficient's standard error with two significant digits, two to six."""
    error = term.std_error
    known = math.isfinite(error) and error > 0
    return min(max(1 - math.floor(math.log10(error)), 2), 6) if known else 2


def interval_words(low: float, high: float, decimals: int) -> str:
    """'0.02 to 0.14', for a sentence."""
    return f"{in_words(low, decimals)} to {in_words(high, decimals)}"


def in_words(value: float, decimals: int) -> str:
    """A figure with a real minus sign, and never a negative zero."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text.replace("-", MINUS)


MINUS = "\N{MINUS SIGN}"
