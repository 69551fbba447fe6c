"""Mean groups, common correlated effects and random coefficients against R's plm 2.6-2.

Values are those of `reference/r_reference.json` (entry in brackets) and `published.toml`; 1e-8 as
its README says, absolute and relative. plm refers to the normal, we to t with N - 1 degrees.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.design import Design, Floats
from models.estimators import mean_group
from models.estimators.mean_group import plain_mean, unit_model
from models.heterogeneity import random_coefficients
from models.study import ModelSpec
from models.unit_regressions import regress_units
from tests.canonical_designs import design_from, us_states
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
PLM = Reference("R 4.2.2: plm 2.6-2 (pmg, pcce, pvcm)")
EXACT = 1e-8


def states_output(folder: Path) -> Design:
    frame = pd.read_csv(folder / "canonical_panels" / "rdatasets_plm_Produc.csv")
    for name in ("gsp", "pcap", "pc", "emp"):
        frame[name] = np.log(frame[name])
    frame = frame.sort_values(["state", "year"])
    return design_from(frame, "gsp", ("pcap", "pc", "emp", "unemp"), ("state", "year"))


def grunfeld(folder: Path) -> Design:
    frame = pd.read_csv(folder / "canonical_panels" / "rdatasets_plm_Grunfeld.csv")
    return design_from(frame, "inv", ("value", "capital"), ("firm", "year"))


def spec_of(estimator: str, **changes: Any) -> ModelSpec:
    effects = changes.pop("effects", ("unit",))
    return ModelSpec("m", estimator, "y", ("x",), effects=effects, options=changes)


def numbers(design: Design, spec: ModelSpec) -> tuple[Floats, Floats]:
    result = mean_group.fit(design, spec)
    return (
        np.array([term.estimate for term in result.terms]),
        np.array([term.std_error for term in result.terms]),
    )


@pytest.mark.case("A.us.pmg_mg")
def test_us_mean_group(realdata: Path) -> None:
    """[A.us.pmg_mg] The mean of 51 regressions."""
    beta, error = numbers(us_states(realdata), spec_of("mean-group"))
    PLM.agrees(
        "estimate",
        beta,
        [
            -0.194174268021736,
            -0.0774886536237406,
            -0.0101819487843725,
            -0.141417068269843,
            3.06770112515806,
        ],
        rel=EXACT,
        abs=EXACT,
    )
    PLM.agrees(
        "standard error",
        error,
        [
            0.0286316821016233,
            0.0126396636989579,
            0.00116296543611807,
            0.0145562097257258,
            0.206546936324836,
        ],
        rel=EXACT,
        abs=EXACT,
    )


@pytest.mark.case("A.us.pmg_mg_trend")
def test_us_mean_group_with_trends(realdata: Path) -> None:
    """[A.us.pmg_mg_trend] Each state with a trend of its own."""
    beta, error = numbers(us_states(realdata), spec_of("mean-group", trend=True))
    PLM.agrees(
        "estimate",
        beta,
        [
            -0.050722229183168,
            -0.056352768629874,
            -0.0141235163363618,
            -0.0412998086126139,
            1.50170170971109,
            -0.00566802333843026,
        ],
        rel=EXACT,
        abs=EXACT,
    )
    PLM.agrees(
        "standard error",
        error,
        [
            0.0356904501735257,
            0.0132272198525322,
            0.00124053530861416,
            0.0219088034832766,
            0.305819396048596,
            0.000887626681023602,
        ],
        rel=EXACT,
        abs=EXACT,
    )


@pytest.mark.case("A.us.pcce_mg")
def test_us_common_correlated_effects(realdata: Path) -> None:
    """[A.us.pcce_mg] Cross-section averages beside each."""
    beta, error = numbers(us_states(realdata), spec_of("cce-mean-group"))
    PLM.agrees(
        "estimate",
        beta,
        [-0.0410025799668285, -0.0432637693753246, -0.00654958890965367, -0.0403285370881977],
        rel=EXACT,
        abs=EXACT,
    )
    PLM.agrees(
        "standard error",
        error,
        [0.0498679917619351, 0.0320341527413273, 0.00371675768520313, 0.053126247576487],
        rel=EXACT,
        abs=EXACT,
    )


@pytest.mark.case("A.us.pvcm_random")
def test_us_random_coefficients(realdata: Path) -> None:
    """[A.us.pvcm_random] Swamy, whose delta is the plain spread here."""
    beta, error = numbers(us_states(realdata), spec_of("mean-group", weighting="swamy"))
    PLM.agrees(
        "estimate",
        beta,
        [
            -0.163241636389553,
            -0.0811508468171698,
            -0.0101449552103975,
            -0.148590286228101,
            2.83712533428888,
        ],
        rel=EXACT,
        abs=EXACT,
    )
    PLM.agrees(
        "standard error",
        error,
        [
            0.032208214028075,
            0.0147930358071567,
            0.00136123337176158,
            0.0174099451863188,
            0.230851296508267,
        ],
        rel=EXACT,
        abs=EXACT,
    )


@pytest.mark.case("C.Produc.pmg", "munnell-mean-group")
def test_output_mean_group(realdata: Path) -> None:
    """[C.Produc.pmg, mg] Munnell (published.toml, munnell-mean-group)."""
    beta, error = numbers(states_output(realdata), spec_of("mean-group"))
    PLM.agrees(
        "estimate",
        beta,
        [
            -0.104850695428636,
            0.218253944390217,
            0.933477560171797,
            -0.00372157182053226,
            2.67223919946658,
        ],
        rel=EXACT,
        abs=EXACT,
    )
    PLM.agrees(
        "standard error",
        error,
        [
            0.0799132143273609,
            0.0500861998063476,
            0.0750071692520879,
            0.0016427205057439,
            0.412651518625912,
        ],
        rel=EXACT,
        abs=EXACT,
    )


@pytest.mark.case("C.Produc.pmg")
def test_output_demeaned(realdata: Path) -> None:
    """[C.Produc.pmg, dmg] Time effects by cross-section means."""
    beta, error = numbers(states_output(realdata), spec_of("mean-group", effects=("unit", "time")))
    PLM.agrees(
        "estimate",
        beta,
        [
            -0.0629001845346951,
            0.160788228723199,
            0.842558482343568,
            -0.0050180822304248,
            0.058097855204732,
        ],
        rel=EXACT,
        abs=EXACT,
    )
    PLM.agrees(
        "standard error",
        error,
        [
            0.10217059615779,
            0.0591334142484316,
            0.070489585354871,
            0.0020770472489468,
            0.104288134348174,
        ],
        rel=EXACT,
        abs=EXACT,
    )


@pytest.mark.case("C.Produc.pmg")
def test_output_common_correlated_effects(realdata: Path) -> None:
    """[C.Produc.pmg, cmg] As augmented regressions."""
    beta, error = numbers(states_output(realdata), spec_of("cce-mean-group"))
    PLM.agrees(
        "estimate",
        beta,
        [0.089985037264396, 0.0335783993901465, 0.625865870669236, -0.00311779372594501],
        rel=EXACT,
        abs=EXACT,
    )
    PLM.agrees(
        "standard error",
        error,
        [0.117603951667515, 0.0423361854522174, 0.107171926457644, 0.0014388812079219],
        rel=EXACT,
        abs=EXACT,
    )


@pytest.mark.case("C.Grunfeld.swamy_pggls")
def test_investment_mean_group(realdata: Path) -> None:
    """[C.Grunfeld.swamy_pggls, mg] Ten firms."""
    beta, error = numbers(grunfeld(realdata), spec_of("mean-group"))
    PLM.agrees(
        "estimate",
        beta,
        [0.0912851104038793, 0.205263540898362, -21.3675712579787],
        rel=EXACT,
        abs=EXACT,
    )
    PLM.agrees(
        "standard error",
        error,
        [0.0176583657489766, 0.0494797178848288, 15.3109242779903],
        rel=EXACT,
        abs=EXACT,
    )


@pytest.mark.case("C.Grunfeld.swamy_pggls")
def test_investment_random_coefficients(realdata: Path) -> None:
    """[C.Grunfeld.swamy_pggls, swamy] Ten firms."""
    beta, error = numbers(grunfeld(realdata), spec_of("mean-group", weighting="swamy"))
    PLM.agrees(
        "estimate",
        beta,
        [0.0845873366047022, 0.199418403348856, -9.62928513743935],
        rel=EXACT,
        abs=EXACT,
    )
    PLM.agrees(
        "standard error",
        error,
        [0.0199559053408853, 0.052653358661124, 17.0350395074382],
        rel=EXACT,
        abs=EXACT,
    )


@pytest.mark.case("A.us.pmg_cmg")
def test_us_averages_too(realdata: Path) -> None:
    """[A.us.pmg_cmg] Coefficients of the averages, which a result does not list."""
    design, spec = us_states(realdata), spec_of("cce-mean-group")
    model = unit_model(design, spec)
    mean = plain_mean(
        regress_units(model.y, np.concatenate([model.X, model.own], axis=2)), design, spec
    )
    beta = [
        -0.0410025794560271,
        -0.0432637691195922,
        -0.00654958891149572,
        -0.0403285369547516,
        -1.03056580058597,
        1.21566900425717,
        0.171826345969481,
        0.0158813732006159,
        0.00494560689925952,
        0.0516007805513153,
    ]
    error = [
        0.0498679915930315,
        0.0320341526765435,
        0.00371675768321064,
        0.0531262475415319,
        0.672101213728409,
        0.175369404987591,
        0.074023322257371,
        0.0353205523211947,
        0.00393941152381336,
        0.0631087343711482,
    ]
    PLM.agrees("estimate", mean.beta, beta, rel=EXACT, abs=EXACT)
    PLM.agrees("standard error", np.sqrt(np.diag(mean.vcov)), error, rel=EXACT, abs=EXACT)


@pytest.mark.case("A.us.pvcm_random")
def test_us_spread_of_coefficients(realdata: Path) -> None:
    """[A.us.pvcm_random] Delta, where sampling noise exceeds the spread: a warning says so."""
    design, spec = us_states(realdata), spec_of("mean-group", weighting="swamy")
    model = unit_model(design, spec)
    found = random_coefficients(
        regress_units(model.y, np.concatenate([model.X, model.own], axis=2))
    )
    assert found.overstated
    # in R the constant comes first
    expected = [
        [2.17574348216397, -0.270877026501476, 0.016711190191153, 0.00254420240991681,
         0.0414484019635681],
        [-0.270877026501476, 0.0418084342183893, -0.00989367317244185, -0.000121850228007622,
         -0.00923999387438624],
        [0.016711190191153, -0.00989367317244185, 0.0081478160195604, -0.00022857720574066,
         0.00267527468624697],
        [0.00254420240991681, -0.000121850228007622, -0.00022857720574066, 6.89769188858703e-05,
         -9.33165230759454e-05],
        [0.0414484019635681, -0.00923999387438624, 0.00267527468624697, -9.33165230759454e-05,
         0.0108060453205451],
    ]  # fmt: skip
    order = [4, 0, 1, 2, 3]
    delta = found.delta[np.ix_(order, order)]
    PLM.agrees("spread of slopes", delta.ravel(), np.ravel(expected), rel=EXACT, abs=EXACT)
    result = mean_group.fit(design, spec)
    assert any("spread of slopes is overstated" in warning for warning in result.warnings)


@pytest.mark.case("C.Produc.pmg")
def test_output_averages_too(realdata: Path) -> None:
    """[C.Produc.pmg, cmg] Coefficients of the averages, and the constant before them."""
    design, spec = states_output(realdata), spec_of("cce-mean-group")
    model = unit_model(design, spec)
    columns = np.concatenate([model.X, model.own], axis=2)
    mean = plain_mean(regress_units(model.y, columns), design, spec)
    beta = [
        *(0.089985037264396, 0.0335783993901465, 0.625865870669236, -0.00311779372594501),
        *(-0.674175418010095, 1.00380053899642, -0.0491918917030429, -0.00331984397905933),
        *(-0.697835868262197, 0.00255444932152227),
    ]
    error = [
        *(0.117603951667515, 0.0423361854522174, 0.107171926457644, 0.0014388812079219),
        *(1.04455179017405, 0.107887435513196, 0.23961848399147, 0.157654680035684),
        *(0.243288742528526, 0.0031847671849106),
    ]
    PLM.agrees("estimate", mean.beta, beta, rel=EXACT, abs=EXACT)
    PLM.agrees("standard error", np.sqrt(np.diag(mean.vcov)), error, rel=EXACT, abs=EXACT)
