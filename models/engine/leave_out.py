"""The main model without each group in turn, effects and all estimated anew on what remains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.absorb import dense_codes
from models.design import Codes
from models.engine.curve import critical_value, two_sided_p
from models.engine.estimation import estimate_group
from models.engine.samples import SampleGroup

COLUMNS = (
    "left_out",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "p_value",
    "n_obs",
    "change",
    "reason",
)


def leave_each_out(
    main: SampleGroup, groups: Codes, labels: NDArray[np.object_]
) -> pd.DataFrame:
    """One row per group: the single cell of `main` without it; groups (n,) are codes into labels.

    `change` is the estimate less that of all rows (the group's influence); `reason` says why there
    is no estimate, and is empty otherwise.
    """
    full = estimate_group(main).estimate[0]
    rows = []
    for group in np.unique(groups):
        found = estimate_group(without(main, groups != group))
        estimate, error = found.estimate[0], found.std_error[0]
        half = critical_value(found.df) * error if not found.reason[0] else np.nan
        rows.append(
            {
                "left_out": labels[group],
                "estimate": estimate,
                "std_error": error,
                "conf_low": estimate - half,
                "conf_high": estimate + half,
                "p_value": float(two_sided_p(estimate / error, found.df)),
                "n_obs": found.n_obs,
                "change": estimate - full,
                "reason": found.reason[0],
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def without(group: SampleGroup, kept: NDArray[np.bool_]) -> SampleGroup:
    """The same cells on the rows that `kept` (n,) flags."""
    return replace(
        group,
        rows=group.rows[kept],
        Z=group.Z[kept],
        weights=None if group.weights is None else group.weights[kept],
        effects=tuple(dense_codes(codes[kept]) for codes in group.effects),
        clusters=tuple(codes[kept] for codes in group.clusters),
    )
