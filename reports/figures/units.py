"""What a coefficient is counted in: so much of the outcome for so much of the treatment."""

from __future__ import annotations

import re

from reports.briefs.estimate import outcome_unit
from reports.events import is_event
from reports.variables import Measure, Variables

LOGS = frozenset({"log", "log1p"})
OF_LOGS = "Coefficients are per unit of the log: times 0.095, what goes with 10 % more."


def coefficient_unit(variables: Variables, treatment: str, outcome: str) -> str:
    """The unit in words, for an axis; empty where nobody says what is counted."""
    given, found = variables.measure(treatment), variables.measure(outcome)
    if given.change in LOGS and found.change in LOGS:
        return "per cent for one per cent more"
    size = outcome_size(found)
    if not size or is_event(treatment):
        return size
    step = _step(variables, given)
    return f"{size} per {step}" if step else size


def of_logs(variables: Variables, treatment: str, outcome: str) -> bool:
    """Whether a coefficient has to be multiplied before it reads as what goes with 10 % more."""
    logs = variables.measure(treatment).change in LOGS
    return logs and variables.measure(outcome).change not in LOGS


def outcome_size(outcome: Measure) -> str:
    """What a figure of the outcome as it is drawn counts: shares as shares, logs as logs."""
    if outcome.change in LOGS:
        return "log points"
    if outcome.change == "opaque" or (outcome.factor != 1.0 and outcome.change != "zscore"):
        return ""
    return outcome.unit if outcome.is_share and outcome.change != "zscore" else _named(outcome)


def _named(outcome: Measure) -> str:
    unit = outcome_unit(outcome, plural=True)
    return "" if unit == "units" else unit


def _step(variables: Variables, treatment: Measure) -> str:
    if re.fullmatch(rf"{re.escape(variables.time)}( - \d+)?", treatment.expression):
        return variables.period
    if treatment.factor != 1.0 or treatment.change == "opaque":
        return ""
    if treatment.change in LOGS:
        return "log unit"
    if treatment.change == "zscore":
        return "standard deviation"
    if treatment.is_share:  # its unit is the whole
        return "100 percentage points"
    return outcome_unit(treatment, plural=False) if treatment.unit else ""
