"""joint-inference: the whole curve against 999 resampled ones, every t-statistic of each.

regsi estimates 4,096 specifications on the panel of spec-curve and resamples all of them 999
times: 4,095,904 regressions with their clustered t-statistics, and from them the joint and the
step-down p-values. Its peers do one hundred fits. Seconds are for all of that. `blas-bound` is the
cheapest matrix product that holds every t-statistic's denominator for signs of any kind, on one
thread: those of a code (see `models.inference.walsh`) need none so large.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.bench import bench_spec_curve as curve

NAME = "joint-inference"
SIZES = curve.SIZES
DRAWS, FITS = 999, 100
prepare, load, agree = curve.prepare, curve.load, curve.agree


def regsi(data: curve.Data, _: Path) -> curve.Answer:
    """From the raw columns to the joint test."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        return _regsi(data)


def _regsi(data: curve.Data) -> curve.Answer:
    from models.engine.crossing import crossing_sums
    from models.engine.curve import Cells, critical_value, estimate_curve
    from models.engine.joint import ObservedCurve, described, joint_test
    from models.engine.projection import condense, project
    from models.engine.resampling import Resampler
    from models.engine.stacked import statistics_of
    from models.engine.subsets import residualise

    size = int(data["cluster"].max()) + 1
    projected = project(data["Z"], None, (data["unit"], data["year"]))
    products = condense(projected, (data["cluster"],))
    every = np.arange(2**curve.CONTROLS)
    cells = Cells(np.zeros_like(every), np.ones_like(every), every)
    controls = np.arange(2, 2 + curve.CONTROLS)
    solved = residualise(products.root, controls, np.arange(2), curve.subsets())
    found = estimate_curve(products, solved, cells)
    crossing = crossing_sums(projected, data["cluster"], size)
    everyone = np.arange(size)
    resampler = Resampler(products, crossing, solved, cells, everyone)
    one = np.ones(len(every))
    t = found.estimate / found.std_error
    observed = ObservedCurve(t, found.estimate, one, critical_value(size - 1.0) * one)
    joint_test(
        lambda part: described(observed, [statistics_of([resampler], everyone, part)]),
        observed,
        ("cluster", size),
        DRAWS,
        1,
        lambda _: None,
    )
    chosen = list(curve.COMPARED)
    return np.array([found.estimate[chosen], found.std_error[chosen]])


def with_linearmodels(data: curve.Data, folder: Path) -> curve.Answer:
    """One hundred PanelOLS fits."""
    return _fits(curve.with_linearmodels, data, folder)


def with_pyfixest(data: curve.Data, folder: Path) -> curve.Answer:
    """One hundred feols fits."""
    return _fits(curve.with_pyfixest, data, folder)


def blas_bound(data: curve.Data, _: Path) -> None:
    """Quadratic forms of all specifications and draws, whichever way takes fewer operations."""
    from threadpoolctl import threadpool_limits

    size, specs = int(data["cluster"].max()) + 1, 2**curve.CONTROLS
    rank = curve.CONTROLS + 1 + curve.YEARS - 1
    pairs = size * (size + 1) // 2
    shape = (specs, pairs) if pairs < 2 * rank * size else (2 * specs * rank, size)
    with threadpool_limits(limits=1, user_api="blas"):
        draws, block = np.ones((shape[1], DRAWS)), np.ones((1024, shape[1]))
        for _start in range(0, shape[0], len(block)):
            np.matmul(block, draws)


def _fits(peer: Callable[..., curve.Answer], data: curve.Data, folder: Path) -> curve.Answer:
    """One hundred fits, in rounds of the compared specifications and a last, shorter one."""
    whole, rest = divmod(FITS, len(curve.COMPARED))
    for _ in range(whole - 1):
        peer(data, folder)
    answer = peer(data, folder)
    peer(data, folder, rest)
    return answer


CONTESTANTS = {
    "regsi": regsi,
    "linearmodels": with_linearmodels,
    "pyfixest": with_pyfixest,
    "blas-bound": blas_bound,
}
