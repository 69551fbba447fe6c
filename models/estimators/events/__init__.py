"""Event studies, by the name that a study file uses: what moved after adoption, beside before.

Differences are those of adopters from others since the period before adoption. They are due to
adoption only if both would have moved alike without it, and nobody acted ahead of it: what speaks
against that is refused or withdraws the causal reading (`rules`, `pretrends`).
"""

from __future__ import annotations

from data.errors import BadInput
from models.design import Design
from models.estimators.events.did2s import fit_did2s
from models.estimators.events.event_study import fit_event_study
from models.estimators.events.group_time import fit_group_time
from models.results import ModelResult
from models.study import ModelSpec

OPTIONS = frozenset({"cohort", "method", "comparison", "reading", "treated_share"})
ESTIMATORS = {
    "event-study": fit_event_study,
    "group-time": fit_group_time,
    "did2s": fit_did2s,
}
OF_ONE = {"method": "event-study", "comparison": "group-time"}


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """The event study that `spec` asks for; `n_adopters` in its `fit` counts the units that adopt.

    Raises BadInput for one the data cannot carry, and for a key of another estimator.
    """
    for key, owner in OF_ONE.items():
        if key in spec.options and spec.estimator != owner:
            raise BadInput(key, f"is no key of {spec.estimator}", f"remove it, or use {owner!r}")
    return ESTIMATORS[spec.estimator](design, spec)
