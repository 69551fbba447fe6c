"""Any collection of subsets of controls, collinear or not: the residuals are those of lstsq."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.design import Floats
from models.engine.subsets import Flags, Problem, residualise_together

ROWS = 60


def drawn(seed: int) -> tuple[Floats, Problem]:
    """A sample's columns of unit length, controls first; some are sums of others, or nothing."""
    rng = np.random.default_rng(seed)
    m, q = int(rng.integers(0, 6)), int(rng.integers(1, 4))
    Z = rng.normal(size=(ROWS, m + q)) + rng.normal(size=(ROWS, 1))
    for i in range(1, m):
        if rng.random() < 0.4:
            Z[:, i] = Z[:, :i] @ rng.integers(-2, 3, i)
    length = np.sqrt((Z**2).sum(axis=0))
    Z = Z / np.where(length > 0, length, 1.0)
    asked: Flags = rng.random((m, int(rng.integers(1, 9)))) < 0.6
    root: Floats = np.asarray(np.linalg.qr(Z, mode="r"))
    return Z, (root, np.arange(m), np.arange(m, m + q), asked)


@given(seeds=st.lists(st.integers(0, 100_000), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_residuals_are_those_of_least_squares(seeds: list[int]) -> None:
    given_ = [drawn(seed) for seed in seeds]
    solved = residualise_together([problem for _, problem in given_])
    for (Z, (_, controls, targets, subsets)), found in zip(given_, solved, strict=True):
        for u, asked in enumerate(subsets.T):
            X = Z[:, controls[asked]]
            assert found.kept[:, u].sum() == np.linalg.matrix_rank(X, tol=1e-9)
            for i, target in enumerate(targets):
                expected = Z[:, target] - X @ np.linalg.lstsq(X, Z[:, target], rcond=1e-10)[0]
                residual = Z @ found.coefficients[i, :, u]
                assert residual == pytest.approx(expected, abs=1e-10)
