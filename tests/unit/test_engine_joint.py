"""Joint inference: right size under the null, power against an effect, sound p-values."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from models.design import Floats
from models.engine.crossing import crossing_sums
from models.engine.curve import Cells, critical_value, estimate_curve
from models.engine.joint import (
    NullCurves,
    ObservedCurve,
    curve_statistics,
    described,
    joined,
    joint_test,
)
from models.engine.projection import condense, project
from models.engine.resampling import NullScores, Resampler, studentise
from models.engine.results import JointTest
from models.engine.stacked import statistics_of
from models.engine.subsets import residualise
from models.inference.sign_draws import coded_draws

CONTROLS = 4


def curve_test(
    seed: int, effect: float, n_clusters: int = 20, draws: int = 199
) -> tuple[JointTest, Floats, Floats, Floats]:
    """Sixteen specifications on a panel with cluster shocks: joint test, wild and adjusted p, t."""
    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(n_clusters * 3 * 8), 8)
    cluster = unit // 3
    shock = rng.normal(size=(2, n_clusters, 8))[:, cluster, time]
    controls = rng.normal(size=(len(unit), CONTROLS))
    x = shock[0] + rng.normal(size=len(unit))
    y = effect * x + shock[1] + controls[:, 0] + rng.normal(size=len(unit))
    projected = project(np.column_stack([y, x, controls]), None, (unit, time))
    products = condense(projected, (cluster,))
    size = 2**CONTROLS
    subsets = (np.arange(size) >> np.arange(CONTROLS)[:, None] & 1).astype(bool)
    zeros = np.zeros(size, dtype=np.int64)
    cells = Cells(zeros, zeros + 1, np.arange(size))
    targets, columns = np.arange(2), np.arange(2, 2 + CONTROLS)
    solved = residualise(products.root, columns, targets, subsets)
    found = estimate_curve(products, solved, cells)
    crossing = crossing_sums(projected, cluster, n_clusters)
    everyone = np.arange(n_clusters)
    resampler = Resampler(products, crossing, solved, cells, everyone)
    one = np.ones(size)
    t = found.estimate / found.std_error
    observed = ObservedCurve(t, found.estimate, one, critical_value(n_clusters - 1.0) * one)
    named = ("country", n_clusters)
    joint, wild, adjusted = joint_test(
        lambda part: described(observed, [statistics_of([resampler], everyone, part)]),
        observed,
        named,
        draws,
        seed,
        lambda _: None,
    )
    return joint, wild, adjusted, t


def test_size_under_the_null() -> None:
    """120 null worlds: each statistic rejects 10 % at 10 %, and is uniform in the middle."""
    p_values = np.array([[t.p_value for t in curve_test(s, 0.0)[0].tests] for s in range(120)])
    rejected = (p_values <= 0.1).mean(axis=0)
    # binomial: 10 % of 120 with a standard error of 2.7 points
    assert np.all(rejected < 0.19), rejected
    assert np.all(rejected > 0.02), rejected
    # the share of significant specifications is mostly zero here, and as often a tie
    assert np.all(np.abs(np.delete(p_values.mean(axis=0), 3) - 0.5) < 0.1)


def test_power_against_an_effect_of_either_sign() -> None:
    for seed, effect in ((1, 0.4), (2, -0.4), (3, 0.4)):
        joint, _, adjusted, _ = curve_test(seed, effect)
        assert joint.p_value == joint.tests[0].p_value <= 0.01
        # that all specifications are significant can happen by chance alone, if rarely
        assert all(test.p_value <= 0.1 for test in joint.tests), joint.tests
        assert adjusted.max() <= 0.05


def test_adjusted_p_values_are_those_of_step_down_by_definition() -> None:
    joint, wild, adjusted, t = curve_test(4, 0.05)
    assert joint.draws == 199
    assert np.all(adjusted >= wild)
    largest = next(test for test in joint.tests if test.test == "largest absolute t")
    assert adjusted[np.argmax(np.abs(t))] == pytest.approx(largest.p_value)
    least = np.argmin(np.abs(t))
    assert adjusted[least] >= wild[least]
    order = np.argsort(-np.abs(t))
    assert np.all(np.diff(adjusted[order]) >= 0)


def test_few_clusters_take_every_sign_vector_and_count_the_data_once() -> None:
    joint, wild, _, _ = curve_test(5, 0.0, n_clusters=8)
    assert joint.draws == 2**8
    # a sign vector and its negative give the same absolute t
    assert wild.min() >= 2 / 2**8
    assert np.allclose(wild * 2**8 % 2, 0)


def test_statistics_of_a_small_curve_by_hand() -> None:
    t = np.array([[3.0, -1.0, 2.5, 0.5]])
    found = curve_statistics(t, np.sort(t), t / 10, np.full(4, 2.0))
    assert {name: float(value[0]) for name, value in found.items()} == pytest.approx(
        {
            "mean absolute t": 1.75,
            "median t": 1.5,
            "median estimate": 0.15,
            "share with t beyond its 5 % threshold in one direction": 0.5,
            "largest absolute t": 3.0,
        }
    )


@pytest.mark.parametrize("n_specs", [1, 2, 7, 12])
def test_statistics_of_many_curves_are_those_of_each(n_specs: int) -> None:
    rng = np.random.default_rng(n_specs)
    t, estimates = rng.normal(size=(2, 5, n_specs))
    found = curve_statistics(t, np.sort(t), estimates, np.ones(n_specs))
    assert np.array_equal(found["median t"], np.abs(np.median(t, axis=1)))
    assert np.array_equal(found["median estimate"], np.abs(np.median(estimates, axis=1)))
    assert np.array_equal(found["largest absolute t"], np.abs(t).max(axis=1))
    above, below = (t > 1.0).mean(axis=1), (t < -1.0).mean(axis=1)
    share = "share with t beyond its 5 % threshold in one direction"
    assert np.array_equal(found[share], np.maximum(above, below))


def test_draws_in_parts_give_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = curve_test(6, 0.1)
    monkeypatch.setattr("models.engine.joint.NUMBERS", 16 * 37)
    monkeypatch.setattr("models.engine.stacked.CACHED", 500)
    parts = curve_test(6, 0.1)
    assert parts[0].tests == whole[0].tests
    assert np.array_equal(parts[1], whole[1])
    assert np.array_equal(parts[2], whole[2])


def test_a_draw_without_slope_or_error_has_no_t_to_speak_of() -> None:
    """Two clusters, fitted without error by draws of one sign: not 0 / 0, which round-off decides.

    K = diag(a) - a (1, 1) / 2, so that K (1, 1)' and a'(1, 1)' are both zero.
    """
    scores = np.array([[0.1, -0.1]]) / 3.0
    half, one = np.full((1, 2, 1), 0.5), np.ones(1)
    null = NullScores(scores, scores[:, :, None], half, one, one)
    signs = coded_draws(2, 4, 1)[0].signs()
    w = signs.astype(np.float64)
    t, slopes = np.empty((1, 4)), scores @ w
    for squares in (null.sums_of_squares(w), np.full((1, 4), 1e-19)):
        studentise(null, slopes, squares, t)
        assert np.abs(t[0, w[0] == w[1]]).max() < 1e-6
    studentise(null, slopes, null.sums_of_squares(w), t)
    assert np.abs(t[0, w[0] != w[1]]) == pytest.approx(np.sqrt(2.0))


def against_nothing(n_clusters: int, draws: int) -> tuple[JointTest, Floats, Floats]:
    """A curve of two cells with t of 5 and 3, and null draws that all have t of zero."""
    one = np.ones(2)
    observed = ObservedCurve(np.array([5.0, 3.0]), one, one, 2.0 * one)
    named = ("country", n_clusters)
    return joint_test(
        lambda part: described(observed, [(np.zeros((2, len(part))), np.zeros((2, len(part))))]),
        observed,
        named,
        draws,
        1,
        lambda _: None,
    )


def test_all_sign_vectors_hold_the_data_and_their_mirror_image() -> None:
    """Where round-off hides them, with data that fit all but exactly, no p-value is zero."""
    joint, wild, adjusted = against_nothing(9, 999)
    assert {joint.p_value, *wild, *adjusted} == {2 / 512}
    assert joint.band["high"].max() == 0.0


def test_the_band_counts_the_data_s_own_curve_where_it_is_no_draw() -> None:
    joint, wild, adjusted = against_nothing(20, 19)
    assert {joint.p_value, *wild, *adjusted} == {1 / 20}
    expected = np.quantile(np.append(np.zeros(19), 5.0), 0.975)
    assert joint.band["high"].max() == pytest.approx(expected)


def test_counts_of_many_parts_are_not_held_together() -> None:
    """A large curve is described one draw at a time: the counts of all would be gigabytes."""

    def one() -> NullCurves:
        counts = np.ones((2, 20_000), dtype=np.int64)
        return NullCurves({"t": np.ones(1)}, np.arange(3), np.ones((3, 1)), *counts)

    tracemalloc.start()
    found = joined(one() for _ in range(200))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.draws == len(found.statistics["t"]) == 200
    assert (found.own == 200).all()
    assert (found.exceeding == 200).all()
    assert peak < 10 * 2**20  # together they are 61 MiB


def test_draws_that_tie_with_the_data_are_as_extreme_as_they_are() -> None:
    """Of nineteen draws, two repeat what was found, a third does so but for round-off."""
    found = np.array([2.0, 0.0, -1.5])
    t = np.zeros((3, 19))
    t[0, :5] = [2.0, -2.0, 2.0 - 1e-12, 3.0, 1.9999]
    t[2, 6:10] = [1.5, -1.5, 1.5 - 1e-12, 1.4999]
    one = np.ones(3)
    observed = ObservedCurve(found, found, one, 2.0 * one)
    joint, wild, adjusted = joint_test(
        lambda _: described(observed, [(t.copy(), t.copy())]),
        observed,
        ("country", 20),
        19,
        1,
        lambda _: None,
    )
    assert joint.draws == 19
    assert list(wild) == [5 / 20, 1.0, 4 / 20]
    assert list(adjusted) == [5 / 20, 1.0, 5 / 20]
    largest = next(test for test in joint.tests if test.test == "largest absolute t")
    assert largest.p_value == 5 / 20
