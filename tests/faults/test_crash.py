"""kill -9 at any moment of a load: the warehouse answers as before, or as after, never between."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.ingest import ingest
from data.simulated import write_simulated
from data.warehouse import Warehouse

PROJECT = Path(__file__).parents[2]
DATASET = "testland/sim_r_lfu3pers"
FILE = "sim_r_lfu3pers.tsv.gz"
RECIPE = f"""title = "Unemployed (simulated)"
unit = "thousand persons"
publisher = "Testland"
licence = "free"
level = "regional"
dimensions = ["unit", "age", "sex", "geo"]
[[file]]
names = ["{FILE}"]
reader = "eurostat_tsv"
"""
# says when the load begins, so that the moment of the kill counts from there
LOAD = """
import sys
from pathlib import Path
import data.recipes
from data.ingest import ingest
folder = Path(sys.argv[1])
data.recipes.CATALOGUE = folder / "catalogue"
print("ready", flush=True)
ingest(["testland/sim_r_lfu3pers"], folder / "home", folder / "source", None, lambda _: None)
print("done", flush=True)
"""
KILLS = 5
State = tuple[object, ...]


def _load(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, str(folder)],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def _state(folder: Path) -> State:
    """Sums over what is known today, over all that was ever known, and the editions."""
    with Warehouse(folder / "home") as warehouse:
        measures = "count(*), count(value), round(sum(value), 3), sum(length(flags))"
        today = warehouse.observations(DATASET).aggregate(measures).fetchall()
        ever = warehouse.connection.sql("SELECT * FROM testland.sim_r_lfu3pers")
        return (*today, *ever.aggregate(measures).fetchall(), len(warehouse.vintages()))


def _publish(folder: Path, revise: bool) -> None:
    """The table as first published, or its revision of a year later: all figures a tenth up."""
    path = folder / "source" / FILE
    write_simulated(path.parent, only="sim_r_lfu3pers")
    if revise:
        lines = gzip.decompress(path.read_bytes()).decode().replace(".0 ", ".1 ")
        path.write_bytes(gzip.compress(lines.encode(), 6, mtime=1_800_000_000))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the first edition, and the revision waiting to be loaded."""
    recipe = tmp_path / "catalogue" / "testland" / "sim_r_lfu3pers.toml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(RECIPE)
    monkeypatch.setattr("data.recipes.CATALOGUE", tmp_path / "catalogue")
    _publish(tmp_path, revise=False)
    ingest([DATASET], tmp_path / "home", tmp_path / "source", None, lambda _: None)
    _publish(tmp_path, revise=True)
    return tmp_path


def _finish(folder: Path) -> float:
    load = _load(folder)
    assert load.stdout is not None
    assert load.stdout.readline() == "ready\n"
    start = time.monotonic()
    assert load.communicate(timeout=60)[0] == "done\n"
    return time.monotonic() - start


def test_a_load_killed_at_any_moment_leaves_before_or_after(folder: Path) -> None:
    sound = folder / "sound"
    shutil.copytree(folder / "home", sound)
    before = _state(folder)
    whole = _finish(folder)
    after = _state(folder)
    assert before != after
    chance, seen = random.Random(20260101), set[State]()
    for moment in range(KILLS):
        shutil.rmtree(folder / "home")
        shutil.copytree(sound, folder / "home")
        load = _load(folder)
        assert load.stdout is not None
        load.stdout.readline()
        time.sleep((moment + chance.random()) / KILLS * whole)
        load.send_signal(signal.SIGKILL)
        load.communicate(timeout=60)
        state = _state(folder)
        assert state in (before, after)
        seen.add(state)
    assert before in seen  # some were killed before the end
    _finish(folder)
    assert _state(folder) == after
    assert not list((folder / "home").glob(".ingest-*"))


def test_of_two_loads_at_once_one_waits_outside(folder: Path) -> None:
    loads = [_load(folder) for _ in range(3)]
    said = [load.communicate(timeout=60)[0] for load in loads]
    codes = [load.returncode for load in loads]
    assert codes.count(0) >= 1
    assert all("done" in text for text, code in zip(said, codes, strict=True) if code == 0)
    with Warehouse(folder / "home") as warehouse:
        assert [v.vintage for v in warehouse.vintages(DATASET)] == [1, 2]
    _finish(folder)
    with Warehouse(folder / "home") as warehouse:
        assert len(warehouse.vintages(DATASET)) == 2
