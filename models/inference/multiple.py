"""Several hypotheses at once: adjusted p-values for a family of tests."""

from __future__ import annotations

import numpy as np

from data.errors import BadInput
from models.design import Floats


def benjamini_hochberg(p_values: Floats) -> Floats:
    """p-values (m,) adjusted for the false discovery rate, Benjamini and Hochberg (1995).

    Missing p-values stay missing and do not count in the family.
    """
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(-p_values[known], kind="stable")]
    ranks = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum.accumulate(np.minimum(p_values[order] * len(order) / ranks, 1.0))
    return adjusted


def romano_wolf(statistics: Floats, draws: Floats) -> Floats:
    """p-values (m,) adjusted for the chance of any false rejection, Romano and Wolf (2005, 2016).

    statistics (m,) are absolute t-values; draws (B, m) the absolute t-values of B resamples under
    the null, resampled together, so that their dependence is kept. Stepdown: each hypothesis
    faces the largest statistic among those not more significant than itself; the sample counts
    as one draw. Raises BadInput where the shapes do not agree or a value is missing.
    """
    if draws.ndim != 2 or draws.shape[1] != len(statistics) or len(draws) == 0:
        what = f"{draws.shape} resampled statistics for {len(statistics)} hypotheses"
        raise BadInput("romano_wolf", what, "give one column of draws for each hypothesis")
    if not (np.all(np.isfinite(statistics)) and np.all(np.isfinite(draws))):
        raise BadInput("romano_wolf", "a statistic is missing", "leave that hypothesis out")
    order = np.argsort(-statistics, kind="stable")
    ascending = draws[:, order[::-1]]
    largest = np.maximum.accumulate(ascending, axis=1)[:, ::-1]
    reached = np.count_nonzero(largest >= statistics[order], axis=0)
    adjusted = np.empty(len(statistics))
    adjusted[order] = np.maximum.accumulate((1.0 + reached) / (1.0 + len(draws)))
    return adjusted
