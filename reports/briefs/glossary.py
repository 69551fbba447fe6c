"""The words a brief uses, explained, and how to find and recompute its numbers."""

from __future__ import annotations

from collections.abc import Iterable

from models.verdicts import placebos
from reports.briefs.subject import Subject
from reports.briefs.text import Block, Section, Span, paragraph, typeset
from reports.numbers import fixed, typographic
from reports.tables.facts import effect_label
from reports.variables import in_sentence


def words_used(subject: Subject) -> Section:
    """Definitions of the terms that this brief holds, and no others."""
    rows = tuple((word, typeset(meaning)) for word, meaning in _definitions(subject))
    return Section("Words used here", (Block("definitions", rows=rows),))


def _definitions(subject: Subject) -> Iterable[tuple[str, str]]:
    yield (
        "95 % interval",
        "The range of values that the data do not contradict. Made afresh from other data of the "
        "same kind, such ranges would hold the true value 95 times in 100.",
    )
    yield (
        "Association",
        "Two figures that move together. One may drive the other, or both may follow a third.",
    )
    if "percentage point" in subject.estimate.unit + subject.estimate.step:
        yield "Percentage point", "From 20 % to 21 % is one percentage point, and a rise of 5 %."
    yield (
        "Standard error",
        "How far chance typically takes an estimate from the truth; in the table, beside or below "
        "the estimate.",
    )
    if subject.model.effects:
        labels = " and ".join(effect_label(subject.results, e) for e in subject.model.effects)
        yield (
            "FE",
            f"{labels}, in the table, say that lasting differences of that kind are taken out "
            "before anything is compared.",
        )
    if subject.model.n_clusters:
        yield "Cluster", "A group whose members share shocks and so count as one piece of evidence."
    yield from _logarithm(subject)
    yield from _of_claims(subject)
    yield from _of_curve(subject)
    for text in subject.variables.definitions([subject.term.term, subject.model.outcome]):
        name, _, expression = text.partition(" is ")
        yield name, f"Computed as {expression}."


def _of_claims(subject: Subject) -> Iterable[tuple[str, str]]:
    """Words that verdicts and their reasons use."""
    if any(verdict.grade != "none" for verdict in subject.verdicts):
        yield (
            "Evidence grade",
            "What the design can carry: a description (levels and trends), or an association. "
            "Nothing here carries more.",
        )
    if any("slope" in verdict.reason for verdict in subject.verdicts):
        yield "Slope", f"How much of the outcome goes with a step of {subject.treatment_name}."
    if placebos(subject.results) or subject.curve is not None:
        yield (
            "Placebo",
            "A comparison that should show nothing: with a later year's figure, with people whom "
            "the money is not for, or with made-up figures. One that shows something is a warning "
            "that something else moves both.",
        )
    if any("NEET" in subject.variables.label(m.outcome).split() for m in subject.results.models):
        yield "NEET", "Neither in employment nor in education or training."


def _of_curve(subject: Subject) -> Iterable[tuple[str, str]]:
    if subject.curve is None:
        return
    yield (
        "Specification",
        "One defensible way to run the comparison: one choice of each thing that could be chosen.",
    )
    yield (
        "True null",
        "A case in which there is no association. A test at 5 % should report one in 5 of 100.",
    )


def _logarithm(subject: Subject) -> Iterable[tuple[str, str]]:
    logs = {"log", "log1p"}
    if subject.treatment.change in logs or subject.outcome.change in logs:
        text = "A scale on which equal distances are equal percentages."
        if subject.treatment.change == "log1p":
            text += (
                f" One is added to {subject.treatment_name} first, so that zeros stay in; “10 % "
                "higher” is exact where the figure is far above 1."
            )
        yield "Log", text


def reproduce(subject: Subject) -> Section:
    """Run id, commands, and where each number stands."""
    study = subject.results.study
    commands = (f"regsi verify {subject.run_id}", f"regsi fit {_named(subject)}")
    return Section(
        "How to find and recompute these numbers",
        (
            paragraph(
                f"This is run {subject.run_id} of the study {study.id}. Every number stands at "
                "full precision in coefficients.csv or figures.csv, in the row that its id names; "
                f"the answer's is {subject.estimate.result}. {_restated(subject)}"
            ),
            Block("code", tuple((Span(command),) for command in commands)),
        ),
    )


def _named(subject: Subject) -> str:
    """The study as one types it: its id where it is bundled, else its file."""
    study = subject.results.study
    return study.id if study.path.parent.name == "studies" else study.path.name


def _restated(subject: Subject) -> str:
    """How the coefficient of the table became the number in the answer."""
    estimate, term = subject.estimate, subject.term
    label = in_sentence(subject.variables.label(term.term))
    coefficient = typographic(fixed(term.estimate, 4))
    if subject.treatment.change in {"log", "log1p"} and subject.outcome.change == "level":
        points = ", and by 100 for percentage points," if subject.outcome.is_share else ""
        return (
            f"The coefficient of {label} is {coefficient}; times the logarithm of 1.1{points} it "
            f"is the {fixed(abs(estimate.middle), estimate.decimals)} of the answer."
        )
    if subject.treatment.change in {"log", "log1p"} and subject.outcome.change in {"log", "log1p"}:
        return (
            f"The coefficient of {label} is {coefficient}; 1.1 to that power, less one, in per "
            f"cent, is the {fixed(abs(estimate.middle), estimate.decimals)} of the answer."
        )
    return f"The coefficient of {label} is {coefficient}."
