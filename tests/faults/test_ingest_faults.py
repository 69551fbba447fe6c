"""Faulty files and crashes: one clear message with its place, and the warehouse as it was."""

from __future__ import annotations

import errno
import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

import data.warehouse.swap
from data import recipes
from data.errors import BadInput, ContractBroken, RegsiError
from data.ingest import ingest
from data.raw import unpacked
from data.warehouse import Warehouse

RECIPE = """
title = "A table"
publisher = "Somebody"
licence = "free"
level = "regional"
dimensions = ["unit", "geo"]

[[file]]
names = ["table.tsv", "table.tsv.gz"]
reader = "eurostat_tsv"

[[file]]
names = ["table.csv"]
reader = "eurostat_sdmx_csv"

[[file]]
names = ["table.json"]
reader = "json_stat"

[contract]
rows = [6, 100]
known = { unit = ["THS"] }

[[contract.range]]
low = 0
"""
SOUND = "unit,geo\\time\t2012 \t2011 \nTHS,AT11\t1 \t2 b\nTHS,BE10\t3 \t: \nTHS,CZ01\t4 \t5 \n"
PACKED = gzip.compress(SOUND.encode() * 40, mtime=1_500_000_000)
CSV = "unit,geo,time,obs_value\nTHS,AT11,2011,1\nTHS,AT11,2012,"


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[set[tuple[object, ...]]]:
    """A warehouse with a sound edition in it; afterwards it must answer as before."""
    folder = tmp_path / "catalogue" / "somebody"
    folder.mkdir(parents=True)
    (folder / "table.toml").write_text(RECIPE)
    monkeypatch.setattr(recipes, "CATALOGUE", folder.parent)
    recipes.dataset_recipe.cache_clear()
    offer(tmp_path, "table.tsv", SOUND)
    load(tmp_path, date(2020, 1, 1))
    before = observed(tmp_path)
    yield before
    recipes.dataset_recipe.cache_clear()
    assert observed(tmp_path) == before
    assert not list((tmp_path / "home").glob(".ingest-*/*.duckdb.wal"))


def offer(folder: Path, name: str, content: str | bytes) -> None:
    """Makes `content` the only file of the source folder."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    for old in source.iterdir():
        old.unlink()
    (source / name).write_bytes(content.encode() if isinstance(content, str) else content)


def load(folder: Path, day: date = date(2020, 1, 2)) -> None:
    ingest(["somebody/table"], folder / "home", folder / "source", day, lambda _: None)


def observed(folder: Path) -> set[tuple[object, ...]]:
    with Warehouse(folder / "home") as warehouse:
        return set(warehouse.observations("somebody/table").fetchall())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.tsv.gz", PACKED[:-9], "table.tsv.gz: is a compressed file cut short"),
        ("table.tsv.gz", PACKED[:60] + b"x" + PACKED[61:], "gz: is a damaged compressed file"),
        ("table.tsv", SOUND[:-2], "table.tsv, line 4: ends in the middle of the line"),
        ("table.tsv", SOUND.replace("unit,", "units,"), "line 1: column unit is missing"),
        ("table.tsv", SOUND.replace("\\time", ""), "line 1: is not a header"),
        ("table.tsv", SOUND.replace("2011", "20l1"), "line 1: '20l1' is not a period"),
        ("table.tsv", SOUND.replace("2011", "2012"), "line 1: column '2012' is there twice"),
        ("table.tsv", SOUND.replace("3 ", "three"), "line 3, column 2012: 'three' is neither"),
        ("table.tsv", SOUND.replace("3 ", "1_0 "), "line 3, column 2012: '1_0' is neither"),
        ("table.tsv", SOUND.replace("3 ", "nan "), "line 3, column 2012: 'nan' is neither"),
        ("table.tsv", SOUND + "THS,AT11\t1 \t1 \n", r"line 5: key \(THS,AT11\) is there twice"),
        ("table.tsv", SOUND + "THS,DE11\t1 \n", "line 5: has 2 columns where the header has 3"),
        ("table.tsv", SOUND + "DE11\t1 \t1 \n", "line 5: key 'DE11' does not fit the header"),
        ("table.tsv", SOUND + "\n", "line 5: key .* does not fit"),
        ("table.tsv", SOUND.replace("\n", "\r\n", 2), "line 3: does not end as the first line"),
        ("table.tsv", SOUND.encode().replace(b"BE10", b"B\xe910"), "line 3: is not UTF-8 text"),
        ("table.tsv", SOUND.split("\n")[0] + "\n", "line 1: is followed by no rows"),
        ("table.tsv", b"", "table.tsv: is an empty file"),
        ("table.csv", CSV + "x\n", "line 3, column obs_value: 'x' stands where a number belongs"),
        ("table.csv", CSV + "2,3\n", "line 3: has 5 columns where the header has 4"),
        ("table.csv", CSV + "2\nTHS,AT11,2011,1\n", r"line 2, .* line 4, .* is there twice"),
        ("table.csv", CSV.replace("THS,AT11", ",AT11") + "2\n", "line 2, .*: has no unit"),
        ("table.csv", CSV.replace("geo,", "geos,") + "2\n", "line 1: column geo is missing"),
        ("table.json", '{"class": "dataset", "id": []', "line 1, column 30: is not JSON"),
        ("table.json", "[1, 2]", "document: holds no dataset"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) or "\n" in value else value[:40],
)
def test_a_faulty_file_is_refused_with_its_place(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    offer(tmp_path, name, content)
    with pytest.raises(BadInput, match=message) as refusal:
        load(tmp_path)
    assert refusal.value.exit_code == 2
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SOUND.replace("3 ", "-3 "), r"rule range, .*1 rows break it, .*THS, BE10, 2012: -3.0"),
        (SOUND.replace("THS,BE10", "PC,BE10"), "rule known, .*unknown code of unit: PC, BE10"),
        (SOUND.replace("2 b", "2 q"), "rule flags, .*unknown flag in q: THS, AT11, 2011: 2.0 q"),
        (SOUND.replace("THS,CZ01\t4 \t5 \n", ""), "rule rows, .*: 4 rows where 6 to 100"),
    ],
)
def test_a_broken_contract_is_named_with_its_keys(
    tmp_path: Path, content: str, message: str
) -> None:
    offer(tmp_path, "table.tsv", content)
    with pytest.raises(ContractBroken, match=message) as refusal:
        load(tmp_path)
    assert refusal.value.exit_code == 3


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere: is not a folder"):
        ingest(["somebody/table"], tmp_path / "home", tmp_path / "nowhere", None, lambda _: None)


@pytest.mark.parametrize(
    "fault",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        duckdb.IOException("Could not write file: No space left on device"),
    ],
)
def test_a_full_disk_inside_the_swap_is_told_and_leaves_nothing_half_done(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise fault

    # after the cells went in, before the commit
    monkeypatch.setattr(data.warehouse.swap, "record", crash)
    offer(tmp_path, "table.tsv", SOUND.replace("3 ", "33 "))
    with pytest.raises(RegsiError, match="home: the disk is full; free some space"):
        load(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_disk_that_fills_up_while_unpacking_is_not_taken_for_a_damaged_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "table.tsv.gz").write_bytes(PACKED)
    (tmp_path / "table.tsv.gz.plain").symlink_to("/dev/full")
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        unpacked(tmp_path / "table.tsv.gz", tmp_path)


KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
import data.warehouse.swap, data.recipes
from data.ingest import ingest
from data.raw import unpacked

data.recipes.CATALOGUE = Path(sys.argv[1]) / "catalogue"
setattr(data.warehouse.swap, sys.argv[2], lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
folder = Path(sys.argv[1])
ingest(["somebody/table"], folder / "home", folder / "source", date(2020, 1, 2), print)
"""


@pytest.mark.parametrize("moment", ["compare", "lay_in", "record", "remember_set_aside"])
def test_a_killed_load_is_swept_up_by_the_next(tmp_path: Path, moment: str) -> None:
    offer(tmp_path, "table.tsv", SOUND.replace("3 ", "33 "))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), moment],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert list((tmp_path / "home").glob(".ingest-*"))
    offer(tmp_path, "table.tsv", SOUND)
    load(tmp_path, date(2020, 1, 1))
    assert not list((tmp_path / "home").glob(".ingest-*"))


def test_readers_share_and_a_writer_says_who_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.warehouse.PATIENCE", 0.0)
    offer(tmp_path, "table.tsv", SOUND.replace("3 ", "33 "))
    with Warehouse(tmp_path / "home") as one, Warehouse(tmp_path / "home") as other:
        assert one.vintages() == other.vintages()
        with pytest.raises(RegsiError, match=r"warehouse.duckdb: is in use .*; let readers"):
            load(tmp_path)
