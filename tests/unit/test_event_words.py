"""Event studies in tables and pictures: words for their coefficients, one path for each method."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.study.results import StudyResults
from reports.events import event_label, without_repeats
from reports.figures.paths import path_plot, paths
from reports.publish import draw
from reports.tables.text import text_table
from tests import report_case

STEPS = (-3, -2, 0, 1)


def event_study(cohorts: tuple[int, ...]) -> StudyResults:
    """Two methods' paths; the second also by cohort."""
    case = report_case.results()
    average = report_case.term("event average", -1.2, 0.3)
    path = tuple(report_case.term(f"event {step}", 0.1 * step, 0.3) for step in STEPS)
    cells = tuple(report_case.term(f"cohort {c}, {c + 1}", 0.2, 0.3) for c in cohorts)
    told, terms = ("event average",), (average, *path)
    first = replace(case.models[0], estimator="event-study", treatment=told, terms=terms)
    second = replace(first, id="two-stage", estimator="did2s", terms=(average, *path, *cells))
    return replace(case, models=(first, second))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("event average", "Average after adoption"),
        ("event 0", "Year of adoption"),
        ("event -2", "2 years before adoption"),
        ("event 1", "1 year after adoption"),
        ("cohort 2014, 2007", "Adopted in 2014: in 2007"),
        ("cohort 2014, event -3", "Adopted in 2014: 3 years before adoption"),
        ("cohort 2014, event 0", "Adopted in 2014: year of adoption"),
        ("esf", None),
    ],
)
def test_coefficients_have_words(name: str, label: str | None) -> None:
    assert event_label(name, "year") == label


def test_one_cohort_is_not_told_twice_and_several_are() -> None:
    assert "Adopted in" not in text_table(event_study((2009,)))
    several = text_table(event_study((2009, 2010)))
    assert "Adopted in 2009: in 2010" in several
    assert "Adopted in 2010: in 2011" in several
    assert without_repeats(["cohort 2009, 2010"]) == ["cohort 2009, 2010"]  # nothing repeats it


def test_paths_before_and_after_are_drawn_and_say_their_base() -> None:
    case = event_study((2009,))
    assert [path.model.id for path in paths(case)] == [model.id for model in case.models]
    picture = path_plot(case)
    assert "less that of the year before adoption (hollow)" in picture.description
    assert "“two-stage”: less the average of all years before adoption." in picture.description
    assert "-3: " in picture.description
    assert "paths" in draw(case, None)
    assert "paths" not in draw(report_case.results(), None)
    later = tuple(replace(m, terms=m.terms[1:]) for m in case.models)
    overall = tuple(
        replace(m, treatment=("overall",), terms=(report_case.term("overall", -1.0, 0.3), *m.terms))
        for m in later
    )
    assert len(paths(replace(case, models=overall))) == 2
    second = path_plot(replace(case, models=overall[1:])).description
    assert "less the average of all years before adoption, with" in second
    assert "hollow" not in second
    short = replace(case.models[0], terms=case.models[0].terms[:2])
    assert not paths(replace(case, models=(short,)))
