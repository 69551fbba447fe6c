"""What a fitted study hands on: the models, the panel they saw, and what was missing from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from data.panel import Column, VintageUsed
from models.results import ModelResult, as_json
from models.study import Study


@dataclass(frozen=True)
class PanelSummary:
    """The panel as a table or a brief names it.

    `rows`, `units` and `periods` count the whole panel, before any sample is drawn; `first` and
    `last` are its outer periods; `unit`, `time` and `parent` name its index columns; `columns`
    describes only the columns that the study uses, directly or through a derived variable.
    """

    name: str
    title: str
    sha256: str
    rows: int
    units: int
    periods: int
    first: int
    last: int
    unit: str
    time: str
    parent: str | None
    vintages: tuple[VintageUsed, ...]
    simulated: bool
    notes: tuple[str, ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class MissingShare:
    """Of `rows` rows in one group (a period, or a quintile of the outcome), the share missing."""

    group: int
    rows: int
    share: float


@dataclass(frozen=True)
class Missingness:
    """Where one used column is missing, and which flags its publisher put on it.

    `by_quintile` groups rows by quintile (1 lowest) of `ranked_by`, a variable known even where
    the column itself is not; empty where no such ranking can be made. `flags` counts rows by the
    publisher's letter (b, u, c, ...); a row with two letters counts under both.
    """

    column: str
    rows: int
    missing: int
    by_period: tuple[MissingShare, ...]
    by_quintile: tuple[MissingShare, ...]
    ranked_by: str
    flags: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class StudyResults:
    """One study, fitted. `missingness` has one record for each used column of the panel."""

    study: Study
    panel: PanelSummary
    models: tuple[ModelResult, ...]
    missingness: tuple[Missingness, ...]

    def model(self, identifier: str) -> ModelResult:
        """The model called `identifier`. Raises KeyError if the study fitted none."""
        for model in self.models:
            if model.id == identifier:
                return model
        raise KeyError(identifier)


PANEL_KEYS = ("name", "sha256", "rows", "units", "periods")
MODEL_KEYS = (
    "id",
    "estimator",
    "outcome",
    "n_obs",
    "n_units",
    "n_periods",
    "n_clusters",
    "n_instruments",
    "inference",
    "terms",
    "fit",
    "tests",
    "warnings",
)
INFERENCE_KEYS = ("kind", "by", "correction", "override")
TEST_KEYS = ("test", "statistic", "df", "p_value")


def as_document(results: StudyResults) -> dict[str, Any]:
    """The JSON document of `regsi fit --json`: these keys are a contract with scripts."""
    return {
        "study": results.study.id,
        "panel": _only(as_json(results.panel), PANEL_KEYS),
        "models": [_model_document(model) for model in results.models],
    }


def _model_document(model: ModelResult) -> dict[str, Any]:
    document = _only(as_json(model), MODEL_KEYS)
    document["inference"] = _only(document["inference"], INFERENCE_KEYS)
    document["tests"] = [_only(test, TEST_KEYS) for test in document["tests"]]
    if model.groups:  # beyond the contract, where there is something to say
        document["groups"] = as_json(model.groups)
    return document


def _only(record: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: record[key] for key in keys}
