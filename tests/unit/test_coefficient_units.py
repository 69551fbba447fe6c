"""What a coefficient is counted in, on axes and in prose: so much of this for so much of that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.panel import Column
from models.results import GroupEffect
from models.study.results import StudyResults
from reports.briefs.content import brief_of
from reports.figures.coefficients import coefficient_plot, headline_plot
from reports.figures.groups import groups_plot
from reports.figures.leave_out import leave_out_plot
from reports.figures.units import OF_LOGS, coefficient_unit
from reports.variables import Variables
from tests import report_case, report_curve
from tests.unit.test_brief_words import words

COLUMNS = (
    *report_case.COLUMNS,
    Column("total_pct", "Public social expenditure", "percent of GDP", "national", ("s",)),
    Column("old_pct", "Old age", "percent of GDP", "national", ("s",)),
    Column("share", "Investment", "percent of public social expenditure", "national", ("s",)),
    Column("work", "Employment", "share of population aged 16 to 19", "regional", ("s",)),
)
DERIVED = {
    "esf": "lag(log1p(esf_pc), 1)",
    "trend": "year - 2007",
    "d_old": "diff(old_pct)",
    "d_total": "diff(total_pct)",
    "output": "log(gdp_pc)",
    "money": "esf_pc / 1000",
    "work_z": "zscore(work)",
    "work_pct": "work * 100",
    "spread": "(total_pct - mean_by(total_pct, year)) ** 2",
}


def told(case: StudyResults) -> StudyResults:
    """The example with more columns and derived variables."""
    study = replace(case.study, variables=DERIVED, claims=())
    return replace(case, study=study, panel=replace(case.panel, columns=COLUMNS))


@pytest.mark.parametrize(
    ("treatment", "outcome", "unit"),
    [
        ("esf", "youth_unemp_rate", "percentage points per log unit"),
        ("esf", "work", "share of population aged 16 to 19 per log unit"),
        ("esf", "output", "per cent for one per cent more"),
        ("trend", "total_pct", "percentage points of GDP per year"),
        ("trend", "share", "percentage points of public social expenditure per year"),
        ("d_old", "d_total", "percentage points of GDP per percentage point of GDP"),
        ("event average", "youth_unemp_rate", "percentage points"),
        ("event -3", "youth_unemp_rate", "percentage points"),
        ("esf_pc", "youth_unemp_rate", "percentage points per euro"),
        ("money", "youth_unemp_rate", "percentage points"),  # a factor is named in the label
        ("trend", "spread", ""),
        ("work", "youth_unemp_rate", "percentage points per 100 percentage points"),
        ("esf", "work_z", "standard deviations per log unit"),
        ("esf", "work_pct", ""),
        ("esf", "money", ""),
    ],
)
def test_the_unit_of_a_coefficient(treatment: str, outcome: str, unit: str) -> None:
    found = coefficient_unit(Variables.of(told(report_case.results())), treatment, outcome)
    assert found == unit


def test_a_share_of_a_sum_of_money_says_of_what_in_the_answer() -> None:
    case = told(report_case.results())
    trend = (report_case.term("trend", 0.15, 0.03),)
    first = replace(case.models[0], outcome="total_pct", treatment=("trend",), terms=trend)
    said = words(brief_of(replace(case, models=(first,)), "r"))
    assert "moved, on average, 0.150 percentage points of GDP higher" in said


def kept_labels(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What axes are labelled with from here on."""
    labels: list[str] = []
    monkeypatch.setattr("matplotlib.axes.Axes.set_xlabel", lambda *of, **_: labels.append(of[1]))
    return labels


def test_axes_say_what_they_count_and_logs_how_they_read(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = kept_labels(monkeypatch)
    case = report_case.results()
    leave_out_plot(report_curve.curve(), case)
    headline_plot(case)
    coefficient_plot(case)
    assert len(labels) >= 3
    assert set(labels) == {"Coefficient, percentage points per log unit"}


def test_a_picture_of_logs_says_what_goes_with_ten_per_cent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr("matplotlib.figure.Figure.text", lambda *where, **_: said.append(where[3]))
    headline_plot(report_case.results())
    assert OF_LOGS in " ".join(said)


def test_own_levels_and_slopes_count_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A level of 0.05 in a share is not 0.05 percentage points, and no unit is cut."""
    labels = kept_labels(monkeypatch)
    case = told(report_case.results())
    level = GroupEffect("parent", "A", "level", 0.05, 0.01, 0.03, 0.07)
    first = replace(case.models[0], outcome="work", groups=(level,))
    second = replace(first, id="slopes", groups=(replace(level, effect="esf"),))
    third = replace(first, outcome="output")
    groups_plot(replace(case, models=(first, second)))
    groups_plot(replace(case, models=(third,)))
    assert [" ".join(label.split()) for label in labels] == [
        "Deviation, share of population aged 16 to 19",
        "Deviation, share of population aged 16 to 19 per log unit",
        "Deviation, log points",
    ]
