"""Tables hold the numbers they were given, whatever stands in the labels."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reports.tables.grid import regression_grid
from reports.tables.html import html_page
from reports.tables.latex import escaped, latex_table
from reports.tables.text import text_table
from reports.tables.tidy import coefficients_csv, curve_csv, figures_csv
from tests import report_case

HOSTILE = (
    '<script>alert(1)</script> & "x" \\input{/etc/passwd} $x^2$ #panic("no") *b* _i_ `c` --> 100% '
    "~ ^ {a} [b] \\\\ @"
)
PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("models", [1, 3, 5, 9, 20])
def test_the_terminal_table_fits_a_hundred_columns(models: int) -> None:
    case = report_case.results()
    table = text_table(report_case.with_models(case, [case.models[n % 3] for n in range(models)]))
    assert max(map(len, table.splitlines())) <= 100
    for number in ("-0.831", "(0.313)" if models <= 3 else "0.313", "[-1.482, -0.181]"):
        assert number in table


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
    curve = report_case.curve()
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
