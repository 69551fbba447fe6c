"""The permutation p-value: the sample is one more draw, and the draws are those of the seed."""

from __future__ import annotations

import numpy as np

from models.design import Design, Floats
from models.inference import Uncertainty
from models.inference.cluster import find_clusters
from models.inference.draws import SEED
from models.inference.measure import measure
from models.inference.randomization import treatment_paths
from models.least_squares import fit_least_squares
from models.study import Inference

UNITS, PERIODS, DRAWS = 12, 5, 199


def panel(effect: float) -> Design:
    """Twelve units over five periods, balanced: any two of them may swap their treatments."""
    rng = np.random.default_rng(8)
    unit, time = np.divmod(np.arange(UNITS * PERIODS), PERIODS)
    X = rng.normal(size=(len(unit), 2)) + rng.normal(size=(UNITS, 2))[unit]
    y = X @ [effect, 1.0] + rng.normal(size=UNITS)[unit] + rng.normal(size=len(unit))
    return Design(
        y=y, X=X, terms=("x", "c"), n_treatments=1, weights=None, unit=unit, time=time,
        units=np.arange(UNITS).astype(object), times=np.arange(PERIODS), parent=None,
        effects=(unit, time), effect_names=("unit", "time"),
    )  # fmt: skip


def permuted(design: Design, seed: int | None, draws: int = DRAWS) -> Uncertainty:
    fit = fit_least_squares(design.y, design.X, design.terms, None, design.effects)
    return measure(fit, design, Inference("randomization", draws=draws, seed=seed))


def studentised(design: Design, x: Floats) -> float:
    """|t| of x in place of the treatment where none has an effect, by LAPACK with all dummies.

    The outcome net of controls and effects on x net of them; squares of scores summed by unit.
    """
    dummies = [codes[:, None] == np.unique(codes) for codes in design.effects]
    others = np.column_stack([design.X[:, 1], *dummies])
    e, r = (v - others @ np.linalg.lstsq(others, v)[0] for v in (design.y, x))
    slope = float(r @ e / (r @ r))
    sums = np.bincount(design.unit, r * (e - slope * r))
    return float(abs(slope) * (r @ r) / np.sqrt(sums @ sums))


def test_p_is_the_share_of_draws_that_reach_the_sample_which_is_one_more() -> None:
    design = panel(0.5)
    paths = treatment_paths(design, find_clusters(design, "unit"), 0)
    (drawn,) = paths.permutations(DRAWS, 5, DRAWS)
    grid = design.X[:, 0].reshape(UNITS, PERIODS)
    own = studentised(design, design.X[:, 0])
    reached = sum(studentised(design, grid[order].ravel()) >= own for order in drawn)
    assert 5 < reached < 100
    assert permuted(design, 5).p_value[0] == (reached + 1) / (DRAWS + 1)


def test_where_no_draw_reaches_the_sample_p_is_one_in_all_draws_and_the_sample() -> None:
    design = panel(5.0)
    for draws in (99, 199):
        assert permuted(design, 5, draws).p_value[0] == 1 / (draws + 1)


def test_the_seed_of_the_study_decides_the_draws() -> None:
    design = panel(0.5)
    found = [float(permuted(design, seed).p_value[0]) for seed in range(1, 6)]
    assert found == [float(permuted(design, seed).p_value[0]) for seed in range(1, 6)]
    assert len(set(found)) > 1
    assert permuted(design, None).p_value[0] == permuted(design, SEED).p_value[0]
    assert "seed 4" in permuted(design, 4).convention
    paths = treatment_paths(design, find_clusters(design, "unit"), 0)
    (one,), (other,), (again,) = (paths.permutations(9, seed, 9) for seed in (1, 2, 1))
    assert not np.array_equal(one, other)
    assert np.array_equal(one, again)
