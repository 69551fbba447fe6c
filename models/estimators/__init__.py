"""The estimators by the names that a study file uses, each loaded only when a study asks for it.

Every module offers `fit(design: Design, spec: ModelSpec) -> ModelResult` and
`OPTIONS: frozenset[str]`, the keys of a [[model]] that only this estimator understands.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from models.design import Design
from models.results import ModelResult
from models.study import ModelSpec

MODULES = {
    "pooled": "models.estimators.pooled",
    "within": "models.estimators.within",
    "between": "models.estimators.between",
    "random": "models.estimators.random_effects",
    "hausman-taylor": "models.estimators.hausman_taylor",
    "first-difference": "models.estimators.first_difference",
    "fama-macbeth": "models.estimators.fama_macbeth",
    "mundlak": "models.estimators.mundlak",
    "iv-within": "models.estimators.iv_within",
    "difference-gmm": "models.estimators.gmm",
    "system-gmm": "models.estimators.gmm",
    "lsdvc": "models.estimators.lsdvc",
    "local-projection": "models.estimators.local_projection",
    "mean-group": "models.estimators.mean_group",
    "cce-mean-group": "models.estimators.mean_group",
    "mixed": "models.estimators.mixed",
    "spatial": "models.estimators.spatial",
    "event-study": "models.estimators.events",
    "group-time": "models.estimators.events",
    "did2s": "models.estimators.events",
}
# a model without a regressor of interest makes sense: adoption dates, or variance shares
WITHOUT_TREATMENT = frozenset({"event-study", "group-time", "did2s", "mixed"})
# rows that lack a regressor still serve these as lags, leads and instruments: they stay, as NaN
KEEPING_GAPS = frozenset({"difference-gmm", "system-gmm", "lsdvc", "local-projection"})
# where a study names no inference: clusters, but for estimators whose errors come from elsewhere
USUAL_INFERENCE = {"fama-macbeth": "classical"}


class Estimator(Protocol):
    """What every estimator's module offers."""

    OPTIONS: frozenset[str]

    @staticmethod
    def fit(design: Design, spec: ModelSpec) -> ModelResult:
        """The model that `spec` describes, fitted to the sample in `design`."""
        ...


def load(name: str) -> Estimator:
    """The estimator called `name` in a study file. Raises KeyError if there is none."""
    return cast(Estimator, import_module(MODULES[name]))
