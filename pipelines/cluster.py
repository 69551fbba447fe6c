"""A multiverse on a Dask cluster, through Prefect's Dask task runner.

The study's data go to the cluster once; each chunk of cells is one task. Dask runs a lost worker's
tasks again on another, and can make the data again from what the scheduler holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from distributed import Client, get_client
from prefect import flow, task
from prefect_dask import DaskTaskRunner
from threadpoolctl import threadpool_limits

from data.errors import SourceOutOfReach
from models.design import Floats
from models.engine.chunks import ChunkTable, Here, Workplace
from models.engine.setting import Setting
from models.engine.subsets import Indices

PATIENCE = "20s"  # for the scheduler to answer


class _OnDask:
    """The workplace of one setting on the cluster that `client` knows."""

    def __init__(self, client: Client, setting: Setting) -> None:
        self.key = f"regsi-{setting.study.sha256[:16]}-{setting.panel.sha256[:16]}"
        if self.key not in client.list_datasets():
            shipped = client.submit(_shipped, setting, key=f"setting-{self.key}")
            client.replicate(shipped)
            client.publish_dataset(shipped, name=self.key)
        runner: Any = DaskTaskRunner(address=client.scheduler.address)
        self._all = _all.with_options(task_runner=runner)

    def tables(self, count: int) -> Iterator[ChunkTable]:
        """The estimates of chunks 0 to count - 1, by the workers."""
        return iter(self._all(_table, [(self.key, chunk) for chunk in range(count)]))

    def resampled(
        self, chunks: Sequence[int], present: Indices, signs: Floats
    ) -> Iterator[tuple[Floats, Floats]]:
        """Slopes and t-statistics (S, D) of each chunk, by the workers."""
        return iter(self._all(_statistics, [(self.key, k, present, signs) for k in chunks]))


@contextmanager
def on_dask(address: str) -> Iterator[Callable[[Setting], Workplace]]:
    """Workplaces on the cluster whose scheduler is at `address`.

    Raises SourceOutOfReach where no scheduler answers there.
    """
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as fault:
        what = f"no scheduler answers ({fault})"
        todo = "start one with `dask scheduler` and `dask worker ADDRESS`"
        raise SourceOutOfReach(f"--dask {address}", what, todo) from None
    with client:
        places: list[_OnDask] = []

        def workplace(setting: Setting) -> Workplace:
            places.append(_OnDask(client, setting))
            return places[-1]

        yield workplace
        for place in places:
            client.unpublish_dataset(place.key)


def _shipped(setting: Setting) -> Setting:
    return setting


@lru_cache(maxsize=1)
def _here(key: str) -> Here:
    """The setting on this worker, fetched once."""
    return Here(get_client().get_dataset(key).result())


@task(task_run_name="chunk {chunk}", persist_result=False)
def _table(key: str, chunk: int) -> ChunkTable:
    with threadpool_limits(limits=1, user_api="blas"):  # the same bits as anywhere else
        return _here(key).table(chunk)


@task(task_run_name="resample chunk {chunk}", persist_result=False)
def _statistics(key: str, chunk: int, present: Indices, signs: Floats) -> tuple[Floats, Floats]:
    with threadpool_limits(limits=1, user_api="blas"):
        return _here(key).statistics(chunk, present, signs)


@flow(name="multiverse", persist_result=False, validate_parameters=False)
def _all(work: Any, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The results of `work` for each call, in order, all submitted at once."""
    return [future.result() for future in [work.submit(*call) for call in calls]]
