"""Spatial tests and models against R's spdep and spatialreg on Columbus: 49 neighbourhoods.

Stored entries in brackets. Moran's I is a closed form (1e-10); the likelihoods of two programs
meet where their optimisers stop: 1e-6.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.dependence.diagnose import diagnose
from models.dependence.moran import morans_i, permutation_moments
from models.dependence.spatial_lm import moran
from models.design import Design, Floats
from models.estimators import pooled, spatial
from models.neighbours import spatial_weights
from models.results import ModelResult
from models.study import Inference, ModelSpec
from tests.canonical_designs import design_from
from tests.reference_record import Reference
from tests.study_case import estimates, std_errors

pytestmark = pytest.mark.realdata
SPDEP = Reference("R: spdep")
SPATIALREG = Reference("R: spatialreg")
RECOMPUTED = replace(SPDEP, recomputed=True)
SUMMARY = replace(SPATIALREG, recomputed=True)


def columbus(realdata: Path) -> tuple[Design, str]:
    folder = realdata / "canonical_panels"
    frame = pd.read_csv(folder / "columbus.csv").assign(year=2000)
    design = design_from(frame, "CRIME", ["INC", "HOVAL"], ("idx", "year"))
    return design, str(folder / "columbus_neighbours.csv")


def fitted(realdata: Path, model: str, inference: str = "classical") -> ModelResult:
    design, file = columbus(realdata)
    spec = ModelSpec(
        "m", "spatial", "CRIME", ("INC",), inference=Inference(inference),
        options={"model": model}, neighbours=file,
    )  # fmt: skip
    return spatial.fit(design, spec)


@pytest.mark.case("C.spatial.moran")
@pytest.mark.parametrize(
    ("column", "style", "index", "variance", "z"),
    [
        ("CRIME", "W", 0.485770913661773, 0.00899112132177907, 5.34271363940803),
        ("CRIME", "B", 0.482272306983353, 0.00767475726097075, 5.74284192217577),
        ("INC", "W", 0.41683794180238, 0.00868363990490098, 4.69674672743614),
        ("HOVAL", "W", 0.173645208268833, 0.00857595324591002, 2.10005411876865),
    ],
)
def test_morans_i(
    realdata: Path, column: str, style: str, index: float, variance: float, z: float
) -> None:
    """[C.spatial.moran] Under randomisation, weights standardised by row (W) or binary (B)."""
    design, file = columbus(realdata)
    W = spatial_weights(design, file)
    if style == "B":
        W = (W > 0).astype(float)
    values = {"CRIME": design.y, "INC": design.X[:, 0], "HOVAL": design.X[:, 1]}[column]
    centred = (values - values.mean())[:, None]
    found = morans_i(centred, W)
    SPDEP.agrees("Moran's I, z", found.statistic, z, rel=1e-10)
    assert found.note == f"I = {index:.4f}"
    products = centred @ centred.T
    scale = len(W) / W.sum() / np.trace(products)
    np.fill_diagonal(products, 0.0)
    RECOMPUTED.agrees("Moran's I", scale * (W * products).sum(), index, rel=1e-10)
    mean, spread = permutation_moments(W, products)
    SPDEP.agrees("expectation", scale * mean, -1 / 48, rel=1e-10)
    SPDEP.agrees("variance", scale**2 * spread, variance, rel=1e-10)


@pytest.mark.case("C.spatial.moran")
@pytest.mark.parametrize(
    ("style", "index", "variance", "z"),
    [
        ("W", 0.485770913661773, 0.00886096226945051, 5.38181026395963),
        ("B", 0.482272306983353, 0.00756698041377862, 5.78359510261212),
    ],
)
def test_morans_i_of_normal_data(
    realdata: Path, style: str, index: float, variance: float, z: float
) -> None:
    """[C.spatial.moran] Under normality: the residuals' test, with a constant for regressor."""
    design, _ = columbus(realdata)
    W = weights(realdata)
    if style == "B":
        W = (W > 0).astype(float)
    found = moran((design.y - design.y.mean())[None], np.ones((1, 49, 1)), W)
    SPDEP.agrees("Moran's I, z", found.statistic, z, rel=1e-10)
    moments = [float(number) for number in re.findall(r"-?\d+\.\d+", found.note)]
    SPDEP.agrees("I and E", moments[:2], [index, -0.0208333333333333], abs=5e-5)
    SPDEP.agrees("V", moments[2], variance, abs=5e-7)


def weights(realdata: Path) -> Floats:
    return spatial_weights(*columbus(realdata))


def summary(realdata: Path, result: ModelResult) -> dict[str, float]:
    """Error variance, likelihood ratio against least squares and AIC, as in spatialreg."""
    design, _ = columbus(realdata)
    W, X = weights(realdata), np.column_stack([np.ones(49), design.X])
    if result.term("rho") and len(result.terms) > 4:
        X = np.column_stack([X, W @ design.X])
    *slopes, rho = (term.estimate for term in result.terms)
    left = design.y - rho * W @ design.y - X @ slopes
    plain = design.y - X @ np.linalg.lstsq(X, design.y)[0]
    alone = -49 / 2 * (np.log(2 * np.pi * float(plain @ plain) / 49) + 1)
    likelihood = result.fit["log_likelihood"] or np.nan
    return {
        "s2": float(left @ left) / 49,
        "LR": 2 * (likelihood - alone),
        "AIC": 2 * (len(result.terms) + 1) - 2 * likelihood,
    }


@pytest.mark.case("C.spatial.lag")
def test_lag(realdata: Path) -> None:
    """[C.spatial.lag]"""
    result = fitted(realdata, "lag")
    SPATIALREG.agrees(
        "estimates",
        estimates(result),
        {
            "constant": 46.8514310099777,
            "INC": -1.07353346541916,
            "HOVAL": -0.269997123639544,
            "rho": 0.403889687619813,
        },
        rel=1e-6,
    )
    SPATIALREG.agrees(
        "standard errors",
        std_errors(result),
        {
            "constant": 7.31475362812322,
            "INC": 0.310872193544107,
            "HOVAL": 0.0901280214085274,
            "rho": 0.120713133599414,
        },
        rel=1e-5,
    )
    SPATIALREG.agrees("log likelihood", result.fit["log_likelihood"], -183.16828003635, rel=1e-9)
    stated = {"s2": 99.1639771117336, "LR": 8.41791755159818, "AIC": 376.3365600727}
    SUMMARY.agrees("summary", summary(realdata, result), stated, rel=1e-6)
    spread = np.linalg.inv(np.eye(49) - result.term("rho").estimate * weights(realdata))
    slopes = np.array([result.term(name).estimate for name in ("INC", "HOVAL")])
    direct, total = slopes * np.trace(spread) / 49, slopes * spread.sum() / 49
    SUMMARY.agrees("direct", direct, [-1.12251556757054, -0.282316280067079], rel=1e-6)
    indirect = [-0.678381754827197, -0.170615195923468]
    SUMMARY.agrees("indirect", total - direct, indirect, rel=1e-5)
    SUMMARY.agrees("total", total, [-1.80089732239774, -0.452931475990547], rel=1e-6)


@pytest.mark.case("C.spatial.durbin")
def test_durbin(realdata: Path) -> None:
    """[C.spatial.durbin]"""
    result = fitted(realdata, "durbin")
    SPATIALREG.agrees(
        "estimates",
        estimates(result),
        {
            "constant": 45.5928934150664,
            "INC": -0.939087969479108,
            "HOVAL": -0.299605421325664,
            "W INC": -0.618374916601007,
            "W HOVAL": 0.266614599927956,
            "rho": 0.382506231817572,
        },
        rel=1e-6,
    )
    errors = {
        "constant": 13.1286793712669,
        "INC": 0.338229269257979,
        "HOVAL": 0.0908434005862734,
        "W INC": 0.577052446299586,
        "W HOVAL": 0.183971028671916,
        "rho": 0.162374821963977,
    }
    SPATIALREG.agrees("standard errors", std_errors(result), errors, rel=1e-5)
    stated = {"s2": 95.0505678187718, "LR": 4.16479964262953, "AIC": 378.032232887005}
    SUMMARY.agrees("summary", summary(realdata, result), stated, rel=1e-6)
    SPATIALREG.agrees("log likelihood", result.fit["log_likelihood"], -182.016116443503, rel=1e-9)


@pytest.mark.case("C.spatial.stsls_gm")
def test_lag_by_instruments(realdata: Path) -> None:
    """[C.spatial.stsls_gm] stsls: closed form."""
    theirs = {
        "rho": 0.454637591116397, "constant": 44.116385897475, "INC": -1.007721922878,
        "HOVAL": -0.269502780133784,
    }  # fmt: skip
    errors = {
        "rho": 0.191446451713612, "constant": 11.1717895398562, "INC": 0.39113915350846,
        "HOVAL": 0.0933680426612586,
    }  # fmt: skip
    result = fitted(realdata, "lag-iv")
    SPATIALREG.agrees("estimates", estimates(result), theirs, rel=1e-10)
    SPATIALREG.agrees("standard errors", std_errors(result), errors, rel=1e-10)
    assert result.n_instruments == 4
    robust = {
        "rho": 0.141340328863867, "constant": 7.63196107744096, "INC": 0.457636358661897,
        "HOVAL": 0.17432751941424,
    }  # fmt: skip
    ours = std_errors(fitted(realdata, "lag-iv", "robust"))
    plain = {name: error * np.sqrt(45 / 49) for name, error in ours.items()}  # HC0
    SPATIALREG.agrees("robust errors", plain, robust, rel=1e-10)


@pytest.mark.case("C.spatial.stsls_gm")
def test_error_by_moments(realdata: Path) -> None:
    """[C.spatial.stsls_gm] GMerrorsar: two programs' optimisers, 1e-6."""
    result = fitted(realdata, "error-gm")
    theirs = {
        "constant": 63.4871496202149, "INC": -1.18041425290434, "HOVAL": -0.300364679787969,
    }  # fmt: skip
    SPATIALREG.agrees("estimates", estimates(result), theirs, rel=1e-6)
    SPATIALREG.agrees("lambda", result.fit["lambda"], 0.364296571902727, rel=1e-5)


@pytest.mark.case("C.spatial.moran_resid")
def test_residuals(realdata: Path) -> None:
    """[C.spatial.moran_resid] lm.morantest and lm.LMtests of least squares."""
    design, file = columbus(realdata)
    spec = ModelSpec(
        "m", "pooled", "CRIME", ("INC",), inference=Inference("classical"), neighbours=file,
        diagnostics=("spatial-lm",),
    )  # fmt: skip
    found = {test.test: test for test in diagnose(design, spec, pooled.fit(design, spec))}
    index = found["morans_i_residuals"]
    SPDEP.agrees("Moran's I, z", index.statistic, 2.68100025188044, rel=1e-10)
    SPDEP.agrees("Moran's I, p", index.p_value, 0.00367012303461707, rel=1e-9)
    moments = [float(number) for number in re.findall(r"-?\d+\.\d+", index.note)]
    SPDEP.agrees("I, E", moments[:2], [0.2123741525231, -0.0332682843466885], abs=5e-5)
    SPDEP.agrees("V", moments[2], 0.00839485278564251, abs=5e-7)
    theirs = {
        "lm_error": (4.61112584434427, 0.0317651720089892),
        "lm_lag": (7.85567540711146, 0.00506614233414915),
        "robust_lm_error": (0.0335141070581876, 0.854744204197924),
        "robust_lm_lag": (3.27806366982538, 0.07021172014994),
        "lm_sarma": (7.88918951416965, 0.0193590599021721),
    }
    for name, (statistic, p_value) in theirs.items():
        SPDEP.agrees(name, found[name].statistic, statistic, rel=1e-10)
        SPDEP.agrees(f"{name}, p", found[name].p_value, p_value, rel=1e-9)
