"""What was compared, and from which data."""

from __future__ import annotations

from collections.abc import Iterable

from data.panel import Column
from models.contrasts import parts
from models.study.results import StudyResults
from reports.briefs.adoption import adopters
from reports.briefs.subject import Subject
from reports.briefs.text import Block, Section, Span, Text, paragraph, say
from reports.numbers import PANEL, result_id
from reports.sources import vintages_used
from reports.tables.grid import CONSTANTS
from reports.tables.notes import sentence
from reports.variables import counted, in_sentence, index_word, plural

ADOPTERS = "Those that adopted are compared with those that did not, before and after."
ESTIMATORS = {
    "pooled": "All observations are compared with each other.",
    "between": "Averages over time are compared, one for each {unit}.",
    "random": "Each {unit} is allowed a level of its own, taken to be unrelated to the regressors.",
    "first-difference": "Changes from one {period} to the next are compared.",
    "iv-within": "Only that part of the treatment is used which the instruments predict.",
    "event-study": ADOPTERS,
    "group-time": ADOPTERS,
    "did2s": ADOPTERS,
    "mean-group": "A slope is estimated for each {unit}, and the slopes are averaged.",
}


def comparison(subject: Subject) -> Section:
    """Units, periods, what was held fixed and what was held equal."""
    return Section("What was compared", (paragraph(*_sample(subject)), paragraph(*_held(subject))))


def _sample(subject: Subject) -> Text:
    panel, model, study = subject.results.panel, subject.model, subject.results.study
    count = Span(f"{model.n_obs:,}", result_id(study.id, model.id, "n_obs"))
    units = Span(counted(model.n_units, subject.unit), result_id(study.id, model.id, "n_units"))
    word = subject.variables.period
    periods = Span(counted(model.n_periods, word), result_id(study.id, model.id, "n_periods"))
    all_units = Span(counted(panel.units, subject.unit), result_id(study.id, PANEL, "units"))
    return say(
        f"{panel.title or panel.name}: ",
        all_units,
        f" from {panel.first} to {panel.last}. The headline rests on the model “{model.id}”, which "
        "has what it needs for ",
        count,
        " observations: ",
        units,
        " in ",
        periods,
        _when(subject),
    )


def _when(subject: Subject) -> str:
    """Which periods those were, as far as their number and the sample's ends tell."""
    first, last = subject.span
    if first == last:
        return f", {first}."
    if subject.model.n_periods == last - first + 1:
        return f", {first} to {last}."
    return f" between {first} and {last}."


def _held(subject: Subject) -> Text:
    sentences = [_fixed(subject, effect) for effect in subject.model.effects]
    said = ESTIMATORS.get(subject.model.estimator)
    if said:
        sentences.append(said.format(unit=subject.unit, period=subject.variables.period))
    sentences += [adopters(subject)] if subject.of_event and adopters(subject) else []
    sentences.append(_controls(subject))
    weights = subject.model.weights
    sentences.append(
        f"Observations count by {in_sentence(subject.variables.label(weights))}."
        if weights
        else "Each observation counts the same."
    )
    return say(" ".join(sentences))


def _fixed(subject: Subject, effect: str) -> str:
    """What one fixed effect does, for someone who has never met one."""
    panel, period = subject.results.panel, subject.variables.period
    parent = index_word(panel.parent or "parent")
    if effect == "unit":
        return f"Each {subject.unit} is compared with itself over time."
    if effect == "time":
        return f"Whatever moved all {subject.units} alike in a {period} is set aside."
    if set(effect.split("*")) == {"parent", "time"}:
        return f"Only {subject.units} of the same {parent} in the same {period} are compared."
    words = " and ".join(index_word(part) for part in effect.split("*"))
    return f"Lasting differences by {words} are set aside."


def _controls(subject: Subject) -> str:
    treatments = set(subject.model.treatment)
    if subject.of_event:
        return "Nothing else is held equal."
    names = [t.term for t in subject.model.terms if t.term not in treatments and not parts(t.term)]
    others = (*subject.model.treatment[1:], *names)
    labels = [in_sentence(subject.variables.label(n)) for n in others if n not in CONSTANTS]
    if not labels:
        return "Nothing else is held equal."
    return f"Held equal: {'; '.join(labels)}."


def data_section(subject: Subject) -> Section:
    """Data sets with vintages and licences; variables with units and the level of recording."""
    results = subject.results
    blocks = [Block("plain_table", rows=rows) for rows in (_vintages(results),) if rows]
    if blocks:
        blocks.append(paragraph(_licences(results)))
    else:
        blocks = [
            paragraph(
                f"The panel is a file of the user's own, {results.panel.name}; its contents have "
                f"the SHA-256 hash {results.panel.sha256[:16]}…"
            )
        ]
    rows = _variables(subject)
    blocks += [Block("plain_table", rows=rows)] if rows else []
    if results.panel.notes:
        blocks.append(paragraph(" ".join(sentence(note) for note in results.panel.notes)))
    return Section("The data", tuple(blocks))


def _vintages(results: StudyResults) -> tuple[tuple[str, ...], ...]:
    rows = [
        (
            vintage.title or vintage.dataset,
            vintage.publisher or "not stated",
            vintage.published or "not stated",
        )
        for vintage in vintages_used(results.panel)
    ]
    return (("Data set", "Publisher", "Edition"), *dict.fromkeys(rows)) if rows else ()


def _licences(results: StudyResults) -> str:
    """Each licence once, with the publishers that grant it."""
    publishers: dict[str, dict[str, None]] = {}
    for vintage in vintages_used(results.panel):
        licence = vintage.licence or "not stated"
        publishers.setdefault(licence, {})[vintage.publisher or vintage.dataset] = None
    said = (f"{', '.join(names)}: {licence}" for licence, names in publishers.items())
    return f"Licences. {'; '.join(said)}."


def _variables(subject: Subject) -> tuple[tuple[str, ...], ...]:
    recorded = {"regional": plural(subject.unit), "modelled": f"a model, for {subject.units}"}
    parent = subject.results.panel.parent
    recorded["national"] = plural(index_word(parent)) if parent else "countries"
    rows = [
        (column.label or column.name, column.unit, recorded[column.level])
        for column in _in_headline(subject)
    ]
    return (("Variable", "Unit", "Recorded for"), *rows) if rows else ()


def _in_headline(subject: Subject) -> Iterable[Column]:
    names = (subject.model.outcome, *(term.term for term in subject.model.terms))
    measures = [subject.variables.measure(name) for name in names]
    found = {m.column.name: m.column for m in measures if m.column is not None}
    return found.values()
