"""`regsi publish`: tables, figures and brief of a study, without Prefect."""

from __future__ import annotations

import argparse
from typing import Any

from models.study.file import read_study
from pipelines import steps
from pipelines.publication import finished, publish_run
from pipelines.session import Session


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Publishes a study's run, or names the one that already holds the same results."""
    study = read_study(args.study)
    panel = steps.loaded_panel(study, session)
    done = finished(study, panel, session)
    if done is None:
        done = publish_run(steps.estimate_on(study, panel, session, None), session)
    state = "published" if done.new else "nothing new: published before"
    files = [str(done.folder / name) for name in done.manifest["files"]]
    index = session.home / "site" / "index.html"
    session.say(
        f"Next: open {done.folder / 'brief.html'} in a browser, or {index} for all runs; "
        f"regsi verify {done.id} computes every number again."
    )
    document = {"run": done.id, "new": done.new, "files": files}
    lines = [f"{study.id}: {state} as run {done.id}", *(f"  {name}" for name in files)]
    return document, "\n".join(lines)
