"""Hausman and Taylor's estimator on the wages of Cornwell and Rupert, against R's plm 2.6-2.

595 persons over seven years, who come without an identifier, in blocks. Closed forms: 1e-9, for
the quadratic in experience is badly conditioned.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.canonical_designs import wages
from tests.reference_record import Reference
from tests.study_case import estimates, fit_one, model_text, std_errors

pytestmark = pytest.mark.realdata
PLM = Reference("R 4.2.2: plm 2.6-2")
REGRESSORS = [
    "ed", "bluecol", "south", "smsa", "ind", "exp", "exp2", "wks", "married", "union", "sex",
    "black",
]  # fmt: skip
ENDOGENOUS = ["exp", "exp2", "wks", "married", "union", "ed"]


@pytest.mark.parametrize(
    ("variant", "estimate", "error"),
    [
        pytest.param(
            "hausman-taylor",
            {
                "constant": 2.78180266905642, "bluecol": -0.0207047074632554,
                "south": 0.00743983697416437, "smsa": -0.0418333674654575,
                "ind": 0.0136039302507192, "exp": 0.113132790744113,
                "exp2": -0.00041886464765615, "wks": 0.000837402952547684,
                "married": -0.029850748792864, "union": 0.0327714473095607,
                "sex": 0.130923609965104, "black": -0.285747871388782, "ed": 0.137943957304055,
            },
            {
                "constant": 0.307647684180526, "bluecol": 0.0137809480222114,
                "south": 0.0319550048397574, "smsa": 0.018958129394395,
                "ind": 0.0152373664826273, "exp": 0.00247095446231517,
                "exp2": 5.45980541567057e-05, "wks": 0.000599732423827065,
                "married": 0.0189799627707672, "union": 0.0149084366747701,
                "sex": 0.126658988193914, "black": 0.15570185378681, "ed": 0.0212484889251314,
            },
            marks=pytest.mark.case("C.Wages.hausman_taylor"),
            id="hausman-taylor",
        ),
        pytest.param(
            "breusch-mizon-schmidt",
            {
                "constant": 1.79917403497787, "bluecol": -0.015389185822031,
                "south": 0.0146679938626035, "smsa": -0.0520416949395162,
                "ind": 0.0190241276127997, "exp": 0.108669846774451,
                "exp2": -0.000490604980433288, "wks": 0.000795373636537222,
                "married": -0.0392623742328341, "union": 0.0378551262414555,
                "sex": 0.180270815193113, "black": -0.156356087112322, "ed": 0.220658098465432,
            },
            {
                "constant": 0.291789476880168, "bluecol": 0.0137369656181091,
                "south": 0.0318832364528469, "smsa": 0.0189105746722444,
                "ind": 0.0152024890626317, "exp": 0.00245574402860922,
                "exp2": 5.43518322092548e-05, "wks": 0.000598503759806774,
                "married": 0.0189246250867666, "union": 0.0148641115724383,
                "sex": 0.12638654594355, "black": 0.155058075623687, "ed": 0.0198501902866979,
            },
            marks=pytest.mark.case("C.Wages.breusch_mizon_schmidt"),
            id="breusch-mizon-schmidt",
        ),
    ],
)  # fmt: skip
def test_wages(
    realdata: Path, tmp_path: Path, variant: str, estimate: dict[str, float],
    error: dict[str, float],
) -> None:  # fmt: skip
    more = f'endogenous = {ENDOGENOUS}\nvariant = "{variant}"'
    text = model_text("hausman-taylor", "lwage", REGRESSORS[0], REGRESSORS[1:], more=more)
    body = f'[variables]\nexp2 = "exp ** 2"\n{text}'
    result = fit_one(tmp_path, wages(realdata), body)
    PLM.agrees("estimates", estimates(result), estimate, rel=1e-9)
    PLM.agrees("standard errors", std_errors(result), error, rel=1e-9)
    components = {
        "theta": 0.939191255088923,
        "sigma2_idiosyncratic": 0.0230440667728027,
        "sigma2_group": 0.886992886658373,
    }
    PLM.agrees("variances", {name: result.fit[name] for name in components}, components, rel=1e-10)
    assert (result.n_obs, result.n_units) == (4165, 595)
