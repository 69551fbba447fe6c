"""dask: 4,096 specifications, their 999 resampled curves and the audit, on a cluster.

The panel is that of spec-curve. Scheduler and workers, of one thread each, are processes of this
machine; `regsi` has two workers, `one-worker` one, `no-cluster` none. Seconds are for
`curve_on_dask` (or `run_curve`) with Prefect's server and the workers up; `cold` starts them all.
The three curves must be the same to the last bit.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

import pandas as pd

from data.panel import Panel
from data.panels.own import read_own_panel
from models.study import Study
from models.study.file import read_study
from tests.bench import bench_spec_curve as curve

NAME = "dask"
SIZES = {"25 clusters": 25, "250 clusters": 250}
Data = tuple[Study, Panel]
STUDY = """
[study]
id = "many"
[panel]
file = "panel.csv"
unit = "unit"
time = "year"
parent = "cluster"
[[model]]
id = "main"
estimator = "within"
outcome = "z0"
treatment = "z1"
controls = ["z2"]
effects = ["unit", "time"]
inference = { kind = "cluster", by = ["parent"], correction = "CR1" }
[multiverse]
model = "main"
outcomes = ["z0"]
treatments = ["z1"]
controls = { always = [], any_of = [CONTROLS] }
effects = [["unit", "time"]]
samples = { all = "true" }
weights = ["none"]
joint = { draws = 999, seed = 1 }
leave_out = "parent"
"""


def prepare(n_clusters: int, folder: Path) -> Path:
    """Writes the panel and a study of its multiverse."""
    arrays = curve.load(curve.prepare(n_clusters, folder))
    frame = pd.DataFrame(arrays.pop("Z")).add_prefix("z").assign(**arrays)
    frame.to_csv(folder / "panel.csv", index=False)
    controls = ", ".join(f'"z{2 + j}"' for j in range(curve.CONTROLS))
    (folder / "many.toml").write_text(STUDY.replace("CONTROLS", controls), "utf-8")
    return folder


def load(folder: Path) -> Data:
    """The study and its panel."""
    panel = read_own_panel(folder / "panel.csv", "unit", "year", "cluster")
    return read_study(folder / "many.toml"), panel


def no_cluster(data: Data, _: Path) -> str:
    """This process alone."""
    from models.engine.multiverse import run_curve

    return _digest(run_curve(*data, _silent))


def on_workers(number: int) -> Callable[[Data, Path], str]:
    """A contestant with so many workers."""

    def contestant(data: Data, _: Path) -> str:
        for name, value in _PREFECT.items():  # before anything imports it
            os.environ.setdefault(name, value)
        os.environ.setdefault("PREFECT_HOME", tempfile.mkdtemp())
        address = _cluster(number)
        from pipelines.cluster import curve_on_dask

        return _digest(curve_on_dask(*data, _silent, address))

    return contestant


_PREFECT = {
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}


@cache
def _cluster(number: int) -> str:
    """The address of a scheduler with so many workers; they end with this process."""
    from distributed import Client

    note = Path(tempfile.mkdtemp()) / "scheduler.json"
    dask = Path(sys.executable).with_name("dask")
    for arguments in (
        ["scheduler", "--host", "127.0.0.1", "--port", "0"],
        *[["worker", "--nthreads", "1", "--no-nanny"]] * number,
    ):
        process = subprocess.Popen(
            [str(dask), *arguments, "--scheduler-file", str(note), "--no-dashboard"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        atexit.register(process.kill)
    while not note.exists():
        time.sleep(0.05)
    with Client(scheduler_file=str(note), set_as_default=False) as client:
        client.wait_for_workers(number, timeout=120)
        return str(client.scheduler.address)


def _digest(found: object) -> str:
    """The curve as one hash of its whole document at full precision."""
    import json

    from models.engine.results import Curve, as_document

    assert isinstance(found, Curve)
    return sha256(json.dumps(as_document(found)).encode()).hexdigest()


def _silent(_: str) -> None:
    """Nobody is told."""


CONTESTANTS = {
    "regsi": on_workers(2),
    "one-worker": on_workers(1),
    "no-cluster": no_cluster,
}


def agree(one: str, other: str) -> bool:
    """The same bits."""
    return one == other
