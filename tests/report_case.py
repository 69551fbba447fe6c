"""A small study made by hand, on which every report is checked: the numbers are invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data.panel import Column, VintageUsed
from models.results import InferenceUsed, ModelResult, Term, Test
from models.study import Inference, ModelSpec, PanelReference, Study
from models.study.results import Missingness, MissingShare, PanelSummary, StudyResults

COLUMNS = (
    Column("youth_unemp_rate", "Youth unemployment rate, age 15–24", "%", "regional", ("lfs",)),
    Column("esf_pc", "ESF payments per head", "euro, constant 2015 prices", "regional", ("esf",)),
    Column("gdp_pc", "GDP per head", "euro", "regional", ("gdp",)),
    Column("density", "Population density", "persons per km²", "regional", ("pop",)),
)
VINTAGES = (
    VintageUsed(
        "lfst_r_lfu3pers",
        "2017-03-01",
        "a" * 64,
        "Unemployed persons by age",
        "Eurostat",
        "CC BY 4.0",
    ),
    VintageUsed(
        "historic-eu-payments",
        "2018-11-02",
        "b" * 64,
        "Historic EU payments",
        "DG REGIO",
        "CC BY 4.0",
    ),
)
CONVENTION = (
    "Bias-reduced (CR2) errors clustered by country, t distribution with Satterthwaite degrees of "
    "freedom; fixed effects nested in the clusters are not counted"
)


def term(name: str, estimate: float, error: float, df: float = 21.4, p: float = 0.03) -> Term:
    """A coefficient whose interval is 2.08 errors wide on either side."""
    low, high = estimate - 2.08 * error, estimate + 2.08 * error
    return Term(name, estimate, error, estimate / error, df, p, low, high)


def model(identifier: str, terms: tuple[Term, ...], effects: tuple[str, ...]) -> ModelResult:
    """A within model of youth unemployment, clustered by country."""
    return ModelResult(
        id=identifier,
        estimator="within",
        outcome="youth_unemp_rate",
        treatment=("esf",),
        n_obs=2_846,
        n_units=252,
        n_periods=12,
        n_clusters={"country": 25},
        n_instruments=None,
        inference=InferenceUsed("cluster", ("country",), "CR2", None, CONVENTION),
        terms=terms,
        fit={"r2_within": 0.2174, "rss": 61234.5},
        effects=effects,
        level={"esf": "regional"},
    )


def study(claims: tuple[str, ...] = ("Y1",)) -> Study:
    """The study file that goes with it."""
    inference = Inference("cluster", ("parent",), "CR2")
    spec = ModelSpec(
        "two-way", "within", "youth_unemp_rate", ("esf",), ("gdp",), inference=inference
    )
    return Study(
        id="eu-youth-esf",
        title="European Social Fund payments and youth unemployment",
        question="Do regions that receive more ESF money per head see lower youth unemployment?",
        claims=claims,
        panel=PanelReference(name="eu-nuts2"),
        variables={"esf": "lag(log1p(esf_pc), 1)", "gdp": "lag(log(gdp_pc), 1)"},
        where="year >= 2002 and year <= 2013",
        models=(spec,),
        multiverse=None,
        sha256="c" * 64,
        path=Path("models/studies/eu-youth-esf.toml"),
    )


def panel() -> PanelSummary:
    """The panel beneath."""
    return PanelSummary(
        name="eu-nuts2",
        title="European regions (NUTS 2)",
        sha256="d" * 64,
        rows=4_320,
        units=270,
        periods=16,
        first=2000,
        last=2015,
        unit="geo",
        time="year",
        parent="country",
        vintages=VINTAGES,
        simulated=False,
        notes=(),
        columns=COLUMNS,
    )


def missing(column: str, shares: tuple[float, ...], quintiles: tuple[float, ...]) -> Missingness:
    """A column missing by year as `shares` say, from 2000 on, with a few unreliable cells."""
    periods = tuple(MissingShare(2000 + i, 270, share) for i, share in enumerate(shares))
    groups = tuple(MissingShare(1 + i, 864, share) for i, share in enumerate(quintiles))
    total = round(sum(share * 270 for share in shares))
    flags = (("b", 12), ("u", 431)) if column == "youth_unemp_rate" else ()
    return Missingness(column, 4_320, total, periods, groups, "youth_unemp_rate_mean", flags)


def results() -> StudyResults:
    """Three models: two-way, with country-by-year effects, and one with more controls."""
    main = model(
        "two-way", (term("esf", -0.8312, 0.3127), term("gdp", -9.42, 3.318)), ("unit", "time")
    )
    strict = model(
        "country-year",
        (term("esf", -0.2145, 0.2894, p=0.47), term("gdp", -6.101, 2.75)),
        ("unit", "parent*time"),
    )
    controls = model(
        "controls",
        (
            term("esf", -0.7027, 0.3391),
            term("gdp", -8.874, 3.402),
            term("density", 0.00412, 0.00519, p=0.4),
        ),
        ("unit", "time"),
    )
    controls = replace(
        controls,
        weights="pop_15_24",
        n_obs=2_790,
        warnings=("1 singleton region was dropped",),
        tests=(Test("pesaran_cd", 1.32, None, 0.187),),
    )
    return StudyResults(study(), panel(), (main, strict, controls), _missingness())


def _missingness() -> tuple[Missingness, ...]:
    rate = (
        0.18,
        0.16,
        0.1,
        0.1,
        0.09,
        0.09,
        0.08,
        0.07,
        0.06,
        0.06,
        0.05,
        0.05,
        0.04,
        0.04,
        0.04,
        0.04,
    )
    paid = (1.0,) + (0.0,) * 13 + (1.0, 1.0)
    return (
        missing("youth_unemp_rate", rate, (0.21, 0.09, 0.04, 0.01, 0.002)),
        missing("esf_pc", paid, (0.19, 0.19, 0.19, 0.19, 0.19)),
        missing("gdp_pc", (0.0,) * 15 + (1.0,), (0.06, 0.06, 0.06, 0.06, 0.06)),
        missing("density", (0.03,) * 16, (0.05, 0.04, 0.02, 0.02, 0.02)),
    )


def with_models(case: StudyResults, models: Sequence[ModelResult]) -> StudyResults:
    """The same study with these models, numbered so that no two share an id."""
    numbered = tuple(replace(m, id=f"{m.id}-{n}") for n, m in enumerate(models, start=1))
    return replace(case, models=numbered)


def undecided() -> StudyResults:
    """A single model whose interval holds zero, of a study without claims."""
    case = results()
    return replace(case, study=study(claims=()), models=(case.models[1],))


def relabelled(case: StudyResults, text: str) -> StudyResults:
    """The same study with `text` wherever a user's file may put words of its own."""
    columns = tuple(replace(c, label=f"{text} {c.name}", unit=text) for c in case.panel.columns)
    vintages = tuple(replace(v, title=text, publisher=text) for v in case.panel.vintages)
    named = replace(case.study, title=text, question=text, where=text)
    first = replace(case.models[0], warnings=(text,))
    told = replace(case.panel, title=text, columns=columns, vintages=vintages, notes=(text,))
    return replace(case, study=named, panel=told, models=(first, *case.models[1:]))


def simulated() -> StudyResults:
    """The same study on simulated data."""
    return replace(results(), panel=replace(panel(), simulated=True))


def overridden() -> StudyResults:
    """The same study with a national treatment and its level rule set aside."""
    case = results()
    used = replace(case.models[0].inference, by=("geo",), override="comparison with an older paper")
    first = replace(
        case.models[0], inference=used, level={"esf": "national"}, n_clusters={"geo": 252}
    )
    return replace(case, models=(first, *case.models[1:]))
