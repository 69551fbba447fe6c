"""What a study expected nothing in, and whether it found something there."""

from __future__ import annotations

from collections.abc import Iterable

from models.verdicts import Placebo, failed_placebos, p_words, placebos
from reports.briefs.subject import Subject
from reports.briefs.text import Span, Text, say
from reports.numbers import result_id
from reports.variables import in_sentence, spelled, with_article


def placebo_words(subject: Subject) -> Iterable[Text]:
    """All of them with their p-values: how many show an association that should not be there."""
    found, failed = placebos(subject.results), failed_placebos(subject.results)
    if not found:
        return
    number = f"{spelled(len(found))} {'placebo' if len(found) == 1 else 'placebos'}"
    shown = f"none shows ({number})"
    if failed:
        verb = "shows" if len(failed) == 1 else "show"
        shown = f"{spelled(len(failed))} of {number} {verb} one"
    listed = [part for placebo in found for part in (say("; "), _one(subject, placebo))][1:]
    yield say(f"Where no association is expected, {shown}: ", *listed, ".")


def warning(subject: Subject) -> Text:
    """For the line under the answer: that a placebo failed; empty where none did."""
    failed = failed_placebos(subject.results)
    if not failed:
        return ()
    measure = subject.variables.measure
    named = [
        placebo.note
        or f"{with_article(measure(placebo.outcome).label)} goes with "
        f"{in_sentence(measure(placebo.treatment).label)} as well"
        for placebo in failed
    ]
    return say(f"The placebo that fails: {', and '.join(dict.fromkeys(named))}. ")


def _one(subject: Subject, placebo: Placebo) -> Text:
    columns = filter(None, (placebo.treatment, placebo.outcome))
    named = [in_sentence(subject.variables.label(name)) for name in columns]
    words = placebo.note or ", and ".join(named)
    result = result_id(subject.results.study.id, *placebo.figure)
    return say(f"{words} (p ", Span(p_words(placebo.p_value), result), ")")
