"""A multiverse on a Dask cluster, through Prefect's Dask task runner.

The study's data go to each worker once. A Prefect task costs some 0.1 s whatever it does, so that
each estimates a share of the chunks, a few for each thread; the draws of the joint test and the
blocks of the placebo audit, short and many, are tasks of Dask alone. Dask runs a lost worker's
tasks again on another, and can make the data again from what the scheduler holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import Any

import pandas as pd
from distributed import Client, get_client
from prefect import flow, task
from prefect.client.orchestration import get_client as prefect_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_dask import DaskTaskRunner
from threadpoolctl import threadpool_limits

from data.errors import SourceOutOfReach
from data.panel import Panel
from models.design import Floats
from models.engine.chunks import ChunkTable, Here
from models.engine.main_model import MainModel, declared_placebos, leave_out, trial
from models.engine.multiverse import Say, run_curve
from models.engine.placebo_audit import BLOCKS, placebo_audit
from models.engine.results import Curve, DeclaredPlacebo
from models.engine.setting import Setting
from models.engine.sign_draws import SignDraws
from models.engine.subsets import Indices
from models.study import Study

PATIENCE = "20s"  # for the scheduler to answer
SHARES = 3  # tasks for each of the cluster's threads: enough to even out, and little to do again
AFTER = -1  # Dask's priority for what is not waited for until the end


def curve_on_dask(study: Study, panel: Panel, say: Say, address: str) -> Curve:
    """`run_curve` on the cluster whose scheduler is at `address`: the same curve, bit for bit.

    Raises SourceOutOfReach where no scheduler answers there.
    """
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as fault:
        what = f"no scheduler answers ({fault})"
        todo = "start one with `dask scheduler` and `dask worker ADDRESS`"
        raise SourceOutOfReach(f"--dask {address}", what, todo) from None
    with client, _server_for(client):
        runner: Any = DaskTaskRunner(address=client.scheduler.address)
        asked = _Asked(lambda: _with_data(client, study, panel, say))
        return _multiverse.with_options(task_runner=runner)(asked)


class _Asked:
    """What the flow computes. A flow's parameters travel with each of its tasks: this stays."""

    __slots__ = ("compute",)

    def __init__(self, compute: Callable[[], Curve] | None = None) -> None:
        self.compute = compute

    def __reduce__(self) -> tuple[type[_Asked], tuple[()]]:
        return _Asked, ()


@flow(name="multiverse", persist_result=False, validate_parameters=False)
def _multiverse(asked: Any) -> Curve:
    return asked.compute()


def _with_data(client: Client, study: Study, panel: Panel, say: Say) -> Curve:
    """The curve, its data published on the cluster as long as it takes."""
    places: list[_OnDask] = []

    def workplace(setting: Setting) -> _OnDask:
        places.append(_OnDask(client, setting))
        return places[-1]

    try:
        return run_curve(study, panel, say, workplace)
    finally:
        for place in places:
            client.unpublish_dataset(place.key)


class _OnDask:
    """The workplace of one setting on the cluster that `client` knows."""

    def __init__(self, client: Client, setting: Setting) -> None:
        self.client, self.setting = client, setting
        self.key = key_of(setting.study, setting.panel)
        if self.key not in client.list_datasets():
            shipped = client.submit(_shipped, setting, key=f"setting-{self.key}")
            client.replicate(shipped)
            client.publish_dataset(shipped, name=self.key)

    def main_model(self, say: Say) -> Callable[[], MainModel]:
        """The audit and the influence analysis, begun by a worker."""
        given = {"name": self.key, "priority": AFTER, "pure": False}
        rejected = self.client.map(_rejections, range(BLOCKS), **given)
        beside = self.client.submit(_beside, **given)

        def wait() -> MainModel:
            say("placebo audit and leave-one-out of the main model, by the workers")
            counts = [future.result() for future in rejected]
            return MainModel(placebo_audit(trial(self.setting), counts), *beside.result())

        return wait

    def tables(self, count: int) -> Iterator[ChunkTable]:
        """The estimates of chunks 0 to count - 1, by the workers."""
        shares = SHARES * max(1, sum(self.client.nthreads().values()))
        size = max(1, -(-count // shares))
        starts = range(0, count, size)
        futures = [_tables.submit(self.key, k, min(k + size, count)) for k in starts]
        return (table for future in futures for table in future.result())

    def resampled(
        self, chunks: Sequence[int], present: Indices, draws: SignDraws
    ) -> Iterator[tuple[Floats, Floats]]:
        """Slopes and t-statistics (S, D) of each chunk, by the workers."""
        given = {"name": self.key, "present": present, "draws": draws}
        futures = self.client.map(_statistics, list(chunks), pure=False, **given)
        return (future.result() for future in futures)


def _server_for(client: Client) -> AbstractContextManager[Any]:
    """Has workers on this machine use the Prefect server of this process.

    Where no server is set, each process would start its own, which takes 15 s. Workers elsewhere
    cannot reach one that listens on this machine alone.
    """
    hosts = {address.rpartition("://")[2].rpartition(":")[0] for address in client.nthreads()}
    if PREFECT_API_URL.value() is not None or not hosts <= {"127.0.0.1", "localhost", "[::1]"}:
        return nullcontext()
    with prefect_client(sync_client=True) as server:
        url = str(server.api_url)
    return temporary_settings({PREFECT_API_URL: url}) if url.startswith("http") else nullcontext()


def key_of(study: Study, panel: Panel) -> str:
    """The name under which the data of a study's multiverse are published on the cluster."""
    return f"regsi-{study.sha256[:16]}-{panel.sha256[:16]}"


def _shipped(setting: Setting) -> Setting:
    return setting


@lru_cache(maxsize=1)
def _here(key: str) -> Here:
    """The setting on this worker, fetched once."""
    return Here(get_client().get_dataset(key).result())


@contextmanager
def _as_anywhere() -> Iterator[None]:
    """One thread for matrix products gives the same bits on every machine."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@task(task_run_name="chunks from {start}", persist_result=False)
def _tables(key: str, start: int, end: int) -> list[ChunkTable]:
    with _as_anywhere():
        return [_here(key).table(chunk) for chunk in range(start, end)]


def _statistics(
    chunk: int, name: str, present: Indices, draws: SignDraws
) -> tuple[Floats, Floats]:
    with _as_anywhere():
        return _here(name).statistics(chunk, present, draws)


def _rejections(block: int, name: str) -> Indices:
    with _as_anywhere():
        return _here(name).rejections(block)


def _beside(name: str) -> tuple[pd.DataFrame, tuple[DeclaredPlacebo, ...]]:
    with _as_anywhere():
        setting = _here(name).setting
        return leave_out(setting), declared_placebos(setting)
