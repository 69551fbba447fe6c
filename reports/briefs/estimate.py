"""A coefficient in units a reader knows: what goes with ten per cent more, or a euro more."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from models.results import Term
from reports.briefs.text import Span, Text, say
from reports.numbers import decimals_for, fixed
from reports.variables import Measure

TEN_PER_CENT = math.log(1.1)
OF_MONEY = re.compile(r"\bof [\w ]*(GDP|gross domestic product|expenditure|spending|income)\b")
SMALLEST_SHOWN = 0.1  # a step is enlarged, up to 1,000 units, until the change is at least this


@dataclass(frozen=True)
class PlainEstimate:
    """The change of the outcome, in `unit`, that goes with a `step` of the treatment.

    `decimals` show the interval with two significant digits, and no end of it as zero that is not.
    """

    step: str
    unit: str
    middle: float
    low: float
    high: float
    decimals: int
    result: str

    @property
    def settled(self) -> bool:
        """True where the 95 % interval excludes zero."""
        return self.low > 0 or self.high < 0

    def size(self, value: float) -> Span:
        """A change without its sign, as published under the result's id."""
        return Span(fixed(abs(value), self.decimals), self.result)

    def direction(self, value: float) -> str:
        """The sign in a word."""
        return "higher" if value > 0 else "lower"


def plain_estimate(term: Term, treatment: Measure, outcome: Measure, result: str) -> PlainEstimate:
    """`term`, the coefficient of `treatment` on `outcome`, restated."""
    size, step = _step(term, treatment, outcome)
    middle, low, high = (
        _change(bound * size, outcome) for bound in (term.estimate, term.conf_low, term.conf_high)
    )
    if low > high:  # a treatment or outcome that enters with a negative factor
        low, high = high, low
    unit = outcome_unit(outcome, plural=True)
    return PlainEstimate(step, unit, middle, low, high, _decimals(middle, low, high), result)


def _step(term: Term, treatment: Measure, outcome: Measure) -> tuple[float, str]:
    """The size of the step in the regressor's own units, and the step in words."""
    if treatment.change in {"log", "log1p"}:
        return TEN_PER_CENT, "10 % higher"
    if treatment.change == "zscore":
        return 1.0, "one standard deviation higher"
    if treatment.change == "opaque":
        return 1.0, "one unit higher"
    if treatment.is_percentage:
        return treatment.factor, f"1 percentage point{_of_money(treatment)} higher"
    if treatment.is_share:
        return 0.01 * treatment.factor, "1 percentage point higher"
    units, one = 1, term.estimate * treatment.factor
    while units < 1000 and abs(_change(one * units, outcome)) < SMALLEST_SHOWN:
        units *= 10
    counted = treatment.unit.split(",")[0] or ("unit" if units == 1 else "units")
    return units * treatment.factor, f"{units:,} {counted} higher"


def _change(change: float, outcome: Measure) -> float:
    if outcome.change in {"log", "log1p"}:
        return 100 * math.expm1(change)
    if outcome.change in {"level", "diff"}:
        return change / outcome.factor * (100 if outcome.is_share else 1)
    return change


def outcome_unit(outcome: Measure, plural: bool) -> str:
    """What a change of the outcome is counted in."""
    if outcome.change in {"log", "log1p"}:
        return "per cent"
    if outcome.change == "zscore":
        return "standard deviations" if plural else "standard deviation"
    if outcome.is_percentage or outcome.is_share:
        return f"percentage point{'s' if plural else ''}{_of_money(outcome)}"
    return outcome.unit.split(",")[0] or ("units" if plural else "unit")


def _of_money(measure: Measure) -> str:
    """' of GDP', since of money a percentage point could be of any sum; a rate's is its own."""
    found = OF_MONEY.search(measure.unit) if measure.is_percentage else None
    return f" {found[0]}" if found else ""


def _decimals(middle: float, low: float, high: float) -> int:
    base = decimals_for([(high - low) / 4], 2)
    shown = base
    while shown < base + 2 and any(v and not float(f"{v:.{shown}f}") for v in (middle, low, high)):
        shown += 1
    return min(shown, 6)


def interval_words(estimate: PlainEstimate) -> Text:
    """The interval with its directions: '0.02 to 0.14 lower', '0.03 lower to 0.10 higher'."""
    low, high = estimate.low, estimate.high
    if estimate.settled:
        near, far = sorted((low, high), key=abs)
        return say(estimate.size(near), " to ", estimate.size(far), f" {estimate.direction(far)}")
    return say(estimate.size(low), " lower to ", estimate.size(high), " higher")
