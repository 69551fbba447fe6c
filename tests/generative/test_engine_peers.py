"""The fast engine against two authorities that share no code with it.

linearmodels' AbsorbingLS and pyfixest's feols estimate every drawn specification one by one; the
engine must give the same coefficients and clustered errors to 1e-9 relative. The sandwiches are
compared without small-sample factors, which the two peers do not share, and then with pyfixest's.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest
import statsmodels.api as sm
from linearmodels.iv import AbsorbingLS

from models.engine.curve import Cells, estimate_curve
from models.engine.projection import condense, project
from models.engine.subsets import residualise

# pyfixest still calls pandas in ways that pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
TOLERANCE = 1e-9
EFFECTS = {
    "unit": ("unit",),
    "two-way": ("unit", "time"),
    "parent by time": ("unit", "parent_time"),
    "three": ("unit", "time", "sector"),
    "not nested": ("time", "sector"),
}
PLAIN = pf.ssc(k_adj=False, G_adj=False)
CONTROLS = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Drawn:
    """A random panel and what to do with it."""

    frame: pd.DataFrame
    effects: tuple[str, ...]
    weights: str | None
    clusters: tuple[str, ...]


def draw(seed: int) -> Drawn:
    """A panel with correlated regressors, holes, uneven units, and level differences."""
    rng = np.random.default_rng(seed)
    n_units, n_times = int(rng.integers(18, 40)), int(rng.integers(5, 12))
    unit, time = np.divmod(np.arange(n_units * n_times), n_times)
    parent = np.sort(rng.integers(0, 9, n_units))[unit]
    frame = pd.DataFrame({"unit": unit, "time": time, "parent": parent})
    frame["sector"] = rng.integers(0, 5, len(frame))
    frame["parent_time"] = frame["parent"] * 100 + frame["time"]
    shock = rng.normal(size=(9, n_times))[parent, time]
    for name in ("x", *CONTROLS):
        frame[name] = rng.normal(size=len(frame)) + shock + 10.0 ** rng.integers(0, 3)
    frame["b"] += 0.98 * frame["a"]
    noise = shock + rng.normal(size=n_units)[unit] + rng.normal(size=len(frame))
    frame["y"] = frame["x"] - frame["c"] + noise
    frame["w"] = rng.uniform(0.2, 5.0, len(frame))
    if seed % 3:
        frame = frame[rng.random(len(frame)) > 0.15].reset_index(drop=True)
    names = list(EFFECTS)
    clusters = [("parent",), ("unit",), ("unit", "time"), ("sector",)]
    return Drawn(
        frame,
        EFFECTS[names[seed % len(names)]],
        "w" if seed % 2 else None,
        clusters[int(rng.integers(len(clusters)))],
    )


def codes(frame: pd.DataFrame, names: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    return tuple(pd.factorize(frame[name])[0].astype(np.int64) for name in names)


def engine(drawn: Drawn, correction: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates, errors and regressors of all 16 subsets, in the order of `subsets()`."""
    frame = drawn.frame
    weights = None if drawn.weights is None else frame[drawn.weights].to_numpy()
    Z = frame[["y", "x", *CONTROLS]].to_numpy(dtype=float)
    projected = project(Z, weights, codes(frame, drawn.effects))
    products = condense(projected, codes(frame, drawn.clusters))
    subsets = np.array(list(itertools.product([False, True], repeat=4))).T
    zeros = np.zeros(16, dtype=np.int64)
    cells = Cells(zeros, zeros + 1, np.arange(16))
    solved = residualise(products.root, np.arange(2, 6), np.array([0, 1]), subsets)
    result = estimate_curve(products, solved, cells, correction)
    return result.estimate, result.std_error, result.n_regressors


def subsets() -> list[tuple[str, ...]]:
    chosen = itertools.product([False, True], repeat=4)
    return [tuple(itertools.compress(CONTROLS, flags)) for flags in chosen]


def with_linearmodels(drawn: Drawn, controls: tuple[str, ...]) -> tuple[float, float]:
    frame = drawn.frame
    absorbed = frame[list(drawn.effects)].astype("category")
    weights = None if drawn.weights is None else frame[drawn.weights]
    model = AbsorbingLS(frame["y"], frame[["x", *controls]], absorb=absorbed, weights=weights)
    fit = model.fit(
        cov_type="clustered",
        clusters=np.column_stack(codes(frame, drawn.clusters)),
        debiased=False,
        method="lsmr",  # its default stops at 1e-8
        absorb_options={"atol": 1e-15, "btol": 1e-15, "conlim": 0},
    )
    return float(fit.params["x"]), float(fit.std_errors["x"])


def with_pyfixest(
    drawn: Drawn, controls: tuple[str, ...], ssc: dict[str, str | bool] = PLAIN
) -> tuple[float, float]:
    fit = pf.feols(
        f"y ~ {' + '.join(('x', *controls))} | {' + '.join(drawn.effects)}",
        drawn.frame,
        weights=drawn.weights,
        vcov={"CRV1": " + ".join(drawn.clusters)},
        ssc=ssc,
        demeaner=pf.MapDemeaner(fixef_tol=1e-14),
        fixef_rm="none",
    )
    return float(fit.coef()["x"]), float(fit.se()["x"])


@pytest.mark.parametrize("seed", range(30))
def test_every_subset_agrees_with_both_peers(seed: int) -> None:
    drawn = draw(seed)
    estimate, error, _ = engine(drawn, "CR0")
    for i in range(seed % 8, 16, 8):
        for peer in (with_linearmodels, with_pyfixest):
            theirs = peer(drawn, subsets()[i])
            assert theirs == pytest.approx((estimate[i], error[i]), rel=TOLERANCE), peer


@pytest.mark.parametrize("seed", range(20))
def test_cr1_counts_regressors_and_effects_as_pyfixest_does(seed: int) -> None:
    drawn = draw(seed)
    # pyfixest counts levels; with parent by time beside unit effects only the rank is right, so
    # there both are nested
    nested = "parent_time" in drawn.effects or seed % 2
    clusters = ("parent",) if nested else drawn.clusters
    drawn = Drawn(drawn.frame, drawn.effects, drawn.weights, clusters)
    _, error, n_regressors = engine(drawn, "CR1")
    assert list(n_regressors) == [1 + len(controls) for controls in subsets()]
    counted = pf.ssc(k_adj=True, k_fixef="nonnested", G_adj=True, G_df="conventional")
    _, theirs = with_pyfixest(drawn, subsets()[seed % 16], counted)
    assert theirs == pytest.approx(error[seed % 16], rel=TOLERANCE)


# the dummies of nested effects are collinear by construction, the regressors are not
@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.SingularMatrixWarning")
@pytest.mark.parametrize("seed", range(5))
def test_robust_errors_agree_with_a_dummy_regression(seed: int) -> None:
    drawn = draw(seed)
    frame = drawn.frame
    dummies = pd.get_dummies(frame[list(drawn.effects)].astype("category"), drop_first=True)
    X = sm.add_constant(pd.concat([frame[["x", *CONTROLS]], dummies], axis=1).astype(float))
    weights = np.ones(len(frame)) if drawn.weights is None else frame[drawn.weights]
    reference = sm.WLS(frame["y"], X, weights=weights).fit()
    _, robust, _ = engine(Drawn(frame, drawn.effects, drawn.weights, ()), "CR0")
    assert robust[-1] == pytest.approx(reference.HC0_se["x"], rel=TOLERANCE)
