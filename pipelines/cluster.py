"""A multiverse on a Dask cluster, through Prefect's Dask task runner.

The study's data go to each worker once, as what all tasks depend on: Dask sends them to workers
that join later, and again from the scheduler where the last worker that held them is lost, with
whatever else that one had computed. A Prefect task costs some 0.1 s whatever it does, so that each
estimates a share of the chunks; the draws of the joint test and the blocks of the placebo audit,
short and many, are tasks of Dask alone. What comes back is as small as the published curve: the
workers exchange the resampled statistics among themselves and describe them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import dask
import pandas as pd
from distributed import CancelledError, Client, KilledWorker
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client as prefect_client
from prefect.context import FlowRunContext
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)
from prefect_dask import DaskTaskRunner
from threadpoolctl import threadpool_limits

from data.errors import SourceOutOfReach
from data.panel import Panel
from models.engine.chunks import ChunkTable, Here
from models.engine.joint import Drawn, NullCurves, ObservedCurve, described, joined
from models.engine.main_model import MainModel, declared_placebos, leave_out, trial
from models.engine.multiverse import Say, run_curve
from models.engine.placebo_audit import BLOCKS, placebo_audit
from models.engine.results import Curve, DeclaredPlacebo
from models.engine.setting import Setting
from models.engine.subsets import Indices
from models.inference.sign_draws import SignDraws
from models.study import Study
from models.threads import one_thread, slices

PATIENCE = 20.0  # seconds for the scheduler to answer, and for a worker to be there
SHARES = 3  # tasks for each of the cluster's threads: enough to even out, and little to do again
FEWEST = 2  # chunks that are worth a Prefect task
WORTH = 2**20  # resampled statistics that a task describes, at least
AFTER = -1  # Dask's priority for what is needed last


def curve_on_dask(study: Study, panel: Panel, say: Say, address: str) -> Curve:
    """`run_curve` on the cluster whose scheduler is at `address`: the same curve, bit for bit.

    Raises SourceOutOfReach where no scheduler answers there, or none that has a worker, or where
    it, or one worker after the other, is lost on the way.
    """
    with _reached(address) as client, _settings_for(client):
        runner: Any = DaskTaskRunner(address=client.scheduler.address)
        asked = _Asked(lambda: run_curve(study, panel, say, _OnDask))
        try:
            return _multiverse.with_options(task_runner=runner)(asked)
        except (CancelledError, OSError):
            what, todo = "the scheduler was lost on the way", "start it again, and then this run"
        except KilledWorker:
            what = "one worker after the other was lost at the same task"
            todo = "give them more memory"
        raise SourceOutOfReach(f"--dask {address}", what, todo)


def _reached(address: str) -> Client:
    where = f"--dask {address}"
    if dask.config.get("logging", None) is None:  # lost workers are no fault, others are said once
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as fault:
        what = f"no scheduler answers ({fault})"
        todo = "start one with `dask scheduler` and `dask worker ADDRESS`"
        raise SourceOutOfReach(where, what, todo) from None
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        client.close()
        todo = "start some with `dask worker ADDRESS`"
        raise SourceOutOfReach(where, "the scheduler has no workers", todo) from None
    return client


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


class _OnDask:
    """The workplace of one setting on the cluster of the flow that runs."""

    def __init__(self, setting: Setting) -> None:
        run: Any = FlowRunContext.get()
        self.client, self.setting = run.task_runner.client, setting
        self.threads = max(1, sum(self.client.nthreads().values()))
        # the panel is meant to be sent, however large it is
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            self.here = self.client.submit(Here, setting, one_thread, pure=False)

    def main_model(self, say: Say) -> Callable[[], MainModel]:
        """The audit and the influence analysis, begun by a worker."""
        given = {"here": self.here, "priority": AFTER, "pure": False}
        rejected = self.client.map(_rejections, range(BLOCKS), **given)
        beside = self.client.submit(_beside, **given)

        def wait() -> MainModel:
            say("placebo audit and leave-one-out of the main model, by the workers")
            *counts, (without, placebos) = self.client.gather([*rejected, beside])
            return MainModel(placebo_audit(trial(self.setting), counts), without, placebos)

        return wait

    def tables(self, count: int) -> Iterator[ChunkTable]:
        """The estimates of chunks 0 to count - 1, by the workers."""
        tasks = max(1, min(SHARES * self.threads, count // FEWEST))
        tasks -= tasks % min(tasks, self.threads)  # as many for each thread
        size = -(-count // tasks)
        starts = range(0, count, size)
        futures = [_tables.submit(self.here, k, min(k + size, count)) for k in starts]
        return (table for future in futures for table in future.result())

    def resampled(
        self, chunks: Sequence[int], present: Indices, draws: SignDraws, observed: ObservedCurve
    ) -> list[NullCurves]:
        """Curves of these chunks, computed chunk by chunk and described draw by draw."""
        given = {"here": self.here, "present": present, "draws": draws, "pure": False}
        drawn = self.client.map(_statistics, list(chunks), **given)
        few = max(WORTH // len(observed.t), -(-len(draws) // self.threads))
        futures = [
            self.client.submit(
                _null_curves, self.client.map(_some, drawn, some=some), observed, pure=False
            )
            for some in slices(len(draws), few)
        ]
        found: list[NullCurves] = self.client.gather(futures)
        return found


@contextmanager
def _settings_for(client: Client) -> Iterator[None]:
    """Has workers on this machine use the Prefect server of this process, and no heartbeats.

    Where no server is set, each process would start its own, which takes 15 s. Workers elsewhere
    cannot reach one that listens on this machine alone. The flow around this one has heartbeats;
    each flow that has them ends up to a second late.
    """
    settings: dict[Any, Any] = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    hosts = {address.rpartition("://")[2].rpartition(":")[0] for address in client.nthreads()}
    if PREFECT_API_URL.value() is None and hosts <= {"127.0.0.1", "localhost", "[::1]"}:
        with prefect_client(sync_client=True) as server:
            url = str(server.api_url)
        if url.startswith("http"):
            settings[PREFECT_API_URL] = url
    with temporary_settings(settings):
        yield


@cache
def _one_blas_thread() -> None:
    """Holds this worker to one thread for matrix products: the same bits on every machine.

    It stays so after the run. Tasks of several threads, each with a limit of its own, would lift
    it for each other.
    """
    threadpool_limits(limits=1, user_api="blas")


@task(task_run_name="chunks from {start}", persist_result=False, cache_policy=NO_CACHE)
def _tables(here: Here, start: int, end: int) -> list[ChunkTable]:
    _one_blas_thread()
    return [here.table(chunk) for chunk in range(start, end)]


def _statistics(chunk: int, here: Here, present: Indices, draws: SignDraws) -> Drawn:
    _one_blas_thread()
    return here.statistics(chunk, present, draws)


def _some(drawn: Drawn, some: slice) -> Drawn:
    slopes, t = drawn
    return slopes[:, some], t[:, some]


def _null_curves(drawn: Sequence[Drawn], observed: ObservedCurve) -> NullCurves:
    return joined(described(observed, drawn, one_thread))


def _rejections(block: int, here: Here) -> Indices:
    _one_blas_thread()
    return here.rejections(block)


def _beside(here: Here) -> tuple[pd.DataFrame, tuple[DeclaredPlacebo, ...]]:
    _one_blas_thread()
    return leave_out(here.setting), declared_placebos(here.setting)
