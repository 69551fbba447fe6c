"""The bundled study eu-youth-esf on the real panel, beside R (plm 2.6.2, clubSandwich).

Values: r_reference.json, B.eu.neet.within_twoway and B.eu.neet.countryyear_fwl_cr_country (CR2 by
country, which holds for the dummy model too). R's sample is all years, so the study's `where` is
set aside; the joined panel was made by somebody else. Closed forms: 1e-9 relative, since the
country-year effects were absorbed there by alternating projections; df 1e-6.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data.panel import Panel
from models.fitting import fit_study
from models.study import Study
from models.study.file import read_study
from tests.reference_record import Reference
from tests.study_case import panel_of

pytestmark = pytest.mark.realdata
PLM = Reference("R 4.2.2: plm 2.6-2")
CLUBSANDWICH = Reference("R 4.2.2: clubSandwich 0.5.8")


@pytest.fixture(scope="module")
def panel(realdata: Path) -> Panel:
    frame = pd.read_parquet(realdata / "joined" / "eu_nuts2_2013_panel.parquet")
    older = frame["unemp_ths"] - frame["youth_unemp_ths"]
    rate = 100 * older / (older + frame["emp_ths"] - frame["youth_emp_ths"])
    frame["unemp_rate_young_less_older"] = frame["youth_unemp_rate"] - rate
    modelled = [name for name in map(str, frame) if "modelled" in name]
    return panel_of(frame, "geo", "year", "country", dict.fromkeys(modelled, "modelled"))


def neet(*effects: str) -> Study:
    """The study's model of NEET rates over all years, with these effects."""
    study = read_study("eu-youth-esf")
    model = next(model for model in study.models if model.id == "neet")
    return replace(study, where=None, models=(replace(model, effects=effects),))


def test_two_way(panel: Panel) -> None:
    fitted = fit_study(neet("unit", "time"), panel).models[0]
    assert (fitted.n_obs, fitted.n_units, fitted.n_clusters) == (3672, 269, {"country": 28})
    PLM.agrees("estimate, esf", fitted.term("esf").estimate, -0.09349707961476, rel=1e-9)
    PLM.agrees("estimate, gdp", fitted.term("gdp").estimate, -8.85084879966697, rel=1e-9)


def test_country_by_year(panel: Panel) -> None:
    fitted = fit_study(neet("unit", "parent*time"), panel).models[0]
    esf, gdp = fitted.term("esf"), fitted.term("gdp")
    CLUBSANDWICH.agrees(
        "estimate", (esf.estimate, gdp.estimate), (-0.391576814903171, -4.63340861676445), rel=1e-9
    )
    CLUBSANDWICH.agrees(
        "standard error",
        (esf.std_error, gdp.std_error),
        (0.133530559916287, 2.10114940830584),
        rel=1e-9,
    )
    CLUBSANDWICH.agrees(
        "degrees of freedom", (esf.df, gdp.df), (8.6407785713674, 11.4259974768951), rel=1e-6
    )


def test_the_level_of_modelled_money_is_shown(panel: Panel) -> None:
    fitted = fit_study(neet("unit", "time"), panel).models[0]
    assert dict(fitted.level) == {"esf": "modelled"}


def test_every_model_of_the_study_has_an_answer(panel: Panel) -> None:
    study = read_study("eu-youth-esf")
    results = fit_study(study, panel)
    assert [model.id for model in results.models] == [model.id for model in study.models]


def test_the_age_gap_is_the_difference_of_two_ages(panel: Panel) -> None:
    """Fitted apart on the rows of both, the two ages' coefficients differ by the gap's."""
    frame = panel.frame.copy()
    gap = frame["unemp_rate_young_less_older"]
    frame["older_unemp_rate"] = frame["youth_unemp_rate"] - gap
    study = read_study("eu-youth-esf")
    spec = next(model for model in study.models if model.id == "age-gap")
    apart = tuple(
        replace(spec, id=name, outcome=name) for name in ("youth_unemp_rate", "older_unemp_rate")
    )
    asked = replace(study, models=(spec, *apart), multiverse=None)
    both = panel_of(frame, "geo", "year", "country", {"esf_modelled_eur_pc": "modelled"})
    found = {m.id: m for m in fit_study(asked, both).models}
    young, older = (found[model.id].term("esf").estimate for model in apart)
    assert found["age-gap"].term("esf").estimate == pytest.approx(young - older, rel=1e-9)
    assert len({model.n_obs for model in found.values()}) == 1
