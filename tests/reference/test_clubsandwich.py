"""Whole tables by R's clubSandwich 0.5.8: errors, Satterthwaite degrees of freedom, joint tests.

Values in `clubsandwich.toml`. Errors and the degrees of freedom of CR2 come from the product, which
has no others: those of CR0, its multiples and CR3, and Pustejovsky and Tipton's (2018) joint test,
are recomputed here from dense matrices, of which `models/inference/leverage.py` forms none.
1e-9 relative: for degrees of freedom, with fixed effects beneath, R itself agrees no closer.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.absorb import absorb
from models.design import Design, Floats
from models.estimators.first_difference import differenced
from models.inference.cluster import Clusters, find_clusters, sandwich
from models.inference.leverage import Target, bias_reduced, jackknife, leave_one_out
from models.least_squares import LinearFit, fit_least_squares
from tests.canonical_designs import (
    eu_regions,
    fatalities,
    fit_design,
    mortality,
    munnell,
    us_states,
)
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
CLUBSANDWICH = Reference("R 4.2.2: clubSandwich 0.5.8")
RECOMPUTED = replace(CLUBSANDWICH, recomputed=True)
STORED = tomllib.loads(Path(__file__).with_name("clubsandwich.toml").read_text("utf-8"))
US = ["lsi1", "lct1", "ur", "lmw"]
EU = ["lesf1", "lgdp1"]
PRODUC = ["log(pcap)", "log(pc)", "log(emp)", "unemp"]
DEATHS = ["legal", "beertaxa"]


@dataclass(frozen=True)
class Dense:
    """One fit and its clusters, with the matrices that the definitions speak of."""

    fit: LinearFit
    clusters: Clusters
    target: Target = "identity"

    @property
    def spread(self) -> Floats:
        """The working model's variances (n,)."""
        w = self.fit.weights
        return np.ones_like(w) if self.target == "identity" else 1.0 / w

    @cached_property
    def maker(self) -> Floats:
        """I - H (n, n) of regressors and effects together."""
        fit = self.fit
        left = absorb(fit.effects, fit.weights, fit.n_obs).residual(np.eye(fit.n_obs))
        return left - fit.X @ (fit.bread @ (fit.X * fit.weights[:, None]).T @ left)

    def unmade(self, columns: Floats) -> Floats:
        """(I - H)' times columns (n, p), without forming it: weights move to the other side."""
        fit, w = self.fit, self.fit.weights[:, None]
        left = absorb(fit.effects, fit.weights, fit.n_obs).residual(columns / w) * w
        return left - (fit.X * w) @ (fit.bread @ (fit.X.T @ left))

    def adjusted(self, kind: str) -> list[Floats]:
        """A_g W_g X_g bread (n_g, k) of each cluster: what its residuals are multiplied by."""
        influence: Floats = (self.fit.X * self.fit.weights[:, None]) @ self.fit.bread
        if kind not in ("CR2", "CR3"):
            return [influence[rows] for rows in self.clusters.rows()]
        out: list[Floats] = []
        for rows in self.clusters.rows():
            if kind == "CR3":
                solved = np.linalg.solve(self.maker[np.ix_(rows, rows)].T, influence[rows])
                out.append(np.asarray(solved, dtype=np.float64))
                continue
            root = np.sqrt(self.spread[rows])[:, None]
            own = self.maker[rows]
            block = root * ((own * self.spread) @ own.T) * root.T
            values, vectors = np.linalg.eigh(block)
            kept = values > 1e-9 * values.max()
            inverse = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
            out.append(root * (inverse @ (root * influence[rows])))
        return out

    def moments(self, kind: str, contrast: Floats) -> tuple[Floats, Floats]:
        """The estimate (q, q) of the contrast's (q, k) variance, and the vectors (G, q, n) whose
        products with independent errors have it as their sum of squares.
        """
        parts = [part @ contrast.T for part in self.adjusted(kind)]
        q = len(contrast)
        estimate, placed = np.zeros((q, q)), np.zeros((self.fit.n_obs, len(parts), q))
        for g, (rows, part) in enumerate(zip(self.clusters.rows(), parts, strict=True)):
            score = part.T @ self.fit.residuals[rows]
            estimate += np.outer(score, score)
            placed[rows, g] = part
        flat = self.unmade(placed.reshape(len(placed), -1)) * np.sqrt(self.spread)[:, None]
        return estimate, flat.reshape(placed.shape).transpose(1, 2, 0)

    def satterthwaite(self, kind: str, j: int) -> float:
        _, vectors = self.moments(kind, np.eye(len(self.fit.beta))[[j]])
        products = vectors[:, 0] @ vectors[:, 0].T
        return float(np.trace(products) ** 2 / np.square(products).sum())

    def joint(self, kind: str, contrast: Floats) -> tuple[float, float, float]:
        """The Wald statistic over q, and F and denominator of its approximate Hotelling test."""
        estimate, vectors = self.moments(kind, contrast)
        value, q = contrast @ self.fit.beta, len(contrast)
        expected = np.einsum("gsn,gtn->st", vectors, vectors)
        roots, axes = np.linalg.eigh(expected)
        scaled = np.einsum("st,gtn->gsn", (axes / np.sqrt(roots)) @ axes.T, vectors)
        products = np.einsum("gsn,htn->ghst", scaled, scaled)
        own = np.einsum("ghss,ghtt->", products, products)
        crossed = np.einsum("ghst,ghts->", products, products)
        eta = q * (q + 1) / float(own + crossed)
        wald = float(value @ np.linalg.solve(estimate, value)) / q
        df = eta - q + 1
        return wald, wald * df / eta, df


def same(what: str, ours: Any, theirs: Any, rel: float = 1e-9) -> None:
    CLUBSANDWICH.agrees(what, ours, theirs, rel=rel)


def recomputed(what: str, ours: Any, theirs: Any) -> None:
    RECOMPUTED.agrees(what, ours, theirs, rel=1e-9)


def factor(kind: str, dense: Dense, parameters: int) -> float:
    """On the standard error of CR0."""
    size, n = dense.clusters.size, dense.fit.n_obs
    factors = {
        "CR0": 1.0,
        "CR1": size / (size - 1),
        "CR1p": size / (size - parameters),
        "CR1S": size / (size - 1) * (n - 1) / (n - parameters),
    }
    return float(np.sqrt(factors[kind]))


def errors_of(kind: str, dense: Dense, parameters: int) -> tuple[Floats, Floats]:
    """Errors and degrees of freedom, from the product where it has them."""
    if kind == "CR2":
        vcov, df = bias_reduced(dense.fit, dense.clusters, dense.target)
        return np.sqrt(np.diag(vcov)), df
    df = np.array([dense.satterthwaite(kind, j) for j in range(len(dense.fit.beta))])
    if kind == "CR3":
        return np.sqrt(np.diag(jackknife(dense.fit, dense.clusters))), df
    vcov = sandwich(dense.fit, dense.clusters.codes)
    return np.sqrt(np.diag(vcov)) * factor(kind, dense, parameters), df


def check(entry: str, dense: Dense, names: list[str], parameters: int) -> None:
    """Every table of an entry: CR0 to CR3 by name, and joint tests of the first two slopes."""
    stored = STORED[entry]
    if "clusters" in stored:
        assert (stored["n"], stored["clusters"]) == (dense.fit.n_obs, dense.clusters.size)
    here = [*names, *dense.fit.terms[len(names) :]]
    for kind in [name for name in stored if name.startswith("CR") and "wald" not in name]:
        table = stored[kind]
        own = Dense(dense.fit, dense.clusters, "inverse-variance") if "inverse" in kind else dense
        errors, df = errors_of(kind.split("_")[0], own, parameters)
        for label, ours in (("coef", dense.fit.beta), ("se", errors), ("df_satt", df)):
            if label in table:
                found = dict(zip(here, ours, strict=True))
                compare = same if label != "df_satt" or kind.startswith("CR2") else recomputed
                compare(f"{kind} {label}", {k: found[k] for k in table[label]}, table[label])
        if "wald_first_two" in table:
            joint(f"{kind} joint", table["wald_first_two"], own, kind.split("_")[0], parameters)
    if "CR2_wald_both" in stored:
        joint("CR2 joint", stored["CR2_wald_both"], dense, "CR2", parameters)


def joint(what: str, table: dict[str, Any], dense: Dense, kind: str, parameters: int) -> None:
    wald, hotelling, df = dense.joint(kind, np.eye(len(dense.fit.beta))[:2])
    scale = factor(kind, dense, parameters) ** 2 if kind not in ("CR2", "CR3") else 1.0
    theirs = np.atleast_1d(table["Fstat"])
    recomputed(f"{what}, F", hotelling / scale, theirs[-1])
    if len(theirs) > 1:
        recomputed(f"{what}, Wald", np.full(len(theirs) - 1, wald / scale), theirs[:-1])
    recomputed(f"{what}, df", df, np.atleast_1d(table["df_denom"])[-1])
    if "delta" in table:
        recomputed(f"{what}, delta", hotelling / wald, table["delta"][-1])


def claim(*entries: str) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.case(name), id=name) for name in entries]


@pytest.mark.parametrize("entry", claim("A.us.cr_lm_twoway", "A.us.cr_plm_twoway"))
def test_states(realdata: Path, entry: str) -> None:
    design = us_states(realdata)
    dense = Dense(fit_design(design), find_clusters(design, "unit"))
    parameters = {"A.us.cr_lm_twoway": 73, "A.us.cr_plm_twoway": 4}[entry]
    check(entry, dense, US, parameters)


@pytest.mark.case("A.us.cr_wlm_twoway")
def test_states_weighted(realdata: Path) -> None:
    design = us_states(realdata, weighted=True)
    dense = Dense(fit_design(design), find_clusters(design, "unit"))
    check("A.us.cr_wlm_twoway", dense, US, 73)


@pytest.mark.case("A.us.cr_lm_pooled")
def test_states_pooled(realdata: Path) -> None:
    design = us_states(realdata, effects=())
    dense = Dense(fit_design(design), find_clusters(design, "unit"))
    check("A.us.cr_lm_pooled", dense, US, 5)


@pytest.mark.case("A.us.cr_plm_fd")
def test_states_in_differences(realdata: Path) -> None:
    design = differenced(us_states(realdata, effects=()))
    design.X[:, -1] = 1.0  # the constant, which is no difference
    dense = Dense(fit_design(design), find_clusters(design, "unit"))
    check("A.us.cr_plm_fd", dense, US, 5)


@pytest.mark.case("A.us.cr2_weighted_hand")
def test_states_by_hand(realdata: Path) -> None:
    """With states in the leverage, or taken out first, which matters where there are weights."""
    for weighted, label in ((False, "unweighted"), (True, "weighted_identity")):
        design = us_states(realdata, weighted=weighted)
        fit, clusters = fit_design(design), find_clusters(design, "unit")
        bare = states_taken_out(design)
        parts: list[tuple[str, LinearFit, Target]] = [
            (f"{label}_full", fit, "identity"), (f"{label}_absorbed", bare, "identity"),
        ]  # fmt: skip
        if weighted:
            parts += [
                ("weighted_invvar_full", fit, "inverse-variance"),
                ("weighted_invvar_absorbed", bare, "inverse-variance"),
            ]
        for name, one, target in parts:
            table = STORED["A.us.cr2_weighted_hand"][name]
            vcov, df = bias_reduced(one, clusters, target)
            same(f"{name} se", dict(zip(US, np.sqrt(np.diag(vcov))[:4], strict=True)), table["se"])
            same(f"{name} df", dict(zip(US, df[:4], strict=True)), table["df_satt"], rel=1e-8)


def states_taken_out(design: Design) -> LinearFit:
    """The slopes and dummies of years, all net of states, as a regression without effects."""
    state, year = design.effects
    years = (year[:, None] == np.arange(1, len(design.times))).astype(float)
    columns = np.column_stack([design.y, design.X, years])
    left = absorb((state,), design.weights, design.n_obs).residual(columns)
    names = (*design.terms, *(str(label) for label in design.times[1:]))
    return fit_least_squares(left[:, 0], left[:, 1:], names, design.weights)


@pytest.mark.case("A.us.jackknife_cv3")
@pytest.mark.parametrize("weighted", [False, True])
def test_states_left_out(realdata: Path, weighted: bool) -> None:
    design = us_states(realdata, weighted=weighted)
    fit = fit_design(design)
    without = leave_one_out(fit, find_clusters(design, "unit"))
    around = np.square(without - fit.beta).sum(axis=0)
    ours = {
        "cr3": np.sqrt(around),
        "cv3_Gm1": np.sqrt(50 / 51 * around),
        "cv3j": np.sqrt(50 / 51 * np.square(without - without.mean(axis=0)).sum(axis=0)),
    }
    table = STORED["A.us.jackknife_cv3"]["weighted" if weighted else "unweighted"]
    for label, errors in ours.items():
        recomputed(label, dict(zip(US, errors, strict=True)), table[label])


@pytest.mark.parametrize(
    "entry",
    claim(
        "B.eu.neet.cr_twoway_country", "B.eu.neet.cr_twoway_region",
        "B.eu.neet.countryyear_fwl_cr_country", "B.eu.neet.countryyear_fwl_cr_region",
        "B.eu.neet.lm_countryyear_dummies_CR2",
    ),
)  # fmt: skip
def test_regions(realdata: Path, entry: str) -> None:
    """plm counts slopes in CR1S; what was regressed on dummies first (fwl) has none left."""
    second = "year" if "twoway" in entry else "country_year"
    design = eu_regions(realdata, ["geo", second])
    by = "unit" if entry.endswith("region") else "parent"
    fit = fit_design(design)
    if "fwl" in entry:
        fit = fit_least_squares(fit.y, fit.X, fit.terms)
    dense = Dense(fit, find_clusters(design, by))
    if entry.endswith("dummies_CR2"):
        vcov, df = bias_reduced(dense.fit, dense.clusters)
        same("se", dict(zip(EU, np.sqrt(np.diag(vcov)), strict=True)), STORED[entry]["se"])
        same("df", dict(zip(EU, df, strict=True)), STORED[entry]["df_satt"], rel=1e-8)
    else:
        check(entry, dense, EU, 2)


@pytest.mark.parametrize(
    "entry",
    claim(
        "C.Mortality.unweighted", "C.Mortality.unweighted_plm", "C.Mortality.weighted_popraw",
        "C.Mortality.weighted_popnorm", "C.Mortality.weighted_identity_patched",
    ),
)  # fmt: skip
def test_deaths(realdata: Path, entry: str) -> None:
    design = mortality(realdata, weighted="weighted" in entry.replace("unweighted", ""))
    dense = Dense(fit_design(design), find_clusters(design, "unit"))
    check(entry, dense, DEATHS, 2 if entry.endswith("plm") else 65)


@pytest.mark.case("C.Produc.cr")
def test_output(realdata: Path) -> None:
    design = munnell(realdata)
    dense = Dense(fit_design(design), find_clusters(design, "unit"))
    check("C.Produc.cr", dense, PRODUC, 4)


@pytest.mark.case("C.Fatalities.oneway_cr")
def test_fatalities(realdata: Path) -> None:
    design = fatalities(realdata, ["state"])
    dense = Dense(fit_design(design), find_clusters(design, "unit"))
    check("C.Fatalities.oneway_cr", dense, ["beertax"], 1)
