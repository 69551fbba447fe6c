"""The Prefect flows: retries, state, schedule and artifacts around the plain steps.

Studies are few and each is one task; regressions are never tasks (they are batched in the engine).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from data.errors import NoAddress, RegsiError, SourceOutOfReach
from data.ingest import Loaded
from models.study import Study
from models.study.file import read_study
from pipelines import steps
from pipelines.publication import finished, publish_run
from pipelines.runs import Run
from pipelines.session import Session, default_home
from pipelines.steps import Estimated

# what a new user can run with nothing but the installed packages
BUNDLED = ("us-public-capital", "eu-youth-simulated")


def _transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Only a publisher out of reach is worth a second try; bad data stays bad."""
    failure = state.result(raise_on_failure=False)
    return isinstance(failure, SourceOutOfReach) and not isinstance(failure, NoAddress)


@task(
    task_run_name="load {dataset}",
    retries=3,
    retry_delay_seconds=exponential_backoff(backoff_factor=10),
    retry_jitter_factor=0.5,
    retry_condition_fn=_transient,
    persist_result=False,
)
def _load(dataset: str, session: Session) -> tuple[Loaded, ...]:
    return steps.load_data([dataset], session)


@flow(name="ingest", persist_result=False, validate_parameters=False)
def ingest(datasets: Sequence[str], session: Session) -> list[Loaded]:
    """Loads the current edition of each dataset; the warehouse has one writer, so in turn."""
    loaded = [edition for dataset in datasets for edition in _load(dataset, session)]
    if loaded:
        rows = [
            {"dataset": x.dataset, "published": str(x.published), "rows": x.rows, "new": x.new}
            for x in loaded
        ]
        create_table_artifact(rows, key="vintages", description="What the publishers said")
    return loaded


@task(task_run_name="estimate {study.id}", persist_result=False)
def _estimate(study: Study, session: Session, dask: str | None) -> Estimated | Run:
    panel = steps.study_panel(study, session)
    run = finished(study, panel, session)
    if run is None:
        return steps.estimate_on(study, panel, session, dask)
    session.say(f"{study.id}: nothing new since run {run.id}")
    return run


@flow(name="estimate", persist_result=False, validate_parameters=False)
def estimate(
    studies: Sequence[Study], session: Session, dask: str | None = None
) -> list[Estimated | Run | RegsiError]:
    """Fits each study; one that cannot be done does not stop the others, and is not skipped."""
    done: list[Estimated | Run | RegsiError] = []
    for study in studies:
        try:
            done.append(_estimate(study, session, dask))
        except RegsiError as error:
            done.append(error)
    return done


@task(task_run_name="publish {estimated.study.id}", persist_result=False)
def _publish(estimated: Estimated, session: Session) -> Run:
    run = publish_run(estimated, session)
    key = estimated.study.id.lower()
    create_table_artifact(_headline(estimated), key=f"{key}-estimates")
    create_markdown_artifact(_pointer(estimated, run), key=f"{key}-brief")
    return run


@flow(name="publish", persist_result=False, validate_parameters=False)
def publish(estimated: Sequence[Estimated], session: Session) -> list[Run]:
    """Writes tables, figures and briefs of what was newly estimated."""
    return [_publish(one, session) for one in estimated]


@flow(name="refresh", persist_result=False)
def refresh(
    studies: list[str] | None = None,
    home: Path | None = None,
    from_dir: Path | None = None,
    as_of: date | None = None,
    dask: str | None = None,
    quiet: bool = False,
) -> list[Run]:
    """Ingest, estimate, publish. No study named means the bundled ones, which need no network.

    No home named means that of the command line: `REGSI_HOME`, or `var/`.

    Raises the first study's error after every other study has been done.
    """
    session = Session(home or default_home(), from_dir, as_of, quiet)
    wanted = [read_study(study) for study in studies or BUNDLED]
    ingest(steps.refreshable(steps.datasets_for(wanted), session), session)
    outcomes = estimate(wanted, session, dask)
    new = publish([x for x in outcomes if isinstance(x, Estimated)], session)
    for outcome in outcomes:
        if isinstance(outcome, RegsiError):
            raise outcome
    return [x for x in outcomes if isinstance(x, Run)] + new


def _headline(estimated: Estimated) -> list[dict[str, Any]]:
    return [
        {
            "model": model.id,
            "term": term.term,
            "estimate": term.estimate,
            "std_error": term.std_error,
            "p_value": term.p_value,
            "n_obs": model.n_obs,
        }
        for model in estimated.results.models
        for term in model.headlines()
    ]


def _pointer(estimated: Estimated, run: Run) -> str:
    files = "\n".join(f"- {path}" for path in run.files(".html") + run.files(".pdf"))
    mark = "**Simulated data.** " if estimated.panel.simulated else ""
    return f"# {estimated.study.title}\n\n{mark}{estimated.study.question}\n\n{files}\n"
