"""Resampled t-statistics against refitting: flip the clusters' residuals, regress, take CR1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.linalg import qr

from models.engine import stacked
from models.engine.crossing import crossing_sums
from models.engine.curve import Cells
from models.engine.projection import condense, project
from models.engine.resampling import (
    NullScores,
    Resampler,
    _many_clusters,
    _one_by_one,
)
from models.engine.subsets import Flags, residualise
from models.inference.sign_draws import coded_draws
from models.inference.walsh import SignedSums

CONTROLS = ["a", "b", "c"]
EFFECTS = [("unit",), ("unit", "time"), ("unit", "parent_time"), ("time", "sector"), ()]


def draw(seed: int, n_parents: int) -> pd.DataFrame:
    """An unbalanced panel of `n_parents` parents with common shocks."""
    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(2 * n_parents * 5), 5)
    frame = pd.DataFrame({"unit": unit, "time": time, "parent": unit // 2})
    frame["sector"] = rng.integers(0, 4, len(frame))
    frame["parent_time"] = frame["parent"] * 10 + time
    shock = rng.normal(size=(n_parents, 5))[frame["parent"], time]
    for name in ("x", *CONTROLS, "y"):
        frame[name] = rng.normal(size=len(frame)) + shock
    frame["w"] = rng.uniform(0.3, 3.0, len(frame))
    return frame[rng.random(len(frame)) > 0.1].reset_index(drop=True)


def resampler(frame: pd.DataFrame, effects: tuple[str, ...], weighted: bool) -> Resampler:
    codes = tuple(pd.factorize(frame[name])[0].astype(np.int64) for name in effects)
    parent = pd.factorize(frame["parent"])[0].astype(np.int64)
    weights = frame["w"].to_numpy() if weighted else None
    projected = project(frame[["y", "x", *CONTROLS]].to_numpy(), weights, codes)
    products = condense(projected, (parent,))
    n_clusters = int(parent.max()) + 1
    subsets: Flags = (np.arange(8) >> np.arange(3)[:, None] & 1).astype(bool)
    zeros = np.zeros(8, dtype=np.int64)
    return Resampler(
        products,
        crossing_sums(projected, parent, n_clusters),
        residualise(products.root, np.array([2, 3, 4]), np.array([0, 1]), subsets),
        Cells(zeros, zeros + 1, np.arange(8)),
        np.arange(n_clusters),
    )


def refitted(
    frame: pd.DataFrame, effects: tuple[str, ...], weighted: bool, subset: int, signs: np.ndarray
) -> tuple[float, float]:
    """Slope and CR0 t-statistic of one draw, by regressions with all the dummies."""
    chosen = [name for i, name in enumerate(CONTROLS) if subset >> i & 1]
    parts = [frame[chosen]]
    parts += [pd.get_dummies(frame[name], prefix=name, dtype=float) for name in effects]
    parts.append(pd.DataFrame({"one": np.ones(len(frame))}))
    others = independent(pd.concat(parts, axis=1).to_numpy())
    weights = frame["w"].to_numpy() if weighted else np.ones(len(frame))
    null = sm.WLS(frame["y"], others, weights=weights).fit()
    flipped = signs[pd.factorize(frame["parent"])[0]]
    outcome = null.fittedvalues + flipped * null.resid
    fit = sm.WLS(outcome, np.column_stack([frame["x"], others]), weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": frame["parent"], "use_correction": False}
    )
    return float(fit.params.iloc[0]), float(fit.tvalues.iloc[0])


def independent(columns: np.ndarray) -> np.ndarray:
    """Enough of the columns to span them all: statsmodels loses digits on collinear dummies."""
    _, triangle, order = qr(columns, mode="economic", pivoting=True)
    size = np.abs(np.diag(triangle))
    return columns[:, order[: int((size > 1e-9 * size[0]).sum())]]


@pytest.mark.filterwarnings("ignore:covariance of constraints does not have full rank")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("effects", EFFECTS)
@pytest.mark.parametrize("n_parents", [9, 35])
def test_draws_equal_refits(n_parents: int, effects: tuple[str, ...], weighted: bool) -> None:
    frame = draw(n_parents + len(effects), n_parents)
    ready = resampler(frame, effects, weighted)
    draws, _ = coded_draws(n_parents, 99, 1)
    signs = draws.signs().astype(np.float64)
    transformed = stacked.statistics_of([ready], np.arange(n_parents), draws)
    for slopes, t in (ready.statistics(signs), transformed):
        for subset, which in ((0, 3), (5, 64), (7, 98)):
            slope, plain_t = refitted(frame, effects, weighted, subset, signs[:, which])
            assert slopes[subset, which] == pytest.approx(slope, rel=1e-8, abs=1e-12)
            factor = t_factor(ready, subset)
            assert t[subset, which] == pytest.approx(plain_t / factor, rel=1e-8)


def t_factor(ready: Resampler, subset: int) -> float:
    """Root of CR1's small-sample factor, from its definition."""
    group, n = ready.products.groups[0], ready.products.n_obs
    size = len(group.packed)
    parameters = 1 + int(subset).bit_count() + group.effects_counted
    return float(np.sqrt(size / (size - 1) * (n - 1) / (n - parameters)))


@pytest.mark.parametrize("rank", [7, 12])
def test_all_forms_of_the_sums_agree(rank: int) -> None:
    """Some serve few specifications, one few clusters, one many: the same numbers."""
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(9, 20))
    left, right = rng.normal(size=(2, 9, 20, rank))
    one = np.ones(9)
    null = NullScores(scores, left, right, one, one)
    draws, every = coded_draws(20, 5000, 7)
    signs = draws.signs().astype(np.float64)
    assert not every
    assert abs(signs.mean()) < 0.02
    couplings = -left @ right.transpose(0, 2, 1) + scores[:, :, None] * np.eye(20)
    wanted = np.square(couplings @ signs).sum(axis=1)
    for form in (_one_by_one, _many_clusters):
        assert form(null, signs) == pytest.approx(wanted, rel=1e-10)
    values = SignedSums(draws.pairs()).of(null.forms().reshape(9, -1))
    assert values == pytest.approx(wanted, rel=1e-10)
    assert null.sums_of_squares(signs) == pytest.approx(wanted, rel=1e-10)


SIZES = [(4, 16), (5, 14), (6, 16), (7, 16)]  # seeds and numbers of clusters


@pytest.mark.parametrize("n_draws", [700, 1023, 3000])
def test_samples_resampled_together_are_what_they_are_alone(
    n_draws: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches of any size, or sample by sample; some clusters missing; draws in parts."""
    ready = [resampler(draw(seed, size), ("unit", "time"), True) for seed, size in SIZES]
    ready[1] = replace(ready[1], cluster=np.arange(2, 16))  # of 16 clusters, all but two
    present = np.arange(16)
    draws, every = coded_draws(16, n_draws, 3)
    assert (len(draws), every) == (n_draws, False)
    alone = [one.statistics(draws.of(one.cluster).signs()) for one in ready]
    wanted = [np.concatenate([found[k] for found in alone]) for k in range(2)]
    for held in (stacked.HELD, 9 * 2**10, 0):
        monkeypatch.setattr(stacked, "HELD", held)
        assert_alike(stacked.statistics_of(ready, present, draws), wanted)
    parts = [stacked.statistics_of(ready, present, part) for part in draws.parts(100)]
    assert max(len(t.T) for _, t in parts) <= 100
    assert_alike([np.hstack([part[k] for part in parts]) for k in range(2)], wanted)
    nothing = stacked.statistics_of([], present, draws)
    assert [part.shape for part in nothing] == [(0, n_draws), (0, n_draws)]
    monkeypatch.setattr(stacked, "MOST_CLUSTERS", 0)
    assert_alike(stacked.statistics_of(ready, present, draws), wanted)


def assert_alike(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> None:
    """Slopes and t-statistics, two arrays (S, D) each."""
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("n_parents", [9, 35])
def test_draws_in_single_bytes_are_taken_block_by_block(
    n_parents: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.engine.resampling.CACHED", n_parents * 2)  # 16 draws a block
    ready = resampler(draw(3, n_parents), ("unit", "time"), True)
    signs = np.random.default_rng(2).choice(np.array([-1, 1], dtype=np.int8), (n_parents, 50))
    for ours, theirs in zip(
        ready.statistics(signs), ready.statistics(signs.astype(np.float64)), strict=True
    ):
        assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-13)
