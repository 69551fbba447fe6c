"""A run is a folder with a manifest: what went in, what came out, by hash.

The id of a run is the hash of everything its numbers depend on, so the same inputs give the same
run, and a second attempt finds it finished.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any

from data.errors import BadInput
from data.panel import Panel
from models.study import Study

PROJECT = Path(__file__).resolve().parents[1]
STAGES = ("data", "models", "reports")


@dataclass(frozen=True)
class Run:
    """A finished run: its folder holds run.json and every file the manifest lists."""

    id: str
    folder: Path
    manifest: dict[str, Any]
    new: bool = False

    def files(self, suffix: str) -> list[Path]:
        """The run's files with that suffix, in the manifest's order."""
        return [self.folder / name for name in self.manifest["files"] if name.endswith(suffix)]

    def estimate(self, model: str, term: str) -> float | None:
        """What the run published for a coefficient; None if it has no such one."""
        published = json.loads((self.folder / "results.json").read_text("utf-8"))
        own = (one["terms"] for one in published if one["id"] == model)
        found = (one["estimate"] for terms in own for one in terms if one["term"] == term)
        return next((float(estimate) for estimate in found), None)


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def code_sha256() -> str:
    """One hash over the sources and recipes of the stages that make numbers."""
    digest = hashlib.sha256()
    for stage in STAGES:
        for path in sorted((PROJECT / stage).rglob("*")):
            if path.suffix in {".py", ".toml", ".typ", ".html", ".css"}:
                digest.update(f"{path.relative_to(PROJECT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def run_id(study: Study, panel: Panel) -> str:
    """`<study>-<12 hex digits>` of study file, panel, code and lock."""
    parts = [study.sha256, panel.sha256, code_sha256(), _lock_sha256()]
    return f"{study.id}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:12]}"


def _lock_sha256() -> str:
    lock = PROJECT / "requirements.lock"
    return sha256_of(lock) if lock.exists() else ""


def runs_folder(home: Path) -> Path:
    """Where the runs of this home are kept."""
    return home / "runs"


def find_run(home: Path, run: str) -> Run:
    """The finished run `run` (its id or its folder). Raises BadInput if there is none."""
    folder = runs_folder(home) / run
    if not (folder / "run.json").exists() and (Path(run) / "run.json").exists():
        folder = Path(run)
    if not (folder / "run.json").exists():
        raise BadInput(f"run {run}", f"no such run in {runs_folder(home)}", "see regsi list runs")
    manifest = folder / "run.json"
    try:
        facts = json.loads(manifest.read_text("utf-8"))
        facts["study"]["id"], facts["created"], facts["as_of"]  # what lists need
        facts["files"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        todo = f"remove {folder}, then run the study again"
        raise BadInput(str(manifest), "is damaged", todo) from None
    return Run(folder.name, folder, facts)


def finished_runs(home: Path) -> list[Run]:
    """All finished runs, oldest first."""
    found = [find_run(home, path.parent.name) for path in runs_folder(home).glob("*/run.json")]
    return sorted(found, key=lambda run: (run.manifest["created"], run.id))


def published_before(home: Path, identity: str) -> Run | None:
    """The run of that id, if it is there with every file that its manifest lists."""
    if not (runs_folder(home) / identity / "run.json").exists():
        return None
    run = find_run(home, identity)
    whole = all((run.folder / name).is_file() for name in run.manifest["files"])
    return run if whole else None


@contextmanager
def preparing(home: Path, identity: str) -> Iterator[Path]:
    """An empty folder of this process's own to prepare a run in; what `finish` leaves of it goes.

    What killed processes left goes too, as soon as one begins while no other prepares a run.
    """
    runs = runs_folder(home)
    runs.mkdir(parents=True, exist_ok=True)
    with (runs / ".preparing").open("w") as lock:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in runs.glob(".preparing-*"):
                shutil.rmtree(left, ignore_errors=True)
        fcntl.flock(lock, fcntl.LOCK_SH)
        with TemporaryDirectory(dir=runs, prefix=f".preparing-{identity}-") as scratch:
            folder = Path(scratch) / identity  # others may read it; the one around it is private
            folder.mkdir()
            yield folder


def finish(
    home: Path, identity: str, folder: Path, inputs: dict[str, Any], timings: dict[str, float]
) -> Run:
    """Writes the manifest into a prepared folder and moves it into place in one step.

    If another process has finished the same run meanwhile, that one stays and is returned.
    """
    paths = [path for path in folder.rglob("*") if path.is_file()]
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    manifest: dict[str, Any] = {
        "id": identity,
        **inputs,
        "code_sha256": code_sha256(),
        "lock_sha256": _lock_sha256(),
        "python": platform.python_version(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "timings": timings,
        "files": {name: sha256_of(folder / name) for name in names},
    }
    (folder / "run.json").write_text(json.dumps(manifest, indent=1), "utf-8")
    final = runs_folder(home) / identity
    while not _moved(folder, final):
        if there := published_before(home, identity):
            return there
        with suppress(FileNotFoundError):  # another process was quicker
            final.rename(folder.with_name(token_hex(8)))  # files are missing: it goes with the rest
    return Run(identity, final, manifest, new=True)


def _moved(folder: Path, final: Path) -> bool:
    """Moves a folder, unless something is in its place: `rename` never replaces a full folder."""
    try:
        folder.rename(final)
    except OSError as fault:
        if fault.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    return True
