"""One contestant in a process of its own: a first answer, and after "go" the timings."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pickle
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPEATS = 5
BUDGET = 180.0  # seconds after which no further repeat is begun


def main(module: str, name: str, path: str, work: str) -> None:
    """Call the contestant `name` of a benchmark module; tell the parent on stdout, in JSON."""
    started = _process_start()
    warnings.simplefilter("ignore")  # what the peers think of each other's versions
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        bench = importlib.import_module(module)
        load: Callable[[Path], Any] = getattr(bench, "load", Path)
        data = load(Path(path))
        answer = _call(bench.CONTESTANTS[name], data, Path(work) / "0")[1]
        (Path(work) / "answer.pickle").write_bytes(pickle.dumps(answer))
        print(json.dumps({"cold": time.time() - started}), file=out, flush=True)
        if sys.stdin.readline().strip() != "go":
            return
        taken: list[float] = []
        while len(taken) < REPEATS and (not taken or sum(taken) + taken[-1] < BUDGET):
            seconds, _ = _call(bench.CONTESTANTS[name], data, Path(work) / str(1 + len(taken)))
            taken.append(seconds)
    units = getattr(bench, "UNITS", {}).get(name, 1)
    median = sorted(taken)[len(taken) // 2] / units
    document = {"seconds": median, "runs": len(taken), "peak_mib": _peak_mib()}
    print(json.dumps(document), file=out, flush=True)


def _call(contestant: Callable[[Any, Path], Any], data: Any, folder: Path) -> tuple[float, Any]:
    folder.mkdir()
    gc.collect()
    start = time.perf_counter()
    answer = contestant(data, folder)
    return time.perf_counter() - start, answer


def _peak_mib() -> float:
    """This process's largest memory so far.

    Linux counts in `ru_maxrss` what the parent held when it started this process: not so in VmHWM.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmHWM:")]
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _process_start() -> float:
    """When this process began, in seconds of the wall clock."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return time.time() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError):
        return time.time()


if __name__ == "__main__":
    main(*sys.argv[1:5])
    # as `pipelines.cli.entry` leaves, and for its reason: DuckDB's binding beside Prefect's threads
    atexit._run_exitfuncs()
    sys.stderr.flush()
    os._exit(0)
