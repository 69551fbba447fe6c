"""As of a day, the data are what the publisher had said by then; a diff names what he revised."""

from __future__ import annotations

import gzip
import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from data.ingest import ingest
from data.panels import recipe as panel_recipe
from data.panels.build import build_panel
from data.panels.store import write_panel
from data.warehouse import Warehouse
from models.fitting import fit_study
from models.results import as_json
from models.study.file import read_study
from pipelines.cli import main

pytestmark = pytest.mark.realdata
DATASET = "eurostat/lfst_r_lfu3rt"
FIRST, EXPORT = date(2014, 5, 1), date(2024, 7, 1)
LATER = 1_500_000_000  # seconds since 1970: a day of July 2017
RECIPE = """
[panel]
id = "rates"
title = "Unemployment rates"

[index]
unit = "geo"
time = "year"
parent = "country"
first = 2005
last = 2013

[regions]
pattern = "[A-Z]{2}[0-9]{2}"
parent_prefix = 2

[[source]]
dataset = "eurostat/lfst_r_lfu3rt"
where = { isced11 = "TOTAL", sex = "T", unit = "PC" }
kind = "rate"
level = "regional"
unit = "percent"

[source.columns]
young = { where = { age = "Y15-24" }, label = "Unemployment rate, 15 to 24" }
adult = { where = { age = "Y_GE15" }, label = "Unemployment rate, 15 and over" }
"""
STUDY = """
[study]
id = "rates"
title = "Rates"
question = "?"

[panel]
name = "rates"

[[model]]
id = "m"
estimator = "within"
outcome = "young"
treatment = "adult"
effects = ["unit", "time"]
inference = { kind = "cluster", by = ["unit"], correction = "CR1" }
"""


def _load(home: Path, folder: Path) -> None:
    ingest([DATASET], home, folder, None, lambda _: None)


def _rate(home: Path, day: date, geo: str, age: str) -> float:
    with Warehouse(home) as warehouse:
        where = f"geo = '{geo}' AND age = '{age}' AND sex = 'T' AND time = '2013'"
        rows = warehouse.observations(DATASET, day).filter(where).project("value").fetchall()
    assert len(rows) == 1
    return float(rows[0][0])


def _later_edition(realdata: Path, folder: Path) -> None:
    """The bulk file again, as if packed in 2017, with Spain's rate revised as it later was."""
    first = realdata / "eurostat_lfu3rt_2014" / "lfst_r_lfu3rt.tsv.gz"
    text = gzip.decompress(first.read_bytes()).decode()
    assert text.count("Y15-24,T,ES\t55.7 ") == text.count("Y15-24,T,ES11\t50.2 ") == 1
    text = text.replace("Y15-24,T,ES\t55.7 ", "Y15-24,T,ES\t55.5 ")
    text = text.replace("Y15-24,T,ES11\t50.2 ", "Y15-24,T,ES11\t49.9 ")
    folder.mkdir()
    packed = gzip.compress(text.encode(), 6, mtime=LATER)
    (folder / "lfst_r_lfu3rt.tsv.gz").write_bytes(packed)


def test_an_export_of_2024_revises_what_it_holds_and_nothing_else(
    realdata: Path, tmp_path: Path
) -> None:
    _load(tmp_path, realdata / "eurostat_lfu3rt_2014")
    _load(tmp_path, realdata / "eurostat_databrowser_xlsx_2024")
    for day in (FIRST, EXPORT):  # the export holds neither countries nor the young
        assert _rate(tmp_path, day, "ES", "Y15-24") == 55.7
        assert _rate(tmp_path, day, "EL", "Y15-24") == 58.3
    # Galicia and Attica, all ages, as first published and ten years on
    assert [_rate(tmp_path, day, "ES11", "Y_GE15") for day in (FIRST, EXPORT)] == [22.1, 22.0]
    assert [_rate(tmp_path, day, "EL30", "Y_GE15") for day in (FIRST, EXPORT)] == [28.2, 28.7]


@pytest.mark.parametrize("order", [("first", "later"), ("later", "first")])
def test_spain_and_greece_as_of_each_edition_in_whatever_order_they_arrive(
    realdata: Path, tmp_path: Path, order: tuple[str, str]
) -> None:
    _later_edition(realdata, tmp_path / "later")
    folders = {"first": realdata / "eurostat_lfu3rt_2014", "later": tmp_path / "later"}
    for name in order:
        _load(tmp_path / "home", folders[name])
    home = tmp_path / "home"
    assert [_rate(home, day, "ES", "Y15-24") for day in (FIRST, EXPORT)] == [55.7, 55.5]
    assert [_rate(home, day, "EL", "Y15-24") for day in (FIRST, EXPORT)] == [58.3, 58.3]


def test_the_diff_of_a_study_names_the_revisions(
    realdata: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "panels").mkdir()
    (tmp_path / "panels" / "rates.toml").write_text(RECIPE)
    (tmp_path / "rates.toml").write_text(STUDY)
    monkeypatch.setattr(panel_recipe, "PANELS", tmp_path / "panels")
    _later_edition(realdata, tmp_path / "later")
    home = tmp_path / "home"
    _load(home, realdata / "eurostat_lfu3rt_2014")
    _load(home, tmp_path / "later")
    arguments = ["--home", str(home), "--json", "--between", str(FIRST), str(EXPORT)]
    code = main(["diff", str(tmp_path / "rates.toml"), *arguments])
    out, err = capsys.readouterr()
    assert code == 0, err
    document: dict[str, Any] = json.loads(out)
    galicia = {"geo": "ES11", "year": 2013, "column": "young", "old": 50.2, "new": 49.9}
    assert document["revisions"] == [galicia]
    moves = {move["what"]: move["change"] for move in document["moves"]}
    moved = document["after"]["estimate"] - document["before"]["estimate"]
    assert moves["revised values"] == pytest.approx(moved, rel=1e-12) != 0
    assert moves["new periods"] == moves["new units"] == 0


TO_2019 = RECIPE.replace("last = 2013", "last = 2019").split("young =")[0] + """
adult = { where = { age = "Y_GE15" }, label = "Unemployment rate, 15 and over" }

[derived]
lagged = { expression = "lag(adult, 1)", label = "Before", unit = "percent", level = "regional" }
"""
PERSISTENCE = STUDY.replace('treatment = "adult"', 'treatment = "lagged"').replace("young", "adult")


@pytest.fixture
def two_editions(realdata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the bulk file of 2014 and the export of 2024, and a study to the year 2019."""
    (tmp_path / "panels").mkdir()
    (tmp_path / "panels" / "rates.toml").write_text(TO_2019)
    (tmp_path / "rates.toml").write_text(PERSISTENCE)
    monkeypatch.setattr(panel_recipe, "PANELS", tmp_path / "panels")
    panel_recipe.panel_recipe.cache_clear()
    _load(tmp_path / "home", realdata / "eurostat_lfu3rt_2014")
    _load(tmp_path / "home", realdata / "eurostat_databrowser_xlsx_2024")
    return tmp_path


def _diff(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    panel_recipe.panel_recipe.cache_clear()
    arguments = ["--home", str(folder / "home"), "--json", "--between", str(FIRST), str(EXPORT)]
    code = main(["diff", str(folder / "rates.toml"), *arguments])
    out, err = capsys.readouterr()
    panel_recipe.panel_recipe.cache_clear()
    assert code == 0, err
    document: dict[str, Any] = json.loads(out)
    return document


def test_the_diff_of_two_real_editions_accounts_for_all_that_moved(
    two_editions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Revisions, six more years, and regions that had no figure before."""
    for day, rates in ((FIRST, [22.1, 28.2]), (EXPORT, [22.0, 28.7])):
        with Warehouse(two_editions / "home") as warehouse:
            frame = build_panel("rates", warehouse, day, lambda _: None).frame
        of_2013 = frame[frame["year"] == 2013].set_index("geo")["adult"]
        assert of_2013[["ES11", "EL30"]].tolist() == rates
    document = _diff(two_editions, capsys)
    assert document["new_periods"] == [str(year) for year in range(2014, 2020)]
    assert {"IE04", "LT01", "EL51"} <= set(document["new_units"])
    galicia = {"geo": "ES11", "year": 2013, "column": "adult", "old": 22.1, "new": 22.0}
    assert galicia in document["revisions"]
    moves = {move["what"]: move["change"] for move in document["moves"]}
    assert all(moves[kind] != 0 for kind in ("revised values", "new periods", "new units"))
    moved = document["after"]["estimate"] - document["before"]["estimate"]
    assert sum(moves.values()) == pytest.approx(moved, rel=1e-9)


def _published(folder: Path) -> float:
    """A run of the study as of the first edition, whose figure other code had computed."""
    with Warehouse(folder / "home") as warehouse:
        panel = build_panel("rates", warehouse, FIRST, lambda _: None)
    models = as_json(fit_study(read_study(str(folder / "rates.toml")), panel).models)
    models[0]["terms"][0]["estimate"] += 0.01
    run = folder / "home" / "runs" / "rates-0123456789ab"
    run.mkdir(parents=True)
    write_panel(panel, run / "panel.parquet")
    shutil.copy2(folder / "rates.toml", run / "study.toml")
    (run / "results.json").write_text(json.dumps(models))
    facts = {"study": {"id": "rates"}, "as_of": str(FIRST), "created": "2014-06-01T12:00:00+00:00"}
    (run / "run.json").write_text(json.dumps({**facts, "files": {}}))
    return float(models[0]["terms"][0]["estimate"])


def test_every_kind_of_change_is_told_apart_and_all_add_up(
    two_editions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = _published(two_editions)
    recipe, study = two_editions / "panels" / "rates.toml", two_editions / "rates.toml"
    recipe.write_text(TO_2019.replace('"lag(adult, 1)"', '"lag(adult, 1) ** 0.9"'))
    study.write_text(PERSISTENCE.replace("[[model]]", '[sample]\nwhere = "year > 2006"\n[[model]]'))
    document = _diff(two_editions, capsys)
    moves = {move["what"]: move["change"] for move in document["moves"]}
    assert list(moves)[:6] == [
        *("changed code", "changed study", "changed definition of the panel"),
        *("revised values", "new periods", "new units"),
    ]
    assert moves["changed code"] == pytest.approx(-0.01, rel=1e-9)
    assert all(abs(moves[kind]) > 1e-6 for kind in list(moves)[:6])
    end = document["after"]["estimate"]
    assert start + sum(moves.values()) == pytest.approx(end, rel=1e-9)
