"""Do units and periods differ beyond the regressors, and do they share one set of slopes?

Moulton and Randolph (1989), Breusch and Pagan (1980), Honda (1985), King and Wu (1997),
Gourieroux, Holly and Monfort (1982), Wooldridge (2010), Chow (1960).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, fdtrc, ndtr

from data.errors import BadInput
from models.design import Codes, Design, Floats
from models.estimators.linear import fit_screened
from models.least_squares import LinearFit
from models.results import Test
from models.unit_regressions import UnitRegressions


def pooled_fit(design: Design, effects: tuple[Codes, ...] = ()) -> LinearFit:
    """The design's regression with these effects, or with a constant only."""
    return fit_screened(design, effects, constant=not effects)[0]


def f_test(name: str, restricted: LinearFit, free_rss: float, free_df: float) -> Test:
    """Whether a fit with more parameters is better than chance would make it.

    Raises BadInput if the larger fit leaves no degrees of freedom.
    """
    extra = _residual_df(restricted) - free_df
    if free_df <= 0 or extra <= 0:
        what = f"{name}: {free_df:.0f} degrees of freedom are left"
        raise BadInput("diagnostics", what, "drop it, or use fewer regressors")
    gain = float(restricted.residuals @ restricted.residuals) - free_rss
    statistic = gain / extra / (free_rss / free_df)
    return Test(name, statistic, (extra, free_df), float(fdtrc(extra, free_df, statistic)))


def effect_f_tests(design: Design) -> tuple[Test, ...]:
    """Fixed effects of units, of periods, of both, and of periods given units."""
    pooled, unit, time = (
        pooled_fit(design, codes) for codes in ((), (design.unit,), (design.time,))
    )
    both = pooled_fit(design, (design.unit, design.time))
    rss = {id(fit): float(fit.residuals @ fit.residuals) for fit in (unit, time, both)}
    compared = (
        ("f_unit_effects", pooled, unit),
        ("f_time_effects", pooled, time),
        ("f_two_way_effects", pooled, both),
        ("f_time_given_unit_effects", unit, both),
    )
    return tuple(
        f_test(name, small, rss[id(large)], _residual_df(large)) for name, small, large in compared
    )


def lm_tests(residuals: Floats) -> tuple[Test, ...]:
    """Random effects of units, of periods and of both, from pooled residuals (N, S).

    Unbalanced panels weigh groups by their size (Baltagi and Li 1990). King and Wu (1997) weigh
    units and periods by how many pairs of rows they hold; Gourieroux, Holly and Monfort (1982)
    count positive signs only, since variances are, so a mixture of chi-squareds is the reference.
    """
    known = np.isfinite(residuals)
    values = np.where(known, residuals, 0.0)
    unit, time = (_one_way(values, known, axis) for axis in (1, 0))
    both = unit**2 + time**2
    honda = float((unit + time) / np.sqrt(2))
    pairs = np.array([float((known.sum(axis=axis) ** 2).sum() - known.sum()) for axis in (1, 0)])
    king_wu = float(np.sqrt(pairs) @ [unit, time] / np.sqrt(pairs.sum()))
    mixed = max(unit, 0.0) ** 2 + max(time, 0.0) ** 2
    mixed_p = float(chdtrc(1, mixed) / 2 + chdtrc(2, mixed) / 4) if mixed > 0.0 else 1.0
    return (
        Test("breusch_pagan_unit", unit**2, 1, float(chdtrc(1, unit**2))),
        Test("breusch_pagan_time", time**2, 1, float(chdtrc(1, time**2))),
        Test("breusch_pagan_two_way", both, 2, float(chdtrc(2, both))),
        Test("honda_unit", unit, None, float(ndtr(-unit)), "one-sided"),
        Test("honda_time", time, None, float(ndtr(-time)), "one-sided"),
        Test("honda_two_way", honda, None, float(ndtr(-honda)), "one-sided"),
        Test("king_wu_two_way", king_wu, None, float(ndtr(-king_wu)), "one-sided"),
        Test("gourieroux_holly_monfort", mixed, None, mixed_p, "1/4 chi2(0) + 1/2 (1) + 1/4 (2)"),
    )


def wooldridge_effects(residuals: Floats) -> Test:
    """Unobserved unit effects, from products of a unit's pooled residuals (N, S); any errors."""
    values = np.nan_to_num(residuals)
    products = (values.sum(axis=1) ** 2 - (values**2).sum(axis=1)) / 2
    statistic = float(products.sum() / np.sqrt(products @ products))
    return Test("wooldridge_effects", statistic, None, float(2 * ndtr(-abs(statistic))))


def poolability(design: Design, units: UnitRegressions) -> tuple[Test, Test]:
    """One set of slopes for all units: with levels of their own, and with one constant too.

    `units` holds each unit's regression with a constant. Raises BadInput if some have none.
    """
    present = len(np.unique(design.unit))
    if len(units.units) < present:
        what = f"{present - len(units.units)} units are too short for a regression of their own"
        raise BadInput("diagnostics", what, 'drop "poolability"')
    rss = float(units.rss.sum())
    df = float(design.n_obs - present * units.beta.shape[1])
    return (
        f_test("poolability_slopes", pooled_fit(design, (design.unit,)), rss, df),
        f_test("poolability_all", pooled_fit(design), rss, df),
    )


def _one_way(values: Floats, known: NDArray[np.bool_], axis: int) -> float:
    """The signed root of the one-way test statistic, groups along the other axis."""
    n = known.sum()
    sizes = known.sum(axis=axis)
    ratio = float((values.sum(axis=axis) ** 2).sum() / (values**2).sum())
    return float(n / np.sqrt(2 * float((sizes**2).sum() - n)) * (ratio - 1))


def _residual_df(fit: LinearFit) -> float:
    return float(fit.n_obs - len(fit.terms) - fit.n_absorbed)
