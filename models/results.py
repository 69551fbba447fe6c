"""What a fit returns: small frozen records that tables, plots, briefs and JSON all read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Term:
    """One coefficient with its uncertainty. `df` is None for a normal reference distribution."""

    term: str
    estimate: float
    std_error: float
    statistic: float
    df: float | None
    p_value: float
    conf_low: float
    conf_high: float


@dataclass(frozen=True)
class Test:
    """A test beside the coefficients. `df` holds one number, a pair (F), or None."""

    __test__ = False  # not a pytest class

    test: str
    statistic: float
    df: float | tuple[float, float] | None
    p_value: float | None
    note: str = ""


@dataclass(frozen=True)
class InferenceUsed:
    """How the standard errors were made. `convention` is the sentence printed with the table."""

    kind: str
    by: tuple[str, ...] = ()
    correction: str | None = None
    override: str | None = None
    convention: str = ""


@dataclass(frozen=True)
class GroupEffect:
    """One group's own level or slope, as its deviation from what is common to all, shrunken.

    `kind` is parent, unit or time, or "level" for a unit's effect with its parent's in it; `effect`
    is "level" or a regressor. 95 % of all groups' intervals hold the group's true effect.
    """

    kind: str
    group: str
    effect: str
    estimate: float
    std_error: float
    conf_low: float
    conf_high: float


@dataclass(frozen=True)
class ModelResult:
    """One fitted model, complete: nothing has to be asked of the fit again."""

    id: str
    estimator: str
    outcome: str
    treatment: tuple[str, ...]
    n_obs: int
    n_units: int
    n_periods: int
    n_clusters: Mapping[str, int]
    n_instruments: int | None
    inference: InferenceUsed
    terms: tuple[Term, ...]
    fit: Mapping[str, float | None]
    tests: tuple[Test, ...] = ()
    warnings: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    weights: str | None = None
    level: Mapping[str, str] = field(default_factory=dict)  # of each treatment, as in data.panel
    groups: tuple[GroupEffect, ...] = ()  # of models in which groups differ at random

    def term(self, name: str) -> Term:
        """The coefficient called `name`. Raises KeyError if the model has none."""
        for term in self.terms:
            if term.term == name:
                return term
        raise KeyError(name)

    def headlines(self) -> tuple[Term, ...]:
        """The treatments' coefficients; of a path of effects all its steps, such as "x h=1"."""
        own = tuple(t for t in self.terms if t.term.split(" h=")[0] in self.treatment)
        return own or self.terms


PLACEBO_TESTS = ("placebo_lead", "placebo_outcome")


def failing(p_values: Sequence[float], level: float = 0.05) -> tuple[bool, ...]:
    """Which of several placebos show something, the level divided by their number (Bonferroni)."""
    return tuple(p * len(p_values) < level for p in p_values)


def as_json(record: Any) -> Any:
    """A record as plain JSON values: full precision, and null where a figure does not exist."""
    if hasattr(record, "__dataclass_fields__"):
        return {name: as_json(getattr(record, name)) for name in record.__dataclass_fields__}
    if isinstance(record, Mapping):
        return {str(key): as_json(value) for key, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [as_json(value) for value in record]
    if hasattr(record, "item"):  # a NumPy scalar
        record = record.item()
    if isinstance(record, float) and not math.isfinite(record):
        return None
    return record
