"""Whole tables of standard errors by R's plm 2.6-2 and sandwich 3.0-2, convention by convention.

Values in `sandwich_errors.toml`, under R's names. Ours come from the product; where a convention is
R's own (row leverages, other factors), from the product's sandwich on residuals rescaled here.
Closed forms: 1e-10 relative, 1e-9 for the badly conditioned fixed effects of sandwich's dummies.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.absorb import absorb
from models.design import Codes, Design, Floats
from models.estimators.first_difference import differenced
from models.inference.cluster import Clusters, find_clusters, intersect, sandwich
from models.inference.dependence import panel_corrected
from models.inference.leverage import bias_reduced, jackknife
from models.inference.measure import measure
from models.least_squares import LinearFit
from models.study import Inference
from tests.canonical_designs import eu_regions, fatalities, fit_design, petersen, us_states
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
R = Reference("R 4.2.2: plm 2.6-2, sandwich 3.0-2")
# R's own conventions: row leverages, parts of two-way sums counted otherwise, diagonals alone
RECOMPUTED = {
    *("HC2", "HC3", "HC4", "HC5", "CL_2way_HC1", "CL_2way_HC1_multi0", "twoway_HC1_multi0"),
    *("vcovCL_2way", "time_diagonal"),
}
STORED = tomllib.loads(Path(__file__).with_name("sandwich_errors.toml").read_text("utf-8"))
NAMES = {
    "us": ["lsi1", "lct1", "ur", "lmw", "(Intercept)"],
    "eu": ["lesf1", "lgdp1"],
    "petersen": ["x", "(Intercept)"],
    "fatalities": ["beertax"],
}


@dataclass(frozen=True)
class Case:
    """A fit, its design, and the names of its coefficients in R."""

    fit: LinearFit
    design: Design
    names: list[str]
    levels: int  # rows before differences, which plm counts for HC1

    @property
    def n(self) -> int:
        return self.fit.n_obs

    @property
    def slopes(self) -> int:
        """plm's K: coefficients after the transformation, a constant included."""
        return len(self.fit.terms)

    @property
    def everything(self) -> int:
        """The parameters of the same model with dummies."""
        return self.slopes + self.fit.n_absorbed

    def clusters(self, by: str) -> Clusters:
        return find_clusters(self.design, by)

    def product(self, kind: str, **changes: Any) -> Floats:
        return measure(self.fit, self.design, Inference(kind, **changes)).std_error


def case(realdata: Path, panel: str, model: str) -> Case:
    effects = {"pooling": [], "within": ["unit"], "twoway": ["unit", "time"], "fd": []}[model]
    if panel == "petersen":
        design = petersen(realdata)
    elif panel == "us":
        columns = {"unit": "fips", "time": "year"}
        design = us_states(realdata, [columns[name] for name in effects])
    elif panel == "eu":
        design = eu_regions(realdata, ["geo", "year"])
    else:
        design = fatalities(realdata, ["state", "year"])
    levels = design.n_obs
    if model == "fd":
        design = differenced(design)
        design.X[:, -1] = 1.0  # the constant, which is no difference
    return Case(fit_design(design), design, NAMES[panel][: design.X.shape[1]], levels)


def errors(vcov: Floats) -> Floats:
    return np.sqrt(np.diag(vcov))


def row_leverages(one: Case, dummies: bool) -> Floats:
    """Diagonal of the hat matrix of the transformed regressors, with the effects' own if asked."""
    X = one.fit.X
    own = np.einsum("ik,kl,il->i", X, one.fit.bread, X)
    if not dummies or not one.fit.effects:
        return own
    maker = absorb(one.fit.effects, None, one.n).residual(np.eye(one.n))
    return np.asarray(own + 1.0 - np.diag(maker))


def rescaled(one: Case, kind: str, dummies: bool = False) -> LinearFit:
    """The fit with residuals blown up by row leverages, as for HC2 to HC5."""
    h = row_leverages(one, dummies)
    relative = h / h.mean()
    power = {
        "HC2": 0.5,
        "HC3": 1.0,
        "HC4": np.minimum(4.0, relative) / 2,
        "HC5": np.minimum(relative, max(4.0, 0.7 * relative.max())) / 4,
    }[kind]
    return replace(one.fit, residuals=one.fit.residuals / (1.0 - h) ** power)


def arellano(one: Case, by: str, kind: str) -> Floats:
    """plm's vcovHC: HC1 counts slopes only, sss adds the clusters' factor, others row leverages."""
    codes = one.clusters(by).codes
    if kind in ("HC2", "HC3", "HC4"):
        return sandwich(rescaled(one, kind), codes)
    size, n = one.clusters(by).size, one.n
    factor = {
        "HC0": 1.0,
        "HC1": n / (one.levels - one.slopes),
        "sss": size / (size - 1) * (n - 1) / (n - one.slopes),
    }[kind]
    return factor * sandwich(one.fit, codes)


def two_way(one: Case, rows_apart: bool) -> Floats:
    """sandwich's vcovCL HC1: each part with its clusters' factor, all with the dummies' count.

    `rows_apart` (multi0) takes the cells, which are single rows, without a factor.
    """
    first, second = one.clusters("unit"), one.clusters("time")
    cells = intersect(first, second)
    total = np.zeros_like(one.fit.bread)
    scale = (one.n - 1) / (one.n - one.everything)
    for codes, sign in ((first.codes, 1.0), (second.codes, 1.0), (cells, -1.0)):
        size = int(codes.max()) + 1
        factor = size / (size - 1) * scale
        if sign < 0 and rows_apart:
            factor = 1.0
        total += sign * factor * sandwich(one.fit, codes)
    return total


def driscoll_kraay(one: Case, label: str) -> Floats:
    kind, _, lags = label.partition("_maxlag")
    factor = one.n / (one.n - one.slopes) if kind == "HC1" else 1.0
    asked = None if label == "HC0_default" else int(lags)
    return one.product("driscoll-kraay", lags=asked) * np.sqrt(factor)


def beck_katz(one: Case, label: str) -> Floats:
    unit, time = one.design.unit, one.design.time
    if label == "time_diagonal":
        own = group_means(unit, one.fit.residuals**2)[unit]
        inner = (one.fit.X * own[:, None]).T @ one.fit.X
        return errors(one.fit.bread @ inner @ one.fit.bread)
    if label == "group_HC0":
        return errors(panel_corrected(one.fit, time, unit))
    factor = one.n / (one.n - one.slopes) if label == "time_HC1" else 1.0
    return one.product("panel-corrected") * np.sqrt(factor)


def group_means(codes: Codes, values: Floats) -> Floats:
    return np.asarray(np.bincount(codes, values) / np.bincount(codes))


def of_dummies(one: Case, label: str) -> Floats:
    """sandwich on lm with dummies, as for the states, or without, as for Petersen's firms."""
    unit, rows = one.clusters("unit"), np.arange(one.n)
    if label in ("HC2", "HC3", "HC4", "HC5"):
        return errors(sandwich(rescaled(one, label, dummies=True), rows))
    adjusted = np.sqrt(unit.size / (unit.size - 1))
    found: dict[str, Callable[[], Floats]] = {
        "ols": lambda: one.product("classical"),
        "HC0": lambda: errors(sandwich(one.fit, rows)),
        "HC1": lambda: one.product("robust"),
        "CL_HC0_cadjustF": lambda: one.product("cluster", by=("unit",), correction="CR0"),
        "CL_HC0_cadjustT": lambda: adjusted * errors(sandwich(one.fit, unit.codes)),
        "CL_HC1": lambda: clustered_with_dummies(one, "unit"),
        "CL_2way_HC1": lambda: errors(two_way(one, rows_apart=False)),
        "CL_2way_HC1_multi0": lambda: errors(two_way(one, rows_apart=True)),
        "PL_lag2": lambda: one.product("driscoll-kraay", lags=2),
        "PL_lag3_noadj": lambda: one.product("driscoll-kraay", lags=3),
        "PC": lambda: one.product("panel-corrected"),
        "firm_HC0": lambda: one.product("cluster", by=("unit",), correction="CR0"),
        "firm_HC1": lambda: one.product("cluster", by=("unit",), correction="CR1"),
        "year_HC1": lambda: one.product("cluster", by=("time",), correction="CR1"),
        "firm_HC2": lambda: errors(bias_reduced(one.fit, unit)[0]),
        "firm_HC3": lambda: errors(jackknife(one.fit, unit)),
        "twoway_HC1": lambda: one.product("cluster", by=("unit", "time"), correction="CR1"),
        "twoway_HC1_multi0": lambda: errors(two_way(one, rows_apart=True)),
    }  # fmt: skip
    return found[label]()


def clustered_with_dummies(one: Case, by: str) -> Floats:
    clusters = one.clusters(by)
    factor = clusters.size / (clusters.size - 1) * (one.n - 1) / (one.n - one.everything)
    return np.sqrt(factor) * errors(sandwich(one.fit, clusters.codes))


def named(table: Any, path: str = "") -> Iterator[tuple[str, dict[str, float]]]:
    """Tables of numbers by name, with their path."""
    for name, branch in table.items():
        if isinstance(branch, dict):
            if all(isinstance(value, float) for value in branch.values()):
                yield f"{path}{name}", branch
            else:
                yield from named(branch, f"{path}{name}.")


def compare(entry: str, one: Case, ours: Callable[[str], Floats], inside: str = "") -> None:
    table = STORED[entry][inside] if inside else STORED[entry]
    for path, theirs in named(table):
        label = path.removesuffix(".se")
        found = dict(zip(one.names, ours(label), strict=True))
        what, ours_by_name = f"{inside} {label}".strip(), {k: found[k] for k in theirs}
        source(label).agrees(what, ours_by_name, theirs, rel=1e-9)


def source(label: str) -> Reference:
    return replace(R, recomputed=label in RECOMPUTED)


@pytest.mark.parametrize(
    ("entry", "model", "by"),
    [
        pytest.param(name, model, by, marks=pytest.mark.case(name), id=name)
        for name, model, by in (
            ("A.us.vcovHC_arellano.pooling", "pooling", "unit"),
            ("A.us.vcovHC_arellano.twoway", "twoway", "unit"),
            ("A.us.vcovHC_arellano.fd", "fd", "unit"),
            ("A.us.vcovHC_time_cluster", "twoway", "time"),
        )
    ],
)
def test_arellano(realdata: Path, entry: str, model: str, by: str) -> None:
    one = case(realdata, "us", model)
    compare(entry, one, lambda label: errors(arellano(one, by, label)))


@pytest.mark.case("A.us.vcov_matrix_arellano_HC0_twoway")
def test_whole_matrix(realdata: Path) -> None:
    one = case(realdata, "us", "twoway")
    theirs = np.array(STORED["A.us.vcov_matrix_arellano_HC0_twoway"]["matrix"])
    ours = measure(one.fit, one.design, Inference("cluster", ("unit",), "CR0")).vcov
    R.agrees("covariances", np.asarray(ours).ravel(), theirs.ravel(), rel=1e-9)


@pytest.mark.parametrize(
    ("entry", "ours", "model"),
    [
        pytest.param(name, ours, model, marks=pytest.mark.case(name), id=f"{name}-{model}")
        for name, ours in (
            ("A.us.driscoll_kraay", driscoll_kraay),
            ("A.us.beck_katz", beck_katz),
            ("A.us.newey_west", lambda one, label: one.product("newey-west", lags=int(label[1:]))),
        )
        for model in ("pooling", "within", "twoway")
        if model in STORED[name]
    ],
)
def test_dependence(
    realdata: Path, entry: str, ours: Callable[[Case, str], Floats], model: str
) -> None:
    one = case(realdata, "us", model)
    compare(entry, one, lambda label: ours(one, label), model)


@pytest.mark.parametrize(
    ("entry", "panel", "model"),
    [
        pytest.param(name, *which, marks=pytest.mark.case(name), id=name)
        for name, *which in (
            ("A.us.sandwich_lm", "us", "twoway"),
            ("C.Petersen.sandwich", "petersen", "pooling"),
        )
    ],
)
def test_sandwich(realdata: Path, entry: str, panel: str, model: str) -> None:
    one = case(realdata, panel, model)
    compare(entry, one, lambda label: one.fit.beta if label == "coef" else of_dummies(one, label))


@pytest.mark.case("C.Fatalities.twoway_plm")
def test_fatalities(realdata: Path) -> None:
    one, stored = case(realdata, "fatalities", "twoway"), STORED["C.Fatalities.twoway_plm"]
    rss = float(one.fit.residuals @ one.fit.residuals)
    assert one.n - one.everything == stored["df_residual"]
    R.agrees("residual sum of squares", rss, stored["rss"], rel=1e-10)
    R.agrees("estimate", one.fit.beta, [stored["classical_coef"]["beertax"]], rel=1e-10)
    r2 = 1.0 - rss / float(one.fit.y @ one.fit.y)
    R.agrees("R2", r2, 0.0360646904074389, rel=1e-9)
    ours = {
        "classical_se": one.product("classical"),
        "arellano_HC0": errors(arellano(one, "unit", "HC0")),
        "arellano_HC1": errors(arellano(one, "unit", "HC1")),
        "arellano_sss": errors(arellano(one, "unit", "sss")),
        "scc_maxlag1": one.product("driscoll-kraay", lags=1),
        "dc": one.product("cluster", by=("unit", "time"), correction="CR0"),
        "bk_time": one.product("panel-corrected"),
        "vcovCL_HC1_dummies": clustered_with_dummies(one, "unit"),
        "vcovCL_2way": errors(two_way(one, rows_apart=False)),
    }
    stored = stored | {"classical_se": stored["classical_se"]["beertax"]}
    for label, found in ours.items():
        source(label).agrees(label, found[0], stored[label], rel=1e-9)


@pytest.mark.case("B.eu.neet.within_twoway")
def test_european_regions(realdata: Path) -> None:
    one = case(realdata, "eu", "twoway")
    ours = {
        "classical_coef": one.fit.beta,
        "classical_se": one.product("classical"),
        "arellano_HC0": errors(arellano(one, "unit", "HC0")),
        "arellano_HC1": errors(arellano(one, "unit", "HC1")),
        "arellano_sss": errors(arellano(one, "unit", "sss")),
        "scc_maxlag2": one.product("driscoll-kraay", lags=2),
        "dc_HC0": one.product("cluster", by=("unit", "time"), correction="CR0"),
        "bk_time": one.product("panel-corrected"),
    }
    compare("B.eu.neet.within_twoway", one, lambda label: ours[label])


@pytest.mark.case("B.eu.neet.lm_countryyear_dummies")
def test_european_regions_by_country_and_year(realdata: Path) -> None:
    design = eu_regions(realdata, ["geo", "country_year"])
    one = Case(fit_design(design), design, NAMES["eu"], design.n_obs)
    entry = "B.eu.neet.lm_countryyear_dummies"
    assert one.everything == STORED[entry]["rank"]
    R.agrees(
        "residual sum of squares", float(one.fit.residuals @ one.fit.residuals),
        STORED[entry]["rss"], rel=1e-10,
    )  # fmt: skip
    ours = {
        "classical_coef": one.fit.beta,
        "classical_se": one.product("classical"),
        "CL_country_HC1_se": clustered_with_dummies(one, "parent"),
        "CL_region_HC1_se": clustered_with_dummies(one, "unit"),
    }
    compare(entry, one, lambda label: ours[label])
