"""Absorption against plain linear algebra on the full dummies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import BadInput
from models import schur
from models.absorb import absorb, is_nested, joint_rank
from models.components import BlockInverse
from models.design import Codes, Floats


def dummies(effects: tuple[Codes, ...]) -> Floats:
    return np.hstack([np.eye(int(e.max()) + 1)[e] for e in effects])


def drawn(seed: int, n: int = 150) -> tuple[tuple[Codes, ...], Floats, Floats]:
    """Four effects (gaps in the codes, one nested in another, weak links), weights, columns."""
    rng = np.random.default_rng(seed)
    unit = np.minimum(rng.geometric(0.06, n), 60) - 1
    parent = unit // 3 * 2  # nested in unit, with unused codes
    time = rng.integers(0, 9, n)
    pair = parent * 10 + time
    Z = rng.normal(size=(n, 2)) * [1.0, 50.0] + [0.0, 2000.0]
    return (unit, parent, time, pair), rng.uniform(0.05, 3.0, n), Z


CHOICES = [(0,), (0, 2), (2, 0, 1), (0, 3), (0, 1, 2, 3), (2, 3), (1, 2)]


@given(seed=st.integers(0, 10_000), choice=st.sampled_from(CHOICES), weighted=st.booleans())
@settings(max_examples=25, deadline=None)
def test_projection_and_rank_are_those_of_the_dummies(
    seed: int, choice: tuple[int, ...], weighted: bool
) -> None:
    everything, weights, Z = drawn(seed)
    effects = tuple(everything[i] for i in choice)
    absorption = absorb(effects, weights if weighted else None, len(Z))
    root = np.sqrt(weights if weighted else np.ones(len(Z)))[:, None]
    U, s, _ = np.linalg.svd(dummies(effects) * root, full_matrices=False)
    U = U[:, s > 1e-9 * s[0]]
    expected = (Z * root - U @ (U.T @ (Z * root))) / root
    assert absorption.rank == U.shape[1]
    assert absorption.residual(Z) == pytest.approx(expected, abs=1e-10)
    D = dummies(absorption.effects) * root
    assert D @ absorption.inverse() @ D.T == pytest.approx(U @ U.T, abs=1e-11)


def _make_iterative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schur, "DENSE_CELLS", 0)
    monkeypatch.setattr(schur, "DENSE_LEVELS", 5)


def test_sparse_tables_give_what_dense_ones_do(monkeypatch: pytest.MonkeyPatch) -> None:
    everything, weights, Z = drawn(5, n=600)
    effects = (everything[0], everything[2], everything[3])
    dense = absorb(effects, weights, 600)
    monkeypatch.setattr(schur, "DENSE_CELLS", 0)
    sparse = absorb(effects, weights, 600)
    assert isinstance(dense.cross, np.ndarray)
    assert not isinstance(sparse.cross, np.ndarray)
    assert sparse.rank == dense.rank
    assert sparse.residual(Z) == pytest.approx(dense.residual(Z), abs=1e-10)
    D = dummies(dense.effects)  # generalised inverses differ, what they project on does not
    expected = D @ dense.inverse() @ D.T
    assert D @ sparse.inverse() @ D.T == pytest.approx(expected, abs=1e-10)


@given(seed=st.integers(0, 10_000), weighted=st.booleans())
@settings(max_examples=25, deadline=None)
def test_parts_that_nothing_links_are_solved_by_themselves(seed: int, weighted: bool) -> None:
    """Units and country-years: weak links, parts of one row, a unit with one country-year."""
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, 40, 200)
    effects = (unit, unit // 5 * 7 + rng.integers(0, 7, 200))
    weights = rng.uniform(0.05, 3.0, 200) if weighted else None
    Z = rng.normal(size=(200, 3)) * [1.0, 50.0, 1e-3] + [0.0, 2000.0, 1.0]
    whole = absorb(effects, weights, 200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.absorb.FEW_CELLS", 0)
        parts = absorb(effects, weights, 200)
    assert isinstance(parts.solve, BlockInverse)
    assert parts.rank == whole.rank == joint_rank(effects, 200)
    assert parts.residual(Z) == pytest.approx(whole.residual(Z), abs=1e-10)
    D = dummies(whole.effects)
    expected = D @ whole.inverse() @ D.T
    assert D @ parts.inverse() @ D.T == pytest.approx(expected, abs=1e-10)


def test_a_part_that_hangs_by_a_thread_is_left_to_pivoting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two halves of units and years, linked by one row of next to no weight."""
    monkeypatch.setattr("models.absorb.FEW_CELLS", 0)
    unit, year = (np.ravel(found) for found in np.indices((10, 8)))
    year = np.append(np.where(unit < 5, year, year + 8), 8)
    unit = np.append(unit, 0)
    weights = np.append(np.ones(80), 1e-10)
    absorption = absorb((unit, year), weights, 81)
    assert not isinstance(absorption.solve, BlockInverse)
    Z = np.random.default_rng(4).normal(size=(81, 2))
    residual = absorption.residual(Z)
    halves = absorb((unit[:80], year[:80]), None, 80)
    assert isinstance(halves.solve, BlockInverse)
    assert halves.rank == 10 + 16 - 2
    assert residual[:80] == pytest.approx(halves.residual(Z[:80]), abs=1e-8)


def test_many_levels_by_conjugate_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    everything, weights, Z = drawn(3, n=600)
    effects = (everything[0], everything[2], np.arange(600) % 47)
    exact = absorb(effects, weights, 600)
    residual = exact.residual(Z)
    _make_iterative(monkeypatch)
    iterated = absorb(effects, weights, 600)
    assert iterated.residual(Z) == pytest.approx(residual, abs=1e-9)
    assert iterated.rank == exact.rank
    two = absorb(effects[:2], weights, 600)
    assert two.rank == joint_rank(effects[:2], 600)


def test_weakly_linked_levels_are_refused_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    _make_iterative(monkeypatch)
    monkeypatch.setattr(schur, "ITERATIONS", 100)
    chain = np.arange(4_000)  # each level is tied to the next by a single row
    absorption = absorb((chain // 2, (chain + 1) // 2), None, len(chain))
    Z = np.cumsum(np.random.default_rng(0).normal(size=(len(chain), 1)), axis=0)
    with pytest.raises(BadInput, match="too weakly linked"):
        absorption.residual(Z)


def test_a_projection_that_does_not_converge_is_refused_whatever_solves_it() -> None:
    everything, _, Z = drawn(6)
    absorption = absorb((everything[0], everything[2]), None, len(Z))
    assert isinstance(absorption.cross, np.ndarray)
    wrong = replace(absorption, solve=lambda sums: -absorption.solve(sums))
    with pytest.raises(BadInput, match="too weakly linked"):
        wrong.residual(Z)


def test_group_means_vanish_to_rounding_even_for_calendar_years() -> None:
    unit, year = np.divmod(np.arange(4000), 20)
    Z = (year + 1990.0 + np.random.default_rng(1).normal(size=4000) * 1e-3)[:, None]
    residual = absorb((unit, year), None, 4000).residual(Z)[:, 0]
    assert np.abs(np.bincount(unit, residual)).max() < 1e-13
    assert np.abs(np.bincount(year, residual)).max() < 1e-12


def test_singletons_stay_with_a_residual_of_zero() -> None:
    unit = np.array([0, 0, 1, 2, 2, 2])
    absorption = absorb((unit,), None, 6)
    assert absorption.rank == 3
    assert absorption.residual(np.arange(6.0)[:, None])[2, 0] == 0.0


def test_no_effects_change_nothing() -> None:
    Z = np.ones((3, 2))
    nothing = absorb((), None, 3)
    assert nothing.rank == 0
    assert np.array_equal(nothing.residual(Z), Z)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_weights_must_be_positive_numbers(bad: float) -> None:
    with pytest.raises(BadInput, match="weights"):
        absorb((np.zeros(2, dtype=np.int64),), np.array([1.0, bad]), 2)


def test_nesting() -> None:
    unit = np.array([0, 0, 1, 2])
    assert is_nested(unit, unit // 2)
    assert not is_nested(unit // 2, unit)
