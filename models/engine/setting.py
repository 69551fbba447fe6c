"""A study's multiverse and a panel, checked and laid out as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from data.errors import BadInput
from data.expressions import condition
from data.panel import Level, Panel
from models.design import Codes, Floats
from models.engine.declared import Declared, declare
from models.engine.samples import Columns, key_codes, numbers
from models.fitting import GROUPED, fit_model, resolved
from models.levels import enforce, treatment_levels
from models.results import ModelResult
from models.sample import build_design, derived_frame, sample_rows
from models.study import Inference, ModelSpec, Multiverse, Study
from models.study.text import StudyText
from models.study.used_columns import sources

ESTIMATORS = ("within", "pooled")
MAIN = "main model"  # the sample of the main model: all rows that the study keeps


@dataclass(frozen=True)
class Setting:
    """What every part of the engine's run needs.

    frame holds the study's rows and derived variables, sorted by unit and time; spec is the main
    model with its columns resolved; clusters names the columns that scores are summed by, first
    the one that resampling uses; national holds the treatments that are, override the written
    reason if they are not clustered as such; left_out is the column whose groups are left out in
    turn, None if none is asked for.
    """

    study: Study
    panel: Panel
    multiverse: Multiverse
    spec: ModelSpec
    where: str
    frame: pd.DataFrame
    declared: Declared
    columns: Columns
    clusters: tuple[str, ...]
    national: frozenset[str]
    override: str | None
    left_out: str | None

    @cached_property
    def fitted(self) -> ModelResult:
        """The main model, as it stands in the study file."""
        names = [model.id for model in self.study.models]
        return fit_model(self.study, self.panel, self.frame, names.index(self.spec.id))


def lay_out(study: Study, panel: Panel) -> Setting:
    """Check a study's multiverse against a panel.

    Raises BadInput, placed in the study file, for a study without one, an estimator the engine
    does not have, columns that are not there, or a treatment that breaks the level rule.
    """
    multiverse = study.multiverse
    where = f"{StudyText.of(study.path).place('multiverse')} multiverse"
    if multiverse is None:
        raise BadInput(str(study.path), "has no [multiverse]", "declare one to draw its curve")
    spec = resolved(_base(study, multiverse, where), panel, where)
    frame = sample_rows(study, panel, derived_frame(study, panel))
    frame = frame.sort_values([panel.unit, panel.time], kind="stable").reset_index(drop=True)
    clusters = _clusters(spec, panel)
    setting = Setting(
        study=study,
        panel=panel,
        multiverse=multiverse,
        spec=spec,
        where=where,
        frame=frame,
        columns=_columns(frame, panel, multiverse, spec, clusters, where),
        declared=declare(multiverse, where),
        clusters=clusters,
        national=frozenset(),
        override=None,
        left_out=_left_out(frame, panel, multiverse, where),
    )
    levels = tuple(_levels(setting))
    return replace(
        setting,
        national=frozenset(name for name, level, _ in levels if level == "national"),
        override=next((reason for _, _, reason in levels if reason is not None), None),
    )


def _left_out(
    frame: pd.DataFrame, panel: Panel, multiverse: Multiverse, where: str
) -> str | None:
    name = multiverse.leave_out
    if name is None:
        return None
    column = {"unit": panel.unit, "parent": panel.parent}.get(name) or name
    if column not in frame.columns:
        todo = "name unit, parent or a column of the panel"
        raise BadInput(where, f"leave_out is {name!r}, which the panel lacks", todo)
    return column


def _clusters(spec: ModelSpec, panel: Panel) -> tuple[str, ...]:
    """The main model's clusters, or for other kinds of inference the coarsest level there is."""
    if spec.inference.kind in GROUPED and spec.inference.by:
        return spec.inference.by
    return (panel.unit if panel.parent is None else panel.parent,)


def _base(study: Study, multiverse: Multiverse, where: str) -> ModelSpec:
    """The model that the multiverse varies. Raises BadInput for an estimator that no curve has."""
    base = next(model for model in study.models if model.id == multiverse.model)
    if base.estimator not in ESTIMATORS:
        what = f"model {base.id!r} is {base.estimator}, and a curve is made of least squares"
        raise BadInput(where, what, "name a within or pooled model")
    return base


def _columns(
    frame: pd.DataFrame,
    panel: Panel,
    multiverse: Multiverse,
    spec: ModelSpec,
    clusters: tuple[str, ...],
    where: str,
) -> Columns:
    weights = [name for name in (*multiverse.weights, spec.weights) if name is not None]
    names = (
        *(spec.outcome, *spec.treatment, *spec.controls),
        *(*multiverse.outcomes, *multiverse.treatments),
        *(*multiverse.controls_always, *multiverse.controls_any_of),
        *weights,
    )
    values = numbers(frame, names, where)
    _require_positive({name: values[name] for name in weights}, where)
    samples = {
        name: condition(expression, frame, panel.unit, panel.time, f"{where} {name}")
        for name, expression in multiverse.samples.items()
    }
    keys = {name for effects in (*multiverse.effects, spec.effects) for name in effects}
    index = [name for name in (panel.unit, panel.time, panel.parent) if name is not None]
    return Columns(
        numbers=values,
        keys={name: key_codes(frame, panel, name, where) for name in {*keys, *clusters, *index}},
        samples={MAIN: np.ones(len(frame), dtype=bool), **samples},
        required=tuple(dict.fromkeys((*clusters, *index))),
    )


def _require_positive(weights: Mapping[str, Floats], where: str) -> None:
    for name, values in weights.items():
        wrong = int((values <= 0).sum())
        if wrong:
            todo = "drop those rows with [sample] where"
            raise BadInput(where, f"weights {name!r} are not positive in {wrong} rows", todo)


def _levels(setting: Setting) -> Iterator[tuple[str, Level, str | None]]:
    """Each treatment's level, and the reason in force against the level rule, if one had to be.

    Raises BadInput where the rule is broken without a reason.
    """
    by = Inference("cluster", setting.clusters, override=setting.spec.inference.override)
    behind = sources(setting.study.variables)
    for name in dict.fromkeys((*setting.multiverse.treatments, *setting.spec.treatment)):
        # unit effects at most: cells whose effects absorb a treatment are counted, not refused
        units = ("unit",) if any("unit" in one for one in setting.multiverse.effects) else ()
        alone = replace(
            setting.spec, treatment=(name,), controls=(), effects=units, weights=None, inference=by
        )
        design = build_design(setting.frame, setting.panel, alone, setting.where)
        level = treatment_levels(
            design, setting.panel, {name: behind.get(name, frozenset([name]))}
        )
        reason = enforce(design, alone, level, setting.where, setting.panel.parent)
        yield name, level[name], reason


def codes_in(setting: Setting, name: str) -> Codes:
    """Codes (N,) of a key column, by the study's name for it. Raises KeyError if not laid out."""
    panel = setting.panel
    index = {"unit": panel.unit, "time": panel.time, "parent": panel.parent}
    return setting.columns.keys[index.get(name) or name]


def is_main_sample(setting: Setting, name: str) -> bool:
    """Whether a declared sample keeps all the rows of the main model's."""
    return bool(setting.columns.samples[name].all())
