"""The history of a dataset against the plainest possible model of it.

Editions, complete or extracts, arrive in any order; whatever the order, the observations as of a
day are what replaying the editions by date says.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data import recipes
from data.ingest import ingest
from data.warehouse import Warehouse

RECIPE = """
title = "t"
publisher = "p"
licence = "l"
level = "regional"
dimensions = ["geo", "x"]

[[file]]
names = ["whole.tsv"]
reader = "eurostat_tsv"

[[file]]
names = ["part.tsv"]
reader = "eurostat_tsv"
partial = true
"""
CELL = st.sampled_from([":", ": c", "1", "1 b", "2", "2 bu"])
TABLE = st.dictionaries(
    st.tuples(st.sampled_from("ABC"), st.sampled_from(["2001", "2002"])), CELL, min_size=1
)
EDITION = st.tuples(st.booleans(), st.integers(0, 4), TABLE)
Cells = dict[tuple[str, str], tuple[float | None, str]]
A, B = ("A", "2001"), ("B", "2001")
FIRST = (False, 0, {A: "1", B: "1"})
# two editions of one day, of which the second leaves A as the first has changed it
SAME_DAY = [FIRST, (False, 1, {A: "2", B: "1"}), (False, 1, {A: "2", B: "2"})]
# a complete edition of the day of an extract, which it takes back
AFTER_EXTRACT = [FIRST, (True, 1, {A: "2"}), (False, 1, {A: "1", B: "2"})]
# an edition arrives after a later one, and after an extract of a cell that came later still
LATE = [(False, 2, {A: "1", B: "1"}), (True, 4, {A: "2"}), (False, 0, {A: "2", B: "1"})]


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "d.toml").write_text(RECIPE)
    monkeypatch.setattr(recipes, "CATALOGUE", tmp_path)
    recipes.dataset_recipe.cache_clear()
    yield
    recipes.dataset_recipe.cache_clear()


def file_of(folder: Path, table: dict[tuple[str, str], str], partial: bool, serial: int) -> None:
    """The cells as a TSV with a cell a line; the gzip stamp keeps equal tables apart."""
    lines = ["geo,time\\x\tv", *(f"{geo},{time}\t{c}" for (geo, time), c in sorted(table.items()))]
    packed = gzip.compress("\n".join([*lines, ""]).encode(), mtime=serial)
    (folder / ("part.tsv" if partial else "whole.tsv")).write_bytes(packed)


def parsed(cell: str) -> tuple[float | None, str]:
    number, _, flags = cell.partition(" ")
    return (None if number == ":" else float(number)), flags


def replay(editions: list[tuple[bool, int, dict[tuple[str, str], str]]], day: int) -> Cells:
    """What was known on a day: complete editions replace, extracts overwrite."""
    known: Cells = {}
    for partial, published, table in sorted(editions, key=lambda edition: edition[1]):
        cells = {key: parsed(cell) for key, cell in table.items()}
        if published <= day:
            known = {**known, **cells} if partial else cells
    return known


def day_of(number: int) -> date:
    return date(2020, 1, 1) + timedelta(days=number)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(EDITION, min_size=1, max_size=5))
@example(SAME_DAY)
@example(AFTER_EXTRACT)
@example(LATE)
def test_any_order_of_arrival_gives_the_history_by_date(
    editions: list[tuple[bool, int, dict[tuple[str, str], str]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for serial, (partial, published, table) in enumerate(editions, start=1):
            source = home / f"source{serial}"
            source.mkdir()
            file_of(source, table, partial, serial)
            ingest(["p/d"], home, source, day_of(published), lambda _: None)
        with Warehouse(home) as warehouse:
            for day in range(min(e[1] for e in editions), 6):
                rows = warehouse.observations("p/d", day_of(day)).fetchall()
                assert len(rows) == len({row[:3] for row in rows})
                found = {(geo, time): (value, flags) for geo, _, time, value, flags in rows}
                assert found == replay(editions, day)


def test_a_revision_stores_only_what_changed(tmp_path: Path) -> None:
    base = {(geo, time): "1" for geo in "ABC" for time in ("2001", "2002")}
    for serial, change in enumerate(({}, {("A", "2001"): "2"}, {("B", "2002"): "1 b"}), start=1):
        source = tmp_path / f"source{serial}"
        source.mkdir()
        file_of(source, base | change, False, serial)
        loaded = ingest(["p/d"], tmp_path, source, day_of(serial), lambda _: None)
        # the third edition takes back the change of the second and makes one of its own
        assert loaded[0].changed == {1: 6, 2: 1, 3: 2}[serial]
    with Warehouse(tmp_path) as warehouse:
        stored = warehouse.connection.execute("SELECT count(*) FROM p.d").fetchone()
    assert stored == (6 + 1 + 2,)


def test_an_edition_that_arrives_late_stores_no_row_twice(tmp_path: Path) -> None:
    table = {("A", "2001"): "1", ("B", "2001"): "2"}
    for serial, published in ((1, 3), (2, 1)):
        source = tmp_path / f"source{serial}"
        source.mkdir()
        file_of(source, table, False, serial)
        ingest(["p/d"], tmp_path, source, day_of(published), lambda _: None)
    with Warehouse(tmp_path) as warehouse:
        rows = warehouse.connection.execute("SELECT DISTINCT valid_from FROM p.d").fetchall()
        assert rows == [(day_of(1),)]
        assert len(warehouse.vintages("p/d")) == 2
