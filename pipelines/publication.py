"""Results -> a run's folder: tables, figures, briefs and the manifest that makes them traceable."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from data.panel import Panel
from data.panels.store import write_panel
from models.engine.results import as_document as curve_document
from models.results import as_json
from models.study import Study
from pipelines.runs import Run, finish, preparing, published_before, run_id
from pipelines.session import Session
from pipelines.steps import Estimated


def finished(study: Study, panel: Panel, session: Session) -> Run | None:
    """The run that already holds the results of this study on this panel, if there is one.

    The site's index is renewed then: whoever finished that run may have been killed before it was.
    """
    done = published_before(session.home, run_id(study, panel))
    if done is not None:
        _renew_index(session)
    return done


def publish_run(estimated: Estimated, session: Session) -> Run:
    """Writes everything a study publishes into a new run and renews the site's index."""
    study, panel = estimated.study, estimated.panel
    start = time.perf_counter()
    identity = run_id(study, panel)
    with preparing(session.home, identity) as folder:
        _write(estimated, folder, identity, session)
        timings = {"estimate": estimated.seconds, "publish": time.perf_counter() - start}
        run = finish(session.home, identity, folder, _inputs(study, panel, session), timings)
    _renew_index(session)
    return run


def _write(estimated: Estimated, folder: Path, identity: str, session: Session) -> None:
    # matplotlib and typst are loaded only when something is drawn
    from reports.publish import publish

    shutil.copyfile(estimated.study.path, folder / "study.toml")
    write_panel(estimated.panel, folder / "panel.parquet")
    models = as_json(estimated.results.models)
    (folder / "results.json").write_text(json.dumps(models, indent=1), "utf-8")
    if estimated.curve is not None:
        curve = curve_document(estimated.curve)
        (folder / "curve.json").write_text(json.dumps(curve), "utf-8")
    with session.step(f"publishing {estimated.study.id}: tables, figures, brief"):
        publish(estimated.results, folder, identity, estimated.curve)


def _renew_index(session: Session) -> None:
    from reports.site.index import write_index  # jinja2 is loaded only here

    write_index(session.home)


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
