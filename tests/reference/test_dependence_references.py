"""Errors correlated over time and across units, against R's plm and sandwich, to 1e-10 relative."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.inference.measure import measure
from models.study import Inference
from tests.canonical_designs import eu_regions, fatalities, fit_design, petersen, us_states
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
PLM = Reference("R 4.2.2: plm 2.6-2, sandwich 3.0-2")
PETERSEN = Reference("in print: Petersen (2009), sandwich")

# lsi1, lct1, unemployment, minimum wage; then the constant where there are no effects
DRISCOLL_KRAAY = {
    0: [0.0192240018145894, 0.00819283086600598, 0.00186219326848399, 0.0153031853730126],
    1: [0.0226734060204291, 0.0094287133535803, 0.00225040585996971, 0.0171356555643277],
    None: [0.0242598270576195, 0.00959812641076438, 0.00241423356879301, 0.017414614554536],
    3: [0.0245362319369076, 0.00941372494325901, 0.00245829911808438, 0.0176135666338792],
    4: [0.0240362656251894, 0.0088352168393216, 0.00241551863512716, 0.0170921156282518],
}
POOLED = [
    *(0.0151351739115924, 0.017969500444731, 0.00369664912337405, 0.0449637234677972),
    0.070060470277034,
]
NEWEY_WEST = {
    1: [0.0137698828052296, 0.0107920498932234, 0.00114316960627409, 0.0166982087243158],
    2: [0.0141851870869325, 0.0109736015287091, 0.00118018250774497, 0.0169553036136879],
    3: [0.0144503097830691, 0.0109308210934472, 0.00119101528727631, 0.0169073675999992],
}
NEWEY_WEST_POOLED = [
    *(0.0220187777030722, 0.0212691302539686, 0.00217948803773041, 0.0246507301802903),
    0.144685245199536,
]


def same(what: str, ours: object, theirs: object) -> None:
    PLM.agrees(what, ours, theirs, rel=1e-10)


@pytest.mark.case("A.us.driscoll_kraay")
@pytest.mark.parametrize("lags", [0, 1, None, 3, 4])
def test_driscoll_kraay(realdata: Path, lags: int | None) -> None:
    design = us_states(realdata)
    ours = measure(fit_design(design), design, Inference("driscoll-kraay", lags=lags))
    same("standard error", ours.std_error, DRISCOLL_KRAAY[lags])
    assert ours.df.tolist() == [18.0] * 4  # plm refers to the residual df, 896: too many


@pytest.mark.case("A.us.driscoll_kraay")
def test_driscoll_kraay_pooled_and_unbalanced(realdata: Path) -> None:
    design = us_states(realdata, effects=())
    same(
        "standard error",
        measure(fit_design(design), design, Inference("driscoll-kraay")).std_error,
        POOLED,
    )
    design = eu_regions(realdata, ["geo", "year"])
    ours = measure(fit_design(design), design, Inference("driscoll-kraay", lags=2))
    same("standard error", ours.std_error, [0.363226704941226, 1.53483502910701])
    design = fatalities(realdata, ["state", "year"])
    ours = measure(fit_design(design), design, Inference("driscoll-kraay", lags=1))
    same("standard error", ours.std_error, [0.153542219370647])


@pytest.mark.case("A.us.newey_west")
@pytest.mark.parametrize("lags", [1, 2, 3])
def test_newey_west(realdata: Path, lags: int) -> None:
    design = us_states(realdata)
    ours = measure(fit_design(design), design, Inference("newey-west", lags=lags))
    same("standard error", ours.std_error, NEWEY_WEST[lags])
    if lags == 2:
        design = us_states(realdata, effects=())
        ours = measure(fit_design(design), design, Inference("newey-west", lags=lags))
        same("standard error", ours.std_error, NEWEY_WEST_POOLED)


@pytest.mark.case("A.us.beck_katz")
def test_panel_corrected(realdata: Path) -> None:
    design = us_states(realdata)
    ours = measure(fit_design(design), design, Inference("panel-corrected"))
    same(
        "standard error",
        ours.std_error,
        [0.014929875509481, 0.0116384472032544, 0.0015541471102512, 0.0175431266141543],
    )
    design = fatalities(realdata, ["state", "year"])
    ours = measure(fit_design(design), design, Inference("panel-corrected"))
    same("standard error", ours.std_error, [0.210659764790663])
    design = eu_regions(realdata, ["geo", "year"])
    ours = measure(fit_design(design), design, Inference("panel-corrected"))
    same("standard error", ours.std_error, [0.220925933949106, 1.40370789856015])


@pytest.mark.case("A.us.within_twoway", "A.us.sandwich_lm")
def test_classical_and_robust(realdata: Path) -> None:
    design = us_states(realdata)
    fit = fit_design(design)
    classical = measure(fit, design, Inference("classical"))
    same(
        "standard error",
        classical.std_error,
        [0.0130399699968876, 0.0110691990490122, 0.00104156903410967, 0.0163413243550787],
    )
    same(
        "p-value",
        classical.p_value,
        [2.78440582804474e-12, 0.00114403222447129, 4.94784465211461e-22, 0.0179663467614755],
    )
    robust = measure(fit, design, Inference("robust"))
    same(
        "standard error",
        robust.std_error,
        [0.0132913109398992, 0.0107650037391956, 0.00109027388301327, 0.0158624029608502],
    )


@pytest.mark.case("C.Petersen.sandwich", "petersen-standard-errors")
def test_petersen(realdata: Path) -> None:
    design = petersen(realdata)
    fit = fit_design(design)
    same(
        "standard error",
        measure(fit, design, Inference("panel-corrected")).std_error,
        [0.0252759839187169, 0.0222006420160628],
    )
    same(
        "standard error",
        measure(fit, design, Inference("driscoll-kraay", lags=3)).std_error,
        [0.0250301683633542, 0.0217841113018208],
    )
    # the published Driscoll-Kraay value takes two lags and the factor n/(n-K)
    two = measure(fit, design, Inference("driscoll-kraay", lags=2)).std_error[0]
    PETERSEN.agrees("standard error", two * np.sqrt(5000 / 4998), 0.024420, abs=5e-6)
    same(
        "standard error",
        measure(fit, design, Inference("classical")).std_error,
        [0.0285832877912833, 0.0283593162656653],
    )
    same(
        "standard error",
        measure(fit, design, Inference("robust")).std_error,
        [0.0283951614679422, 0.0283606722313887],
    )
