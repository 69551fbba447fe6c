"""Clustered errors against R: clubSandwich (CR0 to CR2), sandwich, and a jackknife written in R.

Closed forms agree to 1e-10 relative, Satterthwaite degrees of freedom to 1e-9: R inverts full
dummy matrices and loses that many digits itself. Values are those of R 4.2.2 with clubSandwich
0.5.8 (eigenvalue cut-off made relative), sandwich 3.0-2 and plm 2.6-2 on the same data.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.design import Design
from models.inference import Uncertainty
from models.inference.cluster import find_clusters, sandwich
from models.inference.leverage import bias_reduced, leave_one_out
from models.inference.measure import measure
from models.study import Inference
from tests.canonical_designs import (
    eu_regions,
    fatalities,
    fit_design,
    mortality,
    munnell,
    petersen,
    us_states,
)
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
CLUBSANDWICH = Reference("R 4.2.2: clubSandwich 0.5.8, sandwich 3.0-2, plm 2.6-2")
RECOMPUTED = replace(CLUBSANDWICH, recomputed=True)


def clustered(design: Design, correction: str | None, by: tuple[str, ...]) -> Uncertainty:
    return measure(fit_design(design), design, Inference("cluster", by, correction))


def same(what: str, ours: object, theirs: object, rel: float = 1e-10) -> None:
    CLUBSANDWICH.agrees(what, ours, theirs, rel=rel)


US_CR0 = [0.0148957473349155, 0.0111358181178118, 0.00147345359395136, 0.0146673607500336]
US_CR2 = [0.0153992522917235, 0.0115173556784527, 0.00152318596161439, 0.015170854736977]
US_DF = [15.7302162110997, 15.2509813235847, 30.48475909237, 32.9064752073586]


@pytest.mark.case("A.us.cr_lm_twoway", "A.us.cr_confint")
def test_us_states_unweighted(realdata: Path) -> None:
    design = us_states(realdata)
    same("standard error", clustered(design, "CR0", ("unit",)).std_error, US_CR0)
    reduced = clustered(design, "CR2", ("unit",))
    same("standard error", reduced.std_error, US_CR2)
    same("degrees of freedom", reduced.df, US_DF, 1e-9)
    of_dummies = [15.7302162110027, 15.2509813235652, 30.4847590923713, 32.9064752073583]
    same("degrees of freedom, confidence intervals", reduced.df, of_dummies, 1e-9)
    low = [0.059717611948801, -0.0606325088282851, -0.0134289795901409, -0.0696086520328471]
    high = [0.125098649759767, -0.0116054629835997, -0.00721160408460343, -0.00787131418093588]
    p = [1.98710797859005e-05, 0.00668616843392929, 1.50412232667226e-07, 0.0154822342223509]
    same("lower end", reduced.conf_low, low, 1e-9)
    same("upper end", reduced.conf_high, high, 1e-9)
    same("p-value", reduced.p_value, p, 1e-8)


def test_us_states_cr1_is_cr0_times_the_stated_factor(realdata: Path) -> None:
    # K: four slopes, 18 year effects beside the nested state effects, the constant
    design = us_states(realdata)
    factor = np.sqrt(51 / 50 * 968 / (969 - 23))
    ours = clustered(design, "CR1", ("unit",))
    same("standard error", ours.std_error, np.array(US_CR0) * factor)
    assert "K = 23" in ours.convention
    assert ours.df.tolist() == [50.0] * 4


@pytest.mark.case("A.us.cr_wlm_twoway")
def test_us_states_weighted_by_both_targets(realdata: Path) -> None:
    design = us_states(realdata, weighted=True)
    fit = fit_design(design)
    clusters = find_clusters(design, "unit")
    vcov, df = bias_reduced(fit, clusters)
    se = [0.0194838336165317, 0.014090099391608, 0.00175878303110618, 0.0177684586114908]
    same("standard error", np.sqrt(np.diag(vcov)), se)
    same(
        "degrees of freedom",
        df,
        [5.57390939164319, 4.91211462844972, 4.23758598291006, 4.67865524478789],
        1e-9,
    )
    vcov, df = bias_reduced(fit, clusters, "inverse-variance")
    se = [0.0193208514319737, 0.0144151557856647, 0.00172611555942327, 0.0169788998948472]
    same("standard error", np.sqrt(np.diag(vcov)), se)
    same(
        "degrees of freedom",
        df,
        [17.7430903436983, 21.1519205451282, 16.6089789870165, 17.3031742758664],
        1e-9,
    )


@pytest.mark.case("A.us.jackknife_cv3")
@pytest.mark.parametrize(
    ("weighted", "errors"),
    [
        (
            False,
            [0.0159436480986852, 0.0119276726343071, 0.00157650644769307, 0.0157128997939224],
        ),
        (True, [0.020321273697403, 0.0150100368301179, 0.00185690659711474, 0.0188752106115981]),
    ],
)
def test_us_states_jackknife(realdata: Path, weighted: bool, errors: list[float]) -> None:
    same(
        "standard error",
        clustered(us_states(realdata, weighted=weighted), "CR3", ("unit",)).std_error,
        errors,
    )


@pytest.mark.case("A.us.jackknife_cv3")
def test_us_states_jackknife_centred_at_its_mean(realdata: Path) -> None:
    design = us_states(realdata)
    left_out = leave_one_out(fit_design(design), find_clusters(design, "unit"))
    spread = np.sqrt(50 / 51 * np.square(left_out - left_out.mean(axis=0)).sum(axis=0))
    se = [0.0157858300197463, 0.0118100823940888, 0.00156095056358009, 0.015557724144638]
    RECOMPUTED.agrees("standard error", spread, se, rel=1e-10)


@pytest.mark.case("A.us.sandwich_lm")
def test_us_states_two_way(realdata: Path) -> None:
    # sandwich counts all 73 dummies and slopes; here effects nested in either grouping are not
    design = us_states(realdata)
    se = [0.022119873247582, 0.00986459815864483, 0.00227118856209843, 0.0158906697648239]
    ours = clustered(design, "CR1", ("unit", "time"))
    same("standard error", ours.std_error * np.sqrt((969 - 5) / (969 - 73)), se)
    assert ours.df.tolist() == [18.0] * 4


EU_TWO_WAY = {
    "parent": (
        [0.365079662864046, 2.05921389551384],
        [0.401942794052609, 2.44036732917264],
        [14.7524127926231, 7.97369953033659],
    ),
    "unit": (
        [0.13359317686503, 0.878437328368791],
        [0.134562623712677, 0.894160575355712],
        [136.596742956353, 63.9452076566065],
    ),
}


@pytest.mark.parametrize("by", ["parent", "unit"])
def test_eu_two_way_effects(realdata: Path, by: str) -> None:
    design = eu_regions(realdata, ["geo", "year"])
    plain, reduced, df = EU_TWO_WAY[by]
    same("standard error", clustered(design, "CR0", (by,)).std_error, plain)
    ours = clustered(design, "CR2", (by,))
    same("standard error", ours.std_error, reduced)
    same("degrees of freedom", ours.df, df, 1e-9)


@pytest.mark.case("B.eu.neet.within_twoway")
def test_eu_two_way_clusters(realdata: Path) -> None:
    design = eu_regions(realdata, ["geo", "year"])
    ours = clustered(design, "CR0", ("unit", "time"))  # plm's vcovDC
    same("standard error", ours.std_error, [0.283652080188699, 1.3798081447499])


@pytest.mark.case("B.eu.neet.lm_countryyear_dummies")
def test_eu_country_by_year_effects(realdata: Path) -> None:
    design = eu_regions(realdata, ["geo", "country_year"])
    fit = fit_design(design)
    same("estimate", fit.beta, [-0.391576814903174, -4.63340861676438])
    assert fit.n_absorbed + 2 == 612
    CLUBSANDWICH.agrees(
        "residual sum of squares", np.square(fit.residuals).sum(), 6283.82929080389, rel=1e-11
    )
    same(
        "standard error",
        measure(fit, design, Inference("classical")).std_error,
        [0.0916414741667094, 0.881399689579128],
    )
    ours = clustered(design, "CR2", ("parent",))
    same(
        "standard error",
        clustered(design, "CR0", ("parent",)).std_error,
        [0.130627543186403, 2.01149834727171],
    )
    same(
        "standard error",
        clustered(design, "CR0", ("unit",)).std_error,
        [0.155572088755081, 1.64225558726686],
    )
    same("standard error", ours.std_error, [0.133530559916287, 2.10114940830584], 1e-9)
    same("degrees of freedom", ours.df, [8.6407785713674, 11.4259974768951], 1e-8)


@pytest.mark.case("C.Mortality.unweighted")
def test_mortality_unweighted(realdata: Path) -> None:
    ours = clustered(mortality(realdata, weighted=False), "CR2", ("unit",))
    same("standard error", ours.std_error, [2.51308216557842, 5.26501612282504])
    same("degrees of freedom", ours.df, [24.578518939204, 5.76841458755409], 1e-9)


@pytest.mark.case("C.Mortality.weighted_popnorm", "mortality-cr2-weighted")
def test_mortality_weighted(realdata: Path) -> None:
    design = mortality(realdata, weighted=True)
    ours = clustered(design, None, ("unit",))  # 50 uneven clusters: CR2 by default
    same("estimate", fit_design(design).beta, [7.78005483075174, 11.1609732592407])
    same("standard error", ours.std_error, [2.13481833874004, 4.36881099247571])
    same("degrees of freedom", ours.df, [8.51952781749332, 6.85091782008868], 1e-9)
    # the published CR1, 2.01, is clubSandwich's: G/(G-1) alone
    codes = find_clusters(design, "unit").codes
    published = np.sqrt(50 / 49 * sandwich(fit_design(design), codes)[0, 0])
    CLUBSANDWICH.agrees("standard error, CR1 as in print", published, 2.00975829765159, rel=1e-10)


@pytest.mark.case("C.Produc.cr")
def test_munnell(realdata: Path) -> None:
    design = munnell(realdata)
    ours = clustered(design, "CR2", ("unit",))
    se = [0.0624567078753061, 0.0646356512477856, 0.0855289721641703, 0.00259727585048285]
    same("standard error", ours.std_error, se)
    df = [22.8839919967259, 22.1673276596644, 20.4046973757789, 31.9507359209014]
    same("degrees of freedom", ours.df, df, 1e-9)


@pytest.mark.case("C.Fatalities.oneway_cr", "C.Fatalities.twoway_plm")
def test_fatalities(realdata: Path) -> None:
    one_way = clustered(fatalities(realdata, ["state"]), "CR2", ("unit",))
    same("standard error", one_way.std_error, [0.303010920609133])
    same("degrees of freedom", one_way.df, [8.30921847849261], 1e-9)
    design = fatalities(realdata, ["state", "year"])
    same("standard error", clustered(design, "CR0", ("unit",)).std_error, [0.349628109990483])
    two_way = clustered(design, "CR1", ("unit", "time")).std_error  # sandwich counts 55 columns
    same("standard error", two_way * np.sqrt((336 - 2) / (336 - 55)), [0.333361689542799])


@pytest.mark.case("C.Petersen.sandwich")
def test_petersen(realdata: Path) -> None:
    design = petersen(realdata)
    expected = {
        ("CR0", ("unit",)): [0.0505400490605134, 0.0669389612153517],
        ("CR1", ("unit",)): [0.0505957258840296, 0.0670127036987728],
        ("CR1", ("time",)): [0.0333889134119265, 0.0233867211009489],
        ("CR2", ("unit",)): [0.0506777667403127, 0.0670409371731422],
        ("CR3", ("unit",)): [0.0508159663101462, 0.0671431477798571],
        ("CR1", ("unit", "time")): [0.0535580229449379, 0.0650639181993894],
    }
    for (correction, by), errors in expected.items():
        same("standard error", clustered(design, correction, by).std_error, errors)
