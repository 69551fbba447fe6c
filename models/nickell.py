"""The bias of within estimates with a lagged outcome (Nickell 1981), to print beside them."""

from __future__ import annotations

import numpy as np

from models.calendar_grid import calendar_grid, shift
from models.design import Design, Floats
from models.results import Test

NEAR_UNIT_ROOT = 1 - 1e-6


def nickell_bias(rho: float, periods: float) -> float:
    """plim(estimate) - rho of a within AR(1) for many units and `periods` estimated periods each.

    Exact for a stationary autoregression without other regressors; exogenous regressors make it
    smaller, so it bounds them. -1 < rho < 1, periods >= 2 (Nickell 1981, equation 18).
    """
    share = 1 - (1 - rho**periods) / (periods * (1 - rho))
    spread = 1 - 2 * rho / ((1 - rho) * (periods - 1)) * share
    return -(1 + rho) / (periods - 1) * share / spread


def implied_root(estimate: float, periods: float) -> float | None:
    """The rho whose biased within estimate would be `estimate`; None if no stationary one is."""

    def gap(rho: float) -> float:
        return rho + nickell_bias(rho, periods) - estimate

    if gap(NEAR_UNIT_ROOT) < 0 or gap(-NEAR_UNIT_ROOT) > 0:
        return None
    from scipy.optimize import brentq  # only dynamic models need it, and it loads slowly

    return float(brentq(gap, -NEAR_UNIT_ROOT, NEAR_UNIT_ROOT, xtol=1e-12))


def lagged_outcome(design: Design) -> int | None:
    """Which regressor is the outcome one calendar period earlier, if one is."""
    grid = calendar_grid(design)
    before = grid.gather(shift(grid.spread(design.y), 1))
    known = np.isfinite(before)
    if not known.any():
        return None
    scale = np.abs(before[known]).max()
    for column in range(design.X.shape[1]):
        if np.allclose(design.X[known, column], before[known], rtol=1e-12, atol=1e-12 * scale):
            return column
    return None


def nickell_bound(design: Design, beta: Floats) -> Test | None:
    """The bias to expect of the lagged outcome's coefficient in a within fit beta (k,), if any.

    `periods` is the mean number of rows of a unit, as a whole number: a negative root has no
    power in between. The statistic is the bias at the rho that the
    estimate implies, or at a unit root where no stationary one does.
    """
    column = lagged_outcome(design)
    if column is None:
        return None
    counts = np.bincount(design.unit)
    periods = float(round(counts[counts > 0].mean()))
    if periods < 2:
        return None
    estimate = float(beta[column])
    rho = implied_root(estimate, periods)
    bias = nickell_bias(NEAR_UNIT_ROOT if rho is None else rho, periods)
    fits = "no stationary root fits it" if rho is None else f"a root of {rho:.3f} would give it"
    note = (
        f"the estimate {estimate:.3f} of {design.terms[column]} is biased by about {bias:.2f}"
        f" with {periods:.0f} periods a unit ({fits}); use difference-gmm, system-gmm or lsdvc"
    )
    return Test("nickell_bias", bias, None, None, note)
