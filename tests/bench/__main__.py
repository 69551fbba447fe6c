"""`make bench`: every benchmark beside its peers, each contestant in a process of its own.

A benchmark is a module `bench_*.py` with

    NAME          its name on the command line
    SIZES         label -> what `prepare` takes
    prepare       (size, folder) -> path of the data that all contestants are given
    load          optional, path -> what contestants are given instead of the path; not timed
    CONTESTANTS   name -> (data, empty folder of its own) -> answer; "regsi" comes first
    agree         (our answer, theirs) -> whether they found the same
    UNITS         optional, contestant -> how many units of work one call does; seconds are for one
    LEFT_OUT      optional, (contestant, size) -> why it does not take part

Contestants import what they need when called. `cold` runs from the start of the process to its
first answer, imports and loading included; that first call is the warm-up, and its answer is held
against ours before anything is timed. `seconds` is the median of five further calls (fewer where
they would take more than three minutes; `runs` says how many), `peak_mib` the process's peak.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FOLDER = ROOT / "var" / "bench"
THREADS = 2
POOLS = ("OPENBLAS", "OMP", "MKL", "NUMBA", "RAYON", "POLARS")
LIBRARIES = (
    *("numpy", "pandas", "duckdb", "polars", "prefect", "distributed", "statsmodels"),
    *("linearmodels", "pyfixest", "wildboottest", "specification_curve"),
)
Row = dict[str, Any]


def main(names: list[str]) -> int:
    """Run the benchmarks called `names`, or all; 2 for a name that there is not, 1 if any fails."""
    benches = {bench.NAME: bench for bench in _modules()}
    unknown = [name for name in names if name not in benches]
    if unknown:
        known = ", ".join(benches)
        print(f"error: BENCH={unknown[0]}: no such benchmark; name {known}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in names or list(benches):
        for size in benches[name].SIZES:
            rows += _contest(benches[name], size)
            _write(rows)
    return 0 if all(row["correct"] for row in rows) else 1


def _modules() -> list[ModuleType]:
    return [
        importlib.import_module(f"tests.bench.{path.stem}")
        for path in sorted(HERE.glob("bench_*.py"))
    ]


def _contest(bench: ModuleType, size: str) -> list[Row]:
    """All contestants of one benchmark at one size, ours first."""
    folder = FOLDER / "data" / bench.NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"\n{bench.NAME}, {size}: preparing the data", flush=True)
    path = bench.prepare(bench.SIZES[size], folder)
    left_out = getattr(bench, "LEFT_OUT", {})
    rows: list[Row] = []
    for contestant in bench.CONTESTANTS:
        reason = left_out.get((contestant, size))
        if reason:
            print(f"  {contestant:19} left out: {reason}", flush=True)
            continue
        row = {"bench": bench.NAME, "size": size, "contestant": contestant}
        rows.append(row | _run(bench, contestant, path, folder))
        ours = rows[0]["seconds"]
        known = ours and rows[-1]["seconds"]
        rows[-1]["ratio"] = rows[-1]["seconds"] / ours if known else None
        _show(rows[-1])
    shutil.rmtree(folder, ignore_errors=True)
    return rows


def _run(bench: ModuleType, contestant: str, path: Path, folder: Path) -> Row:
    """One contestant: its first answer, whether it agrees with ours, then its timings."""
    work = folder / f"work-{contestant}"
    work.mkdir()
    command = [sys.executable, "-m", "tests.bench.contestant", bench.__name__, contestant]
    pools = {f"{pool}_NUM_THREADS": str(THREADS) for pool in POOLS}
    pools["POLARS_MAX_THREADS"] = str(THREADS)
    process = subprocess.Popen(
        [*command, str(path), str(work)],
        cwd=ROOT,
        env={**os.environ, **pools},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    first = _told(process.stdout.readline())
    correct = "cold" in first and _agrees(bench, contestant, folder)
    with contextlib.suppress(BrokenPipeError):  # one that failed is gone, and has said why
        process.stdin.write("go\n" if correct else "stop\n")
        process.stdin.close()
    timed = _told(process.stdout.readline()) if correct else {}
    process.wait()
    return {
        "seconds": timed.get("seconds"),
        "peak_mib": timed.get("peak_mib"),
        "correct": correct,
        "ratio": None,
        "cold": first.get("cold"),
        "runs": timed.get("runs", 0),
        "threads": THREADS,
    }


def _told(line: str) -> Row:
    return dict(json.loads(line)) if line.startswith("{") else {}


def _agrees(bench: ModuleType, contestant: str, folder: Path) -> bool:
    """Whether a contestant's first answer is ours; no if either gave none."""
    names = (next(iter(bench.CONTESTANTS)), contestant)
    files = [folder / f"work-{name}" / "answer.pickle" for name in names]
    if not all(file.exists() for file in files):
        return False
    ours, theirs = (pickle.loads(file.read_bytes()) for file in files)
    return bool(bench.agree(ours, theirs))


def _show(row: Row) -> None:
    figures = [row["seconds"], row["cold"], row["peak_mib"], row["ratio"]]
    seconds, cold, peak, ratio = ("-" if f is None else f"{f:.4g}" for f in figures)
    verdict = "" if row["correct"] else "  WRONG OR FAILED"
    print(
        f"  {row['contestant']:19} {seconds:>10} s  cold {cold:>7} s  peak {peak:>6} MiB  "
        f"ratio {ratio:>8}{verdict}",
        flush=True,
    )


def _write(rows: list[Row]) -> None:
    """The results so far; versions and the lock's hash stand once, with the first row."""
    lock = (ROOT / "requirements.lock").read_bytes()
    environment = {
        "python": sys.version.split()[0],
        "libraries": {name: version(name) for name in LIBRARIES},
        "lock_sha256": sha256(lock).hexdigest(),
        "threads": THREADS,
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    document = [rows[0] | {"environment": environment}, *rows[1:]]
    (FOLDER / "results.json").write_text(json.dumps(document, indent=1), "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
