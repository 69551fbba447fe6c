"""Mixed models against R's lme4 and lmerTest, on the US states and the European regions.

Values in `mixed_models.toml` with their entry's name. Tolerances are those the numbers support:
1e-7 on coefficients, 1e-5 on variances and shrunken effects, 5e-5 on covariances.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.design import Design
from models.estimators import mixed
from models.estimators.mixed.shrunken_effects import ShrunkenEffects, shrunken_effects
from models.results import ModelResult
from models.study import Inference, ModelSpec
from tests.canonical_designs import codes, design_from, us_states
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
LME4 = Reference("R: lme4, lmerTest")
STORED = tomllib.loads(Path(__file__).with_name("mixed_models.toml").read_text("utf-8"))
MODEL_BASED = Inference("classical")


def spec_of(slopes: Any, likelihood: str = "reml", **changes: Any) -> ModelSpec:
    options = {"slopes": slopes, "likelihood": likelihood}
    return ModelSpec(
        "m", "mixed", "y", changes.pop("treatment", ("lsi1",)), inference=MODEL_BASED,
        options=options, **changes,
    )  # fmt: skip


def states(realdata: Path, centred: bool = False) -> Design:
    design = us_states(realdata)
    X = design.X.copy()
    X[:, 0] -= X[:, 0].mean() * centred
    return replace(design, X=X, effects=(), effect_names=())


def europe(realdata: Path, regressors: bool) -> Design:
    eu = pd.read_parquet(realdata / "joined" / "eu_nuts2_2013_panel.parquet")
    eu = eu.sort_values(["geo", "year"])
    eu["lesf1"] = np.log1p(eu["esf_modelled_eur_pc"]).groupby(eu["geo"]).shift()
    eu["lgdp1"] = np.log(eu["gdp_pc_eur"]).groupby(eu["geo"]).shift()
    names = ["lesf1", "lgdp1"] if regressors else []
    eu = eu.dropna(subset=["neet_rate_15_29", *names])
    design = design_from(eu, "neet_rate_15_29", names, ("geo", "year"), ["year"], parent="country")
    columns = {"country": eu["country"].to_numpy()}
    return replace(design, n_treatments=len(names), columns=columns)


def check_coefficients(result: ModelResult, name: str) -> None:
    stored = STORED[name]
    terms = [result.terms[-1], *result.terms[:-1]]
    assert result.n_obs == stored["n"]
    k = len(terms)
    LME4.agrees("estimates", [t.estimate for t in terms], stored["fixef"][:k], rel=1e-7, abs=1e-7)
    LME4.agrees("standard errors", [t.std_error for t in terms], stored["se"][:k], rel=1e-6)
    LME4.agrees("degrees of freedom", [t.df for t in terms], stored["df_satt"][:k], rel=1e-5)
    LME4.agrees("log likelihood", result.fit["log_likelihood"], stored["log_likelihood"], rel=1e-12)
    for level, value in stored["variance"].items():
        LME4.agrees(f"variance {level}", result.fit[f"variance {level}"], value, rel=1e-5)


def check_effects(
    found: tuple[ShrunkenEffects, ...], name: str, labels: dict[str, list[str]]
) -> None:
    for group, values in STORED[name]["ranef"].items():
        effects = next(one for one in found if one.group == group)
        for label, stored in values.items():
            ours = effects.estimate[labels[group].index(label)]
            LME4.agrees(f"effect of {label}", ours, stored, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "slopes", "likelihood", "centred"),
    [
        pytest.param(
            "A.us.lmer_ri_reml", (), "reml", False, marks=pytest.mark.case("A.us.lmer_ri_reml")
        ),
        pytest.param(
            "A.us.lmer_rs_reml",
            ("lsi1",),
            "reml",
            True,
            marks=pytest.mark.case("A.us.lmer_rs_reml"),
        ),
        pytest.param(
            "A.us.lmer_rs_ml", ("lsi1",), "ml", True, marks=pytest.mark.case("A.us.lmer_rs_ml")
        ),
        pytest.param(
            "A.us.lmer_crossed",
            {"unit": (), "time": ()},
            "reml",
            False,
            marks=pytest.mark.case("A.us.lmer_crossed"),
        ),
    ],
)
def test_us_states(realdata: Path, name: str, slopes: Any, likelihood: str, centred: bool) -> None:
    design, spec = states(realdata, centred), spec_of(slopes, likelihood)
    result = mixed.fit(design, spec)
    check_coefficients(result, name)
    labels = {"unit": [str(u) for u in design.units], "time": [str(t) for t in design.times]}
    check_effects(shrunken_effects(mixed.fitted(design, spec)[0]), name, labels)
    if "covariance" in STORED[name]:
        fit = result.fit
        root = float(np.sqrt((fit["variance unit"] or 0) * (fit["variance lsi1 by unit"] or 0)))
        correlation = fit["correlation constant, lsi1 by unit"]
        assert correlation is not None
        LME4.agrees("covariance", correlation * root, STORED[name]["covariance"], rel=5e-5)


@pytest.mark.parametrize(
    ("name", "likelihood", "regressors"),
    [
        pytest.param(
            "B.eu.neet.lmer3_reml", "reml", False, marks=pytest.mark.case("B.eu.neet.lmer3_reml")
        ),
        pytest.param(
            "B.eu.neet.lmer3_ml", "ml", False, marks=pytest.mark.case("B.eu.neet.lmer3_ml")
        ),
        pytest.param(
            "B.eu.neet.lmer_rei", "reml", True, marks=pytest.mark.case("B.eu.neet.lmer_rei")
        ),
    ],
)
def test_regions_within_countries(
    realdata: Path, name: str, likelihood: str, regressors: bool
) -> None:
    """Year dummies, regions and countries: coefficients of years are checked on the inner fit."""
    design = europe(realdata, regressors)
    spec = spec_of((), likelihood, effects=("time",))
    result = mixed.fit(design, spec)
    check_coefficients(result, name)
    inner, _, terms = mixed.fitted(design, spec)
    k = len(design.terms)
    order = [k, *range(k), *range(k + 1, len(terms))]
    LME4.agrees("estimate", inner.beta[order], STORED[name]["fixef"], rel=1e-7, abs=1e-7)
    errors = np.sqrt(inner.residual_variance * np.diag(inner.bread))
    LME4.agrees("standard error", errors[order], STORED[name]["se"], rel=1e-6)
    df = inner.satterthwaite()
    LME4.agrees("degrees of freedom", df[order], STORED[name]["df_satt"], rel=1e-5)
    countries = [str(c) for c in np.unique(np.asarray(design.columns["country"]))]
    labels = {"unit": [str(u) for u in design.units], "parent": countries}
    check_effects(shrunken_effects(inner), name, labels)
    total = sum(STORED[name]["variance"].values())
    for level, value in STORED[name]["variance"].items():
        LME4.agrees(f"share {level}", result.fit[f"share {level}"], value / total, rel=1e-5)
        low, high = result.fit[f"share {level} low"], result.fit[f"share {level} high"]
        assert low is not None
        assert high is not None
        assert 0 < low < value / total < high < 1
    assert len(countries) == codes(pd.Series(design.parent)).max() + 1
