"""One [[model]] of a study file."""

from __future__ import annotations

import re
from typing import Any

from data.suggestions import near
from models.contrasts import FOR as CONTRASTED
from models.dependence import DIAGNOSED, DIAGNOSTICS
from models.estimators import MODULES, USUAL_INFERENCE, WITHOUT_TREATMENT, load
from models.sensitivity.request import FOR as SENSITIVE
from models.sensitivity.request import read_sensitivity
from models.study import Inference, ModelSpec
from models.study.tables import Table

MODEL_KEYS = (
    "id", "estimator", "outcome", "treatment", "controls", "effects", "weights", "inference",
    "diagnostics", "neighbours", "role", "decides", "contrast",
)  # fmt: skip
INFERENCE_KEYS = {
    "classical": (),
    "robust": (),
    "cluster": ("by", "correction"),
    "driscoll-kraay": ("lags",),
    "newey-west": ("lags",),
    "panel-corrected": (),
    "conley": ("km",),
    "wild-cluster": ("by", "draws", "weights", "seed"),
    "randomization": ("by", "draws", "seed"),
}
ROLES = ("estimate", "placebo", "known-bad")
MOST_DRAWS = 1_000_000  # of a bootstrap or of randomisation: some 500 MB
CORRECTIONS = ("CR0", "CR1", "CR2", "CR3")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def read_model(table: Table) -> ModelSpec:
    """The specification in one [[model]]. Raises BadInput."""
    name = table.required("estimator")
    if name not in MODULES:
        raise table.error("estimator", f"unknown estimator {name!r}", near(name, MODULES))
    own = load(name).OPTIONS
    usual = USUAL_INFERENCE.get(name, "cluster")
    common = ("sensitivity",) if name in SENSITIVE else ()
    table.allow((*MODEL_KEYS, *common, *own))
    treatment = table.texts("treatment")
    if not treatment and name not in WITHOUT_TREATMENT:
        raise table.error(None, "a model without treatment", 'add treatment = "..."')
    spec = ModelSpec(
        id=_identifier(table),
        estimator=name,
        outcome=table.required("outcome"),
        treatment=treatment,
        controls=table.texts("controls"),
        effects=table.texts("effects"),
        weights=_weights(table),
        inference=_inference(table.inner("inference"), usual),
        options={key: _option(table, key) for key in own if key in table.values}
        | _sensitivity(table),
        diagnostics=_diagnostics(table, name),
        neighbours=_neighbours(table),
        role=table.choice("role", ROLES, "estimate") or "estimate",
        decides=table.texts("decides"),
        contrast=_contrast(table, name),
    )
    _no_overlap(table, spec)
    return spec


def _identifier(table: Table) -> str:
    identifier = table.required("id")
    if not _IDENTIFIER.fullmatch(identifier):
        raise table.error("id", f"id is {identifier!r}", "use letters, digits, - _ and . only")
    return identifier


def _sensitivity(table: Table) -> dict[str, Any]:
    if "sensitivity" not in table.values:
        return {}
    return {"sensitivity": read_sensitivity(table.inner("sensitivity"))}


def _weights(table: Table) -> str | None:
    weights = table.text("weights")
    return None if weights == "none" else weights


def _diagnostics(table: Table, estimator: str) -> tuple[str, ...]:
    names = table.texts("diagnostics")
    if names and estimator not in DIAGNOSED:
        raise table.error("diagnostics", f"{estimator} has none", near(estimator, DIAGNOSED))
    for name in names:
        if name not in DIAGNOSTICS:
            raise table.error("diagnostics", f"unknown test {name!r}", near(name, DIAGNOSTICS))
    return names


def _contrast(table: Table, estimator: str) -> tuple[str, str] | None:
    names = table.texts("contrast")
    if not names:
        return None
    if estimator not in CONTRASTED:
        raise table.error("contrast", f"{estimator} has none", near(estimator, CONTRASTED))
    if len(names) != 2:
        raise table.error("contrast", f"contrast is {list(names)}", "name two regressors")
    return names[0], names[1]


def _neighbours(table: Table) -> str | None:
    """The file, its path taken from where the study file is."""
    file = table.text("neighbours")
    return None if file is None else str(table.source.path.parent / file)


def _inference(table: Table, usual: str) -> Inference:
    kind = table.choice("kind", INFERENCE_KEYS, usual) or usual
    for key in table.values:
        if key not in ("kind", "override", *INFERENCE_KEYS[kind]):
            known = {own for keys in INFERENCE_KEYS.values() for own in keys}
            table.allow(("kind", "override", *known))
            allowed = ", ".join(INFERENCE_KEYS[kind]) or "no keys of its own"
            raise table.error(key, f"{key} does not go with {kind}", f"{kind} takes {allowed}")
    by = table.texts("by")
    if len(by) > 2:
        raise table.error("by", f"clusters by {len(by)} columns", "name one or two")
    if kind == "conley" and "km" not in table.values:
        raise table.error(None, "conley without a distance", "add km = ...")
    return Inference(
        kind=kind,
        by=by,
        correction=table.choice("correction", CORRECTIONS),
        lags=table.whole("lags"),
        km=table.positive("km"),
        weights=table.text("weights"),
        draws=table.whole("draws", least=1, most=MOST_DRAWS),
        seed=table.whole("seed"),
        override=table.text("override"),
    )


def _option(table: Table, key: str) -> Any:
    """An estimator's own key: what the contract fixes is checked here, the rest by itself."""
    value = table.values[key]
    if key == "steps" and value not in (1, 2):
        raise table.error(key, f"steps is {value!r}", "write 1 or 2")
    if key == "transform":
        return table.choice(key, ("fd", "fod"))
    if key in ("collapse", "windmeijer", "constant") and not isinstance(value, bool):
        raise table.error(key, f"{key} is {value!r}", "write true or false")
    if key in ("horizon", "seed"):
        return table.whole(key)
    if key == "cohort":
        return table.text(key)
    if key == "slopes" and isinstance(value, dict):
        by_group = table.inner(key)
        return {group: by_group.texts(group) for group in by_group.values}
    if key == "slopes":
        return table.texts(key)
    return tuple(value) if isinstance(value, list) else value


def _no_overlap(table: Table, spec: ModelSpec) -> None:
    for name in spec.controls:
        if name in spec.treatment:
            raise table.error("controls", f"{name!r} is treatment and control", "keep it in one")
    if spec.outcome in (*spec.treatment, *spec.controls):
        raise table.error("outcome", f"{spec.outcome!r} on both sides", "take it out of one")
