"""Random effects by other variance components than the product's, against R's plm 2.6-2.

The product has Swamy and Arora's one-way components. Those of Wallace and Hussain (1969), Amemiya
(1971) and Nerlove (1971), and the two-way model, are put together here from its building blocks:
effects absorbed, group means, least squares of quasi-demeaned data. For balanced panels; closed
forms, 1e-9 relative. Values in `random_effects.toml`.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.absorb import absorb
from models.design import Codes, Design, Floats
from models.estimators.linear import fit_screened, fit_statistics
from tests.canonical_designs import design_from, munnell, us_states
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
PLM = Reference("R 4.2.2: plm 2.6-2", recomputed=True)
CASES = tomllib.loads(Path(__file__).with_name("random_effects.toml").read_text("utf-8"))["case"]
NAMES = {
    "us": ["lsi1", "lct1", "ur", "lmw"],
    "grunfeld": ["value", "capital"],
    "produc": ["log(pcap)", "log(pc)", "log(emp)", "unemp"],
}


def balanced(realdata: Path, panel: str) -> Design:
    """The panel without effects or a constant."""
    if panel == "us":
        design = us_states(realdata)
    elif panel == "produc":
        design = munnell(realdata)
    else:
        frame = pd.read_csv(realdata / "canonical_panels" / "rdatasets_plm_Grunfeld.csv")
        design = design_from(frame, "inv", ["value", "capital"], ("firm", "year"))
    return replace(design, effects=(), effect_names=(), terms=tuple(NAMES[panel]))


def mean(codes: Codes, values: Floats) -> Floats:
    return np.asarray(np.bincount(codes, values) / np.bincount(codes))


def residuals(y: Floats, X: Floats) -> Floats:
    return np.asarray(y - X @ np.linalg.lstsq(X, y)[0])


def within(design: Design, codes: tuple[Codes, ...]) -> tuple[Floats, Floats]:
    """Residuals net of effects, and the levels that the within slopes leave, less their mean."""
    left = absorb(codes, None, design.n_obs).residual(np.column_stack([design.y, design.X]))
    slopes = np.linalg.lstsq(left[:, 1:], left[:, 0])[0]
    levels = design.y - design.X @ slopes
    return left[:, 0] - left[:, 1:] @ slopes, levels - levels.mean()


def between(design: Design, codes: Codes) -> float:
    """Mean square between groups, degrees of freedom counted."""
    wide = np.column_stack([design.X, np.ones(design.n_obs)])
    X = np.column_stack([mean(codes, column) for column in wide.T])
    left = residuals(mean(codes, design.y), X)
    return float(left @ left) / (len(X) - X.shape[1])


def components(design: Design, method: str, codes: tuple[Codes, ...]) -> list[float]:
    """Variances of the errors, then of each grouping's levels, none below zero."""
    sizes = [int(one.max()) + 1 for one in codes]
    n = design.n_obs
    free = n - sum(sizes) + len(sizes) - 1
    own, levels = within(design, codes)
    noise = float(own @ own) / free
    if method == "walhus":
        levels = residuals(design.y, np.column_stack([design.X, np.ones(n)]))
        own = absorb(codes, None, n).residual(levels[:, None])[:, 0]
        noise = float(own @ own) / free
    found = []
    for one, size in zip(codes, sizes, strict=True):
        per = n / size
        if method == "swar":
            noise = float(own @ own) / (free - design.X.shape[1])
            found.append(between(design, one) - noise / per)
        elif method == "nerlove":
            found.append(float(np.square(mean(one, levels)).sum()) / (size - 1))
        else:
            found.append(float(np.square(mean(one, levels)).mean()) - noise / per)
    if method == "nerlove":
        noise = float(own @ own) / n
    return [noise, *(max(0.0, value) for value in found)]


def thetas(variances: list[float], sizes: list[float]) -> dict[str, float]:
    """What is taken off the means of units and periods, and added back of the overall mean."""
    noise, *own = variances
    shares = [noise / (noise + size * value) for size, value in zip(sizes, own, strict=True)]
    found = dict(zip(("id", "time"), (1 - np.sqrt(shares)).tolist(), strict=False))
    if len(own) == 2:
        every = noise + sum(size * value for size, value in zip(sizes, own, strict=True))
        found["total"] = found["id"] + found["time"] + float(np.sqrt(noise / every)) - 1
    return found


@pytest.mark.parametrize(
    "case",
    [pytest.param(one, id=one["id"], marks=pytest.mark.case(*one["entries"])) for one in CASES],
)
def test_random_effects(case: dict[str, Any], realdata: Path) -> None:
    design = balanced(realdata, case["panel"])
    codes = (design.unit, design.time)[: len(case["effects"])]
    variances = components(design, case["method"], codes)
    named = dict(zip(("idios", "id", "time"), variances, strict=False))
    ours = {name: named[name] for name in case["sigma2"]}
    PLM.agrees("variances", ours, case["sigma2"], rel=1e-9)
    theta = thetas(variances, [design.n_obs / (int(one.max()) + 1) for one in codes])
    if "theta" in case:
        PLM.agrees("theta", {name: theta[name] for name in case["theta"]}, case["theta"], rel=1e-9)
    columns = np.column_stack([design.y, design.X, np.ones(design.n_obs)])
    quasi = columns + theta.get("total", 0.0) * columns.mean(axis=0)
    for name, one in zip(("id", "time"), codes, strict=False):
        means = np.column_stack([mean(one, column)[one] for column in columns.T])
        quasi = quasi - theta[name] * means
    terms = (*design.terms, "(Intercept)")
    linear, _ = fit_screened(replace(design, y=quasi[:, 0], X=quasi[:, 1:], terms=terms))
    found = dict(zip(terms, linear.beta.tolist(), strict=True))
    PLM.agrees("estimates", found, case["coef"], rel=1e-9)
    statistics = fit_statistics(linear, "r2")
    rss = statistics["rss"] or np.nan
    PLM.agrees("residual sum of squares", rss, case["rss"], rel=1e-9)
    PLM.agrees("R2", statistics["r2"], case["r2"], rel=1e-9)
    assert (design.n_obs, design.n_obs - len(terms)) == (case["n"], case["df_residual"])
    noise = rss / (design.n_obs - len(terms))
    errors = dict(zip(terms, np.sqrt(noise * np.diag(linear.bread)).tolist(), strict=True))
    PLM.agrees("standard errors", errors, case["se"], rel=1e-9)
