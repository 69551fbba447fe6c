"""The answer in one sentence with its uncertainty, and where it stands as evidence."""

from __future__ import annotations

from models.levels import COMMON
from models.verdicts import Verdict, failed_placebos
from reports.briefs.adoption import movement
from reports.briefs.estimate import interval_words
from reports.briefs.placebos import warning
from reports.briefs.subject import Subject
from reports.briefs.text import Text, say
from reports.tables.notes import curve_override_text, override_text
from reports.variables import spaced, with_article


def answer(subject: Subject) -> Text:
    """One sentence: what went with what, by how much, and how surely."""
    opening = "In these simulated data, " if subject.results.panel.simulated else ""
    return say(_capital(opening + _verb(subject)), _clause(subject))


def _verb(subject: Subject) -> str:
    if subject.estimate.settled:
        found = "a trend" if subject.of_trend else "an association"
        shared = ", which a placebo shares" if failed_placebos(subject.results) else ""
        return f"there is {found}{shared}: "
    return "the data do not settle the direction: "


def _clause(subject: Subject) -> Text:
    """'when X stood 10 % higher than usual for a region, Y one year later stood ...'."""
    estimate = subject.estimate
    unit, low = estimate.unit, estimate.low
    opening = say(_setting(subject), f" {_outcome(subject)} stood ")
    than = ""
    if subject.of_event:
        opening, than = say(movement(subject)), " than elsewhere"
    if subject.of_trend:
        opening = say(_trend(subject))
    if estimate.settled:
        size = say(estimate.size(estimate.middle), f" {unit} {estimate.direction(low)}{than}")
        interval = say(f" (95 % interval{_doubt(subject)}: ", interval_words(estimate), ").")
        return say(opening, size, interval)
    return say(
        opening,
        "between ",
        estimate.size(low),
        f" {unit} lower and ",
        estimate.size(estimate.high),
        f" higher{than} (95 % interval{_doubt(subject)}; best estimate: ",
        estimate.size(estimate.middle),
        f" {estimate.direction(estimate.middle)}).",
    )


def _doubt(subject: Subject) -> str:
    """What must be read with the interval itself, not a page later."""
    if any(COMMON in warning for warning in subject.model.warnings):
        return f", too narrow if shocks that all {subject.units} share last"
    return ""


def _trend(subject: Subject) -> str:
    """The opening of a sentence about a coefficient of time."""
    period = subject.variables.period
    outcome = with_article(subject.outcome.label)
    return f"from one {period} to the next, {outcome} of a {subject.unit} moved, on average, "


def _setting(subject: Subject) -> str:
    """The clause that names the comparison: within units over time, or between them."""
    within = "unit" in subject.model.effects or subject.model.estimator in WITHIN
    usual = f" than usual for a {subject.unit}" if within else ""
    word = "when" if within else "where"
    return f"{word} {_lowered(subject)} stood {subject.estimate.step}{usual},"


WITHIN = frozenset({"first-difference", "difference-gmm", "system-gmm", "lsdvc", "did2s"})


def _lowered(subject: Subject) -> str:
    change = "the change in " if subject.treatment.change == "diff" else ""
    return change + subject.treatment_clause


def _outcome(subject: Subject) -> str:
    lag, period = subject.treatment.lag - subject.outcome.lag, subject.variables.period
    name = with_article(subject.outcome.label)
    name = f"the change in {name}" if subject.outcome.change == "diff" else name
    when = f"then {spaced(lag, period, 'later', 'earlier')} " if lag else ""
    return f"{when}{name}"


def standing(subject: Subject) -> Text:
    """The line under the answer: the first verdict with its reason, the others by name, and that
    none of it is causal.
    """
    graded = [verdict for verdict in subject.verdicts if verdict.grade != "none"]
    parts = [say(_verdict_line(verdict)) for verdict in graded[:1]]
    parts.append(warning(subject))
    if graded[1:]:
        others = "; ".join(f"“{said(one)}”: {one.ruling}" for one in graded[1:])
        parts.append(say(f"On its other claims, {others}. "))
    if subject.verdicts and not graded:
        parts.append(say("None of the claims it was made for can be judged here. "))
    if subject.results.panel.simulated:
        return say(*parts, "The data are simulated, so this says nothing about the world.")
    if subject.model.inference.override:
        parts.append(say("The interval was made against the rule on error bars: see above. "))
    grade = "" if subject.verdicts else "Evidence grade: association. "
    return say(*parts, f"{grade}Nothing here shows what drives what.")


def said(verdict: Verdict) -> str:
    """The claim, as it stands between quotation marks."""
    return verdict.claim.claim.rstrip(".")


def _verdict_line(verdict: Verdict) -> str:
    return (
        f"Verdict on the claim “{said(verdict)}”: {verdict.ruling} (evidence grade: "
        f"{verdict.grade}). {verdict.reason} "
    )


def alerts(subject: Subject) -> tuple[Text, ...]:
    """What must be read before the answer: inference that was overridden, in any model."""
    overridden = [model for model in subject.results.models if model.inference.override]
    panel = subject.results.panel
    said = [f"Model {m.id}. {override_text(panel, m).rstrip('.')}." for m in overridden]
    if subject.curve is not None and subject.curve.override and not overridden:
        said.append(f"The curve. {curve_override_text(subject.curve).rstrip('.')}.")
    return tuple(map(say, said))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
