"""Each published form against a copy that was read by a person and committed.

A wanted change is taken over by running this file with REGSI_TAKE_GOLDEN=1 in the environment, and
then read in the diff.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from models.study.results import StudyResults
from reports.briefs.content import brief_of
from reports.briefs.text import Block, Brief, plain
from reports.tables.grid import regression_grid
from reports.tables.html import html_page
from reports.tables.latex import latex_table
from reports.tables.text import curve_summary, text_table
from reports.tables.tidy import coefficients_csv, figures_csv
from tests import report_case, report_curve

GOLDEN = Path(__file__).parent / "golden"
RUN = "eu-youth-esf-0123456789ab"


def written(brief: Brief) -> str:
    """A brief as plain text: every word of it, and the place of every figure."""
    lines = [brief.title, brief.question, "", *(f"! {plain(alert)}" for alert in brief.alerts)]
    lines += [f"> {plain(brief.answer)}", f"> {plain(brief.standing)}"]
    for section in brief.sections:
        lines += ["", f"## {section.heading}"]
        for block in section.blocks:
            lines += _block(block)
    return "\n".join(lines) + "\n"


def _block(block: Block) -> list[str]:
    mark = "- " if block.kind == "bullets" else ""
    lines = [mark + plain(text) for text in block.texts]
    lines += [" | ".join(row) for row in block.rows]
    return lines + ([f"[{block.kind} {block.name}]"] if not lines else [])


def stacked() -> StudyResults:
    """Eight models: too many for side by side."""
    case = report_case.results()
    return report_case.with_models(case, [case.models[n % 3] for n in range(8)])


FORMS: dict[str, Callable[[], str]] = {
    "table.txt": lambda: text_table(report_case.results()),
    "table_stacked.txt": lambda: text_table(stacked()),
    "table_overridden.txt": lambda: text_table(report_case.overridden()),
    "table.tex": lambda: latex_table(regression_grid(report_case.results()), RUN),
    "table_simulated.tex": lambda: latex_table(regression_grid(report_case.simulated()), RUN),
    "table.html": lambda: html_page(report_case.results(), RUN),
    "coefficients.csv": lambda: coefficients_csv(report_case.results(), RUN),
    "figures.csv": lambda: figures_csv(report_case.simulated(), RUN),
    "brief.txt": lambda: written(brief_of(report_case.results(), RUN)),
    "brief_undecided.txt": lambda: written(brief_of(report_case.undecided(), RUN)),
    "brief_simulated.txt": lambda: written(brief_of(report_case.simulated(), RUN)),
    "brief_overridden.txt": lambda: written(brief_of(report_case.overridden(), RUN)),
    "brief_curve.txt": lambda: written(
        brief_of(report_case.results(), RUN, report_curve.curve())
    ),
    "curve.txt": lambda: curve_summary(report_curve.curve()),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_published_form_reads_as_it_was_read(name: str) -> None:
    found = FORMS[name]()
    path = GOLDEN / name
    if os.environ.get("REGSI_TAKE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")
