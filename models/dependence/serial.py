"""Are a unit's errors correlated over time? Tests by regression on the calendar's lag.

Wooldridge (2010, section 10.5.4 and 10.6.3) with errors clustered by unit, as plm does; Baltagi and
Li (1991) for balanced panels. Durbin and Watson's statistic within units, as economists quote it.
"""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc, fdtrc

from data.errors import BadInput
from models.calendar_grid import shift
from models.design import Floats
from models.results import Test


def lag_regression(residuals: Floats, null: float, name: str, note: str) -> Test:
    """Whether residuals (N, S) regressed on their lag have the slope `null`, clustered by unit.

    Raises BadInput without two units that have consecutive residuals.
    """
    lagged = shift(residuals, 1)
    known = np.isfinite(residuals) & np.isfinite(lagged)
    if int(known.any(axis=1).sum()) < 2:
        what = "fewer than two units have residuals in consecutive periods"
        raise BadInput("diagnostics", what, "drop serial from them")
    y, x = np.where(known, residuals, 0.0), np.where(known, lagged, 0.0)
    n = int(known.sum())
    centred = np.where(known, x - x.sum() / n, 0.0)
    spread = float((centred**2).sum())
    slope = float((centred * y).sum()) / spread
    left = np.where(known, y - y.sum() / n, 0.0) - slope * centred
    scores = (centred * left).sum(axis=1)
    statistic = (slope - null) ** 2 * spread**2 / float(scores @ scores)
    p_value = float(fdtrc(1, n - 2, statistic))
    return Test(name, statistic, (1.0, float(n - 2)), p_value, f"{note}; slope {slope:.3f}")


def wooldridge_within(residuals: Floats) -> Test:
    """On residuals (N, S) net of unit effects, which alone make them correlated by -1/(T-1)."""
    periods = int(np.isfinite(residuals).any(axis=0).sum())
    note = "within residuals on their lag"
    return lag_regression(residuals, -1 / (periods - 1), "wooldridge_within", note)


def durbin_watson(residuals: Floats) -> tuple[Test, Test]:
    """Bhargava, Franzini and Narendranathan's (1982) d and Baltagi and Wu's (1999) LBI.

    On residuals (N, S) net of unit effects: near 2 without correlation, below with a positive one.
    Their distributions depend on the regressors, so they come without p-values.
    """
    total = float(np.nansum(residuals**2))
    changes = float(np.nansum((residuals - shift(residuals, 1)) ** 2))
    alone = [residuals[np.isnan(shift(residuals, step))] for step in (1, -1)]
    ends = sum(float(np.nansum(values**2)) for values in alone)
    note = "2 without serial correlation, below with a positive one"
    return (
        Test("bhargava_durbin_watson", changes / total, None, None, note),
        Test("baltagi_wu_lbi", (changes + ends) / total, None, None, note),
    )


def wooldridge_difference(residuals: Floats) -> tuple[Test, Test]:
    """On residuals (N, S) of a regression in differences.

    First: are the differences' errors uncorrelated? Second: are the levels' (then the differences'
    have a correlation of -1/2)? If the second is kept, unit effects serve better than differences.
    """
    note = "differenced residuals on their lag"
    return (
        lag_regression(residuals, 0.0, "wooldridge_differences_uncorrelated", note),
        lag_regression(residuals, -0.5, "wooldridge_levels_uncorrelated", note),
    )


def baltagi_li(residuals: Floats) -> Test:
    """Neither random unit effects nor first-order correlation: a joint test on pooled residuals.

    residuals (N, S) without a gap; the correlation is over the periods that have a predecessor.
    Raises BadInput for an unbalanced panel, or one of two periods.
    """
    if not np.isfinite(residuals).all() or residuals.shape[1] < 3:
        what = "the joint test takes a balanced panel of three periods or more"
        raise BadInput("diagnostics", what, 'use "serial"')
    n_units, T = residuals.shape
    total = float((residuals**2).sum())
    A = float((residuals.sum(axis=1) ** 2).sum()) / total - 1
    B = float((residuals[:, 1:] * residuals[:, :-1]).sum() / (residuals[:, 1:] ** 2).sum())
    factor = n_units * T**2 / (2 * (T - 1) * (T - 2))
    statistic = factor * (A**2 - 4 * A * B + 2 * T * B**2)
    return Test("baltagi_li_joint", statistic, 2, float(chdtrc(2, statistic)))
