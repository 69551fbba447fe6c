"""The bundled study us-children on the real panel, beside R (plm 2.6.2, clubSandwich).

Values: r_reference.json, A.us.within_state, A.us.within_twoway, A.us.cr_plm_twoway (CR2). The
panel is the joined one that somebody else made, so that nothing of ours stands between.
Closed forms: 1e-10 relative, Satterthwaite df 1e-8 (their own two computations differ by 1e-11).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from models.contrasts import parts
from models.fitting import fit_study
from models.results import ModelResult
from models.study.file import read_study
from tests.reference_record import Reference
from tests.study_case import panel_of

pytestmark = pytest.mark.realdata
PLM = Reference("R 4.2.2: plm 2.6-2")
CLUBSANDWICH = Reference("R 4.2.2: clubSandwich 0.5.8")

WITHIN = {
    "state-only": {
        "invest": -0.0404041466741526,
        "cash": -0.0962774903500005,
        "unemp_rate": -0.01040683091639,
        "min_wage_log": -0.186950905793272,
    },
    "two-way": {
        "invest": 0.0924081308542802,
        "cash": -0.0361189859059417,
        "unemp_rate": -0.0103202918373723,
        "min_wage_log": -0.0387399831068834,
    },
}
CR2 = {
    "invest": (0.0153992522917177, 15.7302162111002, 1.98710797852077e-05),
    "cash": (0.0115173556784518, 15.2509813235846, 0.00668616843391507),
    "unemp_rate": (0.00152318596161439, 30.4847590923701, 1.50412232667077e-07),
    "min_wage_log": (0.015170854736977, 32.9064752073593, 0.0154822342223608),
}


@pytest.fixture(scope="module")
def models(realdata: Path) -> dict[str, ModelResult]:
    frame = pd.read_parquet(realdata / "joined" / "us_state_panel.parquet")
    study = read_study("us-children")
    panel = panel_of(frame, "state", "year")
    return {id: fit_study(study, panel, only=id).models[0] for id in WITHIN}


@pytest.mark.parametrize("id", WITHIN)
def test_coefficients_are_plms(id: str, models: dict[str, ModelResult]) -> None:
    fitted = models[id]
    assert (fitted.n_obs, fitted.n_units, fitted.n_periods) == (969, 51, 19)
    estimates = {term.term: term.estimate for term in fitted.terms if not parts(term.term)}
    PLM.agrees("estimates", estimates, WITHIN[id], rel=1e-10)


@pytest.mark.parametrize("term", CR2)
def test_uncertainty_is_clubsandwichs(term: str, models: dict[str, ModelResult]) -> None:
    ours = models["two-way"].term(term)
    std_error, df, p_value = CR2[term]
    CLUBSANDWICH.agrees("standard error", ours.std_error, std_error, rel=1e-10)
    CLUBSANDWICH.agrees("degrees of freedom", ours.df, df, rel=1e-8)
    CLUBSANDWICH.agrees("p-value", ours.p_value, p_value, rel=1e-8)
