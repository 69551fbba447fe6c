"""Do units' errors move together? Pesaran's CD and its relatives, on any panel of residuals.

Correlations are over the periods that two units share, residuals re-centred over these. Pesaran
(2004, 2015); Breusch and Pagan (1980); Baltagi, Feng and Kao (2012); Juodis and Reese (2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from data.errors import BadInput
from models.design import Floats
from models.heterogeneity import two_sided
from models.results import Test

LEAST = 2  # periods that a pair of units must share
SEED = 20220101  # of the signs in the weighted test


@dataclass(frozen=True)
class Pairs:
    """Correlations (P,) of P pairs of units, the periods (P,) each shares, and who they are (P,).

    n_units and n_periods are those of the panel.
    """

    rho: Floats
    shared: Floats
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    n_units: int
    n_periods: int


def pairs_of(residuals: Floats) -> Pairs:
    """All pairs of units in residuals (N, S), NaN where missing. Raises BadInput if none."""
    known = np.isfinite(residuals)
    values = np.where(known, residuals, 0.0)
    mask = known.astype(np.float64)
    shared = mask @ mask.T
    sums, squares = values @ mask.T, values**2 @ mask.T
    usable = np.triu(shared >= LEAST, 1)
    count = np.where(shared > 0, shared, 1.0)
    covariance = values @ values.T - sums * sums.T / count
    variance = squares - sums**2 / count
    moving = variance > 1e-12 * squares
    usable &= moving & moving.T
    first, second = np.nonzero(usable)
    if len(first) == 0:
        raise BadInput("diagnostics", "no two units share two periods", "drop cd from them")
    rho = covariance[usable] / np.sqrt(variance[usable] * variance.T[usable])
    n_units = int(known.any(axis=1).sum())
    n_periods = int(known.any(axis=0).sum())
    return Pairs(rho, shared[usable], first, second, n_units, n_periods)


def pesaran_cd(pairs: Pairs, name: str = "pesaran_cd") -> Test:
    """Standard normal without dependence; not valid on residuals net of time effects."""
    statistic = float(np.sqrt(pairs.shared) @ pairs.rho / np.sqrt(len(pairs.rho)))
    mean, absolute = float(pairs.rho.mean()), float(np.abs(pairs.rho).mean())
    note = f"mean correlation {mean:.3f}, absolute {absolute:.3f}"
    return Test(name, statistic, None, two_sided(statistic), note)


def breusch_pagan_lm(pairs: Pairs) -> Test:
    """Sum of squared correlations: for many periods and few units."""
    statistic = float(pairs.shared @ pairs.rho**2)
    df = len(pairs.rho)
    return Test("breusch_pagan_lm", statistic, df, float(chdtrc(df, statistic)))


def scaled_lm(pairs: Pairs, unit_effects: bool = False) -> Test:
    """The same, standardised; `unit_effects` takes out the bias these bring (balanced panels)."""
    statistic = float((pairs.shared @ pairs.rho**2 - len(pairs.rho)) / np.sqrt(2 * len(pairs.rho)))
    if unit_effects:
        statistic -= pairs.n_units / (2 * (pairs.n_periods - 1))
    name = "bias_corrected_scaled_lm" if unit_effects else "scaled_lm"
    return Test(name, statistic, None, two_sided(statistic))


def weighted_cd(residuals: Floats, pairs: Pairs) -> Test:
    """CD with random signs, and power added where single pairs are plainly correlated.

    Time effects force residuals to sum to zero over units, which sends CD towards
    -sqrt(T / 2); signs drawn for the units undo that. Signs are dealt in the order of the units'
    mean absolute residuals, so that neither names nor order of units matter.
    """
    rows = np.maximum(np.isfinite(residuals).sum(axis=1), 1)  # a unit may have no residual at all
    size = np.nansum(np.abs(residuals), axis=1) / rows
    signs = np.empty(len(size))
    dealt = np.random.default_rng(SEED).integers(0, 2, len(size)) * 2.0 - 1.0
    signs[np.argsort(size, kind="stable")] = dealt
    product = signs[pairs.first] * signs[pairs.second]
    # a correlation of T independent values around their means has variance 1 / (T - 1)
    weighted = float(product * np.sqrt(pairs.shared - 1) @ pairs.rho / np.sqrt(len(pairs.rho)))
    plain = np.abs(pairs.rho) > 2 * np.sqrt(np.log(pairs.n_units) / pairs.shared)
    enhanced = weighted + float(np.abs(pairs.rho[plain]).sum())
    note = f"random signs (seed {SEED}); {int(plain.sum())} pairs plainly correlated"
    return Test("weighted_cd", enhanced, None, two_sided(enhanced), note)
