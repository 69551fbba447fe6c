"""What a study asks of the sensitivity analysis: `sensitivity = { ... }` in a [[model]]."""

from __future__ import annotations

from typing import Any

from models.study.tables import Table

KEYS = (
    "benchmark", "times", "r2_max", "margin", "power", "lead", "placebo_outcome", "leave_out",
)  # fmt: skip
FURTHEST = 999  # periods that a placebo may lead by
# linear estimators, whose coefficients these analyses understand
FOR = ("pooled", "within", "first-difference", "iv-within")


def read_sensitivity(table: Table) -> dict[str, Any]:
    """The table's keys, checked: all are optional. Raises BadInput."""
    table.allow(KEYS)
    read = {
        "benchmark": table.texts("benchmark"),
        "times": table.positive("times"),
        "r2_max": table.positive("r2_max"),
        "margin": table.positive("margin"),
        "power": table.positive("power"),
        "lead": _lead(table),
        "placebo_outcome": table.text("placebo_outcome"),
        "leave_out": _flag(table, "leave_out"),
    }
    for key, most in (("r2_max", 1.0), ("power", 0.999)):
        value = table.positive(key)
        if value is not None and value > most:
            raise table.error(key, f"{key} is {value:g}", f"write a number above 0, at most {most}")
    return {key: value for key, value in read.items() if value not in (None, ())}


def _lead(table: Table) -> int | None:
    value = table.values.get("lead")
    if isinstance(value, bool):
        return 1 if value else None
    return table.whole("lead", least=1, most=FURTHEST)


def _flag(table: Table, key: str) -> bool | None:
    value = table.values.get(key)
    if value is not None and not isinstance(value, bool):
        raise table.error(key, f"{key} is {value!r}", "write true or false")
    return value
