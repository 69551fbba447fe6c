"""The arrows of the pipeline as plain functions: data, panel, results. No Prefect in sight.

publisher files --load_data--> warehouse --study_panel--> panel --estimate--> results
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import BadInput
from data.ingest import Loaded, ingest
from data.panel import Panel
from data.panels.build import build_panel, datasets_of
from data.panels.own import read_own_panel
from data.recipes import dataset_recipe
from data.warehouse import Warehouse
from data.warehouse.vintages import Vintage
from models.engine.results import Curve
from models.fitting import fit_study
from models.study import Study
from models.study.results import StudyResults
from pipelines.session import Session

if TYPE_CHECKING:
    from models.engine.beside import Ask


def datasets_for(studies: Sequence[Study]) -> tuple[str, ...]:
    """Ids of the datasets that the named panels of `studies` are built from, in order."""
    names = dict.fromkeys(study.panel.name for study in studies if study.panel.name)
    return tuple(dict.fromkeys(d for name in names for d in datasets_of(name)))


def load_data(datasets: Sequence[str], session: Session) -> tuple[Loaded, ...]:
    """Loads the current edition of each dataset; one that is already there changes nothing."""
    return ingest(datasets, session.home, session.from_dir, None, session.say)


@contextmanager
def warehouse_with(wanted: Sequence[str], session: Session) -> Iterator[Warehouse]:
    """The warehouse; those of the `wanted` datasets are loaded of which it holds no vintage yet."""
    with Warehouse(session.home) as warehouse:
        held = _held(warehouse) if wanted else ()
        missing = [dataset for dataset in wanted if dataset not in held]
        if missing:
            warehouse.close()  # for the writer
            load_data(missing, session)
        yield warehouse


def refreshable(wanted: Sequence[str], session: Session) -> tuple[str, ...]:
    """`wanted` less what is loaded and has no address to ask again: that stays as it is, said so.

    With `--from` all are asked for: the folder may hold newer files.
    """
    if session.from_dir is not None:
        return tuple(wanted)
    with Warehouse(session.home) as warehouse:
        held = _held(warehouse)
    staying = [dataset for dataset in wanted if dataset in held and _without_address(dataset)]
    for dataset in staying:
        session.say(f"{dataset}: kept as loaded, its publisher offers no address (see --from)")
    return tuple(dataset for dataset in wanted if dataset not in staying)


def _held(warehouse: Warehouse) -> tuple[str, ...]:
    """Ids of the datasets of which the warehouse holds a vintage; none before the first load."""
    return warehouse.datasets() if warehouse.path.exists() else ()


def _without_address(dataset: str) -> bool:
    recipe = dataset_recipe(dataset)
    return recipe.url is None and recipe.installed is None and not recipe.simulated


def vintages(home: Path) -> list[Vintage]:
    """All editions that the warehouse in `home` holds; none where nothing was loaded yet."""
    with Warehouse(home) as warehouse:
        return warehouse.vintages() if warehouse.path.exists() else []


def set_aside(home: Path) -> list[dict[str, Any]]:
    """Rows that broke a contract while being loaded, each with its rule and reason."""
    with Warehouse(home) as warehouse:
        if not warehouse.path.exists():
            return []
        found = warehouse.quarantine()
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def loaded_panel(study: Study, session: Session) -> Panel:
    """The panel a study asks for, its datasets loaded first where the warehouse lacks them."""
    with warehouse_with(datasets_for([study]), session) as warehouse:
        return _panel(study, warehouse, session)


def study_panel(study: Study, session: Session) -> Panel:
    """The panel a study asks for: a named one from the warehouse, or the user's own file."""
    with Warehouse(session.home) as warehouse:
        return _panel(study, warehouse, session)


def _panel(study: Study, warehouse: Warehouse, session: Session) -> Panel:
    source = study.panel
    if source.name is not None:
        return build_panel(source.name, warehouse, session.as_of, session.say)
    if source.file is None or source.unit is None or source.time is None:
        raise BadInput(f"{study.path}, [panel]", "neither a name nor a file", "give one of the two")
    return read_own_panel(source.file, source.unit, source.time, source.parent, source.sheet)


@dataclass(frozen=True)
class Estimated:
    """A study's results with what they were made from. `curve` is None without a multiverse."""

    study: Study
    panel: Panel
    results: StudyResults
    curve: Curve | None
    seconds: float


def fit(study: Study, panel: Panel, session: Session, only: str | None = None) -> StudyResults:
    """Fits a study's models, or `only` the one with that id."""
    count = 1 if only else len(study.models)
    models = "1 model" if count == 1 else f"{count} models"
    with session.step(f"fitting {study.id}: {models} on {len(panel.frame):,} rows"):
        return fit_study(study, panel, only)


def estimate_on(study: Study, panel: Panel, session: Session, dask: str | None) -> Estimated:
    """Everything a run computes: the models and, where one is declared, the multiverse."""
    start = time.perf_counter()
    results = fit(study, panel, session)
    curve = specification_curve(study, panel, session, dask) if study.multiverse else None
    return Estimated(study, panel, results, curve, time.perf_counter() - start)


def specification_curve(
    study: Study,
    panel: Panel,
    session: Session,
    dask: str | None = None,
    ask: Ask | None = None,
) -> Curve:
    """The study's multiverse with its joint test and its audit, here or on a Dask cluster.

    `ask` has another process on this machine compute the main model's part.
    """
    answer = None if ask is None else ask(pickle.dumps((study, panel)))
    # loaded only when a curve is drawn: `fit` starts without it
    from models.engine.beside import Beside
    from models.engine.chunks import Here
    from models.engine.multiverse import run_curve

    with session.step(f"specification curve of {study.id}"):
        if dask is not None:
            from pipelines.cluster import curve_on_dask  # Prefect and Dask, only where asked for

            return curve_on_dask(study, panel, session.say, dask)
        workplace = Here if answer is None else partial(Beside, answer=answer)
        return run_curve(study, panel, session.say, workplace)
