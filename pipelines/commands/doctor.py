"""`regsi doctor`: what is installed, stored and reachable, and what to do about each finding."""

from __future__ import annotations

import argparse
import platform
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from data.errors import RegsiError
from data.recipes import dataset_ids, dataset_recipe
from data.warehouse import Warehouse
from pipelines import steps
from pipelines.runs import PROJECT, finished_runs, sha256_of
from pipelines.session import Session

PATIENCE = 4.0  # seconds for a publisher to answer at all
Finding = dict[str, str]


def run(_args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """All findings; `todo` is empty where nothing needs doing."""
    findings = [*_versions(), *_disk(session), *_warehouse(session), *_runs(session), *_sources()]
    lines = []
    for finding in findings:
        mark = "  ok " if not finding["todo"] else "todo "
        lines.append(f"{mark} {finding['check']}: {finding['finding']}")
        if finding["todo"]:
            lines.append(f"        {finding['todo']}")
    return findings, "\n".join(lines)


def _finding(check: str, finding: str, todo: str = "") -> Finding:
    return {"check": check, "finding": finding, "todo": todo}


def _versions() -> Iterator[Finding]:
    yield _finding("python", platform.python_version())
    pinned = re.findall(
        r"^([a-z0-9-]+)==([^ ;\\]+)", (PROJECT / "requirements.lock").read_text("utf-8"), re.M
    )
    locked: dict[str, set[str]] = {}
    for name, number in pinned:
        locked.setdefault(name, set()).add(number)
    installed = {name: _installed(name) for name in locked}
    differing = [f"{name} {v}" for name, v in installed.items() if v not in locked[name] | {""}]
    todo = "make clean, then make run, installs what the lock pins" if differing else ""
    found = ", ".join(differing) if differing else f"{len(locked)} packages as locked"
    yield _finding("packages", found, todo)


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a package for another platform
        return ""


def _disk(session: Session) -> Iterator[Finding]:
    place = session.home if session.home.exists() else session.home.resolve().parent
    free = shutil.disk_usage(place).free / 2**30
    todo = "free some space: a run needs about 1 GiB" if free < 1 else ""
    yield _finding("disk", f"{free:.1f} GiB free at {place}", todo)


def _warehouse(session: Session) -> Iterator[Finding]:
    try:
        vintages = steps.vintages(session.home)
        with Warehouse(session.home) as warehouse:
            if vintages:
                warehouse.read_through()
    except RegsiError as error:
        yield _finding("warehouse", f"{error.where} {error.what}", error.todo)
        return
    yield _finding("warehouse", f"{len(vintages)} vintages in {session.home}")
    raw = {v: session.home / v.raw for v in vintages}
    broken = [v for v, file in raw.items() if not file.exists() or sha256_of(file) != v.sha256]
    todo = "ingest them again: " + ", ".join(sorted({v.dataset for v in broken})) if broken else ""
    yield _finding("raw files", f"{len(vintages) - len(broken)} of {len(vintages)} intact", todo)


def _runs(session: Session) -> Iterator[Finding]:
    try:
        yield _finding("runs", f"{len(finished_runs(session.home))} finished")
    except RegsiError as error:
        yield _finding("runs", f"{error.where} {error.what}", error.todo)


def _sources() -> Iterator[Finding]:
    urls = [dataset_recipe(dataset).url or "" for dataset in dataset_ids()]
    named = sorted({host for url in urls if (host := urlsplit(url).hostname)})
    with ThreadPoolExecutor(len(named) or 1) as pool:
        for host, fault in zip(named, pool.map(_fault, named), strict=True):
            todo = "check the connection, or read files with --from DIR" if fault else ""
            yield _finding(f"source {host}", fault or "answers", todo)


def _fault(host: str) -> str:
    import httpx

    try:
        httpx.head(f"https://{host}/", timeout=PATIENCE)
    except httpx.HTTPError as error:
        return f"out of reach ({type(error).__name__})"
    return ""
