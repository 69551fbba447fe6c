"""The [multiverse] of a study file: the axes of choice around one of its models."""

from __future__ import annotations

from collections.abc import Mapping

from data.expressions import parse
from data.suggestions import near
from models.study import ModelSpec, Multiverse
from models.study.tables import Table

KEYS = (
    "model", "outcomes", "treatments", "controls", "effects", "samples", "weights", "joint",
    "leave_out", "exclude",
)  # fmt: skip
AXES = ("outcome", "treatment", "control", "effects", "sample", "weights")
DRAWS, SEED = 999, 20260101
LEAST, MOST = 99, 99_999  # draws


def read_multiverse(table: Table, models: tuple[ModelSpec, ...]) -> Multiverse:
    """The multiverse, each axis by default what its model has. Raises BadInput."""
    table.allow(KEYS)
    named = {model.id: model for model in models}
    identifier = table.text("model", models[0].id) or models[0].id
    if identifier not in named:
        raise table.error("model", f"no model {identifier!r}", near(identifier, named))
    base = named[identifier]
    controls, joint = table.inner("controls"), table.inner("joint")
    controls.allow(("always", "any_of"))
    joint.allow(("draws", "seed"))
    return Multiverse(
        model=identifier,
        outcomes=table.texts("outcomes", (base.outcome,)),
        treatments=table.texts("treatments", base.treatment),
        controls_always=controls.texts("always", () if controls.values else base.controls),
        controls_any_of=controls.texts("any_of"),
        effects=_effects(table, base),
        samples=_samples(table),
        weights=_weights(table, base),
        draws=_draws(joint),
        seed=joint.whole("seed", default=SEED) or 0,
        leave_out=table.text("leave_out"),
        exclude=_exclude(table),
    )


def _draws(joint: Table) -> int:
    """Resampled curves: with fewer than the least no p-value reaches 5 %."""
    return joint.whole("draws", least=LEAST, default=DRAWS, most=MOST) or DRAWS


def _effects(table: Table, base: ModelSpec) -> tuple[tuple[str, ...], ...]:
    value = table.values.get("effects")
    if value is None:
        return (base.effects,)
    lists = isinstance(value, list) and all(
        isinstance(one, list) and all(isinstance(name, str) for name in one) for one in value
    )
    if not lists or not value:
        todo = 'write a list of lists such as [["unit", "time"]]'
        raise table.error("effects", f"effects is {value!r}", todo)
    return tuple(tuple(one) for one in value)


def _samples(table: Table) -> Mapping[str, str]:
    samples = table.inner("samples")
    for name in samples.values:
        place = table.source.place(samples.name, name)
        parse(samples.required(name), f"{place} {name}")
    return dict(samples.values) or {"all": "true"}


def _weights(table: Table, base: ModelSpec) -> tuple[str | None, ...]:
    names = table.texts("weights")
    return tuple(None if name == "none" else name for name in names) or (base.weights,)


def _exclude(table: Table) -> tuple[Mapping[str, str], ...]:
    rules = table.values.get("exclude", [])
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        todo = "write a list of tables, each naming the choices of unreasonable cells"
        raise table.error("exclude", f"exclude is {rules!r}", todo)
    for rule in rules:
        for axis, choice in rule.items():
            if axis not in AXES:
                raise table.error("exclude", f"unknown axis {axis!r}", near(axis, AXES))
            if not isinstance(choice, str):
                raise table.error("exclude", f"{axis} is {choice!r}", "name one choice as text")
    return tuple(rules)
