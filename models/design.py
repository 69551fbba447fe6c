"""The design: one model's sample as arrays, ready for any estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Design:
    """n complete rows, sorted by unit and time; k regressors, the treatments first.

    y (n,), X (n, k) without constant, weights (n,) or None; unit and time (n,) codes 0..N-1 and
    0..T-1 in calendar order, with `units` (N,) labels and `times` (T,) calendar values; effects
    is one (n,) code array per fixed effect, in the order the study names them; columns holds
    further (n,) arrays by name (instruments, cohorts, cluster keys, coordinates).
    `parent` is (n,) codes of the level above the unit, if there is one.
    """

    y: Floats
    X: Floats
    terms: tuple[str, ...]
    n_treatments: int
    weights: Floats | None
    unit: Codes
    time: Codes
    units: NDArray[np.object_]
    times: NDArray[np.int64]
    parent: Codes | None
    effects: tuple[Codes, ...]
    effect_names: tuple[str, ...]
    columns: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def n_obs(self) -> int:
        """Rows in the sample."""
        return len(self.y)
