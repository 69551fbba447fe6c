"""Event studies beside published and other programs' numbers.

mpdta (500 US counties, 2003-2007; R package `did`): published.toml, mpdta-group-time, to its
printed digits; the same cells and errors to full length from two programs by others, diff-diff
3.13.0 and csdid 0.4.3 (both without covariates, universal base), which agree with each other to
1e-14. Least squares and two-stage estimates are compared live with pyfixest: estimates 1e-8,
because it absorbs effects by iteration; errors 1e-6. Its did2s iterates to 1e-6 without a way to
ask for more, so it is held to 1e-5, and the estimates once more to a dense solve.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyfixest
import pytest
import statsmodels.api as sm

from models.results import ModelResult
from tests.reference_record import Reference
from tests.study_case import estimates, fit_one, panel_of, std_errors

# pyfixest calls pandas in a way that pandas is about to change
pytestmark = [
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),
    pytest.mark.filterwarnings("ignore:The SaturatedEventStudyClass is currently in beta"),
    pytest.mark.filterwarnings("ignore:(?s).*dropped due to multicollinearity"),
]
PRINTED = Reference("in print: did (R)")
PROGRAMS = Reference("diff-diff 3.13.0, csdid 0.4.3")
PYFIXEST = Reference("pyfixest, run beside")
NONNESTED = pyfixest.ssc(k_adj=True, k_fixef="nonnested", G_adj=True)
EVENTS = [-4, -3, -2, 0, 1, 2, 3]
NEVER = {
    "overall": (-0.03995127515517701, 0.012034012770185419),
    "event average": (-0.07723982145731612, 0.019964989061849233),
    "event -4": (0.0033063566925119886, 0.02445187294393174),
    "event -3": (0.025021829597554203, 0.018118920697401297),
    "event -2": (0.024458744971168976, 0.014236402210519288),
    "event 0": (-0.019931816789259777, 0.011826364058058189),
    "event 1": (-0.05095736706519498, 0.01689347626867807),
    "event 2": (-0.13725873888940443, 0.03643566428768614),
    "event 3": (-0.10081136308540525, 0.03435922583467304),
    "cohort 2004, 2004": (-0.010503246220963533, 0.023251036368166188),
    "cohort 2006, 2003": (-0.00376929367371423, 0.03134202760181595),
    "cohort 2006, 2006": (-0.004594606952862727, 0.017755196659276398),
    "cohort 2007, 2007": (-0.026054410719197237, 0.016655435349252175),
}
NOT_YET = {
    "overall": (-0.03976362562304439, 0.012052424787341885),
    "event -3": (0.026956587658867374, 0.017579668260160334),
    "event -2": (0.024268903414506993, 0.014463681675801898),
    "event 0": (-0.01892219908342539, 0.01204456868926907),
    "event 1": (-0.053589347384832925, 0.016946385539125107),
    "cohort 2004, 2004": (-0.019372363675923078, 0.022310112883680424),
    "cohort 2006, 2003": (0.004501797038399584, 0.030857847575078617),
    "cohort 2006, 2006": (0.004660876319976248, 0.016335584246823708),
}


@pytest.fixture(scope="module")
def mpdta(realdata: Path) -> pd.DataFrame:
    frame = pd.read_csv(realdata / "canonical_panels" / "did_mpdta.csv")
    frame = frame.rename(columns={"first.treat": "first", "countyreal": "county"})
    return frame[["county", "year", "first", "lemp"]].astype({"county": int, "year": int})


def simulated(seed: int = 3) -> pd.DataFrame:
    """90 units in 18 regions, 9 years, cohorts 2005 to 2007 and never, an eighth of rows lost."""
    rng = np.random.default_rng(seed)
    units, years = np.arange(90), np.arange(2001, 2010)
    first = rng.permutation(np.repeat([0, 2005, 2006, 2007], [36, 18, 18, 18]))
    frame = pd.DataFrame(
        {
            "county": np.repeat(units, len(years)),
            "year": np.tile(years, len(units)),
            "first": np.repeat(first, len(years)),
            "region": np.repeat(units // 5, len(years)),
        }
    )
    since = np.where(frame["first"] > 0, frame["year"] - frame["first"], -1)
    frame["z"] = rng.normal(size=len(frame))
    frame["lemp"] = (
        np.repeat(rng.normal(size=len(units)), len(years))
        + rng.normal(size=18)[frame["region"]]
        + 0.3 * frame["z"]
        + 0.2 * np.maximum(since + 1, 0) * (frame["first"] - 2004).clip(lower=0)
        + rng.normal(size=len(frame))
    )
    return frame[(rng.uniform(size=len(frame)) > 0.125) | (since == -1)].reset_index(drop=True)


def fitted(
    folder: Path,
    frame: pd.DataFrame,
    estimator: str,
    more: str = "",
    inference: str = '{ kind = "cluster", by = ["unit"] }',
) -> ModelResult:
    parent = "region" if "region" in frame else None
    body = (
        f'[[model]]\nid = "main"\nestimator = "{estimator}"\noutcome = "lemp"\ncohort = "first"\n'
        f"inference = {inference}\n{more}\n"
    )
    return fit_one(folder, panel_of(frame, "county", "year", parent), body)


def with_dummies(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """pyfixest's view: a dummy per event time, and who is treated."""
    out, names = frame.copy(), []
    since = np.where(frame["first"] > 0, frame["year"] - frame["first"], -99)
    out["treated"] = since >= 0
    for e in sorted(set(since) - {-99, -1}):
        names.append(f"e{e}".replace("-", "m"))
        out[names[-1]] = (since == e).astype(float)
    return out, names


def term_of(name: str) -> str:
    return f"event {name[1:].replace('m', '-')}"


def same(result: ModelResult, theirs: pd.DataFrame, names: list[str]) -> None:
    """Estimates and errors of event times as pyfixest's tidy table has them."""
    ours, errors = estimates(result), std_errors(result)
    assert len(names) >= 5
    for name in names:
        row, term = theirs.loc[name], term_of(name)
        PYFIXEST.agrees(term, ours[term], row["Estimate"], rel=1e-8)
        PYFIXEST.agrees(f"error of {term}", errors[term], row["Std. Error"], rel=1e-6)


@pytest.mark.realdata
@pytest.mark.case("mpdta-group-time")
def test_group_time_as_published(tmp_path: Path, mpdta: pd.DataFrame) -> None:
    found = estimates(fitted(tmp_path, mpdta, "group-time"))
    by_year = {2004: -0.0105, 2005: -0.0704, 2006: -0.1373, 2007: -0.1008}
    for year, value in by_year.items():
        PRINTED.agrees(f"cohort 2004, {year}", found[f"cohort 2004, {year}"], value, abs=5e-4)
    for event, value in enumerate((-0.0199, -0.0510, -0.1373, -0.1008)):
        PRINTED.agrees(f"event {event}", found[f"event {event}"], value, abs=5e-4)


@pytest.mark.realdata
@pytest.mark.parametrize(("comparison", "known"), [("never", NEVER), ("not-yet", NOT_YET)])
def test_group_time_as_two_programs(
    tmp_path: Path, mpdta: pd.DataFrame, comparison: str, known: dict[str, tuple[float, float]]
) -> None:
    result = fitted(tmp_path, mpdta, "group-time", f'comparison = "{comparison}"')
    for name, (estimate, error) in known.items():
        PROGRAMS.agrees(name, result.term(name).estimate, estimate, abs=1e-12)
        PROGRAMS.agrees(f"error of {name}", result.term(name).std_error, error, rel=1e-10)


@pytest.mark.realdata
def test_sun_abraham_as_pyfixest_on_mpdta(tmp_path: Path, mpdta: pd.DataFrame) -> None:
    how = '{ kind = "cluster", by = ["unit"], correction = "CR1" }'
    result = fitted(tmp_path, mpdta, "event-study", inference=how)
    theirs = pyfixest.event_study(
        mpdta, yname="lemp", idname="county", tname="year", gname="first", estimator="saturated"
    ).aggregate()
    for event in EVENTS:
        row = theirs.loc[float(event)]
        term = result.term(f"event {event}")
        PYFIXEST.agrees(f"event {event}", term.estimate, row["Estimate"], rel=1e-8)
        PYFIXEST.agrees(f"error of event {event}", term.std_error, row["Std. Error"], rel=1e-6)


def test_two_way_as_pyfixest(tmp_path: Path) -> None:
    frame, names = with_dummies(simulated())
    how = '{ kind = "cluster", by = ["parent"], correction = "CR1" }'
    more = 'method = "two-way"\ncontrols = ["z"]'
    result = fitted(tmp_path, frame, "event-study", more, how)
    formula = f"lemp ~ {'+'.join(names)} + z | county + year"
    theirs = pyfixest.feols(
        formula,
        frame,
        vcov={"CRV1": "region"},
        fixef_rm="none",
        demeaner=pyfixest.MapDemeaner(fixef_tol=1e-14),
        ssc=NONNESTED,
    )
    same(result, theirs.tidy(), names)
    leads = [name for name in names if "m" in name]
    places = [theirs._coefnames.index(name) for name in leads]
    beta = theirs.coef().to_numpy()[places]
    wald = beta @ np.linalg.solve(theirs._vcov[np.ix_(places, places)], beta)
    test = next(test for test in result.tests if test.test == "pre_trend")
    left = 17 - len(leads) + 1
    assert test.df == (len(leads), left)
    assert test.statistic == pytest.approx(wald * left / (17 * len(leads)), rel=1e-5)


def test_sun_abraham_is_the_saturated_regression(tmp_path: Path) -> None:
    """Each event time is the row-weighted mean of pyfixest's cohort coefficients."""
    frame = simulated()
    cells = []
    for first in (2005, 2006, 2007):
        for event in sorted(set(frame["year"][frame["first"] == first] - first) - {-1}):
            here = (frame["first"] == first) & (frame["year"] - first == event)
            cells.append((f"c{first}_{event}".replace("-", "m"), event, int(here.sum())))
            frame[cells[-1][0]] = here.astype(float)
    how = '{ kind = "cluster", by = ["parent"], correction = "CR1" }'
    result = fitted(tmp_path, frame, "event-study", inference=how)
    theirs = pyfixest.feols(
        f"lemp ~ {'+'.join(name for name, _, _ in cells)} | county + year",
        frame, vcov={"CRV1": "region"}, fixef_rm="none",
        demeaner=pyfixest.MapDemeaner(fixef_tol=1e-14), ssc=NONNESTED,
    )  # fmt: skip
    size = np.array([size for _, _, size in cells], dtype=float)
    when = np.array([event for _, event, _ in cells])
    for event in np.unique(when):
        weights = np.where(when == event, size, 0.0) / size[when == event].sum()
        term = result.term(f"event {event}")
        assert term.estimate == pytest.approx(weights @ theirs.coef().to_numpy(), rel=1e-7)
        error = np.sqrt(weights @ theirs._vcov @ weights)
        assert term.std_error == pytest.approx(error, rel=1e-6)


@pytest.mark.parametrize("cluster", ["unit", "parent"])
def test_two_stages_as_pyfixest(tmp_path: Path, cluster: str) -> None:
    frame, names = with_dummies(simulated())
    how = f'{{ kind = "cluster", by = ["{cluster}"] }}'
    result = fitted(tmp_path, frame, "did2s", 'controls = ["z"]', how)
    column = {"unit": "county", "parent": "region"}[cluster]
    common = {"yname": "lemp", "first_stage": "~ z | county + year", "treatment": "treated"}
    frame["on"] = frame["treated"].astype(float)
    for chosen in (names, ["on"]):
        second = f"~ 0 + {'+'.join(chosen)}"
        theirs = pyfixest.did2s(frame, **common, second_stage=second, cluster=column).tidy()
        for name in chosen:
            term = result.term("overall" if name == "on" else term_of(name))
            assert term.estimate == pytest.approx(theirs.loc[name, "Estimate"], abs=1e-5)
            assert term.std_error == pytest.approx(theirs.loc[name, "Std. Error"], rel=1e-5)


def test_two_stages_by_dense_least_squares(tmp_path: Path) -> None:
    frame, names = with_dummies(simulated())
    result = fitted(tmp_path, frame, "did2s", 'controls = ["z"]')
    dummies = pd.get_dummies(frame[["county", "year"]].astype(str), dtype=float)
    X = np.column_stack([frame["z"], dummies])
    untreated = ~frame["treated"].to_numpy()
    y = frame["lemp"].to_numpy()
    gap = y - X @ np.linalg.lstsq(X[untreated], y[untreated], rcond=None)[0]
    assert result.term("overall").estimate == pytest.approx(gap[~untreated].mean(), rel=1e-10)
    for name in names:
        mean = gap[frame[name] == 1.0].mean()
        assert result.term(term_of(name)).estimate == pytest.approx(mean, abs=1e-10)


def test_a_cell_is_the_regression_of_changes(tmp_path: Path) -> None:
    """In an unbalanced panel: change on cohort by least squares, errors HC0 (statsmodels)."""
    frame = simulated()
    result = fitted(tmp_path, frame, "group-time")
    wide = frame.pivot(index="county", columns="year", values="lemp")
    first = frame.groupby("county")["first"].first()
    pair = (wide[2008] - wide[2005])[first.isin([0, 2006])].dropna()
    ours = sm.OLS(pair, sm.add_constant((first[pair.index] == 2006).astype(float)))
    theirs = ours.fit(cov_type="HC0")
    term = result.term("cohort 2006, 2008")
    assert term.estimate == pytest.approx(theirs.params.iloc[1], rel=1e-10)
    assert term.std_error == pytest.approx(theirs.bse.iloc[1], rel=1e-10)
