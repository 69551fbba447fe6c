"""How sure the answer is, and what it does not show."""

from __future__ import annotations

import re
from collections.abc import Iterable

from models.engine.results import Curve
from models.study.results import Missingness
from models.verdicts import Verdict, comparable, multiverse_share
from reports.briefs.adoption import other_base
from reports.briefs.answer import said
from reports.briefs.placebos import placebo_words
from reports.briefs.restated import restated
from reports.briefs.subject import Subject
from reports.briefs.text import Block, Section, Span, Text, paragraph, say, typeset
from reports.numbers import CURVE, MISSING, p_value, per_cent, result_id
from reports.tables.notes import sentence
from reports.variables import counted, in_sentence, index_word, panel_word, spaced, spelled

CAUSAL = re.compile(r"\b(effect|impact|caus|rais|reduc|improv)\w*", re.IGNORECASE)
WORTH_SAYING = 0.01  # a share missing below this is not mentioned
VARIED = {
    "sample": "samples",
    "weights": "weights",
    "treatment": "treatments or their timing",
    "effects": "things held fixed",
    "outcome": "outcomes",
}
UNEVEN = 0.05  # a gap between the outcome's lowest and highest fifth that is


def how_sure(subject: Subject) -> Section:
    """Verdicts with their reasons, then what the interval rests on."""
    blocks = [paragraph(_verdict(subject, verdict)) for verdict in subject.verdicts]
    if len(blocks) > 1:
        blocks = [Block("plain_table", rows=_verdicts(subject))]
    bullets = [*_agreement(subject), *other_base(subject), *_rests_on(subject)]
    bullets += placebo_words(subject)
    bullets += [*_curve(subject), *_gaps(subject)]
    bullets += [say(sentence(warning)) for warning in subject.model.warnings]
    return Section("How sure is this?", (*blocks, Block("bullets", tuple(bullets))))


def _verdict(subject: Subject, verdict: Verdict) -> Text:
    claim = verdict.claim
    return say(f"Claim {claim.id}, “{said(verdict)}”: {verdict.ruling}. {_why(subject, verdict)}")


def _why(subject: Subject, verdict: Verdict) -> str:
    """The reason, its figures in units, and, where a mind was made up, what would change it."""
    mind = verdict.claim.change_our_mind
    changed = f"What would change our mind: {mind[:1].lower()}{mind[1:]}"
    share = "" if verdict.multiverse_share is None else per_cent(verdict.multiverse_share)
    parts = (
        verdict.reason,
        f"{share} of the specifications of this outcome have the headline's sign." if share else "",
        restated(subject, verdict),
        "" if subject.results.panel.simulated else changed,
    )
    return " ".join(filter(None, parts))


def _verdicts(subject: Subject) -> tuple[tuple[str, ...], ...]:
    """Several verdicts as a table: claim, ruling, grade, and why."""
    rows = [("Claim", "Verdict", "Why")]
    for verdict in subject.verdicts:
        grade = "" if verdict.grade == "none" else f" ({verdict.grade})"
        why = _why(subject, verdict)
        name = f"{verdict.claim.id}: {said(verdict)}"
        rows.append((typeset(name), f"{verdict.ruling}{grade}", typeset(why)))
    return tuple(rows)


def _agreement(subject: Subject) -> Iterable[Text]:
    others = comparable(subject.results, subject.model, subject.term)
    same = sum(other.estimate * subject.term.estimate > 0 for _, other in others)
    said = any("models of this outcome" in verdict.reason for verdict in subject.verdicts)
    if len(others) > 1 and not said:
        number = "all" if same == len(others) else spelled(same)
        yield say(
            f"Of the study's {spelled(len(others))} models of this outcome, {number} "
            f"{'has' if same == 1 else 'have'} the headline's sign; the picture and the table "
            "show them all."
        )


def _rests_on(subject: Subject) -> Iterable[Text]:
    model, study = subject.model, subject.results.study.id
    for name, count in model.n_clusters.items():
        alone = len(model.n_clusters) == 1  # clusters of a second kind relate units to each other
        word = panel_word(subject.results.panel, name)
        clusters = Span(counted(count, word), result_id(study, model.id, "n_clusters", name))
        if word == subject.unit:
            yield say(
                "The interval rests on ",
                clusters,
                f", each {word} one story told over time"
                f"{f'; it takes one {word} as unrelated to the next' if alone else ''}.",
            )
        else:
            yield say(
                "The interval rests on ",
                clusters,
                f", not on {model.n_obs:,} independent observations: {subject.units} of one {word} "
                "share its fortunes.",
            )


def _curve(subject: Subject) -> Iterable[Text]:
    curve = subject.curve
    if curve is None:
        return
    yield from _multiverse(subject, curve)
    yield say(_sentence(curve.placebo_audit.sentence))
    if len(curve.leave_out):
        yield say(_leave_out(subject, curve))


def _leave_out(subject: Subject, curve: Curve) -> str:
    word = panel_word(subject.results.panel, curve.leave_out_by or "parent")
    table, full = curve.leave_out.dropna(subset=["estimate"]), subject.term.estimate
    turned = int((table["estimate"] * full <= 0).sum())
    most = table["left_out"].iloc[int((table["estimate"] - full).abs().to_numpy().argmax())]
    sign = f"changes its sign in {spelled(turned)} cases" if turned else "keeps its sign"
    return (
        f"Leaving out one {word} at a time, the estimate {sign}; it moves most without {most}."
    )


def _multiverse(subject: Subject, curve: Curve) -> Iterable[Text]:
    study = subject.results.study.id
    share = multiverse_share(curve, subject.term, subject.model.outcome)
    same = int((curve.specs["outcome"] == subject.model.outcome).sum())
    among = "" if same == len(curve.specs) else f" of the {same:,} of this outcome"
    chance = p_value(curve.joint.p_value).replace("<", "below ")
    floor = curve.joint.p_value * (curve.joint.draws + 1) < 1.5
    least = "the smallest that can come of " if floor else ""
    yield say(
        Span(f"{len(curve.specs):,}", result_id(study, CURVE, "specs")),
        f" defensible variants of the headline's model were run, with other {_varied(curve)}; ",
        Span(per_cent(share), result_id(study, CURVE, "share_same_sign")),
        f"{among} have the headline's sign. Were there no association in any of them, results "
        "this far from zero would come up with probability ",
        Span(chance, result_id(study, CURVE, "joint_p_value")),
        f" ({least}{curve.joint.draws:,} resamplings).",
    )


def _varied(curve: Curve) -> str:
    """What the specifications differ in: 'controls, samples, weights or treatments'."""
    open_to_choice = [word for axis, word in VARIED.items() if len(curve.axes.get(axis, ())) > 1]
    words = [*(["controls"] if curve.controls else []), *open_to_choice]
    *others, last = words or ["choices"]
    return f"{', '.join(others)} or {last}" if others else last


def _gaps(subject: Subject) -> Iterable[Text]:
    """Where the headline's variables lack figures, and whether that follows the outcome."""
    names = {subject.outcome.column, subject.treatment.column}
    used = {column.name for column in names if column is not None}
    for row in subject.results.missingness:
        share = row.missing / row.rows if row.rows else 0.0
        if row.column in used and share >= WORTH_SAYING:
            label = in_sentence(subject.variables.label(row.column))
            result = result_id(subject.results.study.id, MISSING, row.column)
            missing = Span(per_cent(share), result)
            where = _uneven(row, result)
            yield say(f"Of the figures for {label}, ", missing, " are missing", where, ".")


def _uneven(row: Missingness, result: str) -> Text:
    shares = {share.group: share.share for share in row.by_quintile}
    if not shares or abs(shares.get(1, 0.0) - shares.get(5, 0.0)) < UNEVEN:
        return ()
    return say(
        ": ",
        Span(per_cent(shares[1]), f"{result}/quintile/1"),
        " in the fifth with the lowest outcome and ",
        Span(per_cent(shares[5]), f"{result}/quintile/5"),
        " in the fifth with the highest, so what is left is a selected sample",
    )


def does_not_show(subject: Subject) -> Section:
    """Limits that follow from the design, each said once."""
    open_questions = dict.fromkeys(v.leaves_open for v in subject.verdicts if v.leaves_open)
    limits = (_not_why(subject), *_level(subject), *_reach(subject), *open_questions)
    bullets = [say(text) for text in limits]
    return Section("What this does not show", (Block("bullets", tuple(bullets)),))


def _not_why(subject: Subject) -> str:
    study = subject.results.study
    words = CAUSAL.findall(f"{study.title} {study.question}")
    if subject.of_event:
        return (
            f"What the adoption did. The {subject.units} that adopted may differ from the others "
            "in ways that these data do not record, and the outcome may itself have led to it."
        )
    if subject.of_trend:
        return f"Why {subject.outcome_name} moved, or that it will go on so."
    text = (
        f"What would happen if {subject.treatment_clause} were changed. The {subject.units} "
        f"and {subject.variables.period}s with more of it may differ in ways that these data do "
        "not record, and the outcome may itself have drawn the money."
    )
    if words:
        text += " The question is worded as if the design could tell; it cannot."
    return text


def _level(subject: Subject) -> Iterable[str]:
    parent = index_word(subject.results.panel.parent or "country")
    level = subject.model.level.get(subject.term.term)
    if level == "national":
        yield (
            f"Differences between {subject.units} of one {parent}: {subject.treatment_clause} is "
            "the same for all of them."
        )
    if level == "modelled":
        yield (
            f"What {subject.units} truly received: {subject.treatment_clause} was spread over "
            "them by a model."
        )


def _reach(subject: Subject) -> Iterable[str]:
    first, last = subject.span
    when = f"{first} to {last} at most" if first < last else f"{first}"
    lag = subject.treatment.lag - subject.outcome.lag
    if lag > 0:
        later = spaced(lag, subject.variables.period, "after", "before")
        yield f"What follows sooner or later than {later}."
    yield (
        f"Anything outside the {subject.units} and {subject.variables.period}s compared "
        f"({when}), or about single {subject.units} or persons."
    )


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith(".") else f"{text}."
