"""Joint inference for a specification curve: could no effect at all have drawn this curve?

Simonsohn, Simmons and Nelson (2020) compare statistics of the whole curve with the same
statistics of curves resampled under the null. Here the resampling is by clusters, with one set of
draws for all specifications, so that their dependence is kept. Adjusted p-values by specification
(Romano and Wolf 2005, step-down) come from the same draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from models.design import Floats
from models.engine.resampling import REPEATS
from models.engine.results import JointStatistic, JointTest
from models.engine.subsets import Indices
from models.inference.sign_draws import SignDraws, coded_draws
from models.threads import processors, side_by_side

HEADLINE = "mean absolute t"
RANKS = 400  # of the sorted curve at which the null band is kept
NUMBERS = 2**25  # in one array of resampled statistics: draws are taken in parts beyond it
CACHED = 2**18  # in one array of those that are described at a time, by one thread
Drawn = tuple[Floats, Floats]  # slopes and t-statistics (S, D) of a chunk under the null


@dataclass(frozen=True)
class ObservedCurve:
    """S estimated specifications: t-statistics, estimates in standard deviations, units, all (S,).

    units turns a slope into standard deviations of the outcome per one of the treatment, which
    makes specifications of different outcomes comparable; critical is each t's 5 % threshold.
    """

    t: Floats
    standardised: Floats
    units: Floats
    critical: Floats

    def statistics(self) -> dict[str, float]:
        """The curve's own statistics by name."""
        one = self.t[None], np.sort(self.t)[None], self.standardised[None]
        found = curve_statistics(*one, self.critical)
        return {name: float(value[0]) for name, value in found.items()}


@dataclass(frozen=True)
class NullCurves:
    """D resampled curves: statistics (D,) by name, sorted t at `ranks` (R, D), counts (S,).

    own counts, for each specification, the draws whose absolute t reaches its own; exceeding those
    in which the largest absolute t of it and all less significant ones does.
    """

    statistics: Mapping[str, Floats]
    ranks: Indices
    sorted_t: Floats
    own: Indices
    exceeding: Indices

    @property
    def draws(self) -> int:
        """Number of resampled curves."""
        return self.sorted_t.shape[1]


Resampled = Callable[[SignDraws], Iterable[NullCurves]]


def curve_statistics(
    t: Floats, in_order: Floats, estimates: Floats, critical: Floats
) -> dict[str, Floats]:
    """Statistics (D,) of D curves, by name.

    t, the same sorted, and standardised estimates are (D, S), each curve a row; critical is (S,).
    """
    beyond = np.count_nonzero(t > critical, axis=1), np.count_nonzero(t < -critical, axis=1)
    return {
        HEADLINE: np.abs(t).mean(axis=1),
        "median t": np.abs(_middle(in_order)),
        "median estimate": np.abs(_middle(np.partition(estimates, t.shape[1] // 2, axis=1))),
        "share with t beyond its 5 % threshold in one direction": np.maximum(*beyond) / t.shape[1],
        "largest absolute t": np.maximum(in_order[:, -1], -in_order[:, 0]),
    }


def _middle(parted: Floats) -> Floats:
    """Medians (D,) of rows (D, S) in which what is in the middle parts the smaller from the larger.

    Of an even number, the lower of the two in the middle is the largest before the upper: to look
    for it is much faster than to partition at both.
    """
    half, odd = divmod(parted.shape[1], 2)
    upper: Floats = parted[:, half]
    return upper if odd else 0.5 * (parted[:, :half].max(axis=1) + upper)


def null_curves(
    resampled: Resampled,
    n_specs: int,
    draws: SignDraws,
    say: Callable[[str], None],
) -> Iterator[NullCurves]:
    """Resample S specifications with D draws, in parts of bounded size."""
    started, start = time.perf_counter(), 0
    for part in draws.parts(NUMBERS // n_specs):
        left = (time.perf_counter() - started) * (len(draws) - start) / max(start, 1)
        soon = f", about {left / 60:.0f} min to go" if left > 60 else ""
        counted = f"{start + 1} to {(start := start + len(part))} of {len(draws)}"
        say(f"joint inference: resampled curve {counted}{soon}")
        yield from resampled(part)


def joined(parts: Iterable[NullCurves]) -> NullCurves:
    """The resampled curves of all parts, in order.

    Counts are added up as the parts come: together, those of many parts of a few draws each would
    be larger than all that is resampled.
    """
    statistics, sorted_t = [], []
    own = exceeding = np.zeros(1, dtype=np.int64)
    for one in parts:
        statistics.append(one.statistics)
        sorted_t.append(one.sorted_t)
        own, exceeding, ranks = own + one.own, exceeding + one.exceeding, one.ranks
    return NullCurves(
        {name: np.concatenate([one[name] for one in statistics]) for name in statistics[0]},
        ranks,
        np.concatenate(sorted_t, axis=1),
        own,
        exceeding,
    )


def described(
    observed: ObservedCurve, drawn: Sequence[Drawn], threads: Callable[[], int] = processors
) -> Iterator[NullCurves]:
    """What is kept of D draws, some at a time, given them for all chunks in the curve's order."""
    n_draws, few = drawn[0][0].shape[1], max(1, CACHED // len(observed.t))
    some = [slice(k, k + few) for k in range(0, n_draws, few)]
    return side_by_side(partial(_described, observed, drawn), some, threads)


def _ranks(n_specs: int) -> Indices:
    return np.unique(np.linspace(0, n_specs - 1, RANKS).astype(np.int64))


def _described(observed: ObservedCurve, drawn: Sequence[Drawn], some: slice) -> NullCurves:
    """What is kept of some draws."""
    t, estimates = (_by_curve([part[k] for part in drawn], some) for k in (1, 0))
    estimates *= observed.units
    ranks = _ranks(t.shape[1])
    in_order = np.sort(t, axis=1)
    statistics = curve_statistics(t, in_order, estimates, observed.critical)
    found = np.abs(observed.t)
    np.abs(t, out=t)
    own = np.count_nonzero(t >= found * REPEATS, axis=0)
    return NullCurves(statistics, ranks, in_order[:, ranks].T, own, _exceeding(t, found))


def _by_curve(parts: Sequence[Floats], some: slice) -> Floats:
    """Some draws of all chunks (S, D), each draw's curve a row that is contiguous in memory."""
    columns = [part[:, some].T for part in parts]
    size = len(columns[0]), sum(column.shape[1] for column in columns)
    return np.concatenate(columns, axis=1, out=np.empty(size))


def joint_test(
    resampled: Resampled,
    observed: ObservedCurve,
    clusters: tuple[str, int],
    draws: int,
    seed: int,
    say: Callable[[str], None],
) -> tuple[JointTest, Floats, Floats]:
    """The joint test, and each specification's wild bootstrap and Romano-Wolf p-values (S,).

    `resampled` gives the curves of such draws, in order and in any number of parts. clusters is
    the name of the column resampled by and the number of its groups in all samples together. A
    p-value is (1 + draws at least as extreme) / (1 + draws), or the plain share where all 2^G sign
    vectors, the data's own among them, are taken.
    """
    coded, every = coded_draws(clusters[1], draws, seed)
    null = joined(null_curves(resampled, len(observed.t), coded, say))
    found = {
        name: JointStatistic(name, value, _p_value(null.statistics[name], value, every))
        for name, value in observed.statistics().items()
    }
    headline = found[HEADLINE]
    joint = JointTest(
        test=HEADLINE,
        statistic=headline.statistic,
        p_value=headline.p_value,
        draws=null.draws,
        seed=seed,
        cluster=clusters[0],
        n_clusters=clusters[1],
        tests=tuple(found.values()),
        band=_band(null, np.empty(0) if every else np.sort(observed.t)[null.ranks]),
    )
    wild = _share(null.own, null.draws, every)
    return joint, wild, _step_down(null, np.abs(observed.t), every)


def _p_value(null: Floats, value: float, every: bool) -> float:
    return float(_share(int(np.count_nonzero(null >= value * REPEATS)), len(null), every))


def _share(extreme: Indices | int, draws: int, every: bool) -> Floats:
    """p-values from counts of extreme draws; `every` sign vector holds the data's own twice.

    The data and their mirror image are extreme whatever round-off makes of them.
    """
    counted = np.maximum(extreme, 2) if every else np.add(extreme, 1)
    return np.asarray(counted / (draws if every else draws + 1))


def _exceeding(null: Floats, observed: Floats) -> Indices:
    """Draws (S,) whose maximum over a specification and the less significant ones reaches it.

    null is (D, S), observed (S,).
    """
    order = np.argsort(observed, kind="stable")
    largest = np.take(null, order, axis=1)
    np.maximum.accumulate(largest, axis=1, out=largest)
    counts = np.empty(len(observed), dtype=np.int64)
    counts[order] = np.count_nonzero(largest >= observed[order] * REPEATS, axis=0)
    return counts


def _step_down(null: NullCurves, observed: Floats, every: bool) -> Floats:
    """Adjusted p-values (S,), never smaller than that of a more significant specification."""
    order = np.argsort(-observed, kind="stable")
    adjusted = np.empty(len(observed))
    p_values = _share(null.exceeding, null.draws, every)
    adjusted[order] = np.maximum.accumulate(p_values[order])
    return adjusted


def _band(null: NullCurves, own: Floats) -> pd.DataFrame:
    """The middle 95 % and the median of the sorted t-statistics under the null, by rank.

    The data's own (R,), where it is none of the draws, is one of the curves that are equally
    likely then; none (0,) where it is.
    """
    curves = np.column_stack([null.sorted_t, own]) if len(own) else null.sorted_t
    low, median, high = np.quantile(curves, [0.025, 0.5, 0.975], axis=1)
    return pd.DataFrame({"rank": null.ranks + 1, "low": low, "median": median, "high": high})
