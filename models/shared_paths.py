"""A panel without parent: whether units share a treatment's paths, as regions share a country's.

The level rule asks for the level above the unit. Where a study declares none, money recorded for
countries looks like any other column, but for this: several units move alike to the last digit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.absorb import is_nested
from models.calendar_grid import calendar_grid
from models.design import Design, Floats
from models.study import ModelSpec

WINDOW = 3  # periods: rounded figures agree in one period by chance, hardly ever in three
MANY = 0.5  # share of windows from which a treatment is taken to be that of groups of units
FEW_VALUES = 10  # a dummy or a score is alike in many units whatever its level


def shared_paths(design: Design, spec: ModelSpec) -> tuple[str, ...]:
    """A warning for each treatment that most units share with others, if nothing allows for it."""
    if design.parent is not None or _coarser(design, spec):
        return ()
    shares = {
        name: _share(design, design.X[:, j])
        for j, name in enumerate(design.terms[: design.n_treatments])
    }
    return tuple(
        f"{name} moves alike in several units ({share:.0%} of its changes are another's too): "
        "if they are regions of one country it is national, which was not checked as no level "
        "above the unit is declared, and its error is too small; add parent = ... to [panel]"
        for name, share in shares.items()
        if share > MANY
    )


def _share(design: Design, x: Floats) -> float:
    """The share of windows of x (n,) with a change that another unit has in the same periods.

    Zero for a series that all units share, of which another warning speaks, and for few values.
    """
    if len(np.unique(x[np.isfinite(x)])) < FEW_VALUES or len(design.times) < WINDOW:
        return 0.0
    grid = calendar_grid(design).spread(x)
    alike, changes = 0, 0
    for start in range(grid.shape[1] - WINDOW + 1):
        window = grid[:, start : start + WINDOW]
        moves = np.isfinite(window).all(axis=1) & (np.ptp(window, axis=1) > 0)
        _, group, sizes = np.unique(
            window[moves], axis=0, return_inverse=True, return_counts=True
        )
        own: NDArray[np.int64] = sizes[group.ravel()]
        alike += int(np.sum((own > 1) & (own < len(own))))
        changes += len(own)
    return alike / changes if changes else 0.0


def _coarser(design: Design, spec: ModelSpec) -> bool:
    """Whether errors are clustered by something that holds several units."""
    for name in spec.inference.by:
        labels = np.asarray(design.columns.get(name, design.unit)).astype(str)
        codes = np.unique(labels, return_inverse=True)[1].astype(np.int64)
        if is_nested(design.unit, codes) and codes.max() < len(np.unique(design.unit)) - 1:
            return True
    return False
