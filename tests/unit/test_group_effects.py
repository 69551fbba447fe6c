"""Groups' own levels and slopes reach JSON, tables and briefs, each under its group's name."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.study.results import StudyResults, as_document
from reports.briefs.content import brief_of
from reports.figures.group_panels import COVER, group_panels
from reports.figures.groups import groups_plot
from reports.tables.tidy import groups_csv
from tests.study_case import fit_all, model_text, panel_of

CLUSTERED = '{ kind = "cluster", by = ["parent"] }'
TRUE_LEVEL = dict(zip("ABCDEFGHIJKL", np.linspace(-4, 4, 12), strict=True))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    """Twelve countries of four regions with levels of their own, and little noise."""
    rng = np.random.default_rng(6)
    rows = [(c, f"{c}{r}", t) for c in TRUE_LEVEL for r in range(4) for t in range(2000, 2012)]
    frame = pd.DataFrame(rows, columns=["country", "geo", "year"])
    region = dict(zip(frame["geo"].unique(), 0.5 * rng.normal(size=48), strict=True))
    frame["x"] = rng.normal(size=len(frame))
    noise = 0.2 * rng.normal(size=len(frame))
    frame["y"] = frame["x"] + frame["country"].map(TRUE_LEVEL) + frame["geo"].map(region) + noise
    frame = frame.sample(frac=1, random_state=1)
    body = model_text(
        "mixed", "y", "x", inference=CLUSTERED, more="slopes = { parent = [], unit = [] }"
    ) + model_text(
        "mixed", "y", "x", inference=CLUSTERED, more='slopes = { parent = ["x"] }', name="sloping"
    )
    folder = tmp_path_factory.mktemp("groups")
    return fit_all(folder, panel_of(frame, "geo", "year", "country"), body)


def test_each_level_stands_under_its_own_groups_name(results: StudyResults) -> None:
    groups = results.model("main").groups
    found = {e.group: e.estimate for e in groups if e.kind == "parent"}
    gaps = np.array([found[name] - level for name, level in TRUE_LEVEL.items()])
    assert np.abs(gaps - gaps.mean()).max() < 1.0  # countries in their order; regions blur them
    levels = {e.group: e for e in groups if e.kind == "level"}
    own = {e.group: e.estimate for e in groups if e.kind == "unit"}
    assert len(levels) == 48
    for region, level in levels.items():
        assert level.estimate == pytest.approx(found[region[0]] + own[region], rel=1e-9)
        assert level.conf_low < level.estimate < level.conf_high


def test_levels_beside_slopes_are_not_added_up(results: StudyResults) -> None:
    kinds = {(e.kind, e.effect) for e in results.model("sloping").groups}
    assert kinds == {("parent", "level"), ("parent", "x")}


def test_json_holds_them_only_where_there_are_any(results: StudyResults) -> None:
    models = {model["id"]: model for model in as_document(results)["models"]}
    assert len(models["main"]["groups"]) == 12 + 48 + 48
    assert set(models["main"]["groups"][0]) == {
        "kind", "group", "effect", "estimate", "std_error", "conf_low", "conf_high",
    }  # fmt: skip


def test_the_table_has_a_row_and_an_id_for_each(results: StudyResults) -> None:
    rows = list(csv.DictReader(io.StringIO(groups_csv(results, "r"))))
    assert len({row["result"] for row in rows}) == len(rows) == 108 + 24
    assert rows[0]["result"] == "test/main/group/parent/A/level"


def test_the_brief_shows_countries_and_says_what_intervals_cover(results: StudyResults) -> None:
    panels = group_panels(results)
    assert [(p.model.id, p.kind, p.effect) for p in panels] == [
        ("main", "parent", "level"),
        ("sloping", "parent", "x"),
    ]
    section = next(
        s for s in brief_of(results, "r").sections if s.heading == "How countries differ"
    )
    assert any(COVER[:40] in run.text for b in section.blocks for t in b.texts for run in t)
    assert groups_plot(results).svg


def test_models_without_groups_have_no_appendix(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"i": np.repeat(range(9), 4), "t": np.tile(range(4), 9), "x": np.arange(36.0) % 7}
    )
    frame["y"] = frame["x"] + np.arange(36) % 5
    plain = fit_all(tmp_path, panel_of(frame, "i", "t"), model_text("pooled", "y", "x"))
    assert group_panels(plain) == ()
    assert "groups" not in as_document(plain)["models"][0]
