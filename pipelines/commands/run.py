"""`regsi run`: the Prefect flow, with Prefect's own server kept quiet and inside the home."""

from __future__ import annotations

import argparse
import os
from typing import Any

from pipelines.runs import Run
from pipelines.session import Session


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Refreshes the named studies (none: the bundled ones) and names the briefs."""
    _settle_prefect(session)
    session.say("starting the flow (Prefect's server takes about 15 s to start) ...")
    from pipelines.server import start_where_none_is_set

    start_where_none_is_set()
    from pipelines.flows import refresh

    runs = refresh(
        studies=args.study or None,
        home=session.home,
        from_dir=session.from_dir,
        as_of=session.as_of,
        dask=args.dask,
        quiet=session.quiet,
    )
    document = [
        {"run": x.id, "study": x.manifest["study"]["id"], "new": x.new, "folder": str(x.folder)}
        for x in runs
    ]
    return document, _summary(runs, session)


def _settle_prefect(session: Session) -> None:
    """Settings for a run at the command line; whatever the user has set already wins."""
    folder = session.home.resolve() / "prefect"
    folder.mkdir(parents=True, exist_ok=True)  # the server does not make it itself
    for name, value in {
        "PREFECT_HOME": str(folder),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }.items():
        os.environ.setdefault(name, value)


def _next(run: Run) -> list[tuple[str, str]]:
    return [
        (f"regsi fit {run.manifest['study']['id']}", "the table of models, here"),
        (f"regsi verify {run.id}", "every published number, computed again"),
        ("regsi list studies", "what else there is"),
    ]


def _summary(runs: list[Run], session: Session) -> str:
    lines = []
    for run in runs:
        state = "published" if run.new else "nothing new"
        lines.append(f"{run.manifest['study']['id']}: {state} (run {run.id})")
        lines += [f"  {path}" for path in run.files("brief.html") + run.files("brief.pdf")]
    if runs:
        lines += ["", f"All studies: {session.home / 'site' / 'index.html'}", "Next:"]
        next_ones = _next(runs[0])
        wide = max(len(command) for command, _ in next_ones)
        lines += [f"  {command:<{wide}}  {what}" for command, what in next_ones]
    return "\n".join(lines)
