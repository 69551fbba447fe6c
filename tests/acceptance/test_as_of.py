"""As of a day, the data are what the publisher had said by then; a diff names what he revised."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from data.ingest import ingest
from data.panels import recipe as panel_recipe
from data.warehouse import Warehouse
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
