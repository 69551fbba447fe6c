"""What is published: complete, marked, the same bytes every time, and no stronger than it is."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import BadInput
from reports.briefs.content import brief_of
from reports.briefs.text import plain
from reports.figures.coefficients import coefficient_plot
from reports.figures.missingness import missingness_plot
from reports.publish import Published, publish
from reports.site import write_index
from reports.sources import source_line
from tests import report_case, report_curve
from tests.unit.test_report_tables import HOSTILE, Ids

RUN = "eu-youth-esf-0123456789ab"
EARNED_BY_A_DESIGN = re.compile(r"\b(effect|impact|caus)", re.IGNORECASE)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The example study with its curve, published once for the tests that only read."""
    folder = tmp_path_factory.mktemp("published")
    return publish(report_case.results(), folder, RUN, report_curve.curve())


def test_publishing_twice_gives_the_same_bytes(published: Published, tmp_path: Path) -> None:
    again = publish(report_case.results(), tmp_path, RUN, report_curve.curve())
    assert [path.name for path in published.files] == [path.name for path in again.files]
    for one, other in zip(published.files, again.files, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    assert {published.html_brief, published.pdf_brief} <= set(published.files)


def test_every_number_of_the_brief_has_an_id_that_the_files_hold(published: Published) -> None:
    folder = published.html_brief.parent
    parser = Ids()
    parser.feed(published.html_brief.read_text("utf-8"))
    files = (folder / "coefficients.csv").read_text("utf-8")
    files += (folder / "figures.csv").read_text("utf-8")
    known = {row[0] for row in csv.reader(io.StringIO(files))}
    assert set(parser.ids) <= known
    assert {"eu-youth-esf/two-way/esf", "eu-youth-esf/(curve)/joint_p_value"} <= set(parser.ids)


def test_the_html_brief_is_one_file_that_fetches_nothing(published: Published) -> None:
    page = published.html_brief.read_text("utf-8")
    outside = re.sub(r"""\b(xmlns(:\w+)?|rdf:\w+)=["'][^"']*["']""", "", page)
    assert not re.search(r"""(src|href)=["']?https?:|@import|url\(["']?https?:""", outside)
    assert page.count("<svg ") >= 2
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_association_is_never_worded_as_more(published: Published) -> None:
    page = published.html_brief.read_text("utf-8")
    words = re.sub(r"<(style|metadata)>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    conventions = {model.inference.convention for model in report_case.results().models}
    for convention in conventions:  # the field's own words, as inference states them
        words = words.replace(convention, "")
    assert not EARNED_BY_A_DESIGN.findall(words)


def test_a_causal_question_is_answered_with_a_warning() -> None:
    case = report_case.results()
    causal = replace(case, study=replace(case.study, question="What is the effect of ESF?"))
    limits = next(
        s for s in brief_of(causal, RUN).sections if s.heading == "What this does not show"
    )
    assert "cannot" in plain(limits.blocks[0].texts[0])


def test_simulated_data_are_marked_on_every_page_and_picture(tmp_path: Path) -> None:
    case = report_case.simulated()
    published = publish(case, tmp_path, RUN)
    assert 'class="banner">SIMULATED DATA' in published.html_brief.read_text("utf-8")
    for draw in (coefficient_plot, missingness_plot):
        marked, unmarked = draw(case), draw(report_case.results())
        assert b"SIMULATED DATA" in marked.svg
        assert b"SIMULATED DATA" not in unmarked.svg
        assert marked.png != unmarked.png
    assert json.loads((tmp_path / "published.json").read_text("utf-8"))["simulated"] is True


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler is not on this machine")
def test_the_printed_brief_is_marked_on_every_page_and_carries_its_fonts(tmp_path: Path) -> None:
    path = publish(report_case.simulated(), tmp_path, RUN).pdf_brief
    text = subprocess.run(["pdftotext", path, "-"], capture_output=True, text=True, check=True)
    pages = text.stdout.rstrip("\f\n").split("\f")
    assert len(pages) == 2
    assert all("SIMULATED DATA" in page for page in pages)
    fonts = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=True)
    lines = fonts.stdout.splitlines()[2:]
    assert lines
    assert all(re.search(r"\byes yes yes\b", line) for line in lines)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler is not on this machine")
def test_labels_cannot_act_as_typst(tmp_path: Path) -> None:
    case = report_case.relabelled(report_case.results(), HOSTILE)
    path = publish(case, tmp_path, RUN).pdf_brief
    text = subprocess.run(["pdftotext", path, "-"], capture_output=True, text=True, check=True)
    words = " ".join(text.stdout.split())
    for mark in ('#panic("no")', "*b*", "_i_", "$x^2$", "\\input{/etc/passwd}"):
        assert mark in words


def test_labels_cannot_act_in_pages_or_pictures(tmp_path: Path) -> None:
    case = report_case.relabelled(report_case.results(), HOSTILE)
    folder = tmp_path / "runs" / RUN
    published = publish(case, folder, RUN, report_curve.curve())
    index = write_index(tmp_path)
    for path in (published.html_brief, folder / "table.html", index):
        parser = Ids()
        parser.feed(path.read_text("utf-8"))
        assert "script" not in parser.tags, path


def test_an_override_stands_above_the_answer(tmp_path: Path) -> None:
    page = publish(report_case.overridden(), tmp_path, RUN).html_brief.read_text("utf-8")
    assert page.index("OVERRIDE") < page.index('class="answer"')
    assert "comparison with an older paper" in page


def test_only_the_vintages_in_use_are_named_as_sources() -> None:
    case = report_case.results()
    spare = replace(case.panel.vintages[0], dataset="eurostat/ilc_li41", title="Poverty")
    used = replace(case.panel.vintages[0], dataset="lfs")
    panel = replace(case.panel, vintages=(used, spare))
    assert source_line(panel) == "Source: Eurostat: lfs (2017-03-01)."
    unnamed = tuple(replace(column, sources=()) for column in panel.columns)
    both = source_line(replace(panel, columns=unnamed))
    assert both == "Source: Eurostat: lfs (2017-03-01), ilc_li41 (2017-03-01)."


def test_a_local_projection_can_be_published(tmp_path: Path) -> None:
    case = report_case.results()
    terms = tuple(report_case.term(f"esf h={h}", -0.2 * h - 0.1, 0.3) for h in range(3))
    alone = replace(case, models=(report_case.model("response", terms, ("unit", "time")),))
    page = publish(alone, tmp_path, RUN).html_brief.read_text("utf-8")
    assert "then one year later the youth unemployment rate" in page


def test_an_unknown_claim_publishes_nothing(tmp_path: Path) -> None:
    case = report_case.results()
    wrong = replace(case, study=report_case.study(claims=("Y9",)))
    with pytest.raises(BadInput, match="Y9"):
        publish(wrong, tmp_path / "run", RUN)
    assert not (tmp_path / "run").exists()


def test_no_section_of_a_brief_is_empty() -> None:
    case = report_case.undecided()
    bare = replace(case, missingness=(), panel=replace(case.panel, vintages=(), columns=()))
    sections = brief_of(bare, RUN).sections
    for section in sections:
        for block in section.blocks:
            assert block.texts or block.rows or block.name or block.kind == "regression"
    assert "missingness" not in {block.name for section in sections for block in section.blocks}


def test_the_index_lists_the_newest_run_first_and_links_what_exists(tmp_path: Path) -> None:
    for run, created in (("old", "2024-01-01"), ("new", "2025-01-01")):
        publish(report_case.results(), tmp_path / "runs" / run, run)
        manifest = {"created": created}
        (tmp_path / "runs" / run / "run.json").write_text(json.dumps(manifest), "utf-8")
    publish(report_case.results(), tmp_path / "runs" / ".preparing-x", "x")
    page = write_index(tmp_path)
    text = page.read_text("utf-8")
    assert text.index("runs/new/brief.html") < text.index("runs/old/brief.html")
    assert "preparing" not in text
    links = re.findall(r'href="([^"]+)"', text)
    assert links
    assert all((page.parent / link).resolve().is_file() for link in links)


def test_an_empty_home_says_what_to_do_and_a_broken_summary_is_named(tmp_path: Path) -> None:
    assert "regsi run" in write_index(tmp_path).read_text("utf-8")
    broken = tmp_path / "runs" / "r"
    broken.mkdir(parents=True)
    (broken / "published.json").write_text("{}", "utf-8")
    with pytest.raises(BadInput, match=r"published\.json"):
        write_index(tmp_path)
