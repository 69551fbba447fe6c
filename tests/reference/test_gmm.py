"""Dynamic panel GMM against gretl, plm and xtabond2 on the employment data of Arellano and Bond.

Tolerances: plm ran on the same double-precision logarithms (1e-9); gretl on the float32 logarithms
of the Stata file, which are what is read here (1e-6 stated, relative 1e-8 found); xtabond2's
values are printed with the digits given. Sources: `reference/r_reference.json` (entry in brackets
at each case), `published.toml`, and the logs in Roodman (2009, Stata Journal 9(1), section 3).
"""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array, vstack

from models.calendar_grid import calendar_grid, shift
from models.design import Design, Floats
from models.estimators import gmm
from models.estimators.gmm.equations import deviation_rows
from models.estimators.gmm.estimation import collect_moments
from models.estimators.gmm.estimation import estimate as run_steps
from models.estimators.gmm.model import DynamicFit
from models.estimators.gmm.options import read_choices
from models.estimators.gmm.tests import wald
from models.least_squares import fit_least_squares
from models.results import ModelResult, Test
from models.study import Inference, ModelSpec
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
STORED = {  # by how an entry's name starts
    "C": Reference("R 4.2.2: plm 2.6-2"),
    "D": Reference("gretl"),
    "s": Reference("Stata 18: xtabond2"),
}
XTABOND2 = Reference("Stata: xtabond2; Roodman (2009) in print")
XTABOND = Reference("Stata: xtabond")
GRETL = Reference("gretl")
CASES = tomllib.loads((Path(__file__).parent / "gmm_employment.toml").read_text())["case"]
STATA, PLM = "pydynpd_data_abdata.csv", "rdatasets_plm_EmplUK.csv"


def employment(folder: Path, file: str, regressors: tuple[str, ...]) -> Design:
    """n, w, k and ys by firm and year; a regressor "w_1" is w a year earlier."""
    frame = pd.read_csv(folder / "canonical_panels" / file)
    if file == PLM:
        names = {"n": "emp", "w": "wage", "k": "capital", "ys": "output"}
        frame = frame.assign(id=frame["firm"], **{a: np.log(frame[b]) for a, b in names.items()})
    frame = frame.astype({"id": int, "year": int}).sort_values(["id", "year"])
    unit = (frame["id"] - 1).to_numpy(np.int64)
    time = (frame["year"] - 1976).to_numpy(np.int64)
    bare = Design(
        y=frame["n"].to_numpy(np.float64),
        X=np.empty((len(frame), 0)),
        terms=regressors,
        n_treatments=1,
        weights=None,
        unit=unit,
        time=time,
        units=np.arange(140).astype(object),
        times=np.arange(1976, 1985),
        parent=None,
        effects=(),
        effect_names=(),
    )
    grid = calendar_grid(bare)
    frame["t"] = frame["year"]

    def lagged(name: str) -> Floats:
        variable, _, lag = name.partition("_")
        return grid.gather(shift(grid.spread(frame[variable].to_numpy(np.float64)), int(lag or 0)))

    X = np.column_stack([np.empty((len(unit), 0)), *map(lagged, regressors)])
    columns = {"n_2": lagged("n_2")}
    if "ind" in frame:
        columns["ind"] = frame["ind"].to_numpy(np.float64)
    return dataclasses.replace(bare, X=X, columns=columns)


def spec_of(
    regressors: tuple[str, ...],
    estimator: str = "difference-gmm",
    time: bool = True,
    kind: str = "cluster",
    by: tuple[str, ...] = (),
    **options: Any,
) -> ModelSpec:
    return ModelSpec(
        id="employment",
        estimator=estimator,
        outcome="n",
        treatment=regressors,
        effects=("unit", "time") if time else ("unit",),
        inference=Inference(kind=kind, by=by),
        options=options,
    )


def in_full(design: Design, spec: ModelSpec) -> DynamicFit:
    """The fit with its matrices, and without the refusal of explosive estimates."""
    choices = read_choices(spec, design)
    return gmm.estimate_model(design, spec, choices, (*spec.inference.by, "unit")[0])


def by_name(result: ModelResult) -> dict[str, Test]:
    return {test.test: test for test in result.tests}


def case_spec(case: dict[str, Any]) -> ModelSpec:
    return spec_of(
        tuple(case["regressors"]),
        case["estimator"],
        case.get("time", True),
        case.get("kind", "cluster"),
        tuple(case.get("by", ())),
        **case["options"],
    )


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case["id"], marks=pytest.mark.case(*case["entries"])) for case in CASES],
)
def test_stored_case(case: dict[str, Any], realdata: Path) -> None:
    design = employment(realdata, case["file"], tuple(case["regressors"]))
    spec = case_spec(case)
    done = in_full(design, spec)
    choices = read_choices(spec, design)
    result = gmm.as_result(done, spec, choices, "unit")
    theirs = STORED[case["id"][0]]
    near = {"rel": case["tol"], "abs": case["tol"]}
    theirs.agrees("estimates", {t.term: t.estimate for t in result.terms}, case["estimate"], **near)
    errors = {t.term: t.std_error for t in result.terms}
    if "std_error" in case:
        theirs.agrees("standard error", errors, case["std_error"], **near)
    assert result.n_instruments == case["n_instruments"]
    assert result.n_units == 140
    ours = {name: test.statistic for name, test in by_name(result).items()}
    slopes = [i for i, t in enumerate(result.terms) if t.term != "constant"]
    beta: Floats = np.array([result.terms[i].estimate for i in slopes])
    ours["wald_coef"] = wald("", beta, done.vcov[np.ix_(slopes, slopes)]).statistic
    gap = done.fit.moments.Z.T @ done.fit.one.residuals
    ours["hansen_of_one_step"] = float(gap @ done.fit.two.weight @ gap)
    if case["tests"]:
        found = {name: ours[name] for name in case["tests"]}
        theirs.agrees("statistic", found, case["tests"], **near)
    if "sigma" in case:
        sigma, sargan = as_in_gretl(done, dpd_style="dpdstyle" in case["id"])
        theirs.agrees(
            "sigma", sigma[int(case["options"].get("steps", 2)) - 1], case["sigma"], **near
        )
        if "sargan" in case:
            theirs.agrees("Sargan", sargan, case["sargan"], **near)


def as_in_gretl(done: DynamicFit, dpd_style: bool) -> tuple[list[float], float]:
    """gretl's sigma of each step, and its Sargan of the first.

    By default sigma is that of levels: squared differences over twice the rows, in a system those
    of its levels. --dpdstyle takes the residuals of the last equations, over n - k.
    """
    moments = done.fit.moments
    in_levels = moments.rows.in_levels
    own = in_levels if dpd_style and in_levels.any() else ~in_levels
    rows = int(in_levels.sum()) or len(in_levels)
    divisor = rows - len(done.fit.one.beta) if dpd_style else 2 * rows
    steps = [step.residuals for step in (done.fit.one, done.fit.two) if step is not None]
    sigma = [float(np.sqrt(np.square(e[own]).sum() / divisor)) for e in steps]
    gap = moments.Z.T @ done.fit.one.residuals
    form = float(gap @ done.fit.one.weight @ gap) * (2 if dpd_style else 1)
    return sigma, form / sigma[0] ** 2


@pytest.mark.case("arellano-bond-xtabond2")
def test_xtabond2_log(realdata: Path) -> None:
    """published.toml, arellano-bond-xtabond2, with the subset tests of the same printed log."""
    instruments = ({"gmm": "n", "lags": [2, 4]}, {"gmm": "w", "lags": [1, 3]}, {"iv": "k"})
    spec = spec_of(("w", "k"), time=False, lags=2, steps=2, instruments=instruments)
    result = gmm.fit(employment(realdata, STATA, ("w", "k")), spec)
    printed = {"lag(n, 1)": 0.1700616, "lag(n, 2)": -0.0113381, "w": -0.9510582, "k": 0.4637223}
    XTABOND2.agrees("estimates", {t.term: t.estimate for t in result.terms}, printed, abs=5e-8)
    errors = [t.std_error for t in result.terms]
    XTABOND2.agrees("standard error", errors[0], 0.1046652, abs=5e-8)
    XTABOND2.agrees("standard error", errors[2:], [0.1277298, 0.0718328], abs=5e-8)
    assert result.n_instruments == 36
    assert result.n_obs == 611
    tests = by_name(result)
    expected = {
        "ar1": (-1.19, None),
        "ar2": (-0.81, None),
        "sargan": (91.61, 32),
        "hansen_j": (47.86, 32),
        "difference_in_hansen: gmm n 2-4": (24.11, 17),
        "difference_in_hansen: gmm w 1-3": (30.61, 18),
        "difference_in_hansen: plain": (9.53, 1),
    }
    for name, (statistic, df) in expected.items():
        XTABOND2.agrees(name, tests[name].statistic, statistic, abs=5e-3)
        assert tests[name].df == df, name


def test_roodman_system(realdata: Path) -> None:
    """Roodman (2009, section 3.4): system GMM by xtabond2, with the test of the levels equations.

    The Sargan printed then (and by gretl, 186.902422 [D.abdata.sys_1step_bb_td_gmmlevel]) averages
    751 squared differences over 891 level equations; Stata 18's does not, and neither do we.
    """
    everything = tuple({"gmm": name, "lags": [2]} for name in ("n", "w", "k"))
    names = ("w", "w_1", "k", "k_1")
    spec = spec_of(names, "system-gmm", steps=1, instruments=everything)
    result = gmm.fit(employment(realdata, STATA, names), spec)
    printed = [0.9356053, -0.6309761, 0.4826203, 0.4839299, -0.4243928]
    XTABOND2.agrees("estimates", [t.estimate for t in result.terms[:-1]], printed, abs=5e-8)
    assert (result.n_obs, result.n_instruments) == (891, 113)
    tests = by_name(result)
    XTABOND2.agrees("Sargan", tests["sargan"].statistic, 186.902422431984 * 751 / 891, rel=1e-6)
    XTABOND2.agrees("Hansen J", tests["hansen_j"].statistic, 110.70, abs=5e-3)
    levels = tests["difference_in_hansen: levels"]
    XTABOND2.agrees("difference in Hansen", levels.statistic, 26.37, abs=5e-3)
    assert levels.df == 21


def test_classical_errors_against_stata(realdata: Path) -> None:
    """Stata's xtabond prints 0.1486163 for the first lag, with n - k = 595 of 611 in sigma2."""
    names = ("w", "w_1", "k", "k_1", "k_2", "ys", "ys_1", "ys_2")
    spec = spec_of(names, kind="classical", lags=2, steps=1)
    result = gmm.fit(employment(realdata, STATA, names), spec)
    error = result.terms[0].std_error * np.sqrt(611 / 595)
    XTABOND.agrees("standard error", error, 0.1486163, abs=5e-8)


@pytest.mark.case("D.abdata.diff_1step_td_asymptotic")
def test_classical_errors_against_gretl(realdata: Path) -> None:
    """gretl's --asymptotic one-step errors [D.abdata.diff_1step_td_asymptotic] are smaller than
    Stata's and ours by the square root of two: it scales by sigma2 and by H's two, both.
    """
    names = ("w", "w_1", "k", "ys", "ys_1")
    spec = spec_of(names, kind="classical", lags=2, steps=1)
    result = gmm.fit(employment(realdata, STATA, names), spec)
    gretl = [
        *(0.089134656798144, 0.0303887862934259, 0.0433068646558596, 0.0668470771278003),
        *(0.0243916298896289, 0.0890703367186325, 0.117486379586039),
    ]
    ours = [t.std_error / np.sqrt(2) for t in result.terms[:7]]
    GRETL.agrees("standard error", ours, gretl, rel=1e-6)
    done = in_full(employment(realdata, STATA, names), spec)
    beta: Floats = np.array([t.estimate for t in result.terms[:7]])
    joint = 2 * wald("", beta, done.vcov[:7, :7]).statistic
    GRETL.agrees("Wald", joint, 720.500067385839, rel=1e-6)
    time = 2 * by_name(result)["wald_time"].statistic
    GRETL.agrees("Wald, time", time, 22.9992991256483, rel=1e-6)


def test_deviations_in_a_system(realdata: Path) -> None:
    """xtabond2 takes H of a balanced panel's deviations, ours has each unit's own periods. With
    that H put in, the estimate is Stata 18's [D9_x2_fod_sys_1step of the file named in the cases].
    """
    spec = spec_of(("w", "k"), "system-gmm", time=False, steps=1, transform="fod")
    done = in_full(employment(realdata, STATA, ("w", "k")), spec)
    rows = done.fit.moments.rows
    unit, period, balanced = deviation_rows(np.ones((140, 9), dtype=bool))
    place = {key: row for row, key in enumerate(zip(unit.tolist(), period.tolist(), strict=True))}
    keys = zip(rows.unit[~rows.in_levels], rows.period[~rows.in_levels], strict=True)
    chosen = balanced[[place[int(u), int(t)] for u, t in keys]]
    errors = csr_array(vstack([chosen, rows.combination[np.flatnonzero(rows.in_levels)]]))
    swapped = dataclasses.replace(rows, errors=errors)
    fit = run_steps(collect_moments(swapped, done.fit.moments.Z, np.arange(140)))
    stata = [0.727932921656124, -0.184260186498120, 0.224022330130420, 0.927865140320423]
    recomputed = dataclasses.replace(XTABOND2, recomputed=True)
    recomputed.agrees("estimate", fit.one.beta, stata, rel=1e-8)
    errors_of_stata = [0.0731442423329341, 0.0673002886099096, 0.0556544917555327]
    found = np.sqrt(np.diag(fit.robust1))[:3]
    recomputed.agrees("standard error", found, errors_of_stata, rel=1e-8)
    assert done.fit.one.beta[0] == pytest.approx(fit.one.beta[0], abs=0.05)


@pytest.mark.case("D.abdata.sys_1step_bb_td_gmmlevel_dpdstyle")
def test_dpd_style_sargan(realdata: Path) -> None:
    """gretl's --dpdstyle halves H and divides by n - k; the quadratic form beneath is the same."""
    names = ("w", "w_1", "k", "k_1")
    everything = tuple({"gmm": name, "lags": [2]} for name in ("n", "w", "k"))
    spec = spec_of(names, "system-gmm", steps=1, h_matrix="block", instruments=everything)
    done = in_full(employment(realdata, STATA, names), spec)
    gap = done.fit.moments.Z.T @ done.fit.one.residuals
    ours = 2 * float(gap @ done.fit.one.weight @ gap) / 0.12905811349694**2
    recomputed = dataclasses.replace(GRETL, recomputed=True)
    recomputed.agrees("Sargan, rescaled", ours, 190.94890468243, rel=1e-6)


@pytest.mark.case("C.EmplUK.anderson_hsiao")
def test_anderson_hsiao_as_two_stages(realdata: Path) -> None:
    """plm's two-stage least squares on differences takes their errors as independent; ours, as
    moving averages. Its errors, from the product's two stages, without the latter.
    """
    design = employment(realdata, PLM, ("w", "k"))
    grid = calendar_grid(design)
    levels = grid.spread(np.column_stack([design.y, design.X]))
    change = levels - shift(levels, 1)
    own, before, earlier = change[:, :, 0], shift(change, 1)[:, :, 0], shift(change, 2)[:, :, 0]
    columns = [own, before, earlier, change[:, :, 1], change[:, :, 2]]
    kept = np.isfinite(np.stack(columns)).all(axis=0)
    y, lag, instrument, w, k = (column[kept] for column in columns)
    terms = ("constant", "lag", "w", "k")
    X = np.column_stack([np.ones(len(y)), lag, w, k])
    linear = fit_least_squares(y, X, terms, None, (), ("lag",), instrument[:, None])
    noise = float(linear.residuals @ linear.residuals) / (len(y) - 4)
    plm = [0.00823815178660922, 0.162948381337695, 0.0550716067788362, 0.0455170647309211]
    assert (len(y), len(y) - len(terms)) == (611, 607)
    recomputed = dataclasses.replace(STORED["C"], recomputed=True)
    theirs = [-0.0217538662469745, 0.045874218051893, -0.502271378945479, 0.449232298975289]
    recomputed.agrees("estimates", linear.beta, theirs, rel=1e-9)
    errors = np.sqrt(noise * np.diag(linear.bread))
    recomputed.agrees("standard error", errors, plm, rel=1e-9)
