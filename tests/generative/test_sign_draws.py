"""Coded sign flips: what they are, what they are worth, and sums and forms in them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from models.inference.sign_draws import SignDraws, coded_draws
from models.inference.walsh import SignedSums, hadamard

DRAWS = [99, 399, 999, 1023, 1024, 2500]


@pytest.mark.parametrize("n_draws", DRAWS)
@pytest.mark.parametrize("n_clusters", [13, 16, 37, 60])
def test_transforms_are_the_sums_and_forms_themselves(n_clusters: int, n_draws: int) -> None:
    """All draws, some of the clusters, and parts of the draws of any size."""
    rng = np.random.default_rng(n_clusters + n_draws)
    draws, _ = coded_draws(n_clusters, n_draws, n_clusters)
    some = rng.choice(n_clusters, 11, replace=False)
    for tried in (draws, draws.of(some), draws.of(some[:1]), *draws.parts(n_draws // 3)):
        forms = rng.normal(size=(3, len(tried.words), len(tried.words)))
        w = tried.signs().astype(np.float64)
        wanted = np.einsum("sgd,gd->sd", forms @ w, w)
        found = SignedSums(tried.pairs()).of(forms.reshape(3, -1))
        assert found == pytest.approx(wanted, rel=1e-10, abs=1e-10)
        sums = np.full((3, 2 * len(tried)), np.nan)[:, ::2]
        SignedSums(tried).of(forms[:, 0], sums)
        assert sums == pytest.approx(forms[:, 0] @ w, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("n_draws", DRAWS)
def test_draws_are_distinct_and_none_is_the_data(n_draws: int) -> None:
    for seed in range(20):
        draws, every = coded_draws(14, n_draws, seed)
        signs = draws.signs()
        assert (signs.shape, every) == ((14, n_draws), False)
        vectors = np.unique(np.column_stack([signs, np.ones(14)]), axis=1)
        assert vectors.shape[1] == n_draws + 1


def test_signs_are_those_of_the_words() -> None:
    draws = SignDraws(np.array([0b01, 0b11, 0b10, 0b00]), np.array([1, 2, 3]))
    assert draws.signs().tolist() == [[-1, 1, -1], [-1, -1, 1], [1, -1, -1], [1, 1, 1]]
    assert hadamard(1).tolist() == [[1.0, 1.0], [1.0, -1.0]]


@pytest.mark.parametrize(("n_clusters", "n_draws"), [(1, 999), (5, 999), (12, 99), (13, 8000)])
def test_few_clusters_give_every_sign_vector_once(n_clusters: int, n_draws: int) -> None:
    """Also where there are hardly more of them than draws asked for."""
    draws, every = coded_draws(n_clusters, n_draws, 7)
    signs = draws.signs()
    assert every
    assert len(np.unique(signs, axis=1).T) == signs.shape[1] == 2**n_clusters
    assert np.all(signs[:, 0] == 1)
    w = signs.astype(np.float64)
    form = np.random.default_rng(n_clusters).normal(size=(1, n_clusters, n_clusters))
    wanted = np.einsum("gd,gd->d", form[0] @ w, w)
    found = SignedSums(draws.pairs()).of(form.reshape(1, -1))
    assert found[0] == pytest.approx(wanted, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("most", [1, 7, 64, 1000, 5000])
def test_parts_are_all_draws_in_turn_and_no_larger_than_asked(most: int) -> None:
    draws, _ = coded_draws(20, 3000, 4)
    parts = list(draws.parts(most))
    assert max(len(part) for part in parts) <= most
    assert np.array_equal(np.hstack([part.signs() for part in parts]), draws.signs())
    assert len(parts) <= 2 * -(-3001 // 2 ** (most.bit_length() - 1))
    for part in parts:  # no more is computed for a part than it may hold
        assert SignedSums(part).height <= most


def test_draws_travel_as_words_and_numbers() -> None:
    draws, _ = coded_draws(50, 999, 1)
    sent = pickle.dumps(draws)
    assert len(sent) < 10_000
    assert np.array_equal(pickle.loads(sent).signs(), draws.signs())


@pytest.mark.parametrize(("n_clusters", "bits"), [(13, 7), (60, 10), (100, 7), (300, 10)])
def test_all_draws_and_the_data_are_balanced_half_samples(n_clusters: int, bits: int) -> None:
    """Signs and products of two clusters' signs add up to zero, and no draw flips everyone."""
    for seed in range(10):
        draws, every = coded_draws(n_clusters, 2**bits - 1, seed)
        signs = np.column_stack([draws.signs(), np.ones(n_clusters)])
        assert (signs.shape[1], every) == (2**bits, False)
        assert np.array_equal(signs @ signs.T, 2**bits * np.eye(n_clusters))
        assert not signs.sum(axis=1).any()
        assert not np.any((signs == -1).all(axis=0))


def test_with_more_clusters_than_words_each_is_used_about_as_often() -> None:
    draws, _ = coded_draws(300, 99, 2)
    counts = np.bincount(draws.words, minlength=128)
    assert counts[0] == 0
    assert set(counts[1:]) == {2, 3}


@pytest.mark.parametrize(
    ("n_clusters", "n_draws", "shape"),
    [(13, 999, "even"), (25, 199, "skewed"), (51, 999, "two heavy"), (60, 399, "even")],
)
def test_p_values_vary_less_from_seed_to_seed_than_with_independent_draws(
    n_clusters: int, n_draws: int, shape: str
) -> None:
    """The p-value of data that are as extreme as one world in ten: its mean, and no wild seed."""
    rng = np.random.default_rng(8)
    seeds, worlds = 1500, 400_000
    size = rng.uniform(0.5, 1.5, n_clusters)
    size *= rng.lognormal(size=n_clusters) if shape == "skewed" else 1.0
    size[:2] *= 5.0 if shape == "two heavy" else 1.0

    def studentised(flips: np.ndarray) -> np.ndarray:
        total = size @ flips
        return np.abs(total) / np.sqrt(size @ size - total**2 / n_clusters)

    alike = rng.choice(np.array([-1.0, 1.0]), (n_clusters, worlds))
    found = studentised(alike)
    own = alike[:, np.argmin(np.abs(found[:1000] - np.quantile(found, 0.9)))]
    value = studentised(own) * (1 - 1e-9)
    true = (found >= value).mean()
    drawn = (coded_draws(n_clusters, n_draws, seed)[0].signs() for seed in range(seeds))
    extreme = [(studentised(own[:, None] * signs) >= value).sum() for signs in drawn]
    p_values = (1 + np.array(extreme)) / (n_draws + 1)
    error = np.sqrt(true * (1 - true) / n_draws)
    assert abs(p_values.mean() - true) < 1 / n_draws + 4 * np.sqrt(true / worlds)
    assert p_values.std() < error
    assert np.abs(p_values - true).max() < 4.5 * error


@pytest.mark.parametrize("n_draws", [99, 124])
def test_a_test_of_symmetry_is_exact(n_draws: int) -> None:
    """Whatever the number of draws: as many ranks of the data as draws, all equally likely."""
    n_clusters, worlds = 14, 8000
    rng = np.random.default_rng(n_draws)
    size = np.abs(rng.standard_t(3, n_clusters))
    rejected = 0
    for seed in range(worlds):
        scores = size * rng.choice([-1.0, 1.0], n_clusters)
        signs = coded_draws(n_clusters, n_draws, seed)[0].signs()
        drawn = np.append(scores @ signs, scores.sum())
        rejected += int(np.count_nonzero(drawn >= scores.sum() - 1e-9) <= (n_draws + 1) // 5)
    error = np.sqrt(0.2 * 0.8 / worlds)
    assert abs(rejected / worlds - 0.2) < 4 * error
