"""Static estimators, through study files, against R's plm and clubSandwich on the real panels.

Tolerance 1e-9 relative for closed forms: R prints 15 digits, and the worst conditioned of these
(the EU's 612 effects) agrees to 1e-10.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.panel import Panel
from data.panels.own import read_own_panel
from models.absorb import absorb
from models.design import Floats
from models.estimators.random_effects import quasi_demeaned, variance_components
from models.inference.cluster import sandwich
from models.least_squares import fit_least_squares
from models.results import ModelResult
from tests.canonical_designs import us_states, wages
from tests.reference_record import Reference
from tests.study_case import estimates, fit_one, model_text, std_errors

CASES = tomllib.loads((Path(__file__).parent / "static_panels.toml").read_text("utf-8"))["case"]
US = """
[variables]
y = "teen_emp_rate"
lsi1 = "lag(log(social_investment_real_usd_per_child), 1)"
lct1 = "lag(log(cash_transfers_real_usd_per_child), 1)"
ur = "unemp_rate"
lmw = "log(min_wage)"
"""
EU = """
[variables]
y = "neet_rate_15_29"
lesf1 = "lag(log1p(esf_modelled_eur_pc), 1)"
lgdp1 = "lag(log(gdp_pc_eur), 1)"
"""
PRODUC = """
[variables]
y = "log(gsp)"
lpcap = "log(pcap)"
lpc = "log(pc)"
lemp = "log(emp)"
"""
MOVING = ("bluecol", "south", "smsa", "ind", "exp", "exp2", "wks", "married", "union")
WAGES = """
[variables]
exp2 = "exp ** 2"
"""
PANELS: dict[str, tuple[str, tuple[str, str, str | None], str, tuple[str, ...]]] = {
    "us": (
        "joined/us_state_panel.parquet", ("fips", "year", None), US,
        ("y", "lsi1", "lct1", "ur", "lmw"),
    ),
    "eu": (
        "joined/eu_nuts2_2013_panel.parquet", ("geo", "year", "country"), EU,
        ("y", "lesf1", "lgdp1"),
    ),
    "grunfeld": (
        "canonical_panels/rdatasets_plm_Grunfeld.csv", ("firm", "year", None), "",
        ("inv", "value", "capital"),
    ),
    "produc": (
        "canonical_panels/rdatasets_plm_Produc.csv", ("state", "year", None), PRODUC,
        ("y", "lpcap", "lpc", "lemp", "unemp"),
    ),
    "hours": (
        "canonical_panels/rdatasets_plm_LaborSupply.csv", ("id", "year", None), "",
        ("lnhr", "lnwg"),
    ),
    "wages": (
        "canonical_panels/rdatasets_plm_Wages.csv", ("person", "year", None), WAGES,
        ("lwage", *MOVING, "sex", "black", "ed"),
    ),
    "within_wages": (
        "canonical_panels/rdatasets_plm_Wages.csv", ("person", "year", None), WAGES,
        ("lwage", *MOVING),
    ),
}  # fmt: skip
pytestmark = pytest.mark.realdata
PLM = Reference("R 4.2.2: plm 2.6-2")
RECOMPUTED = replace(PLM, recomputed=True)
CLUBSANDWICH = Reference("R 4.2.2: clubSandwich 0.5.8")
PRINTED = Reference("in print: plm 2.6")
PETERSEN = Reference("in print: Petersen (2009), sandwich")


@cache
def panel(realdata: Path, name: str) -> Panel:
    file, (unit, time, parent), _, _ = PANELS[name]
    if unit == "person":
        return wages(realdata)
    return read_own_panel(realdata / file, unit, time, parent)


def fitted(
    realdata: Path,
    folder: Path,
    name: str,
    estimator: str,
    effects: list[str],
    inference: str = '{ kind = "classical" }',
    more: str = "",
) -> ModelResult:
    _, _, variables, (outcome, treatment, *controls) = PANELS[name]
    text = model_text(estimator, outcome, treatment, controls, effects, inference, more)
    return fit_one(folder, panel(realdata, name), variables + text)


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case["id"], marks=pytest.mark.case(*case["entries"])) for case in CASES],
)
def test_static(case: dict[str, Any], realdata: Path, tmp_path: Path) -> None:
    result = fitted(realdata, tmp_path, case["panel"], case["estimator"], case["effects"])
    assert result.n_obs == case["n"]
    if "rss" in case:
        assert result.fit["df_residual"] == case["df_residual"]
        PLM.agrees("residual sum of squares", result.fit["rss"], case["rss"], rel=1e-9)
    if "r2" in case:
        ours = result.fit.get("r2", result.fit.get("r2_within", result.fit.get("r2_between")))
        PLM.agrees("R2", ours, case["r2"], rel=1e-9)
    PLM.agrees("estimates", estimates(result), case["estimate"], rel=1e-9)
    PLM.agrees("standard errors", std_errors(result), case["std_error"], rel=1e-9)
    for name in ("theta", "sigma2_idiosyncratic", "sigma2_group"):
        if name in case:
            PLM.agrees(name, result.fit[name], case[name], rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(
    ("estimator", "effects", "by", "std_error", "df"),
    [
        # A.us.cr_plm_fd, A.us.cr_lm_twoway: clubSandwich CR2 by state, lsi1
        ("first-difference", [], "unit", 0.0222043839345104, 28.4262531884504),
        ("within", ["unit", "time"], "unit", 0.0153992522917302, 15.7302162110027),
    ],
)
def test_bias_reduced_errors_us(
    estimator: str, effects: list[str], by: str, std_error: float, df: float,
    realdata: Path, tmp_path: Path,
) -> None:  # fmt: skip
    how = f'{{ kind = "cluster", by = ["{by}"], correction = "CR2" }}'
    term = fitted(realdata, tmp_path, "us", estimator, effects, how).term("lsi1")
    CLUBSANDWICH.agrees("standard error", term.std_error, std_error, rel=1e-8)
    CLUBSANDWICH.agrees("degrees of freedom", term.df, df, rel=1e-7)


@pytest.mark.case("A.us.cr_lm_pooled")
def test_bias_reduced_errors_pooled_us(realdata: Path, tmp_path: Path) -> None:
    # A.us.cr_lm_pooled
    how = '{ kind = "cluster", by = ["unit"], correction = "CR2" }'
    result = fitted(realdata, tmp_path, "us", "pooled", [], how)
    wanted = {"lsi1": 0.0454898495640806, "ur": 0.00376481887427532, "lmw": 0.0348028384038116}
    CLUBSANDWICH.agrees(
        "standard errors", {name: std_errors(result)[name] for name in wanted}, wanted, rel=1e-8
    )
    CLUBSANDWICH.agrees("degrees of freedom", result.term("lct1").df, 24.178155478872, rel=1e-7)


@pytest.mark.case("B.eu.neet.countryyear_fwl_cr_country")
def test_country_clusters_eu(realdata: Path, tmp_path: Path) -> None:
    # B.eu.neet.countryyear_fwl_cr_country: CR2 with effects nested in clusters
    how = '{ kind = "cluster", by = ["parent"], correction = "CR2" }'
    result = fitted(realdata, tmp_path, "eu", "within", ["unit", "parent*time"], how)
    wanted = {"lesf1": 0.133530559916287, "lgdp1": 2.10114940830584}
    CLUBSANDWICH.agrees("standard errors", std_errors(result), wanted, rel=1e-8)
    CLUBSANDWICH.agrees("degrees of freedom", result.term("lesf1").df, 8.64077857136853, rel=1e-7)
    assert dict(result.n_clusters) == {"country": 28}
    assert result.inference.by == ("country",)
    assert result.level == {"lesf1": "regional"}


@pytest.mark.case("A.us.hausman")
def test_hausman_classical(realdata: Path, tmp_path: Path) -> None:
    # A.us.hausman, phtest(within, random)
    (test,) = fitted(realdata, tmp_path, "us", "random", []).tests
    assert test.test == "hausman"
    PLM.agrees("Hausman statistic", test.statistic, 13.3986862301797, rel=1e-9)
    assert test.df == 4
    PLM.agrees("p-value", test.p_value, 0.00948344056654165, rel=1e-9)


@pytest.mark.case("A.us.hausman")
def test_hausman_by_regression_with_clusters(realdata: Path, tmp_path: Path) -> None:
    # A.us.hausman, phtest(method = "aux", vcov = Arellano HC0)
    how = '{ kind = "cluster", by = ["unit"], correction = "CR0" }'
    (test,) = fitted(realdata, tmp_path, "us", "random", [], how).tests
    assert test.test == "hausman_robust"
    PLM.agrees("Hausman statistic", test.statistic, 46.5414581400114, rel=1e-9)


@pytest.mark.case("grunfeld-random")
def test_hausman_in_print(realdata: Path, tmp_path: Path) -> None:
    # published.toml, grunfeld-random: R plm 2.6
    result = fitted(realdata, tmp_path, "grunfeld", "random", [])
    PRINTED.agrees("theta", result.fit["theta"], 0.8612, abs=5e-5)
    PRINTED.agrees("Hausman statistic", result.tests[0].statistic, 2.3304, abs=5e-5)
    assert result.tests[0].df == 2
    PRINTED.agrees("p-value", result.tests[0].p_value, 0.3119, abs=5e-5)


@pytest.mark.case("grunfeld-within")
def test_within_in_print(realdata: Path, tmp_path: Path) -> None:
    result = fitted(realdata, tmp_path, "grunfeld", "within", ["unit"])
    PRINTED.agrees("residual sum of squares", result.fit["rss"], 523478.1, abs=0.05)
    PRINTED.agrees("estimate", result.term("value").estimate, 0.110124, abs=5e-7)


@pytest.mark.case("C.LaborSupply.ziliak")
def test_hours_clustered(realdata: Path, tmp_path: Path) -> None:
    how = '{ kind = "cluster", by = ["unit"], correction = "CR0" }'
    term = fitted(realdata, tmp_path, "hours", "within", ["unit"], how).term("lnwg")
    PLM.agrees("standard error", term.std_error, 0.0848827215868489, rel=1e-9)


@pytest.mark.case("C.Wages.re_within")
def test_hausman_of_wages(realdata: Path, tmp_path: Path) -> None:
    """plm's comparison leaves out what never changes within persons, and so does ours."""
    (test,) = fitted(realdata, tmp_path, "wages", "random", []).tests
    PLM.agrees("Hausman statistic", test.statistic, 5075.25181399153, rel=1e-7)
    assert test.df == 9


@pytest.mark.case("petersen-standard-errors")
def test_petersen_in_print(realdata: Path, tmp_path: Path) -> None:
    # published.toml, petersen-standard-errors: R sandwich, Petersen (2009)
    petersen = read_own_panel(
        realdata / "canonical_panels" / "rdatasets_sandwich_PetersenCL.csv", "firm", "year"
    )
    kinds = {
        '{ kind = "classical" }': 0.028583,
        '{ kind = "cluster", by = ["unit"], correction = "CR1" }': 0.050596,
        '{ kind = "cluster", by = ["unit", "time"], correction = "CR1" }': 0.053558,
        '{ kind = "panel-corrected" }': 0.025276,
    }
    for inference, wanted in kinds.items():
        text = model_text("pooled", "y", "x", inference=inference)
        term = fit_one(tmp_path, petersen, text).term("x")
        PETERSEN.agrees("estimate", term.estimate, 1.034833, abs=5e-7)
        PETERSEN.agrees(f"standard error, {inference}", term.std_error, wanted, abs=5e-7)


@pytest.mark.case("mortality-cr2-weighted")
def test_mortality_in_print(realdata: Path, tmp_path: Path) -> None:
    # published.toml, mortality-cr2-weighted (clubSandwich's worked example); digits beyond those
    # in print from C.Mortality.weighted_popnorm
    mortality = read_own_panel(
        realdata / "canonical_panels" / "clubsandwich_MortalityRates.csv", "state", "year"
    )
    where = "cause == 'Motor Vehicle' and year <= 1983 and not isna(beertaxa)"
    for correction, error, df in (
        ("CR1", 2.00975829765159, None),
        ("CR2", 2.13481833874004, 8.51952781749332),
    ):
        how = f'{{ kind = "cluster", by = ["unit"], correction = "{correction}" }}'
        text = model_text(
            "within", "mrate", "legal", ["beertaxa"], ["unit", "time"], how, 'weights = "pop"'
        )
        result = fit_one(tmp_path, mortality, f'[sample]\nwhere = "{where}"\n{text}')
        term = result.term("legal")
        assert (result.n_obs, dict(result.n_clusters)) == (700, {"state": 50})
        CLUBSANDWICH.agrees("estimate", term.estimate, 7.78005483075174, rel=1e-9)
        if df is None:
            # clubSandwich's CR1 is G/(G-1) alone; ours has (N-1)/(N-K), K = 2 + 14 years
            CLUBSANDWICH.agrees(
                "standard error", term.std_error, error * (699 / (700 - 16)) ** 0.5, rel=1e-9
            )
        else:
            CLUBSANDWICH.agrees("standard error", term.std_error, error, rel=1e-9)
            CLUBSANDWICH.agrees("degrees of freedom", term.df, df, rel=1e-8)


@pytest.mark.case("A.us.hausman")
def test_hausman_by_regression(realdata: Path) -> None:
    """phtest(method = "aux"): with classical errors, and with plm's HC1, n / (n - 9) of HC0's."""
    design = replace(us_states(realdata), effects=(), effect_names=())
    components = variance_components(design, design.unit)
    quasi = quasi_demeaned(design, design.unit, components.theta)
    own = absorb((design.unit,), None, design.n_obs).residual(design.X)
    names = (*quasi.terms, *(f"within {name}" for name in design.terms))
    wide = fit_least_squares(quasi.y, np.column_stack([quasi.X, own]), names)

    def wald(vcov: Floats) -> float:
        return float(wide.beta[5:] @ np.linalg.solve(vcov[5:, 5:], wide.beta[5:]))

    noise = float(wide.residuals @ wide.residuals) / (969 - 9)
    RECOMPUTED.agrees("Wald, classical", wald(wide.bread * noise), 33.2364988090563, rel=1e-9)
    clustered = sandwich(wide, design.unit) * 969 / (969 - 9)
    RECOMPUTED.agrees("Wald, HC1", wald(clustered), 46.1091845349975, rel=1e-9)


@pytest.mark.case("A.us.within_state")
def test_levels_of_states(realdata: Path) -> None:
    """plm's fixef, of the first five states, and the intercept: the mean of all."""
    design = us_states(realdata, ["fips"])
    linear = fit_least_squares(design.y, design.X, design.terms, None, design.effects)
    levels = np.bincount(design.unit, design.y - design.X @ linear.beta) / 19
    first = [
        *(1.85011393381573, 2.00785228423211, 1.86778454225816, 1.88196127191353),
        1.89454525008512,
    ]
    RECOMPUTED.agrees("fixed effects", levels[:5], first, rel=1e-9)
    means = design.X.mean(axis=0)
    noise = float(linear.residuals @ linear.residuals) / 914
    error = np.sqrt(noise * (1 / 969 + means @ linear.bread @ means))
    RECOMPUTED.agrees("intercept", levels.mean(), 1.94153862619805, rel=1e-9)
    RECOMPUTED.agrees("its standard error", error, 0.0859158818608028, rel=1e-9)


@pytest.mark.case("A.us.within_twoway")
def test_levels_of_states_and_years(realdata: Path) -> None:
    """Up to one constant, which plm chooses in its own way: that of its first value."""
    design = us_states(realdata)
    linear = fit_least_squares(design.y, design.X, design.terms, None, design.effects)
    left = design.y - design.X @ linear.beta
    years = [
        *(0.00882457844801898, 0.000817207135151765, -0.004045150318919, -0.0250821517981014),
        *(-0.0409994408818043, -0.0681698215489758, -0.0687765540259315, -0.0713318455961151),
        *(-0.0728946972830306, -0.0940575432378651, -0.10233192151856, -0.116944414054032),
        *(-0.129800308389806, -0.132230376132836, -0.138396485903417, -0.145010054006052),
        *(-0.147638136227708, -0.146002478178481, -0.146468790820561),
    ]
    states = [
        *(0.00882457844801898, 0.053410530691922, 0.058875549839298, 0.0371905125844279),
        -0.0057012947900954,
    ]
    for what, codes, theirs in (("years", design.time, years), ("states", design.unit, states)):
        means = (np.bincount(codes, left) / np.bincount(codes))[: len(theirs)]
        RECOMPUTED.agrees(what, means - means[0] + theirs[0], theirs, rel=1e-9, abs=1e-12)
