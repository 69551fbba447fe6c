"""The placebo audit: its inferences are the program's own, its placebos are alike the treatment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from data.errors import BadInput
from models.design import Design
from models.engine import audit_costly, audit_dependence, stacked
from models.engine import placebo_audit as audit_module
from models.engine.audit import (
    BLOCK,
    AuditSample,
    Judge,
    fit_placebos,
    quick_judges,
)
from models.engine.audit_costly import cluster_sums, costly_judges, leverage_of
from models.engine.audit_dependence import dependence_judges
from models.engine.bias_reduced import bias_reduced, jackknifed
from models.engine.placebo import PlaceboProcess, describe
from models.engine.placebo_audit import BLOCKS, REFITTED, Audited, placebo_audit, prepared
from models.engine.projection import project
from models.engine.results import PlaceboAudit
from models.estimators import within
from models.estimators.linear import take_rows
from models.inference.dependence import distances_km
from models.inference.sign_draws import coded_draws
from models.study import Inference, ModelSpec


def paths(rho: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Stationary AR(1) series of unit variance (T, E)."""
    out = rng.normal(size=shape)
    out[1:] *= np.sqrt(1 - rho**2)
    for t in range(1, shape[0]):
        out[t] += rho * out[t - 1]
    return out


def design(seed: int, weighted: bool = False, national: bool = False) -> Design:
    """13 parents of 5 units over 12 periods, unbalanced, with common shocks; two-way effects."""
    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(65 * 12), 12)
    kept = rng.random(len(unit)) > 0.1
    unit, time = unit[kept], time[kept]
    parent = unit // 5
    shared = paths(0.6, (12, 13), rng)[time, parent]
    x = shared if national else shared + paths(0.6, (12, 65), rng)[time, unit]
    control = rng.normal(size=len(x)) + 0.3 * x
    y = paths(0.6, (12, 13), rng)[time, parent] + control + rng.normal(size=len(x))
    return Design(
        y=y,
        X=np.column_stack([x, control]),
        terms=("x", "control"),
        n_treatments=1,
        weights=rng.uniform(0.5, 2.0, len(x)) if weighted else None,
        unit=unit,
        time=time,
        units=np.array([f"u{i:02d}" for i in range(65)], dtype=object),
        times=np.arange(2000, 2012),
        parent=parent,
        effects=(unit, time),
        effect_names=("unit", "time"),
        columns={"parent": parent, "unit": unit, "time": time},
    )


def sample_of(data: Design) -> AuditSample:
    assert data.parent is not None
    Z = np.column_stack([data.y, data.X[:, 1:]])
    clusters = {"parent": data.parent, "unit": data.unit}
    return AuditSample(project(Z, data.weights, data.effects), clusters, data.unit, data.time)


def judges_of(sample: AuditSample, chosen: Inference | None = None) -> list[Judge]:
    chosen = chosen or Inference("cluster", ("parent",), "CR1")
    dependence = dependence_judges(sample, chosen)
    return [*quick_judges(sample, chosen.by), *dependence, *costly_judges(sample, 1)]


def audited(data: Design, how: Inference, national: bool = True) -> Audited:
    """The design as a main model, its first regressor the treatment."""
    controls = data.terms[1:]
    weights = None if data.weights is None else "w"
    spec = ModelSpec("m", "within", "y", ("x",), controls, ("unit", "time"), weights, how)
    x = data.X[:, 0]
    return Audited(sample_of(data), x, data.parent, national, spec, lambda: data, 13)


@pytest.mark.parametrize("weighted", [False, True])
def test_each_inference_gives_the_p_value_of_an_ordinary_fit(weighted: bool) -> None:
    """With the treatment itself as the only placebo, the audit repeats the model's own fit."""
    data = design(3, weighted)
    sample = sample_of(data)
    fits = fit_placebos(sample, sample.basis, data.X[:, :1])
    judges = [judge for judge in judges_of(sample) if judge.kind != "wild-cluster"]
    kinds = {(judge.kind, judge.correction) for judge in judges}
    needed = {"CR1", "CR3"} if weighted else {"CR1", "CR2", "CR3"}
    assert {correction for _, correction in kinds} == {None, *needed}
    assert {kind for kind, _ in kinds} == {
        *("classical", "robust", "cluster", "driscoll-kraay", "newey-west", "panel-corrected"),
    }
    for judge in judges:
        how = Inference(judge.kind, judge.by, judge.correction)
        spec = ModelSpec("m", "within", "y", ("x",), ("control",), ("unit", "time"), "w", how)
        model = within.fit(data, spec)
        # a two-way variance matrix that had to be repaired has another diagonal
        assert not any("negative eigenvalues" in warning for warning in model.warnings)
        theirs = model.term("x")
        assert fits.beta[0] == pytest.approx(theirs.estimate, rel=1e-10)
        assert judge.p_values(fits)[0] == pytest.approx(theirs.p_value, rel=1e-7), judge.kind


@pytest.mark.parametrize("kind", ["driscoll-kraay", "newey-west"])
@pytest.mark.parametrize("lags", [0, 4, 11])
def test_the_lags_are_those_of_the_study(kind: str, lags: int) -> None:
    """Calendar lags: one unit in three lacks its sixth period, which is no shorter a gap for it."""
    data = take_rows(full := design(6), np.flatnonzero((full.time != 5) | (full.unit % 3 > 0)))
    how = Inference(kind, lags=lags)
    sample = sample_of(data)
    fits = fit_placebos(sample, sample.basis, data.X[:, :1])
    (judge,) = (judge for judge in judges_of(sample, how) if judge.kind == kind)
    spec = ModelSpec("m", "within", "y", ("x",), ("control",), ("unit", "time"), None, how)
    theirs = within.fit(data, spec).term("x")
    assert judge.p_values(fits)[0] == pytest.approx(theirs.p_value, rel=1e-7)


def test_panel_corrected_errors_are_left_out_where_they_take_long() -> None:
    """Sixty-five units, each with periods of its own: the products of their patterns are many."""
    data = design(3)
    patterns = len({tuple(data.time[data.unit == u]) for u in range(65)})
    assert 30 < patterns <= 65
    kinds = [judge.kind for judge in judges_of(sample_of(data))]
    assert "panel-corrected" in kinds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_dependence, "MOST_NUMBERS", (12 * patterns) ** 2 - 1)
        assert "panel-corrected" not in [judge.kind for judge in judges_of(sample_of(data))]
        own = prepared(audited(data, Inference("panel-corrected")), 1).own
        assert own is not None
        found = own.p_values(data.X[:, :1])[0]
    (judge,) = (one for one in judges_of(sample_of(data)) if one.kind == "panel-corrected")
    fits = fit_placebos(sample_of(data), sample_of(data).basis, data.X[:, :1])
    assert judge.p_values(fits)[0] == pytest.approx(found, rel=1e-7)


def test_panel_corrected_errors_are_left_out_of_rotating_panels() -> None:
    """Units that are seen in two of twelve periods: five of six cells would be laid out empty."""
    data = take_rows(full := design(3), np.flatnonzero(full.time // 2 == full.unit % 6))
    assert "panel-corrected" not in [judge.kind for judge in judges_of(sample_of(data))]
    own = prepared(audited(data, Inference("panel-corrected")), 1).own
    assert own is not None


def test_a_control_that_the_effects_absorb_counts_for_nothing() -> None:
    data = design(4)
    X = np.column_stack([data.X, np.sqrt(1.0 + data.unit), np.cos(data.unit)])
    data = replace(data, X=X, terms=("x", "control", "own", "other"))
    sample = sample_of(data)
    fits = fit_placebos(sample, sample.basis, data.X[:, :1])
    for judge in judges_of(sample):
        if judge.kind == "wild-cluster":
            continue
        how = Inference(judge.kind, judge.by, judge.correction)
        spec = ModelSpec("m", "within", "y", ("x",), data.terms[1:], ("unit", "time"), None, how)
        theirs = within.fit(data, spec).term("x").p_value
        assert judge.p_values(fits)[0] == pytest.approx(theirs, rel=1e-7), judge.kind


def test_conley_gives_the_p_value_of_an_ordinary_fit() -> None:
    """Units on a line, three degrees of longitude apart; neighbours to 400 km count."""
    data = design(5)
    lat, lon = np.zeros(len(data.y)), 3.0 * data.unit
    data = replace(data, columns={**data.columns, "lat": lat, "lon": lon})
    places = np.linspace(0.0, 192.0, 65)
    near = distances_km(np.zeros(65), places) <= 400
    assert near.sum() == 65 + 2 * 64
    sample = replace(sample_of(data), near=near)
    *_, judge = dependence_judges(sample, Inference("conley", km=400))
    assert judge.kind == "conley"
    how = Inference("conley", km=400)
    spec = ModelSpec("m", "within", "y", ("x",), ("control",), ("unit", "time"), None, how)
    theirs = within.fit(data, spec).term("x")
    found = judge.p_values(fit_placebos(sample, sample.basis, data.X[:, :1]))[0]
    assert found == pytest.approx(theirs.p_value, rel=1e-7)


def cr2_of(data: Design, treatments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CR2 errors and Satterthwaite df (B,) of treatments in place of the first column of X."""
    assert data.parent is not None
    sample = sample_of(data)
    fits = fit_placebos(sample, sample.basis, treatments)
    variance, df = bias_reduced(leverage_of(cluster_sums(sample, data.parent), fits))
    return np.sqrt(variance / fits.information), df


@pytest.mark.parametrize("weighted", [False, True])
def test_cr3_is_that_of_leaving_each_cluster_out(weighted: bool) -> None:
    """Dummies and all, by LAPACK on the rows that are left."""
    data = design(9, weighted)
    parent, sample = data.parent, sample_of(data)
    assert parent is not None
    treatments = np.column_stack([data.X[:, 0], np.random.default_rng(9).normal(size=len(parent))])
    root = np.sqrt(np.ones(len(parent)) if data.weights is None else data.weights)[:, None]
    dummies = [codes[:, None] == np.unique(codes) for codes in data.effects]
    expected = []
    for x in treatments.T:
        R, y = np.hstack([x[:, None], data.X[:, 1:], *dummies]) * root, data.y * root[:, 0]
        full = np.linalg.lstsq(R, y)[0][0]
        kept = [parent != g for g in np.unique(parent)]
        changes = [np.linalg.lstsq(R[rows], y[rows])[0][0] - full for rows in kept]
        expected.append(np.sum(np.square(changes)))
    fits = fit_placebos(sample, sample.basis, treatments)
    found = jackknifed(leverage_of(cluster_sums(sample, parent), fits)) / fits.information
    assert found == pytest.approx(expected, rel=1e-8)


def own_control(data: Design) -> Design:
    """With a control that belongs to one cluster alone, where it leaves a direction less."""
    own = np.where(data.parent == 4, data.X[:, 1], 0.0)
    return replace(data, X=np.column_stack([data.X, own]), terms=("x", "control", "own"))


def nothing_shared(data: Design) -> Design:
    """Without controls, and with effects that lie inside the clusters."""
    return replace(data, X=data.X[:, :1], terms=("x",), effects=(data.unit,))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("change", [replace, own_control, nothing_shared])
def test_cr2_from_small_matrices_is_that_from_the_rows(
    seed: int, change: Callable[[Design], Design]
) -> None:
    """Error and Satterthwaite df of `models.inference.leverage`, which works on the rows."""
    data = change(design(seed))
    error, df = cr2_of(data, data.X[:, :1])
    effects = ("unit", "time")[: len(data.effects)]
    how = Inference("cluster", ("parent",), "CR2")
    spec = ModelSpec("m", "within", "y", ("x",), data.terms[1:], effects, None, how)
    theirs = within.fit(data, spec).term("x")
    assert error[0] == pytest.approx(theirs.std_error, rel=1e-9)
    assert df[0] == pytest.approx(theirs.df, rel=1e-9)


@pytest.mark.parametrize("share", [1e-2, 1e-3, 3e-4])
def test_cr2_keeps_its_digits_where_one_cluster_weighs_heavily(share: float) -> None:
    """Nearly all of the treatment's movement in one cluster: beside matrices of the rows."""
    data = nothing_shared(design(3))
    x = np.where(data.parent == 3, data.X[:, 0], share * data.X[:, 0])
    error, df = cr2_of(data, x[:, None])
    wanted = cr2_by_rows(data, x)
    assert error[0] == pytest.approx(wanted[0], rel=1e-7)
    assert df[0] == pytest.approx(wanted[1], rel=1e-7)


def cr2_by_rows(data: Design, x: np.ndarray) -> tuple[float, float]:
    """CR2 and Satterthwaite df of x with unit effects, as Bell and McCaffrey write them."""
    assert data.parent is not None
    dummies = (data.unit[:, None] == np.arange(65)).astype(float)
    W = np.column_stack([x, dummies])
    hat = W @ np.linalg.pinv(W)
    left = np.eye(len(x)) - hat
    net = x - dummies @ (np.linalg.pinv(dummies) @ x)
    residual = left @ data.y
    information = float(net @ net)
    loads = []
    for group in np.unique(data.parent):
        rows = data.parent == group
        values, vectors = np.linalg.eigh(left[np.ix_(rows, rows)])
        root = np.divide(1.0, np.sqrt(values.clip(0)), out=0 * values, where=values > 1e-9)
        weight = np.zeros(len(x))
        weight[rows] = vectors @ (root * (vectors.T @ net[rows]))
        loads.append(weight)
    scores = np.array(loads) @ residual
    form = np.array(loads) @ left @ np.array(loads).T
    df = np.trace(form) ** 2 / float((form**2).sum())
    return float(np.sqrt(scores @ scores)) / information, float(df)


def test_cr2_gives_no_number_where_one_cluster_alone_tells_the_treatment() -> None:
    data = nothing_shared(design(2))
    alone = np.where(data.parent == 3, data.X[:, 0], 0.0)
    error, df = cr2_of(data, np.column_stack([data.X[:, 0], alone]))
    assert np.isfinite(error[0])
    assert np.isfinite(df[0])
    assert np.isnan(error[1])
    assert data.parent is not None
    sample = sample_of(data)
    fits = fit_placebos(sample, sample.basis, np.column_stack([data.X[:, 0], alone]))
    variance = jackknifed(leverage_of(cluster_sums(sample, data.parent), fits))
    assert list(np.isnan(variance)) == [False, True]
    how = Inference("cluster", ("parent",), "CR2")
    spec = ModelSpec("m", "within", "y", ("x",), (), ("unit",), None, how)
    for beyond in (1e-6, 0.0):  # the program's own fit refuses, where it once gave 1.5e-6
        lonely = replace(data, X=np.where(data.parent == 3, 1.0, beyond)[:, None] * data.X)
        with pytest.raises(BadInput, match="'x' rests on cluster '3' of 'parent'"):
            within.fit(lonely, spec)


def test_wild_bootstrap_p_value_is_that_of_the_inference_module_up_to_its_draws() -> None:
    data = design(2)
    sample = sample_of(data)
    wild = judges_of(sample)[-1]
    assert wild.kind == "wild-cluster"
    found = wild.p_values(fit_placebos(sample, sample.basis, data.X[:, :1]))[0]
    how = Inference("wild-cluster", ("parent",), draws=9999, seed=3)
    spec = ModelSpec("m", "within", "y", ("x",), ("control",), ("unit", "time"), None, how)
    theirs = within.fit(data, spec).term("x").p_value
    assert found == pytest.approx(theirs, abs=4 * np.sqrt(theirs * (1 - theirs) / 399))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("numbers", "most_clusters"), [(2**20, 256), (400, 256), (2**20, 0)])
def test_wild_bootstrap_is_that_of_refits_however_it_is_computed(
    weighted: bool, numbers: int, most_clusters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dummies, controls and treatment fitted anew to each drawn outcome by LAPACK.

    With placebos together or apart, and with quadratic forms in the clusters or without.
    """
    monkeypatch.setattr(audit_costly, "NUMBERS", numbers)
    monkeypatch.setattr(stacked, "MOST_CLUSTERS", most_clusters)
    data = design(4, weighted)
    parent, sample = data.parent, sample_of(data)
    assert parent is not None
    root = np.sqrt(np.ones(len(data.y)) if data.weights is None else data.weights)[:, None]
    dummies = [codes[:, None] == np.unique(codes) for codes in data.effects]
    rest = np.hstack([data.X[:, 1:], *dummies]) * root
    noise = np.random.default_rng(4).normal(size=(8, len(root)))
    treatments = np.column_stack([data.X[:, 0], *noise])

    def net(values: np.ndarray) -> np.ndarray:
        return values - rest @ np.linalg.lstsq(rest, values)[0]

    def t_of(x: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
        beta = x @ outcomes / (x @ x)
        scores = x[:, None] * (net(outcomes) - np.outer(x, beta))
        sums = np.stack([scores[parent == g].sum(axis=0) for g in np.unique(parent)])
        return np.abs(beta) * (x @ x) / np.sqrt((sums**2).sum(axis=0))

    null = net(data.y[:, None] * root)
    signs = coded_draws(len(np.unique(parent)), 399, 1)[0].signs()
    expected = []
    for x in net(treatments * root).T:
        extreme = t_of(x, null * signs[parent]) >= t_of(x, null) * (1 - 1e-9)
        expected.append((1 + np.count_nonzero(extreme)) / 400)
    wild = judges_of(sample)[-1]
    found = wild.p_values(fit_placebos(sample, sample.basis, treatments))
    assert found == pytest.approx(expected, abs=1e-12)


def long_panel(n_parents: int, periods: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    unit, time = np.divmod(np.arange(n_parents * 6 * periods), periods)
    return unit, time, unit // 6


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_national_treatment_is_described_without_nickell_bias(rho: float) -> None:
    rng = np.random.default_rng(4)
    unit, time, parent = long_panel(150, 15)
    x = paths(rho, (15, 150), rng)[time, parent]
    process = describe(x, unit, time, parent, national=True)
    assert process.persistence == pytest.approx(rho, abs=0.05)
    placebos = process.draw(3, rng)
    spread = [np.ptp(placebos[parent * 15 + time == cell], axis=0) for cell in (0, 77, 1000)]
    assert np.allclose(spread, 0.0), "a national placebo must not vary inside a parent and period"
    again = describe(placebos[:, 0], unit, time, parent, national=True)
    assert again.persistence == pytest.approx(rho, abs=0.05)


def test_regional_treatment_keeps_what_its_units_have_in_common() -> None:
    rng = np.random.default_rng(5)
    unit, time, parent = long_panel(150, 15)
    own, shared = paths(0.3, (15, 900), rng), paths(0.8, (15, 150), rng)
    x = 0.6 * shared[time, parent] + 0.8 * own[time, unit]
    process = describe(x, unit, time, parent, national=False)
    first, second = (part.persistence for part in process.components)
    assert (first, second) == pytest.approx((0.8, 0.3), abs=0.05)
    assert process.components[0].variance == pytest.approx(0.36, abs=0.03)
    assert process.components[1].variance == pytest.approx(0.64, abs=0.03)


def test_each_parent_keeps_its_own_volatility() -> None:
    rng = np.random.default_rng(6)
    unit, time, parent = long_panel(20, 80)
    wild = np.where(np.arange(20) < 3, 5.0, 1.0)
    x = (paths(0.2, (80, 20), rng) * wild)[time, parent]
    process = describe(x, unit, time, parent, national=True)
    drawn = process.draw(1, rng)[:, 0]
    calm, moved = drawn[parent >= 3].std(), drawn[parent < 3].std()
    assert moved / calm == pytest.approx(5.0, rel=0.3)


def test_lasting_differences_persist_where_no_effect_absorbs_them() -> None:
    rng = np.random.default_rng(8)
    unit, time, _ = long_panel(20, 10)
    x = 3.0 * rng.normal(size=120)[unit] + rng.normal(size=len(unit))
    absorbed = describe(x, unit, time, None, False, unit_effects=True)
    kept = describe(x, unit, time, None, False, unit_effects=False)
    assert absorbed.persistence == pytest.approx(0.0, abs=0.1)
    assert kept.persistence == pytest.approx(0.9, abs=0.05)


def simulated_null(seed: int) -> Design:
    """The world behind the level rule: 27 countries, 9 regions each, 18 years, no effect."""
    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(243 * 18), 18)
    parent = unit // 9
    policy, shock = paths(0.8, (18, 27), rng), paths(0.7, (18, 27), rng)
    y = shock[time, parent] + rng.normal(size=len(unit))
    blank = replace(design(0), y=y, X=policy[time, parent][:, None], terms=("x",))
    labels, columns = np.arange(243).astype(object), {"parent": parent, "unit": unit, "time": time}
    blank = replace(blank, units=labels, times=np.arange(2000, 2018), columns=columns)
    return replace(blank, unit=unit, time=time, parent=parent, effects=(unit, time))


def held(of: Audited, seed: int) -> PlaceboAudit:
    """The audit, block by block."""
    trial = prepared(of, seed)
    return placebo_audit(trial, [trial.rejections(block) for block in range(BLOCKS)])


def test_clustering_by_region_rejects_a_national_null_half_of_the_time() -> None:
    rates: dict[str, list[float]] = {"parent": [], "unit": []}
    for seed in range(3):
        data = simulated_null(seed)
        assert data.parent is not None
        record = held(audited(data, Inference("cluster", ("unit",), "CR1")), seed)
        assert record.level == "national"
        assert record.persistence == pytest.approx(0.8, abs=0.1)
        for rate in record.rates:
            if rate.kind == "cluster" and rate.correction == "CR1" and rate.by[0] in rates:
                rates[rate.by[0]].append(rate.rejection_rate)
        assert record.warning is not None
        assert "rejects a true null" in record.sentence
    # the clusters' one- and two-way rates by parent are both near nominal
    assert 0.40 < np.mean(rates["unit"]) < 0.58
    assert 0.04 < np.mean(rates["parent"]) < 0.10


def test_unit_effects_alone_leave_nothing_shared_between_clusters() -> None:
    """No controls, and effects that are nested in the clusters: CR2 and the bootstrap need none."""
    data = simulated_null(4)
    assert data.parent is not None
    chosen = Inference("cluster", ("parent",), "CR1")
    held_to = audited(replace(data, effects=(data.unit,)), chosen)
    found = {rate.correction or rate.kind: rate for rate in held(held_to, 2).rates}
    for kind in ("wild-cluster", "CR2"):
        assert found[kind].placebos == 2000
        assert 0.01 < found[kind].rejection_rate < 0.25


@pytest.mark.parametrize("weighted", [False, True])
def test_an_effect_that_nested_ones_span_adds_nothing_to_the_clusters(weighted: bool) -> None:
    """With parent-years in the model, years are round-off, which is no direction of its own."""
    data = design(8, weighted)
    assert data.parent is not None
    parent_year = data.parent * 12 + data.time
    spanned = replace(data, effects=(data.unit, parent_year, data.time))
    sample = sample_of(spanned)
    plain = sample_of(replace(data, effects=(data.unit, parent_year)))
    assert cluster_sums(sample, data.parent).gram.shape[1] == 1
    fits = fit_placebos(sample, sample.basis, data.X[:, :1])
    for one, other in zip(judges_of(sample), judges_of(plain), strict=True):
        assert one.p_values(fits) == pytest.approx(other.p_values(fits), rel=1e-9)


def test_without_controls_the_p_values_are_those_of_plain_regressions() -> None:
    """CR2 as `within` has it; the bootstrap by flipping, demeaning and regressing each time."""
    data = replace(design(6), effects=(design(6).unit,), effect_names=("unit",))
    data = replace(data, X=data.X[:, :1], terms=("x",))
    parent, unit = data.parent, data.unit
    assert parent is not None
    sample = sample_of(data)
    fits = fit_placebos(sample, sample.basis, data.X)
    judges = {judge.correction or judge.kind: judge for judge in costly_judges(sample, 3)}
    how = Inference("cluster", ("parent",), "CR2")
    spec = ModelSpec("m", "within", "y", ("x",), (), ("unit",), None, how)
    theirs = within.fit(data, spec).term("x")
    assert judges["CR2"].p_values(fits)[0] == pytest.approx(theirs.p_value, rel=1e-9)

    def demeaned(values: np.ndarray) -> np.ndarray:
        return values - (np.bincount(unit, values) / np.bincount(unit))[unit]

    def t_of(y: np.ndarray) -> float:
        beta = x @ y / (x @ x)
        scores = np.bincount(parent, x * (y - beta * x))
        return abs(beta) * (x @ x) / np.sqrt(scores @ scores)

    x, null = demeaned(data.X[:, 0]), demeaned(data.y)
    signs = coded_draws(13, 399, 3)[0].signs()
    drawn = np.array([t_of(demeaned(null * flips[parent])) for flips in signs.T])
    expected = (1 + np.count_nonzero(drawn >= t_of(null) * (1 - 1e-9))) / 400
    assert judges["wild-cluster"].p_values(fits)[0] == pytest.approx(expected, abs=1e-12)


def test_one_cluster_alone_gives_no_p_value() -> None:
    data = design(8)
    one = {"parent": np.zeros(len(data.unit), dtype=np.int64), "unit": data.unit}
    sample = AuditSample(project(data.y[:, None], None, data.effects), one, data.unit, data.time)
    fits = fit_placebos(sample, sample.basis, data.X[:, :1])
    by = {judge.by: judge for judge in quick_judges(sample) if judge.kind == "cluster"}
    assert np.isnan(by[("parent",)].p_values(fits)).all()
    assert np.isfinite(by[("unit",)].p_values(fits)).all()


@pytest.mark.parametrize("kind", ["zero", "by unit", "a control"])
def test_a_placebo_of_which_nothing_is_left_has_no_p_value(kind: str) -> None:
    """Nothing at all, or no more than the round-off of taking effects and controls out of it."""
    sample = sample_of(data := design(8))
    nothing = {
        "zero": np.zeros(len(data.y)),
        "by unit": np.sin(data.unit) + 3.0,
        "a control": np.sqrt(2.0) * data.X[:, 1],
    }
    treatments = np.column_stack([nothing[kind], data.X[:, 0]])
    judges = judges_of(sample)
    assert {judge.correction for judge in judges} >= {"CR1", "CR2"}
    for judge in judges:
        p_values = judge.p_values(fit_placebos(sample, sample.basis, treatments))
        alone = judge.p_values(fit_placebos(sample, sample.basis, treatments[:, [1]]))
        assert np.isnan(p_values[0]), judge
        assert p_values[1] == pytest.approx(alone[0], rel=1e-9), judge


def test_chosen_country_clustering_is_not_warned_against() -> None:
    data = simulated_null(9)
    assert data.parent is not None
    record = held(audited(data, Inference("cluster", ("parent",), "CR2")), 1)
    assert [rate.correction for rate in record.rates if rate.chosen] == ["CR2"]
    assert record.warning is None


OWN = {
    "CR0": Inference("cluster", ("parent",), "CR0"),
    "two-way CR0": Inference("cluster", ("parent", "time"), "CR0"),
    "weighted CR2": Inference("cluster", ("parent",), "CR2"),
    "webb": Inference("wild-cluster", ("parent",), weights="webb", draws=199),
    "mammen": Inference("wild-cluster", ("parent",), weights="mammen", draws=199),
    "randomization": Inference("randomization", ("parent",), draws=199),
}


@pytest.mark.parametrize("name", OWN)
def test_a_test_without_a_short_way_is_the_model_fitted_again(name: str) -> None:
    how, data = OWN[name], design(11, name == "weighted CR2", national=True)
    if name == "randomization":  # paths are swapped between parents that have the same periods
        data = simulated_null(11)
    trial = prepared(audited(data, how), 3)
    assert trial.own is not None
    assert trial.tests[-1] is trial.own
    same = [test for test in trial.tests if (test.kind, test.by) == (how.kind, how.by)]
    assert [test.correction for test in same].count(how.correction) == 1
    controls = data.terms[1:]
    weights = None if data.weights is None else "w"
    spec = ModelSpec("m", "within", "y", ("x",), controls, ("unit", "time"), weights, how)
    theirs = within.fit(data, spec).term("x").p_value
    assert trial.own.p_values(data.X[:, :1]) == pytest.approx([theirs], rel=1e-12)
    first, later = trial.rejections(0)[:, -1], trial.rejections(REFITTED)[:, -1]
    assert first[1] == BLOCK
    assert list(later) == [0, 0]
    assert 0 <= first[0] < 40


def test_a_study_that_draws_few_keeps_to_that_and_another_takes_what_the_audit_takes() -> None:
    data = design(2)
    for asked, taken in ((None, 399), (99, 99), (9_999, 399)):
        how = Inference("wild-cluster", ("parent",), weights="webb", draws=asked)
        own = prepared(audited(data, how), 1).own
        assert own is not None
        assert own.spec.inference.draws == taken


def test_webb_is_the_choice_of_a_study_with_few_clusters_that_names_none() -> None:
    """As `fit` has it: the audit's own Rademacher weights are another test."""
    data = take_rows(full := design(2), np.flatnonzero(full.unit < 40))
    how = Inference("wild-cluster", ("parent",))
    own = prepared(audited(data, how), 1).own
    assert own is not None
    kinds = [test.kind for test in prepared(audited(data, how), 1).tests]
    assert kinds.count("wild-cluster") == 1
    named = replace(how, weights="rademacher")
    assert prepared(audited(data, named), 1).own is None
    assert prepared(audited(design(2), how), 1).own is None


def test_of_a_large_sample_the_audit_says_what_it_cannot_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = design(2)
    how = Inference("cluster", ("parent",), "CR0")
    monkeypatch.setattr(audit_module, "MOST_ROWS", len(data.y) * BLOCK * REFITTED - 1)
    trial = prepared(audited(data, how), 1)
    assert trial.own is None
    record = placebo_audit(trial, [trial.rejections(0)])
    assert record.sentence.startswith("The study's own test (CR0) is not tried: it has no short")
    assert not any(rate.chosen for rate in record.rates)


def test_a_test_that_judges_no_placebo_is_not_said_to_be_untried() -> None:
    """Paths cannot be swapped between units that are never observed in the same periods."""
    how = Inference("randomization", ("unit",), draws=99)
    data = take_rows(full := simulated_null(3), np.flatnonzero(full.unit < 12))
    apart = take_rows(data, np.flatnonzero(data.time != data.unit))
    trial = prepared(audited(apart, how), 1)
    assert trial.own is not None
    record = placebo_audit(trial, [trial.rejections(0)])
    assert record.sentence.endswith("(randomization) gave no p-value for any placebo treatment.")


def test_each_block_of_placebos_is_drawn_anew() -> None:
    trial = prepared(audited(design(7), Inference("cluster", ("parent",), "CR1"), False), 3)
    blocks = [trial.rejections(block) for block in range(3)]
    assert len({block[0].tobytes() for block in blocks}) == 3
    assert np.array_equal(trial.rejections(1), blocks[1])
    assert (blocks[0][1] <= BLOCK).all()
    assert (blocks[0][0] <= blocks[0][1]).all()


def test_draws_do_not_depend_on_anything_but_the_seed() -> None:
    data = design(7)
    process: PlaceboProcess = describe(data.X[:, 0], data.unit, data.time, data.parent, False)
    first = process.draw(2, np.random.default_rng(1))
    assert np.array_equal(first, process.draw(2, np.random.default_rng(1)))
