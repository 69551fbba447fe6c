"""Shift-share estimates and errors beside regressions of other programs at the level of shocks.

Borusyak, Hull and Jaravel (2022, proposition 1): the estimate is that of an exposure-weighted
regression of shocks, run here by linearmodels on aggregates made by pandas; without controls and
with shares that add to one, its robust error (HC0) equals AKM's when shocks are regressed on the
constant that the units' regression holds. Rotemberg weights add up by algebra. Coverage:
`test_akm_covers`, 300 draws, where errors clustered by unit fail.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from linearmodels.iv import IV2SLS
from scipy.stats import norm

from data.errors import BadInput
from models.estimators.shift_share import INSTRUMENT, reduced, rotemberg
from models.inference.akm import ShiftShare, akm0_interval, akm_error
from models.results import ModelResult
from tests.canonical_designs import design_from
from tests.study_case import fit_one, panel_of

SECTORS = 40
SHARES = [f"s{k}" for k in range(SECTORS)]
SHOCKS = [f"g{k}" for k in range(SECTORS)]


def drawn(seed: int, n: int, truth: float) -> tuple[np.ndarray, ...]:
    """Shares (n, K), shocks (K,), x and y (n,); residuals share sector components, as in AKM."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(SECTORS, 0.3), size=n)
    shocks, hidden = rng.normal(size=SECTORS), rng.normal(size=SECTORS)
    x = shares @ shocks + 0.2 * rng.normal(size=n)
    y = truth * x + shares @ hidden + 0.1 * rng.normal(size=n)
    return shares, shocks, x, y


def regions(seed: int, n: int = 120) -> pd.DataFrame:
    """A cross-section of regions with its shares and shocks."""
    shares, shocks, x, y = drawn(seed, n, 0.5)
    columns = {name: shares[:, k] for k, name in enumerate(SHARES)}
    columns |= {name: np.full(n, shocks[k]) for k, name in enumerate(SHOCKS)}
    return pd.DataFrame({"geo": np.arange(n), "year": 2000, "x": x, "y": y, **columns})


def fitted(folder: Path, frame: pd.DataFrame, more: str = "", shocks: str = "") -> ModelResult:
    body = (
        '[[model]]\nid = "main"\nestimator = "iv-within"\noutcome = "y"\ntreatment = "x"\n'
        f"{more}\ninference = {{ kind = 'robust' }}\n"
        f"shift_share = {{ shares = {SHARES}, shocks = {shocks or SHOCKS} }}\n"
    )
    return fit_one(folder, panel_of(frame, "geo", "year"), body)


def at_shocks(frame: pd.DataFrame) -> pd.DataFrame:
    """BHJ's aggregates: exposure-weighted means of outcome and treatment for each shock."""
    shares = frame[SHARES].to_numpy()
    exposure = shares.sum(axis=0)
    centred = frame[["y", "x"]] - frame[["y", "x"]].mean()
    means = (shares.T @ centred.to_numpy()) / exposure[:, None]
    shocks = frame[SHOCKS].iloc[0].to_numpy()
    found = pd.DataFrame({"y": means[:, 0], "x": means[:, 1], "g": shocks, "w": exposure})
    return found.assign(one=1.0)


def test_the_estimate_and_error_are_those_of_the_shocks(tmp_path: Path) -> None:
    frame = regions(1)
    term = fitted(tmp_path, frame).term("x")
    at = at_shocks(frame)
    theirs = IV2SLS(at["y"], at[["one"]], at["x"], at["g"], weights=at["w"]).fit(cov_type="robust")
    assert term.estimate == pytest.approx(theirs.params["x"], rel=1e-9)
    assert term.std_error == pytest.approx(theirs.std_errors["x"], rel=1e-6)


def test_rotemberg_weights_add_up(tmp_path: Path) -> None:
    result = fitted(tmp_path, regions(2))
    negative = next(t.statistic for t in result.tests if t.test == "rotemberg_negative")
    largest = [t for t in result.tests if t.test.startswith("rotemberg s")]
    assert negative >= 0.0
    assert len(largest) == 5
    frame = regions(2)
    parts = frame[SHARES].to_numpy() * frame[SHOCKS].to_numpy()
    frame[INSTRUMENT] = parts.sum(axis=1)
    design = design_from(frame, "y", ["x"], ("geo", "year"), columns=[INSTRUMENT])
    weight, own = rotemberg(reduced(design, frame[SHARES].to_numpy()), parts)
    assert weight.sum() == pytest.approx(1.0, rel=1e-10)
    assert weight @ own == pytest.approx(result.term("x").estimate, rel=1e-10)
    k = int(np.argmax(np.abs(weight)))
    alone = IV2SLS(frame["y"], np.ones((120, 1)), frame["x"], pd.Series(parts[:, k])).fit()
    assert own[k] == pytest.approx(alone.params["x"], rel=1e-8)
    assert largest[0].test == f"rotemberg s{k}"
    assert largest[0].statistic == pytest.approx(weight[k], rel=1e-12)


def test_akm0_is_the_inverted_test_of_the_shocks(tmp_path: Path) -> None:
    """At its ends, the exposure-weighted reduced form of y - beta x has a robust t of 1.96."""
    frame = regions(3)
    result = fitted(tmp_path, frame)
    at = at_shocks(frame)
    for end in (result.fit["akm0_low"], result.fit["akm0_high"]):
        assert end is not None
        left = at["y"] - end * at["x"]
        g = at["g"] - np.average(at["g"], weights=at["w"])
        score = at["w"] * g * left
        assert abs(score.sum()) / np.sqrt((score**2).sum()) == pytest.approx(1.959964, rel=1e-5)


def centred_model(seed: int) -> ShiftShare:
    """One cross-section as what a constant leaves of it."""
    shares, shocks, x, y = drawn(seed, 120, 0.5)
    y, x, z = (v - v.mean() for v in (y, x, shares @ shocks))
    return ShiftShare(y, x, z, np.ones(len(y)), shares, np.zeros(len(y), dtype=np.int64))


def test_akm_covers() -> None:
    """95 % intervals over 300 draws: AKM and AKM0 near it; errors robust by region far below."""
    hits = {"akm": 0, "akm0": 0, "robust": 0}
    reach = float(norm.ppf(0.975))
    for seed in range(1000, 1300):
        model = centred_model(seed)
        gap = abs(model.beta - 0.5)
        low, high = akm0_interval(model)
        scores = model.z * (model.y - model.beta * model.x)
        robust = float(np.sqrt(scores @ scores)) / abs(model.first_stage)
        hits["akm"] += int(gap < reach * akm_error(model))
        hits["akm0"] += int(low < 0.5 < high)
        hits["robust"] += int(gap < reach * robust)
    assert 0.88 <= hits["akm"] / 300 <= 0.97  # too small with 40 uneven sectors, as they report
    assert 0.92 <= hits["akm0"] / 300 <= 0.98
    assert hits["robust"] / 300 < 0.85


def panel_frame(seed: int = 4) -> pd.DataFrame:
    """Three years of 60 regions, shares fixed, shocks of 40 sectors anew each year."""
    years = [regions(seed, 60).assign(year=2000)]
    rng = np.random.default_rng(seed)
    for year in (2001, 2002):
        frame = years[0].copy()
        frame[SHOCKS] = rng.normal(size=SECTORS)
        z = (frame[SHARES].to_numpy() * frame[SHOCKS].to_numpy()).sum(axis=1)
        frame["x"] = z + 0.2 * rng.normal(size=60)
        frame["y"] = 0.5 * frame["x"] + 0.3 * rng.normal(size=60)
        years.append(frame.assign(year=year))
    return pd.concat(years, ignore_index=True)


def test_a_panel_with_effects_is_iv_within(tmp_path: Path) -> None:
    frame = panel_frame()
    frame["z"] = (frame[SHARES].to_numpy() * frame[SHOCKS].to_numpy()).sum(axis=1)
    result = fitted(tmp_path, frame, 'effects = ["unit", "time"]')
    dummies = pd.get_dummies(frame[["geo", "year"]].astype(str), drop_first=True, dtype=float)
    dummies.insert(0, "one", 1.0)
    theirs = IV2SLS(frame["y"], dummies, frame["x"], frame["z"]).fit()
    assert result.term("x").estimate == pytest.approx(theirs.params["x"], rel=1e-8)
    assert "AKM over 40 sectors" in result.inference.convention


def test_requests_that_make_no_sense(tmp_path: Path) -> None:
    frame = regions(5)
    with pytest.raises(BadInput, match="40 sectors and 30 units"):
        fitted(tmp_path, frame.head(30))
    with pytest.raises(BadInput, match="'g3' differs between units of one period"):
        fitted(tmp_path, frame.assign(g3=np.arange(120.0)))
    with pytest.raises(BadInput, match="40 shares and 39 shocks"):
        fitted(tmp_path, frame, shocks=str(SHOCKS[1:]))
    with pytest.raises(BadInput, match="drop instruments"):
        fitted(tmp_path, frame, 'instruments = ["s1"]')
    with pytest.raises(BadInput, match="combinations of one another"):
        fitted(tmp_path, frame.assign(s1=frame["s2"]))
