"""Were trends alike before, and how unlike may they be after until the conclusion falls?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from models.design import Floats
from models.estimators.events.adoption import BASE
from models.estimators.events.rules import NO_CAUSAL_READING
from models.results import Test

STRONG = 0.05  # level at which the joint test of the leads withdraws the causal reading
RELATIVE = "Rambachan-Roth relative magnitudes, union of conventional bounds (conservative)"


def pretrend_test(beta: Floats, vcov: Floats, df: float) -> Test:
    """Joint test that all q leads (q,) are zero: Hotelling's T2 with df, as an F.

    F = (df - q + 1) / (df q) x Wald has q and df - q + 1 degrees of freedom, so that many leads
    beside few clusters are not taken for evidence. Without enough clusters there is no p-value.
    """
    q = len(beta)
    left = df - q + 1.0 if np.isfinite(df) else np.inf
    if q == 0 or left <= 0.0 or np.linalg.matrix_rank(vcov, hermitian=True) < q:
        note = f"{q} leads are too many for {df:.0f} degrees of freedom: pre-trends not tested"
        return Test("pre_trend", float("nan"), None, None, note)
    wald = float(beta @ np.linalg.solve(vcov, beta))
    scale = left / df if np.isfinite(df) else 1.0
    statistic = wald * scale / q
    note = "F test that no event time before the base differs from it (Hotelling)"
    return Test("pre_trend", statistic, (float(q), left), float(fdtrc(q, left, statistic)), note)


def pretrend_slope(
    events: Sequence[int], beta: Floats, vcov: Floats, df: float, base: bool
) -> Test:
    """t test of the leads' straight line in event time: one df, so it sees drift that F may miss.

    `base` adds the base period, at zero, to the line.
    """
    times = np.array([*events, BASE] if base else events, dtype=np.float64)
    centred = times - times.mean()
    weights = (centred / (centred @ centred))[: len(events)]
    slope, error = float(weights @ beta), float(np.sqrt(weights @ vcov @ weights))
    p_value = float(2.0 * stdtr(df, -abs(slope / error)))
    note = f"t test of a straight line before adoption: {slope:.4g} a period (s.e. {error:.3g})"
    return Test("pre_trend_slope", slope / error, df, p_value, note)


def pretrend_caution(tests: Sequence[Test]) -> tuple[str, ...]:
    """A caution that withdraws the causal reading where paths differed before, or are untested."""
    known = [test.p_value for test in tests if test.p_value is not None]
    if min(known) >= STRONG:
        return tuple(f"{NO_CAUSAL_READING}: {t.note}" for t in tests if t.p_value is None)
    return (
        f"{NO_CAUSAL_READING}: units that adopt moved differently before they did "
        f"(smallest p of the tests before adoption: {_p(min(known))}), so what follows need not "
        "come from adoption",
    )


def _p(value: float) -> str:
    return "below 0.001" if value < 0.0005 else f"{value:.3f}"


def sensitivity(events: Sequence[int], beta: Floats, vcov: Floats, df: float) -> tuple[Test, ...]:
    """Breakdown values of M-bar for the first period of adoption and for the average after.

    events (m,) are the event times of beta (m,), the base left out. Nothing is returned without a
    consecutive pair of periods before adoption, or with a gap among those from the base on.
    """
    times = [*events, BASE]
    after = [e for e in events if e >= 0]
    steps = [(e, e + 1) for e in sorted(times) if e < BASE and e + 1 in times]
    if not steps or after != list(range(len(after))) or not after:
        return ()
    column = {e: j for j, e in enumerate(events)}
    moves = np.zeros((len(steps), len(events)))
    for row, (earlier, later) in zip(moves, steps, strict=True):
        row[column[earlier]] -= 1.0
        if later != BASE:
            row[column[later]] += 1.0
    first, average = np.zeros(len(events)), np.zeros(len(events))
    first[column[0]] = 1.0
    average[[column[e] for e in after]] = 1.0 / len(after)
    reach = (len(after) + 1) / 2.0  # a trend that bends by M each period: mean of 1, 2, ..., L
    targets = (("first", first, 1.0), ("average", average, reach))
    return tuple(
        Test(
            f"honest_mbar_{name}", breakdown(target, moves * scale, beta, vcov, df), None, None,
            f"largest M-bar whose 95 % bounds exclude zero; {RELATIVE}",
        )
        for name, target, scale in targets
    )  # fmt: skip


def breakdown(target: Floats, moves: Floats, beta: Floats, vcov: Floats, df: float) -> float:
    """The smallest M-bar at which the bounds of target'beta reach zero; infinite if none does.

    Rambachan and Roth (2023) bound each change of the trends' difference after adoption by M-bar
    times the largest one before it. With moves (s, m) as the possible largest changes (scaled to
    the target), bounds are the union over s and both signs of target'beta + M-bar move'beta plus
    and minus the critical value times its standard error. This covers whichever move is the
    largest, and is wider than their conditional and hybrid sets, which use that the others are
    smaller.
    """
    critical = float(stdtrit(df, 0.975))
    lowest = np.inf
    for move in np.vstack([moves, -moves]):
        level, slope = target @ beta, move @ beta
        v0, v1, v2 = target @ vcov @ target, target @ vcov @ move, move @ vcov @ move
        square = np.array([
            slope**2 - critical**2 * v2,
            2.0 * (level * slope - critical**2 * v1),
            level**2 - critical**2 * v0,
        ])  # fmt: skip
        if square[2] <= 0.0:
            return 0.0
        roots = np.roots(square)
        real = roots[np.isreal(roots)].real
        lowest = min(lowest, *real[real > 0.0], np.inf)
    return float(lowest)


def bounds(
    target: Floats, moves: Floats, beta: Floats, vcov: Floats, df: float, mbar: float
) -> tuple[float, float]:
    """The 95 % bounds of target'beta at one M-bar, as in `breakdown`."""
    critical = float(stdtrit(df, 0.975))
    lines = target + mbar * np.vstack([moves, -moves])
    centre = lines @ beta
    half = critical * np.sqrt(np.einsum("ij,jk,ik->i", lines, vcov, lines))
    return float((centre - half).min()), float((centre + half).max())
