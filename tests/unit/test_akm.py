"""Weighted shift-share errors against the formula of Adao, Kolesar and Morales (2019) in NumPy.

With weights w, shares s, the instrument z net of controls and residuals e: shocks net of controls
are the weighted coefficients of z on the shares; the variance is the sum over sectors of (net
shock x sum of w s e)^2, over the square of the sum of w z x. AKM0 has residuals under the null.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from models.results import ModelResult
from tests.study_case import fit_one, panel_of

SECTORS, REGIONS = 8, 30
SHARES = [f"s{k}" for k in range(SECTORS)]
SHOCKS = [f"g{k}" for k in range(SECTORS)]


def regions(years: int) -> pd.DataFrame:
    """Regions with fixed shares, shocks anew each year, uneven weights; a control c."""
    rng = np.random.default_rng(21)
    shares = rng.dirichlet(np.full(SECTORS, 0.4), size=REGIONS)
    weights = rng.uniform(0.1, 4.0, REGIONS)
    frames = []
    for year in range(years):
        shocks, hidden = rng.normal(size=(2, SECTORS))
        c = rng.normal(size=REGIONS)
        x = shares @ shocks + 0.3 * c + 0.2 * rng.normal(size=REGIONS)
        y = 0.5 * x + c + shares @ hidden + 0.3 * rng.normal(size=REGIONS)
        frame = pd.DataFrame({"geo": np.arange(REGIONS), "year": 2000 + year})
        frame = frame.assign(x=x, y=y, c=c, w=weights * rng.uniform(0.5, 2.0, REGIONS))
        frame[SHARES], frame[SHOCKS] = shares, shocks
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def fitted(folder: Path, frame: pd.DataFrame, effects: list[str]) -> ModelResult:
    body = (
        '[[model]]\nid = "main"\nestimator = "iv-within"\noutcome = "y"\ntreatment = "x"\n'
        f'controls = ["c"]\neffects = {effects}\nweights = "w"\n'
        f"inference = {{ kind = 'robust' }}\n"
        f"shift_share = {{ shares = {SHARES}, shocks = {SHOCKS} }}\n"
    )
    return fit_one(folder, panel_of(frame, "geo", "year"), body)


class Formula:
    """The regression's parts, controls and effects taken out by dummies."""

    def __init__(self, frame: pd.DataFrame, effects: list[str]) -> None:
        columns = {"unit": "geo", "time": "year"}
        dummies = [pd.get_dummies(frame[columns[name]], dtype=float) for name in effects]
        ones = pd.Series(np.ones(len(frame)))
        controls = pd.concat([frame["c"], ones, *dummies], axis=1).to_numpy()
        self.w, self.shares = frame["w"].to_numpy(), frame[SHARES].to_numpy()
        self.year = frame["year"].to_numpy()
        z = (frame[SHARES].to_numpy() * frame[SHOCKS].to_numpy()).sum(axis=1)
        root = np.sqrt(self.w)[:, None]
        raw = np.column_stack([frame["y"], frame["x"], z])
        slopes = np.linalg.lstsq(controls * root, raw * root)[0]
        self.y, self.x, self.z = (raw - controls @ slopes).T

    def moment(self, b: float) -> float:
        """The sum of w z (y - b x)."""
        return float(np.sum(self.w * self.z * (self.y - b * self.x)))

    def spread(self, b: float) -> float:
        """The root of the moment's variance, residuals being y - b x."""
        by_sector = np.zeros(SECTORS)
        for year in np.unique(self.year):
            at = self.year == year
            w, s, e = self.w[at], self.shares[at], (self.y - b * self.x)[at]
            net = np.linalg.solve((s.T * w) @ s, (s.T * w) @ self.z[at])
            by_sector += [net[k] * np.sum(w * s[:, k] * e) for k in range(SECTORS)]
        return float(np.sqrt(np.sum(by_sector**2)))


@pytest.mark.parametrize(("years", "effects"), [(1, []), (3, ["unit", "time"])])
def test_weighted_errors_are_those_of_the_formula(
    tmp_path: Path, years: int, effects: list[str]
) -> None:
    frame = regions(years)
    term, formula = fitted(tmp_path, frame, effects).term("x"), Formula(frame, effects)
    first = formula.moment(0.0) - formula.moment(1.0)
    beta = formula.moment(0.0) / first
    assert term.estimate == pytest.approx(beta, rel=1e-9)
    assert term.std_error == pytest.approx(formula.spread(beta) / abs(first), rel=1e-9)


@pytest.mark.parametrize(("years", "effects"), [(1, []), (3, ["unit", "time"])])
def test_weighted_akm0_ends_where_the_formula_s_t_is_that_of_5_percent(
    tmp_path: Path, years: int, effects: list[str]
) -> None:
    frame = regions(years)
    fit, formula = fitted(tmp_path, frame, effects).fit, Formula(frame, effects)
    for name in ("akm0_low", "akm0_high"):
        end = fit[name]
        assert end is not None
        t = formula.moment(end) / formula.spread(end)
        assert abs(t) == pytest.approx(norm.ppf(0.975), rel=1e-8)
