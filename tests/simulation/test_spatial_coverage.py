"""Do the intervals of spatial models cover, and what does leaving the neighbours out cost?

49 places on a square grid, six periods, unit effects; a thousand new panels each. Neighbours share
a side of their squares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.design import Design, Floats
from models.estimators import load
from models.study import Inference, ModelSpec
from tests.simulation_record import coverage_of

pytestmark = pytest.mark.slow
DRAWS, SIDE, PERIODS = 1000, 7, 6
UNITS = SIDE * SIDE
Rng = np.random.Generator


def grid() -> Floats:
    """Row-normalised weights (N, N)."""
    row, column = np.divmod(np.arange(UNITS), SIDE)
    apart = np.abs(row[:, None] - row) + np.abs(column[:, None] - column)
    near = (apart == 1).astype(np.float64)
    return near / near.sum(axis=1, keepdims=True)


W = grid()


def pull_of_outcomes(rng: Rng, x: Floats, own: Floats) -> Floats:
    """neighbours' outcomes pull with 0.4"""
    noise = rng.normal(size=x.shape)
    return np.asarray(np.linalg.solve(np.eye(UNITS) - 0.4 * W, 0.5 * x + own + noise))


def pull_of_errors(rng: Rng, x: Floats, own: Floats) -> Floats:
    """neighbours' errors pull with 0.4"""
    return 0.5 * x + own + np.linalg.solve(np.eye(UNITS) - 0.4 * W, rng.normal(size=x.shape))


def pull_of_regressors(rng: Rng, x: Floats, own: Floats) -> Floats:
    """the neighbours' mean of x counts 0.3"""
    return 0.5 * x + 0.3 * W @ x + own + rng.normal(size=x.shape)


def drawn(rng: Rng, world: Callable[[Rng, Floats, Floats], Floats]) -> Design:
    """x is alike among neighbours, and moves with what is each unit's own."""
    own = rng.normal(size=(UNITS, 1))
    x = rng.normal(size=(UNITS, PERIODS))
    x = x + 0.8 * W @ x + own
    unit, time = np.divmod(np.arange(UNITS * PERIODS), PERIODS)
    return Design(
        y=world(rng, x, own).ravel(), X=x.reshape(-1, 1), terms=("x",), n_treatments=1,
        weights=None, unit=unit, time=time, units=np.arange(UNITS).astype(object),
        times=np.arange(PERIODS), parent=None, effects=(unit,), effect_names=("unit",),
    )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A model in a world, and the truths of the terms looked at."""

    world: Callable[[Rng, Floats, Floats], Floats]
    truths: dict[str, float]
    model: str | None = None
    how: Inference = field(default_factory=lambda: Inference("classical"))


BY_UNIT = Inference("cluster", by=("unit",), correction="CR2")
MEANT = {
    "lag": Case(pull_of_outcomes, {"x": 0.5, "rho": 0.4}, "lag"),
    "error": Case(pull_of_errors, {"x": 0.5, "lambda": 0.4}, "error"),
    "durbin": Case(pull_of_outcomes, {"x": 0.5, "W x": 0.0, "rho": 0.4}, "durbin"),
    "slx": Case(pull_of_regressors, {"x": 0.5, "W x": 0.3}, "slx", BY_UNIT),
}
FAILING = {
    "within, neighbours left out": (
        Case(pull_of_outcomes, {"x": 0.5}, how=BY_UNIT), (0.0, 0.8),
    ),
}  # fmt: skip


def coverage(name: str, case: Case, folder: Path) -> dict[str, float]:
    """The share of draws whose interval holds each term's truth; rows for the documentation."""
    rng = np.random.default_rng(20260801)
    pairs = folder / "pairs.csv"
    pd.DataFrame(np.argwhere(W > 0)).to_csv(pairs, index=False)
    estimator = "within" if case.model is None else "spatial"
    options = {} if case.model is None else {"model": case.model}
    spec = ModelSpec(
        "m", estimator, "y", ("x",), (), ("unit",), None, case.how, options, (), str(pairs)
    )
    fit = load(estimator).fit
    results = [fit(drawn(rng, case.world), spec) for _ in range(DRAWS)]
    said = {"model": name, "world": str(case.world.__doc__)}
    return coverage_of("spatial-coverage", said, results, case.truths)


@pytest.mark.parametrize("name", MEANT)
def test_intervals_cover(name: str, tmp_path: Path) -> None:
    for term, share in coverage(name, MEANT[name], tmp_path).items():
        assert 0.93 <= share <= 0.97, term


@pytest.mark.parametrize("name", FAILING)
def test_where_intervals_fail(name: str, tmp_path: Path) -> None:
    case, (low, high) = FAILING[name]
    for term, share in coverage(name, case, tmp_path).items():
        assert low <= share <= high, term
