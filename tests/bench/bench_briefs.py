"""briefs: everything a study publishes, from its results: tables, figures, brief, site.

The study's models and curve are estimated before, and not timed. Seconds are for one whole run's
folder: JSON, tables, pictures, HTML, PDF, manifest and the site's index.
"""

from __future__ import annotations

import json
from pathlib import Path

from models.study.file import read_study
from pipelines import steps
from pipelines.publication import publish_run
from pipelines.session import Session
from pipelines.steps import Estimated

NAME = "briefs"
SIZES = {
    "four models": "us-public-capital",
    "eight models and a curve": "eu-youth-simulated",
}
Answer = dict[str, bool]  # what was looked at, and whether it was right


def prepare(study: str, folder: Path) -> Path:
    """A home with the study's data."""
    session = Session(folder / "home", quiet=True)
    steps.load_data(steps.datasets_for([read_study(study)]), session)
    (folder / "study").write_text(study, "utf-8")
    return folder


def load(folder: Path) -> Estimated:
    """The study's results."""
    session = Session(folder / "home", quiet=True)
    study = read_study((folder / "study").read_text("utf-8"))
    return steps.estimate_on(study, steps.study_panel(study, session), session, None)


def regsi(estimated: Estimated, work: Path) -> Answer:
    """Publishes into an empty home, and looks at what is there."""
    run = publish_run(estimated, Session(work, quiet=True))
    published = json.loads((run.folder / "results.json").read_text("utf-8"))
    terms = [[term["estimate"] for term in model["terms"]] for model in published]
    wanted = [[term.estimate for term in model.terms] for model in estimated.results.models]
    html = (run.folder / "brief.html").read_text("utf-8")
    answer = {
        "every estimate in full": terms == wanted,
        "a brief that names the study": estimated.study.title in html,
        "a PDF": (run.folder / "brief.pdf").read_bytes().startswith(b"%PDF"),
        "on the site": estimated.study.id in (work / "site" / "index.html").read_text("utf-8"),
    }
    if estimated.curve is not None:
        curve = json.loads((run.folder / "curve.json").read_text("utf-8"))
        answer["every specification"] = len(curve["specs"]) == len(estimated.curve.specs)
    return answer


CONTESTANTS = {"regsi": regsi}


def agree(ours: Answer, _: Answer) -> bool:
    """There is no peer: what was published must be what was estimated."""
    return all(ours.values())
