"""Which groups' own levels and slopes are shown, and what their intervals say."""

from __future__ import annotations

from dataclasses import dataclass

from models.results import GroupEffect, ModelResult
from models.study.results import StudyResults

MOST = 60  # groups a picture can name
PANELS = 2
COVER = (
    "Each estimate is drawn towards the common value as far as its own data are few or noisy. Of "
    "all the intervals together, 95 in 100 hold the group's true value if groups differ as a "
    "normal distribution has it; a single group far from the others may be covered less often."
)


@dataclass(frozen=True)
class GroupPanel:
    """One effect over the groups of one kind in one model."""

    model: ModelResult
    kind: str
    effect: str
    effects: tuple[GroupEffect, ...]


def group_panels(results: StudyResults) -> tuple[GroupPanel, ...]:
    """Of each model the coarsest groups that can be named: slopes if they have any, else levels
    (beside a slope, a level is that at a regressor of zero).
    """
    panels = []
    for model in results.models:
        kind = next((k for k in ("parent", "unit") if 0 < _count(model, k) <= MOST), None)
        names = dict.fromkeys(e.effect for e in model.groups if e.kind == kind)
        shown = [name for name in names if name != "level"] or list(names)
        panels += [
            GroupPanel(
                model, str(kind), name,
                tuple(e for e in model.groups if (e.kind, e.effect) == (kind, name)),
            )
            for name in shown
        ]  # fmt: skip
    return tuple(panels[:PANELS])


def _count(model: ModelResult, kind: str) -> int:
    return len({effect.group for effect in model.groups if effect.kind == kind})
