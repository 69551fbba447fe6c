"""A brief's content, from a study's results: the same for the page and for print."""

from __future__ import annotations

from dataclasses import replace

from models.contrasts import contrast_of, parts
from models.engine.results import Curve
from models.study.results import StudyResults
from models.verdicts import comparable
from reports.briefs.answer import alerts, answer, standing
from reports.briefs.certainty import does_not_show, how_sure
from reports.briefs.comparison import comparison, data_section
from reports.briefs.estimate import PlainEstimate, interval_words, plain_estimate
from reports.briefs.glossary import reproduce, words_used
from reports.briefs.subject import Subject
from reports.briefs.text import Block, Brief, Section, Text, paragraph, say, typeset
from reports.events import AGAINST_ALL
from reports.figures.group_panels import COVER, group_panels
from reports.figures.paths import paths
from reports.numbers import result_id
from reports.variables import closed, in_sentence, panel_word, plural, with_article


def brief_of(results: StudyResults, run_id: str, curve: Curve | None = None) -> Brief:
    """The brief of a fitted study. Raises BadInput where the study names an unknown claim."""
    subject = Subject.of(results, run_id, curve)
    return Brief(
        study=results.study.id,
        run_id=run_id,
        title=typeset(results.study.title),
        question=typeset(results.study.question),
        answer=answer(subject),
        standing=standing(subject),
        alerts=alerts(subject),
        sections=_sections(subject),
        simulated=results.panel.simulated,
    )


def _sections(subject: Subject) -> tuple[Section, ...]:
    pictures = [Block("figure", name="headline")]
    pictures += [Block("figure", name="paths")] if paths(subject.results) else []
    sure = how_sure(subject)
    if subject.curve is not None:
        sure = Section(sure.heading, (*sure.blocks, Block("figure", name="curve")))
    data = data_section(subject)
    if subject.results.missingness:
        data = Section(data.heading, (*data.blocks, Block("figure", name="missingness")))
    return (
        Section("The estimate in plain words", (_estimate(subject), *pictures)),
        comparison(subject),
        sure,
        does_not_show(subject),
        data,
        Section("All models", (Block("regression"),)),
        *_appendix(subject),
        words_used(subject),
        reproduce(subject),
    )


def _appendix(subject: Subject) -> tuple[Section, ...]:
    """How groups differ, where a model lets them differ at random."""
    panels = group_panels(subject.results)
    if not panels:
        return ()
    word = panel_word(subject.results.panel, panels[0].kind)
    text = f"{COVER} groups.csv holds every figure, those of single {plural(subject.unit)} too."
    blocks = (Block("figure", name="groups"), paragraph(text))
    return (Section(f"How {plural(word)} differ", blocks),)


def _estimate(subject: Subject) -> Block:
    """The size again, beside what would have been the smallest and the largest."""
    estimate = subject.estimate
    when = f"With {subject.treatment_clause} {estimate.step}"
    if subject.of_event:
        when = f"After adoption, beside {subject.units} that did not adopt"
    if subject.of_trend:
        when = f"From one {subject.variables.period} to the next"
    size = say(
        f"{when}, the best estimate for {with_article(subject.outcome.label)} is ",
        estimate.size(estimate.middle),
        f" {estimate.unit} {estimate.direction(estimate.middle)}. The data are in keeping with "
        "anything from ",
        interval_words(estimate),
        ". ",
    )
    inside = "outside" if estimate.settled else "inside"
    zero = f"“No difference” lies {inside} that range. "
    return paragraph(size, zero, _others(subject), _contrast(subject))


def _contrast(subject: Subject) -> Text:
    """What the same step in the treatment goes with, beyond the same step in another regressor."""
    gap = contrast_of(subject.model)
    against = parts(gap.term) if gap else None
    if gap is None or against is None or against[0] != subject.term.term:
        return ()
    other = subject.variables.measure(against[1])
    if other.change != subject.treatment.change or other.unit != subject.treatment.unit:
        return ()
    result = result_id(subject.results.study.id, subject.model.id, gap.term)
    found = plain_estimate(gap, subject.treatment, subject.outcome, result)
    return say(
        f" Set against the same step in {closed(in_sentence(other.label))} the difference is ",
        _size(found),
        " (95 % interval: ",
        interval_words(found),
        ").",
    )


def _others(subject: Subject) -> Text:
    """The same step in the study's other models of this outcome, of event studies those that set it
    against the same time.
    """
    of_all = subject.model.estimator in AGAINST_ALL
    others = comparable(subject.results, subject.model, subject.term)
    apart = any((model.estimator in AGAINST_ALL) is not of_all for model, _ in others)
    base = " with the same base" if subject.of_event and apart else ""
    found = [
        plain_estimate(
            term,
            subject.treatment,
            subject.outcome,
            result_id(subject.results.study.id, model.id, term.term),
        )
        for model, term in others
        if model.id != subject.model.id and (model.estimator in AGAINST_ALL) is of_all
    ]
    same_step = [other for other in found if other.step == subject.estimate.step]
    if not same_step:
        return ()
    same_step = [replace(other, decimals=subject.estimate.decimals) for other in same_step]
    low, high = min(same_step, key=_middle), max(same_step, key=_middle)
    if low is high:
        return say(f"The study's other model{base} puts it at ", _size(low), ".")
    many = f"The study's other models{base} put it between "
    return say(many, _size(low), " and ", _size(high), ".")


def _middle(estimate: PlainEstimate) -> float:
    return estimate.middle


def _size(estimate: PlainEstimate) -> Text:
    return say(estimate.size(estimate.middle), f" {estimate.direction(estimate.middle)}")
