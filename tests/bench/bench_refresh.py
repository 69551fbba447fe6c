"""refresh: `regsi run` again, Prefect's flow included, with its server up.

With unchanged data every file is asked for and found to be known, and the run to be finished. With
changed data the publisher has a new edition of all seven tables each time: load, panel, eight
models, curve with joint test and audit, brief.
"""

from __future__ import annotations

import argparse
import itertools
from functools import partial
from pathlib import Path
from unittest.mock import patch

from models.study.file import read_study
from pipelines import steps
from pipelines.publication import publish_run
from pipelines.session import Session

NAME = "refresh"
SIZES = {"unchanged data": "unchanged", "changed data": "changed"}
STUDY = "eu-youth-simulated"
Answer = tuple[Path, str, bool, bool]  # home, run, whether it is new, whether it should be
_EDITIONS = itertools.count(1001)  # each has a simulated world of its own


def prepare(kind: str, folder: Path) -> Path:
    """A home in which the study is published."""
    session = Session(folder / "home", quiet=True)
    study = read_study(STUDY)
    panel = steps.loaded_panel(study, session)
    publish_run(steps.estimate_on(study, panel, session, None), session)
    path = folder / kind
    path.mkdir()
    return path


def regsi(path: Path, _: Path) -> Answer:
    """The command, while the publisher offers the first edition or one that nobody has seen."""
    from data.fetch import newest
    from data.simulated import write_simulated
    from pipelines.commands import run

    changed = path.name == "changed"
    offered = partial(write_simulated, seed=next(_EDITIONS)) if changed else write_simulated
    session = Session(path.parent / "home", quiet=True)
    with patch.object(newest, "write_simulated", offered):
        (done,), _summary = run.run(argparse.Namespace(study=[STUDY], dask=None), session)
    return session.home, done["run"], done["new"], changed


CONTESTANTS = {"regsi": regsi}


def agree(ours: Answer, _: Answer) -> bool:
    """There is no peer: a run is new if data are, and its numbers can be computed again."""
    from pipelines.cli import main

    home, run, new, changed = ours
    return new == changed and main(["verify", run, "--home", str(home), "--quiet"]) == 0
