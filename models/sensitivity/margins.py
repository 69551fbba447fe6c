"""Null claims: equivalence within a margin declared beforehand, and what a study could detect."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import nctdtr, nctdtrinc, ndtr, ndtri, stdtr, stdtrit

from models.results import Term, Test

LEVEL = 0.05


def equivalence(term: Term, margin: float) -> Test:
    """Two one-sided tests that a coefficient lies within plus and minus `margin` (Schuirmann 1987).

    The p-value is the larger of the two; below 0.05 the 90 % interval lies inside the margin.
    """
    df = np.inf if term.df is None else term.df
    above = (term.estimate + margin) / term.std_error
    below = (term.estimate - margin) / term.std_error
    p_value = float(max(stdtr(df, -above), stdtr(df, below)))
    statistic = above if above < -below else below
    note = f"two one-sided tests that {term.term} lies within +-{margin:g}"
    return Test("equivalence", float(statistic), term.df, p_value, note)


def minimum_detectable(term: Term, power: float) -> Test:
    """The smallest coefficient that a two-sided 5 % test finds with `power`, given the error.

    Solves the noncentral t distribution, not its normal approximation.
    """
    df = np.inf if term.df is None else term.df
    if np.isinf(df):
        multiple = brentq(lambda d: _normal_power(d) - power, 0.0, 40.0, xtol=1e-13)
    else:
        critical = float(stdtrit(df, 1.0 - LEVEL / 2.0))
        # the shift at which the nearer side alone has that power: an upper end
        top = float(nctdtrinc(df, 1.0 - power, critical)) * (1.0 + 1e-9)
        multiple = brentq(lambda d: _power(d, df, critical) - power, 0.0, top, xtol=1e-13)
    note = f"smallest coefficient of {term.term} found with a probability of {power:.0%}"
    return Test("minimum_detectable", float(multiple) * term.std_error, term.df, None, note)


def _power(shift: float, df: float, critical: float) -> float:
    return float(1.0 - nctdtr(df, shift, critical) + nctdtr(df, shift, -critical))


def _normal_power(shift: float) -> float:
    critical = float(ndtri(1.0 - LEVEL / 2.0))
    return float(ndtr(shift - critical) + ndtr(-shift - critical))
