"""What `measure` refuses, chooses by default, and promises whatever the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import BadInput
from models.design import Design
from models.inference import Uncertainty
from models.inference.cluster import effective_clusters, find_clusters, repair
from models.inference.leverage import bias_reduced
from models.inference.measure import KINDS, measure
from models.inference.record import require_uncancelled
from models.least_squares import fit_least_squares
from models.study import Inference

N_UNITS, N_PERIODS = 24, 8


def make(seed: int = 0, n_units: int = N_UNITS) -> Design:
    """A balanced panel of four units to a parent, with coordinates."""
    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(n_units * N_PERIODS), N_PERIODS)
    X = rng.normal(size=(len(unit), 2)) + rng.normal(size=(n_units, 2))[unit]
    y = X @ [0.5, -1.0] + rng.normal(size=n_units)[unit] + rng.normal(size=len(unit))
    places = rng.uniform(40, 60, size=(n_units, 2))[unit]
    return Design(
        y=y, X=X, terms=("x", "c"), n_treatments=1, weights=rng.uniform(0.5, 2.0, len(unit)),
        unit=unit, time=time, units=np.arange(n_units).astype(object),
        times=np.arange(2001, 2001 + N_PERIODS), parent=unit // 4, effects=(unit, time),
        effect_names=("unit", "time"),
        columns={"lat": places[:, 0], "lon": places[:, 1], "one": np.full(len(unit), "all")},
    )  # fmt: skip


def run(design: Design, how: Inference, instruments: bool = False) -> Uncertainty:
    Z = np.column_stack([design.X[:, 0], np.sin(design.X[:, 0])]) if instruments else None
    fit = fit_least_squares(
        design.y, design.X, design.terms, design.weights, design.effects,
        ("x",) if instruments else (), Z,
    )  # fmt: skip
    return measure(fit, design, how)


ALL_KINDS = [
    Inference("classical"),
    Inference("robust"),
    *(Inference("cluster", ("unit",), c) for c in ("CR0", "CR1", "CR2", "CR3")),
    Inference("cluster", ("unit", "time")),
    Inference("driscoll-kraay"),
    Inference("newey-west", lags=1),
    Inference("panel-corrected"),
    Inference("conley", km=300.0),
    Inference("wild-cluster", ("parent",), draws=199),
    Inference("randomization", draws=199),
]


def test_every_kind_is_covered_here() -> None:
    assert {how.kind for how in ALL_KINDS} == set(KINDS)


def shuffled_and_renamed(design: Design, rng: np.random.Generator) -> Design:
    """The same rows in another order, units and parents under other codes."""
    order, names = rng.permutation(design.n_obs), rng.permutation(N_UNITS)
    assert design.weights is not None
    assert design.parent is not None
    unit = names[design.unit[order]]
    return replace(
        design, y=design.y[order], X=design.X[order], weights=design.weights[order],
        unit=unit, time=design.time[order], parent=rng.permutation(6)[design.parent[order]],
        effects=(unit, design.time[order]),
        columns={name: values[order] for name, values in design.columns.items()},
    )  # fmt: skip


@pytest.mark.parametrize("how", ALL_KINDS[:-2], ids=str)
@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_order_names_and_scale_do_not_matter(how: Inference, seed: int) -> None:
    design, rng = make(seed), np.random.default_rng(seed)
    base = run(design, how)
    other = run(shuffled_and_renamed(design, rng), how)
    assert other.std_error == pytest.approx(base.std_error, rel=1e-8)
    assert other.df == pytest.approx(base.df, rel=1e-7)
    assert design.weights is not None
    scaled = replace(
        design, y=1000.0 * design.y + 7.0, X=design.X * [10.0, 1.0], weights=500.0 * design.weights
    )
    moved = run(scaled, how)
    assert moved.std_error == pytest.approx(base.std_error * [100.0, 1000.0], rel=1e-8)
    assert moved.p_value == pytest.approx(base.p_value, rel=1e-6)


@pytest.mark.parametrize("how", ALL_KINDS, ids=str)
def test_records_are_complete(how: Inference) -> None:
    ours = run(make(), how)
    assert ours.convention
    assert np.all(ours.std_error > 0)
    assert np.all(ours.df > 0)
    assert (ours.vcov is None) == (how.kind in ("wild-cluster", "randomization"))
    k = 1 if how.kind == "randomization" else 2
    assert np.all(ours.conf_low[:k] < ours.conf_high[:k])
    assert np.all((ours.p_value[:k] >= 0) & (ours.p_value[:k] <= 1))


def test_driscoll_kraay_from_few_periods_is_cautioned() -> None:
    (warning,) = run(make(), Inference("driscoll-kraay")).warnings
    assert "fewer than 30 periods" in warning


def test_without_effects_the_mean_of_weights_cancels() -> None:
    design = replace(make(), effects=(np.zeros(N_UNITS * N_PERIODS, dtype=np.int64),))
    assert run(design, Inference("cluster", ("unit",), "CR2")).df[0] > 1


REFUSED = [
    (Inference("bayes"), "no such kind"),
    (Inference("cluster", ("one",)), "all rows fall into one cluster"),
    (Inference("cluster", ("nuts1",)), "no such column"),
    (Inference("cluster", ("unit", "time", "parent")), "more than two"),
    (Inference("cluster", ("unit",), "CR4"), "no such correction"),
    (Inference("cluster", ("unit", "time"), "CR2"), "not defined for two-way"),
    (Inference("driscoll-kraay", lags=8), "8 lag"),
    (Inference("driscoll-kraay", lags=-1), "-1 lag"),
    (Inference("newey-west", lags=9), "9 lag"),
    (Inference("conley"), "no distance"),
    (Inference("conley", km=-3.0), "no distance"),
    (Inference("wild-cluster", ("unit", "time")), "one grouping"),
    (Inference("wild-cluster", ("unit",), weights="normal"), "no such weights"),
    (Inference("wild-cluster", ("unit",), draws=20), "too few"),
    (Inference("randomization", ("time", "unit")), "one grouping"),
    (Inference("randomization", ("parent",)), "differs within a parent"),
    (Inference("randomization", draws=5), "too few"),
]


@pytest.mark.parametrize(("how", "message"), REFUSED, ids=lambda v: str(v)[:40])
def test_refusals_name_the_way_out(how: Inference, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        run(make(), how)
    assert caught.value.todo


def test_a_perfect_fit_has_no_standard_error() -> None:
    design = make()
    perfect = replace(design, y=design.X @ [2.0, 3.0] + design.unit)
    for how in ALL_KINDS:
        with pytest.raises(BadInput, match="no variance left to measure"):
            run(perfect, how)


def test_one_treated_cluster_cannot_be_left_out() -> None:
    design = make()
    treated = (design.unit == 3) & (design.time >= 4)
    alone = replace(design, X=np.column_stack([treated.astype(float), design.X[:, 1]]))
    with pytest.raises(BadInput, match="without cluster '3' of 'unit'"):
        run(alone, Inference("cluster", ("unit",), "CR3"))


def test_coordinates_must_be_those_of_the_unit() -> None:
    design = make()
    moving = {"lat": np.linspace(40, 50, design.n_obs), "lon": np.zeros(design.n_obs)}
    with pytest.raises(BadInput, match="differ within a unit"):
        run(replace(design, columns=moving), Inference("conley", km=100.0))
    with pytest.raises(BadInput, match="no column lat, lon"):
        run(replace(design, columns={}), Inference("conley", km=100.0))


def test_randomisation_needs_something_to_permute() -> None:
    design = make(n_units=2)
    with pytest.raises(BadInput, match="only 2 distinct"):
        run(design, Inference("randomization"))
    with pytest.raises(BadInput, match="transforms or instruments"):
        run(make(), Inference("randomization"), instruments=True)


def test_default_is_bias_reduced_until_fifty_effective_clusters() -> None:
    few = run(make(), Inference("cluster", ("unit",)))
    assert "CR2 with Satterthwaite df" in few.convention
    assert few.correction == "CR2"
    many = run(replace(make(n_units=80), weights=None), Inference())
    assert many.correction == "CR1"
    design = make(n_units=80)
    uneven = replace(design, weights=np.where(design.unit < 5, 1000.0, 1.0))
    assert run(uneven, Inference()).correction == "CR2"


def test_effective_clusters_count_even_ones_fully_and_dominated_ones_hardly() -> None:
    design = make()
    fit = fit_least_squares(design.y, design.X, design.terms, None, design.effects)
    codes = find_clusters(design, "unit").codes
    assert np.all(effective_clusters(fit, codes) < N_UNITS)
    assert np.all(effective_clusters(fit, codes) > 0.5 * N_UNITS)
    weights = np.where(design.unit == 0, 1e6, 1.0)
    heavy = fit_least_squares(design.y, design.X, design.terms, weights, (design.unit,))
    assert effective_clusters(heavy, codes) == pytest.approx([1.0, 1.0], abs=0.01)


def test_targets_agree_without_weights() -> None:
    design = replace(make(), weights=None)
    fit = fit_least_squares(design.y, design.X, design.terms, None, design.effects)
    clusters = find_clusters(design, "parent")
    plain, df = bias_reduced(fit, clusters)
    other, other_df = bias_reduced(fit, clusters, "inverse-variance")
    assert plain == pytest.approx(other)
    assert df == pytest.approx(other_df)


@pytest.mark.parametrize("weighted", [False, True])
def test_unbiased_under_its_working_model(weighted: bool) -> None:
    """CR2 is quadratic in the outcome: summed over unit vectors it gives its expectation.

    Exact unless weights meet effects nested in the clusters, whose directions are lost.
    """
    d = make(n_units=12)
    effects = (d.time,) if weighted else d.effects
    weights = d.weights if weighted else None
    fit = fit_least_squares(d.y, d.X, d.terms, weights, effects)
    clusters = find_clusters(d, "parent")
    expected = np.zeros((2, 2))
    for y in np.eye(d.n_obs):
        expected += bias_reduced(fit_least_squares(y, d.X, d.terms, weights, effects), clusters)[0]
    influence = (fit.X * fit.weights[:, None]) @ fit.bread
    assert expected == pytest.approx(influence.T @ influence, rel=1e-9)


def test_a_distance_that_leaves_hardly_any_pair_apart_has_no_conley_variance() -> None:
    """Scores sum to zero over all units: the longer the distance, the more of them cancel."""
    for km in (1_200.0, 30_000.0):
        with pytest.raises(BadInput, match=r"pairs of units lie within .* shorter distance"):
            run(make(), Inference("conley", km=km))


def test_many_near_pairs_are_warned_of() -> None:
    """Units in a row, 334 km apart: one step is 23 of 276 pairs, two steps are 45."""
    design = make(n_units=24)
    row = replace(design, columns={"lat": 3.0 * design.unit, "lon": 0.0 * design.unit})
    assert run(row, Inference("conley", km=340.0)).warnings == ()
    (said,) = run(row, Inference("conley", km=1_000.0)).warnings
    assert said.startswith("16% of all pairs of units lie within 1000 km: with so few apart")


def test_a_two_way_variance_below_zero_is_refused_for_a_treatment_and_repaired_for_others() -> None:
    design = make()
    fit = fit_least_squares(design.y, design.X, design.terms)
    require_uncancelled(fit, np.array([0.1, -0.1]), 1)
    for variance in ([-0.1, 0.1], [1e-18, 0.1], [0.1, -1e-18]):
        with pytest.raises(BadInput, match="zero or less"):
            require_uncancelled(fit, np.array(variance), 1)


@pytest.mark.parametrize("weights", ["even", "nearly even", "uneven", "one cluster's"])
def test_a_treatment_that_one_cluster_alone_tells_has_no_cr2(weights: str) -> None:
    """With weights the cluster's own effects leave directions too, which says nothing by itself."""
    design, rng = make(), np.random.default_rng(1)
    uneven = {
        "even": np.ones(design.n_obs),
        "nearly even": 1.0 + 1e-6 * rng.normal(size=design.n_obs),
        "uneven": rng.uniform(0.5, 2.0, design.n_obs),
        "one cluster's": np.where(design.parent == 2, 1e10, 1.0),
    }[weights]
    design = replace(design, weights=uneven)
    if weights != "one cluster's":
        treated = (design.parent == 2) & (design.time >= 4)
        design = replace(design, X=np.column_stack([treated.astype(float), design.X[:, 1]]))
    how = Inference("cluster", ("parent",), "CR2")
    with pytest.raises(BadInput, match="'x' rests on cluster '2' of 'parent'"):
        run(design, how)
    control = replace(design, X=design.X[:, ::-1], terms=("c", "x"))
    if weights != "one cluster's":  # which leaves nothing of either
        assert np.isfinite(run(control, how).std_error[0])


def test_repair_removes_negative_eigenvalues_only() -> None:
    good = np.array([[2.0, 0.5], [0.5, 1.0]])
    same, changed = repair(good)
    assert not changed
    assert same is good
    mended, changed = repair(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert changed
    assert np.linalg.eigvalsh(mended).min() == pytest.approx(0.0, abs=1e-12)


def test_instrumented_fits_take_every_cluster_kind() -> None:
    for correction in ("CR0", "CR1", "CR2", "CR3"):
        ours = run(make(), Inference("cluster", ("unit",), correction), instruments=True)
        assert np.all(ours.std_error > 0)
    assert "restricted efficient" in run(
        make(), Inference("wild-cluster", ("unit",), draws=199), instruments=True
    ).convention
