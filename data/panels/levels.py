"""Where a figure varies: what is the same for all units of a parent is a figure of the parent."""

from __future__ import annotations

from data.panel import Panel


def is_constant_within_parent(panel: Panel, column: str) -> bool:
    """Whether `column` has one value per parent and period, whatever its declared level.

    Missing values are passed over; a column that is known for one unit of every parent and period
    only, or a panel without a parent, gives no evidence: False.
    """
    if panel.parent is None:
        return False
    groups = panel.frame.groupby([panel.parent, panel.time], sort=False)[column]
    known = groups.count() > 1
    return bool(known.any() and (groups.max() == groups.min())[known].all())


def constant_columns(panel: Panel) -> tuple[str, ...]:
    """All measured columns that are constant within parent and period, in the panel's order."""
    return tuple(name for name in panel.columns if is_constant_within_parent(panel, name))
