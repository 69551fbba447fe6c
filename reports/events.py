"""The coefficients of an event study in words, and what its table need not say twice."""

from __future__ import annotations

import re
from collections.abc import Iterable

EVENT = re.compile(r"event (-?\d+)")  # time since adoption, as event studies name it
CELL = re.compile(r"cohort (-?\d+), (event )?(-?\d+)")  # one cohort's, by time or since adoption
AVERAGES = {"event average": "Average after adoption", "overall": "Average over adopters"}

AGAINST_ALL = frozenset({"did2s"})  # estimators that set what follows against all periods before


def is_event(name: str) -> bool:
    """Whether a coefficient is an event study's."""
    return name in AVERAGES or bool(EVENT.fullmatch(name) or CELL.fullmatch(name))


def event_label(name: str, period: str) -> str | None:
    """Such a coefficient in words; None for any other."""
    if name in AVERAGES:
        return AVERAGES[name]
    if event := EVENT.fullmatch(name):
        return _since(int(event[1]), period)
    if cell := CELL.fullmatch(name):
        when = _since(int(cell[3]), period) if cell[2] else f"in {cell[3]}"
        return f"Adopted in {cell[1]}: {when[:1].lower()}{when[1:]}"
    return None


def _since(steps: int, period: str) -> str:
    if not steps:
        return f"{period.capitalize()} of adoption"
    word = period if abs(steps) == 1 else f"{period}s"
    return f"{abs(steps)} {word} {'after' if steps > 0 else 'before'} adoption"


def without_repeats(names: Iterable[str]) -> list[str]:
    """The names without a cohort's own where all adopt at once: they repeat the event times'."""
    kept = list(names)
    cohorts = {cell[1] for name in kept if (cell := CELL.fullmatch(name))}
    events = any(EVENT.fullmatch(name) for name in kept)
    if len(cohorts) != 1 or not events:
        return kept
    return [name for name in kept if not CELL.fullmatch(name)]
