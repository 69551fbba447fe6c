"""Tables hold the numbers they were given, whatever stands in the labels."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from models.study.results import StudyResults
from reports.tables.curve_text import curve_summary
from reports.tables.grid import regression_grid
from reports.tables.html import html_page
from reports.tables.latex import escaped, latex_table
from reports.tables.stacked import settings, spans, stacks
from reports.tables.text import text_table
from reports.tables.tidy import coefficients_csv, curve_csv, figures_csv
from reports.variables import Variables
from tests import report_case, report_curve

HOSTILE = (
    '<script>alert(1)</script> & "x" \\input{/etc/passwd} $x^2$ #panic("no") *b* _i_ `c` --> 100% '
    "~ ^ {a} [b] \\\\ @"
)
PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("models", "width", "numbers"),
    [
        (1, 100, ("-0.831", "(0.313)", "[-1.482, -0.181]")),
        (3, 100, ("-0.831", "(0.313)", "[-1.482, -0.181]")),
        (5, 100, ("-0.831", "0.313", "[-1.482, -0.181]")),
        (9, 100, ("-0.831", "0.313", "[-1.482, -0.181]")),
        (20, 120, ("-0.83 (0.31) [-1.48, -0.18]",)),
    ],
)
def test_the_terminal_table_fits_the_screen(
    models: int, width: int, numbers: tuple[str, ...]
) -> None:
    case = report_case.results()
    table = text_table(report_case.with_models(case, [case.models[n % 3] for n in range(models)]))
    assert max(map(len, table.splitlines())) <= width
    assert [number for number in numbers if number not in table] == []


def test_a_battery_longer_than_a_page_leaves_controls_to_the_files() -> None:
    case = report_case.results()
    few, many = (
        text_table(report_case.with_models(case, [case.models[n % 3] for n in range(models)]))
        for models in (8, 24)
    )
    assert "GDP per head" in few
    assert "GDP per head" not in many
    assert "Controls and constants are in the files" in many
    rows = many[: many.index("within;")].splitlines()
    for number in range(1, 25):
        assert sum(row.startswith(f"({number}) ") and "[" in row for row in rows) == 1


def battery_case() -> StudyResults:
    """Twenty models: two treatments and their difference, one of another, one over horizons."""
    case = report_case.results()
    first = case.models[0]
    gap = report_case.term("esf - gdp", 8.59, 3.3)
    both = replace(first, treatment=("esf", "gdp"), terms=(*first.terms, gap))
    other = replace(first, id="other", treatment=("density", "gdp"), terms=case.models[2].terms)
    path = tuple(report_case.term(f"esf h={h}", -0.1 * h, 0.3) for h in range(3))
    response = replace(first, id="response", terms=(*path, *first.terms[1:]))
    models = [both, *[case.models[0]] * 17, other, response]
    return report_case.with_models(case, models)


def test_a_battery_has_its_treatments_side_by_side() -> None:
    lines = [" ".join(line.split()) for line in text_table(battery_case()).splitlines()]
    both = next(line for line in lines if line.startswith("(1) "))
    assert "-0.83 (0.31) [-1.48, -0.18]" in both
    assert "-9.4 (3.3) [-16.3, -2.5]" in both
    assert "8.6" in both  # the difference
    assert max(map(len, lines)) <= 120
    assert sum(line.startswith("(20) response-20 h = ") for line in lines) == 3
    heading = next(n for n, line in enumerate(lines) if line == "Population density")
    assert lines[heading + 1].startswith("(19) other-19")
    assert "0.0041" in lines[heading + 1]


def test_models_without_treatment_stay_stacked() -> None:
    case = report_case.results()
    events = [replace(case.models[n % 3], treatment=()) for n in range(24)]
    text = text_table(report_case.with_models(case, events))
    assert "95 % interval" in text.splitlines()[3]
    assert "as named above the rows" not in text


def test_a_shared_convention_is_said_once_and_counts_with_each_model() -> None:
    case = report_case.results()
    inference = case.models[0].inference
    words = (
        "clustered by country (28 clusters, 9.5 effective), CR2.",
        "clustered by country (27 clusters, 4.2 effective), CR2.",
        "robust.",
    )
    models = [
        replace(model, inference=replace(inference, convention=text))
        for model, text in zip(case.models, words, strict=True)
    ]
    said = dict(settings(case, tuple(models)))
    assert said["(1, 2)"] == "clustered by country, CR2"
    texts = [text for name, text in said.items() if name != "(1, 2)"]
    assert "28 clusters, 9.5 effective" in texts[0]
    assert "27 clusters, 4.2 effective" in texts[1]
    assert "; robust" in texts[2]


def test_responses_stand_with_what_they_respond_to() -> None:
    case = report_case.results()
    usual = case.models[0]
    name = usual.treatment[0]
    terms = tuple(replace(usual.terms[0], term=f"{name} h={h}") for h in range(2))
    projection = replace(usual, id="projection", terms=terms)
    (stack, *_) = stacks(case, (usual, projection), only_treatments=True)
    named = [line.model for line in stack.lines]
    assert named == [
        f"(1) {usual.id}", "(2) projection h = 0", "(2) projection h = 1",
    ]  # fmt: skip


def test_a_response_rests_on_the_rows_of_its_own_horizon() -> None:
    case = report_case.results()
    terms = tuple(report_case.term(f"esf h={h}", -0.5, 0.2) for h in range(3))
    path = report_case.model("path", terms, ("unit",))
    path = replace(path, fit={f"n_obs h={h}": float(2_780 - 278 * h) for h in range(3)})
    long = report_case.with_models(case, [path, *(case.models[n % 3] for n in range(20))])
    for results in (replace(case, models=(path,)), long):
        found = stacks(results, results.models)
        counts = {line.cells[-1].text: line.cells[-1].result for one in found for line in one.lines}
        assert counts["2,502"].endswith("/fit/n_obs h=1")
        assert {"2,780", "2,224"} <= counts.keys()
    printed = [line for line in text_table(long).splitlines() if "path-1 h = " in line]
    assert [line.split()[-1] for line in printed] == ["2,780", "2,502", "2,224"]


def test_the_period_of_an_event_is_neither_before_nor_after_it() -> None:
    variables = Variables.of(report_case.results())
    assert variables.label("event -2") == "2 years before adoption"
    assert variables.label("event 0") == "Year of adoption"
    assert variables.label("event 1") == "1 year after adoption"


def test_clusters_of_two_kinds_are_counted_in_words() -> None:
    case = report_case.results()
    said = "clustered by country (21) and year (24), V1 + V2 - V12, CR1, t with 20 df"
    both = replace(
        case.models[0],
        n_clusters={"country": 21, "year": 24},
        inference=replace(case.models[0].inference, convention=said),
    )
    results = report_case.with_models(case, [both, both])
    words = dict(settings(results, results.models))
    assert any("; 21 countries and 24 years;" in text for text in words.values())
    assert "clustered by country and year, V1 + V2 - V12, CR1, t with 20 df" in words.values()


def test_long_names_in_a_curve_stay_apart_from_each_other_and_from_their_numbers() -> None:
    curve = report_curve.curve()
    names = [f"spending_on_training_per_head_of_the_young_{letter}" for letter in "ab"]
    pairs = tuple(
        replace(curve.by_pair[0], treatment=name, low=-0.0717, high=-0.0716) for name in names
    )
    lines = curve_summary(replace(curve, by_pair=pairs)).splitlines()
    assert max(map(len, lines)) == 100
    for name in names:
        assert any(line.strip().startswith(name[:20]) for line in lines)
        assert name in "".join(line[:30].strip() for line in lines)


def test_runs_of_models_are_closed_up() -> None:
    assert spans([1, 2, 3, 5, 7, 8]) == "1–3, 5, 7, 8"


def test_numbers_of_a_column_meet_at_the_decimal_point() -> None:
    lines = text_table(report_case.results()).splitlines()
    places = {line.index(number) + number.index(".") for line in lines
              for number in ("-0.831", "(0.313)", "-9.42", "(3.32)") if number in line}  # fmt: skip
    assert len(places) == 1


def test_the_terminal_table_starts_without_heavy_libraries() -> None:
    code = (
        "import sys; import reports.tables.text; "
        "print([m for m in ('matplotlib', 'jinja2', 'typst', 'prefect') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


class Ids(HTMLParser):
    """Collects data-result ids, and every tag there is."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "data-result" and value]


def test_every_number_of_the_html_table_has_an_id_that_the_files_hold() -> None:
    case = report_case.results()
    parser = Ids()
    parser.feed(html_page(case, "run"))
    files = coefficients_csv(case, "run") + figures_csv(case, "run")
    known = {row[0] for row in csv.reader(io.StringIO(files))}
    assert len(parser.ids) > 30
    assert set(parser.ids) <= known


def test_labels_cannot_act_as_html() -> None:
    parser = Ids()
    parser.feed(html_page(report_case.relabelled(report_case.results(), HOSTILE), "run"))
    assert "script" not in parser.tags


def test_csv_returns_every_number_in_full_and_ids_once() -> None:
    case = report_case.results()
    rows = list(csv.DictReader(io.StringIO(coefficients_csv(case, "run"))))
    assert len({row["result"] for row in rows}) == len(rows)
    for row in rows:
        term = case.model(row["model"]).term(row["term"])
        for name in ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"):
            assert float(row[name]) == getattr(term, name)


def test_csv_text_cannot_act_as_a_formula_and_numbers_stay_numbers() -> None:
    case = report_case.relabelled(report_case.results(), "=HYPERLINK(1)")
    row = next(csv.DictReader(io.StringIO(coefficients_csv(case, "run"))))
    assert row["label"].startswith("'=")
    assert row["estimate"] == "-0.8312"


def test_simulated_data_are_marked_in_every_table() -> None:
    case = report_case.simulated()
    for table in (text_table(case), html_page(case, "r"), latex_table(regression_grid(case), "r")):
        assert "SIMULATED DATA" in table
    tidy = (coefficients_csv(case, "r"), figures_csv(case, "r"))
    for text in tidy:
        assert {row["simulated"] for row in csv.DictReader(io.StringIO(text))} == {"true"}


def test_an_override_is_printed_with_its_reason_in_every_table() -> None:
    case = report_case.overridden()
    for table in (text_table(case), html_page(case, "r"), latex_table(regression_grid(case), "r")):
        words = " ".join(table.split())
        assert "OVERRIDE" in words
        assert "comparison with an older paper" in words


def test_a_curve_as_csv_has_a_row_for_each_specification() -> None:
    curve = report_curve.curve()
    rows = list(csv.DictReader(io.StringIO(curve_csv(curve, "run"))))
    assert len(rows) == len(curve.specs)
    assert [float(row["estimate"]) for row in rows] == list(curve.specs["estimate"])


def test_latex_escapes_all_that_would_act() -> None:
    text = escaped(HOSTILE)
    assert not re.search(r"(?<!\\)[$&#%_]", text.replace(r"\textasciicircum", ""))
    assert r"\input" not in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on this machine")
@pytest.mark.parametrize("label", ["Youth unemployment – age 15 × 24 ≤ 25", HOSTILE])
def test_latex_compiles(tmp_path: Path, label: str) -> None:
    case = report_case.relabelled(report_case.results(), label)
    many = report_case.with_models(case, [case.models[n % 3] for n in range(6)])
    table = latex_table(regression_grid(many), "run\n\\evil")
    head = "\\documentclass{article}\\usepackage{booktabs,dcolumn}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(f"{head}{table}\\end{{document}}\n", encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:].decode(errors="replace")


def test_a_model_that_counts_for_no_claim_is_marked() -> None:
    case = report_case.results()
    spec = replace(case.study.models[0], id="country-year", role="known-bad")
    marked = replace(case, study=replace(case.study, models=(*case.study.models, spec)))
    assert "Counts for claims" not in text_table(case)
    assert "Counts for claims" in text_table(marked)
    assert "known-bad twin" in text_table(marked)
    assert dict(settings(marked, marked.models))["(2) country-year"].startswith("known-bad twin; ")
