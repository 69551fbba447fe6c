"""`regsi run --dask` on a scheduler and two workers, all processes of this machine.

One worker is stopped while it holds tasks, and then killed. The published curve must still be the
one that this process computes, bit for bit.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from distributed import Client

from data.errors import SourceOutOfReach
from data.panels.own import read_own_panel
from models.engine.multiverse import run_curve
from models.engine.results import Curve, as_document
from models.study.file import read_study
from pipelines import cluster as on_cluster

PROJECT = Path(__file__).resolve().parents[2]
DASK = Path(sys.executable).with_name("dask")
CONTROLS = [f"c{j}" for j in range(10)]
STUDY = f"""
[study]
id = "NAME"
[panel]
file = "panel.csv"
unit = "geo"
time = "year"
parent = "country"
[[model]]
id = "main"
estimator = "within"
outcome = "y"
treatment = "x"
controls = ["c0"]
effects = ["unit", "time"]
inference = {{ kind = "cluster", by = ["parent"], correction = "CR1" }}
[multiverse]
model = "main"
outcomes = ["y"]
treatments = ["x"]
controls = {{ always = [], any_of = {json.dumps(CONTROLS)} }}
effects = [["unit", "time"], ["unit", "parent*time"]]
samples = {{ all = "true", late = "year > 2003" }}
weights = ["none"]
joint = {{ draws = 499, seed = SEED }}
leave_out = "parent"
"""


def write_study(folder: Path, name: str, seed: int) -> Path:
    """A study of 4,096 specifications on 30 countries of 3 regions over 10 years."""
    rng = np.random.default_rng(seed)
    unit, time_ = np.divmod(np.arange(900), 10)
    panel = pd.DataFrame({"geo": [f"R{u:02d}" for u in unit], "year": 2000 + time_})
    panel["country"] = [f"C{u // 3:02d}" for u in unit]
    for column in ("x", *CONTROLS):
        panel[column] = rng.normal(size=900)
    panel["y"] = panel["x"] + panel["c1"] + rng.normal(size=900)
    panel.loc[rng.random(900) < 0.05, "c2"] = np.nan
    folder.mkdir()
    panel.to_csv(folder / "panel.csv", index=False)
    path = folder / f"{name}.toml"
    path.write_text(STUDY.replace("NAME", name).replace("SEED", str(seed)), "utf-8")
    return path


def here(path: Path) -> str:
    """The curve's document as this process computes it."""
    panel = read_own_panel(path.parent / "panel.csv", "geo", "year", "country", None)
    return json.dumps(as_document(run_curve(read_study(path), panel, lambda _: None)))


@dataclass(frozen=True)
class Cluster:
    """A scheduler, its address, and its workers, by their own addresses."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: dict[str, subprocess.Popen[bytes]]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One scheduler and two workers of one thread."""
    with started(tmp_path, 2) as both:
        yield both


@contextmanager
def started(tmp_path: Path, n_workers: int) -> Iterator[Cluster]:
    """One scheduler and workers of one thread; they end with the context."""
    note = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(note), "--no-dashboard"]
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [str(DASK), *arguments, *common],
                cwd=PROJECT,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0")
        workers = [start("worker", "--nthreads", "1", "--no-nanny") for _ in range(n_workers)]
        wait_until(note.exists)
        address = json.loads(note.read_text("utf-8"))["address"]
        with Client(address, set_as_default=False) as client:
            if n_workers:
                client.wait_for_workers(n_workers, timeout=60)
            pids = {pid: where for where, pid in client.run(os.getpid).items()}
        yield Cluster(address, scheduler, {pids[worker.pid]: worker for worker in workers})


def wait_until(true: object, seconds: float = 150.0) -> None:
    """Waits for what a callable says, or fails."""
    assert callable(true)
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "nothing happened"
        time.sleep(0.02)


def kill_one_at_work(cluster: Cluster) -> tuple[str, ...]:
    """Kills the first worker that is stopped with tasks on its hands; gives these tasks."""
    with Client(cluster.address, set_as_default=False) as client:
        lost: list[str] = []

        def struck() -> bool:
            held = [where for where, keys in client.processing().items() if keys]
            if not held:
                return False
            process = cluster.workers[held[0]]
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)  # what it had finished has been told by now
            lost.extend(client.processing()[held[0]])
            process.send_signal(signal.SIGKILL if lost else signal.SIGCONT)
            return bool(lost)

        wait_until(struck)
    return tuple(lost)


@contextmanager
def running(path: Path, home: Path, cluster: Cluster) -> Iterator[subprocess.Popen[str]]:
    """`regsi run` of a study on a cluster, killed if the test ends before it does."""
    command = [sys.executable, "-m", "pipelines.cli", "run", str(path)]
    with subprocess.Popen(
        [*command, "--home", str(home), "--dask", cluster.address],
        cwd=PROJECT,
        env={k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "REGSI"))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as run:
        try:
            yield run
        finally:
            run.kill()


@pytest.mark.slow  # Prefect's server, and Prefect in each worker, take most of its minute to start
def test_two_workers_one_killed_give_the_bits_of_one_process(
    cluster: Cluster, tmp_path: Path
) -> None:
    path = write_study(tmp_path / "study", "struck", 2)
    home = tmp_path / "home"
    with running(path, home, cluster) as run:
        lost = kill_one_at_work(cluster)
        told, _ = run.communicate(timeout=200)
    assert run.returncode == 0, told
    assert lost, "the worker was killed while it had nothing to do"
    (folder,) = home.glob("runs/struck-*")
    assert (folder / "curve.json").read_text("utf-8") == here(path)


@pytest.mark.slow  # as above
def test_a_scheduler_lost_on_the_way_is_named(cluster: Cluster, tmp_path: Path) -> None:
    path = write_study(tmp_path / "study", "forlorn", 4)
    with running(path, tmp_path / "home", cluster) as run:
        with Client(cluster.address, set_as_default=False) as client:
            wait_until(lambda: any(client.processing().values()))
        cluster.scheduler.kill()
        told, _ = run.communicate(timeout=200)
    assert run.returncode == 4, told
    assert told.splitlines()[-1].startswith(f"error: --dask {cluster.address}: the scheduler was")
    assert "Traceback" not in told
    assert not list(tmp_path.glob("home/runs/forlorn-*"))


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Curve]:
    """The curve of a small study on the cluster at an address, asked for with little patience."""
    monkeypatch.setattr(on_cluster, "PATIENCE", 1.0)
    path = write_study(tmp_path / "study", "alone", 3)
    panel = read_own_panel(path.parent / "panel.csv", "geo", "year", "country", None)
    study = read_study(path)
    return lambda address: on_cluster.curve_on_dask(study, panel, lambda _: None, address)


def test_a_scheduler_that_does_not_answer_is_named(asked: Callable[[str], Curve]) -> None:
    with pytest.raises(SourceOutOfReach, match="no scheduler answers"):
        asked("tcp://127.0.0.1:9")


def test_a_scheduler_without_workers_is_not_waited_for(
    tmp_path: Path, asked: Callable[[str], Curve]
) -> None:
    with (
        started(tmp_path, 0) as cluster,
        pytest.raises(SourceOutOfReach, match="has no workers; start some"),
    ):
        asked(cluster.address)
