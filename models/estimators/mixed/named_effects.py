"""Shrunken effects under their groups' names, as records that tables and JSON read."""

from __future__ import annotations

import numpy as np

from models.design import Design
from models.estimators.linear import CONSTANT
from models.estimators.mixed.fit import MixedFit
from models.estimators.mixed.likelihood import Grouping
from models.estimators.mixed.shrunken_effects import (
    ShrunkenEffects,
    regional_levels,
    shrunken_effects,
)
from models.results import GroupEffect
from models.sensitivity.refits import group_labels

LEVEL = "level"  # of a unit: its own and its parent's effects together


def named_effects(mixed: MixedFit, design: Design) -> tuple[GroupEffect, ...]:
    """The effects of every group, then, without random slopes, each unit's level with its
    parent's in it (beside slopes a level is that at a regressor of zero).

    Deviations from what is common to all, on the scale of the outcome (a level) or of the
    coefficient (a slope).
    """
    groupings = {group.name: group for group in mixed.data.groupings}
    found = [
        effect
        for one in shrunken_effects(mixed)
        for effect in _records(one, one.group, groupings[one.group], design)
    ]
    sloping = any(group.width > 1 for group in mixed.data.groupings)
    if {"parent", "unit"} <= set(groupings) and not sloping:
        found += _records(regional_levels(mixed), LEVEL, groupings["unit"], design)
    return tuple(found)


def _records(
    effects: ShrunkenEffects, kind: str, group: Grouping, design: Design
) -> list[GroupEffect]:
    labels = _labels(group, design)
    columns = ["level" if column == CONSTANT else column for column in effects.columns]
    return [
        GroupEffect(
            kind, labels[row], column, float(effects.estimate[row, j]),
            float(effects.std_error[row, j]), float(effects.conf_low[row, j]),
            float(effects.conf_high[row, j]),
        )
        for j, column in enumerate(columns)
        for row in range(len(labels))
    ]  # fmt: skip


def _labels(group: Grouping, design: Design) -> list[str]:
    """The groups' names, in the order of their codes."""
    first = np.unique(group.codes, return_index=True)[1]
    if group.name == "unit":
        return [str(design.units[code]) for code in design.unit[first]]
    if group.name == "time":
        return [str(design.times[code]) for code in design.time[first]]
    return list(group_labels(design, group.codes).values())
