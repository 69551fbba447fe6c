"""Pages as a reader meets them: a moment in plain words, dates unbroken, real apostrophes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.study.results import StudyResults
from reports.briefs.content import brief_of
from reports.briefs.html import html_brief
from reports.publish import draw, publish
from reports.site import write_index
from tests import report_case


def case() -> StudyResults:
    """The example with an apostrophe in its title."""
    found = report_case.results()
    return replace(found, study=replace(found.study, title="The Fund's payments"))


@pytest.mark.parametrize(
    ("created", "said"),
    [
        ("2026-11-23T14:26:53+01:00", "published 2026-11-23, 13:26 UTC."),
        ("2024-01-01", "published 2024-01-01."),
        ("yesterday", "published yesterday."),
    ],
)
def test_the_index_says_when_a_run_was_published(tmp_path: Path, created: str, said: str) -> None:
    publish(case(), tmp_path / "runs" / "r", "r")
    (tmp_path / "runs" / "r" / "run.json").write_text(json.dumps({"created": created}), "utf-8")
    page = write_index(tmp_path).read_text("utf-8")
    assert said in page
    assert "The Fund’s payments" in page


def test_dates_are_not_broken_and_pictures_not_shrunk_on_a_phone() -> None:
    results = case()
    brief = brief_of(results, "r")
    assert brief.title == "The Fund’s payments"
    page = html_brief(brief, results, draw(results, None))
    assert '<td class="short">2017-03-01</td>' in page
    assert ".plain td.short { white-space: nowrap; }" in page
    assert "figure { overflow-x: auto; }" in page[page.index("@media screen and (max-width") :]
