"""Results -> a run's folder: tables, figures, briefs and the manifest that makes them traceable."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any

from data.panel import Panel
from data.panels.store import write_panel
from models.engine.results import as_document as curve_document
from models.results import as_json
from models.study import Study
from pipelines.runs import Run, find_run, finish, new_folder, run_id, runs_folder
from pipelines.session import Session
from pipelines.steps import Estimated


def finished(study: Study, panel: Panel, session: Session) -> Run | None:
    """The run that already holds the results of this study on this panel, if there is one."""
    identity = run_id(study, panel)
    if (runs_folder(session.home) / identity / "run.json").exists():
        return find_run(session.home, identity)
    return None


def publish_run(estimated: Estimated, session: Session) -> Run:
    """Writes everything a study publishes into a new run and renews the site's index."""
    # matplotlib and typst are loaded only when something is drawn
    from reports.publish import publish
    from reports.site.index import write_index

    study, panel, curve = estimated.study, estimated.panel, estimated.curve
    start = time.perf_counter()
    identity = run_id(study, panel)
    folder = new_folder(session.home, identity)
    shutil.copyfile(study.path, folder / "study.toml")
    write_panel(panel, folder / "panel.parquet")
    models = as_json(estimated.results.models)
    (folder / "results.json").write_text(json.dumps(models, indent=1), "utf-8")
    if curve is not None:
        (folder / "curve.json").write_text(json.dumps(curve_document(curve)), "utf-8")
    with session.step(f"publishing {study.id}: tables, figures, brief"):
        publish(estimated.results, folder, identity, curve)
    timings = {"estimate": estimated.seconds, "publish": time.perf_counter() - start}
    run = finish(session.home, identity, folder, _inputs(study, panel, session), timings)
    write_index(session.home)
    return run


def _inputs(study: Study, panel: Panel, session: Session) -> dict[str, Any]:
    return {
        "study": {"id": study.id, "title": study.title, "sha256": study.sha256},
        "panel": {"name": panel.name, "sha256": panel.sha256},
        "vintages": [as_json(vintage) for vintage in panel.vintages],
        "as_of": session.as_of.isoformat() if session.as_of else None,
        "simulated": panel.simulated,
        "seeds": _seeds(study),
    }


def _seeds(study: Study) -> dict[str, int]:
    seeds = {m.id: m.inference.seed for m in study.models if m.inference.seed is not None}
    if study.multiverse is not None:
        seeds["multiverse"] = study.multiverse.seed
    return seeds
