"""The bias of within estimates with a lagged outcome (Nickell 1981), to print beside them."""

from __future__ import annotations

import numpy as np

from models.calendar_grid import calendar_grid, shift
from models.design import Design, Floats
from models.results import Test

NEAR_UNIT_ROOT = 1 - 1e-6
WAY_OUT = "use difference-gmm, system-gmm or lsdvc"


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


def own_level(design: Design) -> int | None:
    """Which regressor is the level, a period earlier, whose change the outcome is, if one is.

    An outcome in differences on its own lagged level is an autoregression whose root is one more
    than the level's coefficient, with the same bias: regressions of convergence are such.
    """
    grid = calendar_grid(design)
    before = shift(grid.spread(design.y), 1)
    for column in range(design.X.shape[1]):
        level = grid.spread(design.X[:, column])
        change, size = level - shift(level, 1), np.nanmax(np.abs(level), initial=0.0)
        known = np.isfinite(change) & np.isfinite(before)
        moves = known.any() and np.ptp(before[known]) > 0
        if moves and np.allclose(change[known], before[known], rtol=0, atol=1e-10 * size):
            return column
    return None


def own_past(design: Design, beta: Floats) -> tuple[str, float] | None:
    """The autoregressive coefficient in beta (k,), and what to call it; None if there is none."""
    column = lagged_outcome(design)
    if column is not None:
        return design.terms[column], float(beta[column])
    column = own_level(design)
    return None if column is None else (f"1 + {design.terms[column]}", 1.0 + float(beta[column]))


def nickell_bound(design: Design, beta: Floats) -> Test | None:
    """The bias to expect of the outcome's own past in a within fit beta (k,), if it is there."""
    past = own_past(design, beta)
    return None if past is None else of_estimate(design, *past)


def of_estimate(design: Design, term: str, estimate: float) -> Test | None:
    """The bias to expect of a within estimate of the lagged outcome; None below two periods a unit.

    The statistic is the bias at the rho that the estimate implies, or at a unit root where no
    stationary one does.
    """
    periods = mean_periods(design)
    if periods < 2:
        return None
    rho = implied_root(estimate, periods)
    bias = nickell_bias(NEAR_UNIT_ROOT if rho is None else rho, periods)
    fits = "no stationary root fits it" if rho is None else f"a root of {rho:.3f} would give it"
    note = (
        f"the estimate {estimate:.3f} of {term} is biased by about {bias:.2f}"
        f" with {periods:.0f} periods a unit ({fits}); {WAY_OUT}"
    )
    return Test("nickell_bias", bias, None, None, note)


def mean_periods(design: Design) -> float:
    """The mean number of rows of a unit, whole: a negative root has no power in between."""
    counts = np.bincount(design.unit)
    return float(round(counts[counts > 0].mean()))
