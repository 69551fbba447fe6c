"""The resampling shortcuts against estimating everything again, one draw at a time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from models.absorb import absorb
from models.design import Codes, Design, Floats
from models.inference import randomization, wild, wild_iv
from models.inference.cluster import cluster_scores, find_clusters
from models.inference.draws import Resamples, WildWeights, wild_weights
from models.inference.leverage import leave_one_out
from models.inference.measure import measure
from models.inference.null_draws import drawing, multiplied, transformed
from models.inference.walsh import SignedSums
from models.least_squares import LinearFit, fit_least_squares
from models.study import Inference

GROUPS, PERIODS, EACH = 5, 6, 3
TERMS = ("x", "c")


@dataclass(frozen=True)
class Case:
    """A small unbalanced panel of five clusters, x endogenous, with two instruments."""

    design: Design
    Z: Floats

    def fit(self, iv: bool, y: Floats | None = None, X: Floats | None = None) -> LinearFit:
        """Both regressors, effects absorbed."""
        d = self.design
        return fit_least_squares(
            d.y if y is None else y, d.X if X is None else X, TERMS, d.weights, d.effects,
            ("x",) if iv else (), self.Z if iv else None,
        )  # fmt: skip


def case(weighted: bool, seed: int = 1, share: float = 0.9) -> Case:
    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(GROUPS * EACH * PERIODS), PERIODS)
    kept = rng.random(len(unit)) < share
    parent = unit // EACH
    z, c = rng.normal(size=(len(unit), 2)), rng.normal(size=len(unit))
    e = rng.normal(size=len(unit)) + rng.normal(size=GROUPS)[parent]
    x = z @ [0.8, 0.5] + 0.5 * c + 0.6 * e + rng.normal(size=len(unit))
    y = 0.3 * x + c + e + rng.normal(size=GROUPS * EACH)[unit] + rng.normal(size=PERIODS)[time]
    weights = rng.uniform(0.3, 2.0, len(unit))[kept] if weighted else None
    unit, time, parent = unit[kept], time[kept], parent[kept]
    design = Design(
        y=y[kept], X=np.column_stack([x, c])[kept], terms=TERMS, n_treatments=1,
        weights=weights, unit=unit, time=time, units=np.arange(GROUPS * EACH).astype(object),
        times=np.arange(PERIODS), parent=parent, effects=(unit, time),
        effect_names=("unit", "time"),
    )  # fmt: skip
    return Case(design, z[kept])


def every_sign_vector() -> WildWeights:
    return wild_weights(Inference(weights="rademacher"), GROUPS, 99_999)


def t_statistic(fit: LinearFit, design: Design, j: int, null: float) -> float:
    assert design.parent is not None
    influence = cluster_scores(fit, design.parent) @ fit.bread
    return float(abs(fit.beta[j] - null) / np.sqrt(np.square(influence).sum(axis=0)[j]))


def refitted(panel: Case, iv: bool, j: int, null: float) -> Floats:
    """|t*| of every sign vector, each from a full regression on an explicit bootstrap outcome."""
    d, other = panel.design, 1 - j
    assert d.parent is not None
    left, X = d.y - null * d.X[:, j], d.X.copy()
    restricted = fit_least_squares(
        left, X[:, [other]], (TERMS[other],), d.weights, d.effects,
        ("x",) if iv and other == 0 else (),
        np.column_stack([X[:, 1], panel.Z]) if iv and other == 0 else None,
    )  # fmt: skip
    u, beta = restricted.residuals, np.empty(2)
    beta[j], beta[other] = null, restricted.beta[0]
    X = absorb(d.effects, d.weights, d.n_obs).residual(X)
    moved = np.zeros(d.n_obs)
    if iv:
        base = np.column_stack([d.X[:, 1], panel.Z, u])
        first = fit_least_squares(d.X[:, 0], base, ("c", "z1", "z2", "u"), d.weights, d.effects)
        moved = first.residuals + first.X[:, 3] * first.beta[3]
        X[:, 0] -= moved
    statistics = []
    for signs in itertools.product([1.0, -1.0], repeat=GROUPS):
        v = np.array(signs)[d.parent]
        again = X + np.column_stack([v * moved, np.zeros(d.n_obs)])
        star = panel.fit(iv, again @ beta + v * u, again)
        statistics.append(t_statistic(star, d, j, null))
    return np.sort(statistics)


@pytest.mark.parametrize("error", [np.inf, 0.0], ids=["transformed", "multiplied"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("j", "null"), [(0, 0.0), (0, 0.7), (1, 0.0), (1, 0.7)])
def test_wild_draws_are_those_of_full_regressions(
    weighted: bool, j: int, null: float, error: float
) -> None:
    panel = case(weighted)
    fit, clusters = panel.fit(iv=False), find_clusters(panel.design, "parent")
    refit = wild.Refit(clusters, wild.absorption_of(fit), fit.X, fit.weights)
    statistics = wild._draw(fit, refit, drawing(every_sign_vector()), j, error)
    ours = np.sort(statistics(float(fit.beta[j]) - null))
    assert ours == pytest.approx(refitted(panel, False, j, null), rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("j", "null"), [(0, 0.0), (0, 0.7), (1, 0.0), (1, 0.7)])
def test_wild_iv_draws_are_those_of_full_regressions(
    weighted: bool, j: int, null: float
) -> None:
    panel = case(weighted)
    fit, clusters = panel.fit(iv=True), find_clusters(panel.design, "parent")
    refit = wild.Refit(clusters, wild.absorption_of(fit), fit.X[:, :0], fit.weights)
    system = wild_iv._system(fit, refit, j)
    ours = np.sort(wild_iv.statistics(system, every_sign_vector(), null))
    assert ours == pytest.approx(refitted(panel, True, j, null), rel=1e-8)


@pytest.mark.parametrize("iv", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_leave_one_out_is_estimating_without_the_cluster(iv: bool, weighted: bool) -> None:
    panel = case(weighted)
    d = panel.design
    assert d.parent is not None
    ours = leave_one_out(panel.fit(iv), find_clusters(d, "parent"))
    for g in range(GROUPS):
        kept = d.parent != g
        fit = fit_least_squares(
            d.y[kept], d.X[kept], TERMS, None if d.weights is None else d.weights[kept],
            tuple(e[kept] for e in d.effects), ("x",) if iv else (),
            panel.Z[kept] if iv else None,
        )  # fmt: skip
        assert ours[g] == pytest.approx(fit.beta, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("null", [0.0, 0.5])
def test_permutation_draws_are_those_of_full_regressions(weighted: bool, null: float) -> None:
    panel = case(weighted, share=1.1)
    d, fit = panel.design, panel.fit(iv=False)
    units = find_clusters(d, "unit")
    paths = randomization.treatment_paths(d, units, 0)
    draws = randomization._draw(fit, d, units, paths, 0, (20, 5))
    ours = draws.statistics(float(fit.beta[0]) - null)
    (permuted,) = paths.permutations(20, 5, 20)
    grid = d.X[:, 0].reshape(-1, PERIODS)
    for b in range(20):
        X = np.column_stack([grid[permuted[b]].ravel(), d.X[:, 1]])
        # studentised at the permuted coefficient with residuals that impose the null
        under = fit_least_squares(d.y - null * d.X[:, 0], X[:, 1:], ("c",), d.weights, d.effects)
        star = fit_least_squares(under.residuals, X, TERMS, d.weights, d.effects)
        influence = np.bincount(d.unit, (star.scores @ star.bread)[:, 0])
        assert ours[b] == pytest.approx(
            abs(star.beta[0]) / np.sqrt(np.square(influence).sum()), rel=1e-9
        )


def test_paths_move_only_between_units_observed_in_the_same_periods() -> None:
    panel = case(weighted=False, share=0.8)
    paths = randomization.treatment_paths(panel.design, find_clusters(panel.design, "unit"), 0)
    seen = ~np.isnan(paths.values)
    for permuted in paths.permutations(50, 1, 7):
        for row in permuted:
            assert sorted(row) == list(range(len(row)))
            assert np.array_equal(seen[row], seen)


def test_national_treatments_are_permuted_across_parents_by_default() -> None:
    panel = case(weighted=False, share=1.1)
    d = panel.design
    assert d.parent is not None
    national = np.random.default_rng(0).normal(size=(GROUPS, PERIODS))[d.parent, d.time]
    d = replace(d, X=np.column_stack([national, d.X[:, 1]]))
    fit = fit_least_squares(d.y, d.X, TERMS, None, d.effects)
    ours = measure(fit, d, Inference("randomization", draws=199))
    assert ours.n_clusters == {"parent": GROUPS}
    assert np.isnan(ours.p_value[1])
    assert 0.0 < ours.p_value[0] <= 1.0
    assert ours.conf_low[0] < fit.beta[0] < ours.conf_high[0]


@pytest.mark.parametrize("iv", [False, True])
def test_interval_ends_are_just_rejected(iv: bool) -> None:
    panel = case(weighted=True, seed=4)
    how = Inference("wild-cluster", ("unit",), draws=499)
    base = measure(panel.fit(iv), panel.design, how)
    width = base.std_error[0]
    for end, inside in ((base.conf_low[0], 1.0), (base.conf_high[0], -1.0)):
        p = []
        for null in (end + inside * 0.02 * width, end - inside * 0.02 * width):
            shifted = panel.fit(iv, panel.design.y - null * panel.design.X[:, 0])
            p.append(measure(shifted, panel.design, how).p_value[0])
        assert p[0] > 0.05 >= p[1]


def test_weights_have_mean_zero_and_variance_one() -> None:
    for kind in ("rademacher", "webb", "mammen"):
        how = Inference("wild-cluster", weights=kind, draws=20_000)
        (v,) = wild_weights(how, 40, 999).blocks(1)
        assert v.shape == (40, 20_000)
        assert v.mean() == pytest.approx(0.0, abs=0.005)
        assert np.square(v).mean() == pytest.approx(1.0, abs=0.005)
    assert (v**3).mean() == pytest.approx(1.0, abs=0.02)  # Mammen's third moment


@pytest.mark.parametrize(("kind", "most"), [("rademacher", 32), ("webb", 40)])
def test_blocks_bound_memory_and_cover_all_draws(kind: str, most: int) -> None:
    weights = wild_weights(Inference(weights=kind, draws=1000), 20, 999)
    widths = [block.shape[1] for block in weights.blocks(100_000)]
    assert sum(widths) == 1000
    assert max(widths) == most  # four million numbers a block
    first, again = (np.hstack(list(weights.blocks(100_000))) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("n_clusters", [3, 12, 13, 25, 60, 250])
def test_transforms_of_signs_are_products_with_them(n_clusters: int) -> None:
    weights = wild_weights(Inference(weights="rademacher"), n_clusters, 1500)
    assert weights.signs is not None
    rng = np.random.default_rng(n_clusters)
    sums = rng.normal(size=(2, n_clusters))
    couplings = [*rng.normal(size=(2, n_clusters, n_clusters))]
    signed, paired = SignedSums(weights.signs), SignedSums(weights.signs.pairs())
    ours = transformed(signed, paired, sums, couplings)
    theirs = multiplied(weights, sums, couplings)
    for name in ("n_e", "n_r", "q_ee", "q_er", "q_rr"):
        apart = np.abs(getattr(ours, name) - getattr(theirs, name))
        assert apart.max() <= 1e-11 * np.abs(getattr(theirs, name)).max()
    statistics = drawing(weights)(sums, couplings, 0.5)
    assert np.array_equal(statistics(49.0), ours.statistics(49.0))
    assert np.array_equal(statistics(-51.0), theirs.statistics(-51.0))  # over a hundred errors away


@pytest.mark.parametrize("n_carrying", [2, 4])
def test_draws_that_repeat_all_but_exact_data_tie_with_them(n_carrying: int) -> None:
    """Where k clusters of twenty carry x, one in 2^(k - 1) draws leaves |t| as it is."""
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(20), 8)
    x = np.where(codes < n_carrying, rng.normal(size=160) + rng.normal(size=20)[codes], 0.0)
    for noise in (1.0, 1e-3, 1e-5, 1e-7):
        y = x + noise * (rng.normal(size=160) + rng.normal(size=20)[codes])
        p_value = wild_p_value(y, x, codes)
        assert p_value == pytest.approx(2.0 ** (1 - n_carrying), abs=0.01)


def test_data_and_their_mirror_image_are_among_all_sign_vectors_however_well_they_fit() -> None:
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(12), 8)
    x = rng.normal(size=96) + rng.normal(size=12)[codes]
    for noise in (1e-2, 1e-4, 1e-6):
        y = x + noise * (rng.normal(size=96) + rng.normal(size=12)[codes])
        assert wild_p_value(y, x, codes) == 2 / 2**12


def wild_p_value(y: Floats, x: Floats, codes: Codes) -> float:
    n = len(y)
    fit = fit_least_squares(y, x[:, None], ("x",), None, (codes,))
    places = np.unique(codes).astype(object), np.arange(n)
    design = Design(
        y, x[:, None], ("x",), 1, None, codes, np.arange(n), *places, None, (codes,), ("unit",)
    )
    found = measure(fit, design, Inference("wild-cluster", ("unit",), draws=9999))
    return float(found.p_value[0])


def test_few_clusters_are_enumerated_or_drawn_from_webb() -> None:
    listed = wild_weights(Inference(weights="rademacher"), 10, 99_999)
    vectors = np.hstack(list(listed.blocks(1)))
    assert vectors.shape == (10, 1024)
    assert len(np.unique(vectors, axis=1).T) == 1024
    assert listed.resamples == Resamples(1024, 0)
    assert wild_weights(Inference(), 11, 999).kind == "webb"
    assert wild_weights(Inference(), 12, 999).enumerated
    # so they are where there are no more than twice as many as asked for
    assert wild_weights(Inference(), 13, 8191).resamples == Resamples(8192, 0)
    drawn = wild_weights(Inference(), 13, 999)
    assert (drawn.kind, drawn.resamples) == ("rademacher", Resamples(999, 1))


def test_p_values_count_ties_and_the_sample() -> None:
    drawn = np.array([1.0, 2.0, 2.0 - 1e-12, 3.0])
    assert Resamples(4, 0).p_value(2.0, drawn) == 3 / 4
    assert Resamples(4, 1).p_value(5.0, drawn) == 1 / 5


@pytest.mark.parametrize("distance", [0.01, 1.0, 2.0, 2.5, 60.0, 77.0, 99.9, 700.0, 999.0])
@pytest.mark.parametrize("steep", [1.0, 0.01])
def test_an_interval_ends_where_the_test_begins_to_reject(distance: float, steep: float) -> None:
    def draw(null: float) -> Floats:
        """As extreme as the data up to `distance`, and less so beyond."""
        return np.full(99, abs(null) + steep * (distance - abs(null)))

    ends = Resamples(99, 1).interval(draw, 0.0, 1.0)
    assert ends == pytest.approx((-distance, distance), rel=2e-6, abs=2e-6)


def test_an_interval_without_ends_is_infinite() -> None:
    heavy = np.full(99, 1e9)
    assert Resamples(99, 1).interval(lambda _null: heavy, 2.0, 1.0) == (-np.inf, np.inf)
    asked = []

    def repeating(null: float) -> Floats:
        """Every draw repeats the sample: no null value is ever rejected."""
        asked.append(null)
        return np.full(99, abs(null - 2.0))

    assert Resamples(99, 1).interval(repeating, 2.0, 1.0) == (-np.inf, np.inf)
    assert len(asked) < 60
    # eighteen draws and the sample: no p-value falls to 5 %
    assert Resamples(18, 1).interval(lambda _null: np.zeros(18), 0.0, 1.0) == (-np.inf, np.inf)
