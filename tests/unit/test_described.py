"""Words for derived variables, in tables and pictures in place of a study's own names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports.figures.curve import choice_rows, sorted_specs
from reports.tables.grid import regression_grid
from reports.tables.latex import latex_table
from reports.tables.text import text_table
from reports.variables import Variables
from tests import report_case, report_curve

EXPRESSIONS = {
    "years": ("year - 2007", "Years since 2007"),
    "size": ("mean_by(gdp_pc, geo)", "GDP per head, mean of the region"),
    "common": ("mean_by(gdp_pc, year)", "GDP per head, mean of the year"),
    "spread": (
        "(gdp_pc - mean_by(gdp_pc, year)) ** 2",
        "Squared distance from the year's mean of: GDP per head",
    ),
    "three": (
        "log1p((lag(esf_pc, 1) + lag(esf_pc, 2) + lag(esf_pc, 3)) / 3)",
        "ESF payments per head (log of 1 + x, mean of 1 to 3 years earlier)",
    ),
    "logs": (
        "lag(log(esf_pc) + lag(log(esf_pc), 1), 1) / 2",
        "ESF payments per head (log, mean of 1 to 2 years earlier)",
    ),
    "plain": ("(gdp_pc + lag(gdp_pc, 1)) / 2", "GDP per head (mean of 0 to 1 years earlier)"),
    # beyond these words: the study's own names stay
    "gap": ("(gdp_pc + lag(gdp_pc, 2)) / 2", "gap"),
    "led": ("(gdp_pc + lead(gdp_pc, 1)) / 2", "led"),
    "other": ("(gdp_pc + lag(esf_pc, 1)) / 2", "other"),
    "third": ("(gdp_pc + lag(gdp_pc, 1)) / 3", "third"),
    "twice": ("log((log(gdp_pc) + lag(log(gdp_pc), 1)) / 2)", "twice"),
    "mixed": ("(gdp_pc - mean_by(esf_pc, year)) ** 2", "mixed"),
    "cubed": ("(gdp_pc - mean_by(gdp_pc, year)) ** 3", "cubed"),
    "by_density": ("mean_by(gdp_pc, density)", "by density"),
    "ratio": ("gdp_pc / esf_pc", "ratio"),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_in_words(name: str) -> None:
    case = report_case.results()
    told = {key: expression for key, (expression, _) in EXPRESSIONS.items()}
    variables = Variables.of(replace(case, study=replace(case.study, variables=told)))
    assert variables.label(name) == EXPRESSIONS[name][1]
    assert variables.measure(name).change == "opaque"  # never read as 10 % more


def test_weights_have_words_in_tables_and_in_the_curve() -> None:
    case = report_case.results()
    variables = {**case.study.variables, "size": "mean_by(gdp_pc, geo)"}
    models = (replace(case.models[0], weights="size"), *case.models[1:])
    told = replace(case, study=replace(case.study, variables=variables), models=models)
    assert "Weights size: GDP per head, mean of the region." in text_table(told)
    stacked = text_table(report_case.with_models(told, told.models * 3))
    assert "weighted by GDP per head, mean of the region" in " ".join(stacked.split())
    curve = report_curve.curve()
    curve = replace(curve, axes={**curve.axes, "weights": ("none", "size")})
    rows = choice_rows(curve, sorted_specs(curve), told)
    named = [level for group, level, _ in rows if group == "weights"]
    assert named == ["none", "GDP per head, mean of the region"]


def test_latex_says_what_the_names_of_outcomes_stand_for() -> None:
    case = report_case.results()
    other = replace(case.models[1], outcome="density")
    told = replace(case, models=(case.models[0], other))
    text = latex_table(regression_grid(told), "r")
    assert r"Outcome & \multicolumn{1}{c}{youth\_unemp\_rate}" in text
    assert r"Outcomes: youth\_unemp\_rate: Youth unemployment rate" in text
    assert "density: Population density." in text
    assert "Outcomes:" not in latex_table(regression_grid(case), "r")
