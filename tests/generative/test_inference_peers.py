"""Inference on drawn panels against libraries that share no code with it.

pyfixest (CR1 with its own count of parameters, two-way parts, instruments), linearmodels (clusters,
Driscoll-Kraay), statsmodels (HC1, Benjamini-Hochberg), spreg (spatial kernel), wildboottest (draw
by draw) and pyfixest's Romano-Wolf. Closed forms agree to 1e-9 relative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest
import statsmodels.api as sm
from libpysal.weights import Kernel
from linearmodels.panel import PanelOLS
from pyfixest.estimation.post_estimation.multcomp import _get_rwolf_pval
from spreg import OLS
from statsmodels.stats.multitest import multipletests
from wildboottest.wildboottest import WildboottestCL

from models.design import Codes, Design, Floats
from models.inference.cluster import counted_parameters, find_clusters, sandwich
from models.inference.dependence import conley
from models.inference.draws import wild_weights
from models.inference.measure import measure
from models.inference.multiple import benjamini_hochberg, romano_wolf
from models.inference.wild import wild_statistics
from models.least_squares import LinearFit, collinear_columns, fit_least_squares
from models.study import Inference
from tests.canonical_designs import codes, design_from, fit_design

# pyfixest still calls pandas in ways that pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
SEEDS = range(4)
TERMS = ["x", "c"]


@dataclass(frozen=True)
class Drawn:
    """An unbalanced panel with shocks common to parents and periods."""

    frame: pd.DataFrame

    def design(self, effects: list[str], weighted: bool) -> Design:
        """The design with these effects."""
        weights = "w" if weighted else None
        return design_from(self.frame, "y", TERMS, ("unit", "time"), effects, weights, "parent")


def draw(seed: int, n_units: int = 40, n_times: int = 9) -> Drawn:
    """Four units to a parent; about a tenth of the cells missing."""
    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(n_units * n_times), n_times)
    parent = unit // 4
    shock = rng.normal(size=(parent.max() + 1, n_times))[parent, time]
    z1, z2, c, e = rng.normal(size=(4, len(unit)))
    x = 0.8 * z1 + 0.5 * z2 + 0.4 * c + 0.7 * shock + 0.5 * e + rng.normal(size=len(unit))
    y = 0.3 * x - c + shock + e + rng.normal(size=n_units)[unit]
    frame = pd.DataFrame(
        {"unit": unit, "time": time, "parent": parent, "parent_time": parent * 100 + time}
        | {"y": y, "x": x, "c": c, "z1": z1, "z2": z2, "w": rng.uniform(0.2, 4.0, len(unit))}
    )
    return Drawn(frame[rng.random(len(unit)) < 0.9].reset_index(drop=True))


EFFECTS = [["unit", "time"], ["unit"], ["time"], ["unit", "parent_time"]]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_clustered_errors_are_pyfixests(seed: int, weighted: bool) -> None:
    drawn, effects = draw(seed), EFFECTS[seed % len(EFFECTS)]
    design = drawn.design(effects, weighted)
    fit = fit_design(design)
    formula = f"y ~ x + c | {' + '.join(effects)}"
    for by in ("unit", "parent"):
        theirs = pf.feols(
            formula, drawn.frame, vcov={"CRV1": by}, weights="w" if weighted else None,
            fixef_rm="none", demeaner=pf.MapDemeaner(fixef_tol=1e-14),
        )  # fmt: skip
        ours = measure(fit, design, Inference("cluster", (by,), "CR1"))
        assert fit.beta == pytest.approx(theirs.coef().to_numpy(), rel=1e-9)
        # units lie in ten parents: ten of the parent-by-time levels are redundant, pyfixest takes
        # off one, and it matters where those effects are not nested in the clusters
        rows, counted = len(drawn.frame), counted_parameters(fit, [codes(drawn.frame[by])])
        redundant = 9 if "parent_time" in effects and by == "unit" else 0
        factor = np.sqrt((rows - counted) / (rows - counted - redundant))
        assert ours.std_error * factor == pytest.approx(theirs.se().to_numpy(), rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_instrumented_errors_are_pyfixests(weighted: bool) -> None:
    drawn = draw(11)
    design = drawn.design(["unit", "time"], weighted)
    fit = instrumented(drawn, design)
    theirs = pf.feols(
        "y ~ c | unit + time | x ~ z1 + z2", drawn.frame, vcov={"CRV1": "parent"},
        weights="w" if weighted else None, fixef_rm="none",
        demeaner=pf.MapDemeaner(fixef_tol=1e-14),
    )  # fmt: skip
    ours = measure(fit, design, Inference("cluster", ("parent",), "CR1"))
    order = [theirs.coef().index.get_loc(name) for name in TERMS]
    assert fit.beta == pytest.approx(theirs.coef().to_numpy()[order], rel=1e-9)
    assert ours.std_error == pytest.approx(theirs.se().to_numpy()[order], rel=1e-9)


def instrumented(drawn: Drawn, design: Design) -> LinearFit:
    """x instrumented by z1 and z2."""
    Z = drawn.frame[["z1", "z2"]].to_numpy()
    return fit_least_squares(
        design.y, design.X, design.terms, design.weights, design.effects, ("x",), Z
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_clusters_and_driscoll_kraay_are_linearmodels(weighted: bool) -> None:
    drawn = draw(5)
    design = drawn.design(["unit", "time"], weighted)
    fit = fit_design(design)
    indexed = drawn.frame.set_index(["unit", "time"])
    model = PanelOLS(
        indexed["y"], indexed[TERMS], entity_effects=True, time_effects=True,
        weights=indexed["w"] if weighted else None,
    )  # fmt: skip
    plain = {"debiased": False, "auto_df": False, "count_effects": False}
    theirs = model.fit(cov_type="clustered", clusters=indexed["parent"], **plain)
    grouping = find_clusters(design, "parent").codes
    errors = np.sqrt(np.diag(sandwich(fit, grouping)))
    assert fit.beta == pytest.approx(theirs.params.to_numpy(), rel=1e-9)
    assert errors == pytest.approx(theirs.std_errors.to_numpy(), rel=1e-9)
    for lags in (0, 2):
        kernel = model.fit(cov_type="kernel", kernel="bartlett", bandwidth=lags, **plain)
        ours = measure(fit, design, Inference("driscoll-kraay", lags=lags))
        assert ours.std_error == pytest.approx(kernel.std_errors.to_numpy(), rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_classical_and_robust_are_statsmodels(weighted: bool) -> None:
    drawn = draw(6)
    design = drawn.design(["unit", "time"], weighted)
    fit = fit_design(design)
    frame = drawn.frame
    dummies = [pd.get_dummies(frame["unit"]), pd.get_dummies(frame["time"]).iloc[:, 1:]]
    X = np.hstack([design.X, *dummies])
    weights = frame["w"] if weighted else np.ones(len(frame))
    theirs = sm.WLS(design.y, X.astype(float), weights=weights).fit()
    classical = measure(fit, design, Inference("classical"))
    assert classical.std_error == pytest.approx(theirs.bse[:2], rel=1e-9)
    assert classical.conf_low == pytest.approx(theirs.conf_int()[:2, 0], rel=1e-8)
    robust = measure(fit, design, Inference("robust"))
    assert robust.std_error == pytest.approx(theirs.get_robustcov_results("HC1").bse[:2], rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_bootstrap_statistics_are_wildboottests(seed: int, weighted: bool) -> None:
    """Draw by draw, on explicit dummies and root weights, for each kind of random weights."""
    drawn, effects = draw(seed, n_units=60), EFFECTS[seed % len(EFFECTS)]
    kind = ("rademacher", "webb", "mammen")[seed % 3]
    design = drawn.design(effects, weighted)
    how = Inference("wild-cluster", ("parent",), weights=kind, draws=199, seed=seed)
    observed, ours = wild_statistics(fit_design(design), design, how)
    grouping = find_clusters(design, "parent")
    (v,) = wild_weights(how, grouping.size, 199).blocks(1)
    t, draws = wildboottest(design, drawn.frame, grouping.codes, v)
    assert observed[0] == pytest.approx(abs(t), rel=1e-8)
    assert ours[:, 0] == pytest.approx(np.abs(draws), rel=1e-7)


def wildboottest(
    design: Design, frame: pd.DataFrame, clusters: Codes, v: Floats
) -> tuple[float, Floats]:
    """Its t and t* for the first regressor, with our weights v and no small-sample factors."""
    dummies = [pd.get_dummies(frame[name]).to_numpy(float) for name in design.effect_names]
    dummies = [dummies[0], *(D[:, 1:] for D in dummies[1:])]
    X = np.hstack([design.X, *dummies])
    X = np.delete(X, collinear_columns(X, None), axis=1)
    root = np.ones(len(X)) if design.weights is None else np.sqrt(design.weights)
    peer = WildboottestCL(
        X=X * root[:, None], Y=design.y * root, cluster=clusters, R=np.eye(X.shape[1])[0],
        B=v.shape[1], seed=1, parallel=False,
    )  # fmt: skip
    peer.get_scores("11", impose_null=True, adj=False, cluster_adj=False)
    peer.v = v
    peer.get_numer()
    peer.get_denom()
    peer.get_tboot()
    peer.get_vcov()
    peer.get_tstat()
    return float(peer.t_stat), peer.t_boot


def test_conley_is_spregs_kernel_variance() -> None:
    rng = np.random.default_rng(2)
    n = 80
    lat, lon = rng.uniform(45, 50, n), rng.uniform(5, 12, n)
    X = np.column_stack([rng.normal(size=(n, 2)), np.ones(n)])
    y = X @ [1.0, -0.5, 2.0] + rng.normal(size=n)
    fit = fit_least_squares(y, X, ("a", "b", "constant"))
    km = 150.0
    near = Kernel(
        np.column_stack([lon, lat]), bandwidth=km, fixed=True, function="uniform",
        diagonal=True, distance_metric="arc", radius=6371.01,
    )  # fmt: skip
    for i in near.neighbors:  # its uniform kernel weighs one half; a variance needs one
        near.weights[i] = [1.0] * len(near.neighbors[i])
    near._reset()
    theirs = OLS(y[:, None], X[:, :2], robust="hac", gwk=near, name_gwk="near")
    ours, _ = conley(fit, np.arange(n), lat, lon, km)
    assert ours == pytest.approx(theirs.vm[np.ix_([1, 2, 0], [1, 2, 0])], rel=1e-9)


def test_families_are_statsmodels_and_pyfixests() -> None:
    rng = np.random.default_rng(3)
    p = rng.random(12) ** 3
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], rel=1e-12)
    t = np.abs(rng.normal(size=6)) * 1.5
    draws = np.abs(rng.normal(size=(999, 6)) + rng.normal(size=(999, 1)))
    theirs = _get_rwolf_pval(t, draws)
    assert romano_wolf(t, draws) == pytest.approx(theirs, abs=1e-12)
