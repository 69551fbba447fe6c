"""The study's main model in the engine: its one cell, its influence analysis, its audit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.expressions.calendar_lags import whole_numbers
from models.absorb import dense_codes
from models.design import Codes
from models.engine.audit import AuditSample
from models.engine.declared import Declared, Stratum
from models.engine.leave_out import COLUMNS, leave_each_out
from models.engine.placebo_audit import Audited, Trial, prepared
from models.engine.projection import project
from models.engine.results import DeclaredPlacebo, PlaceboAudit
from models.engine.samples import SampleGroup, sample_groups
from models.engine.setting import MAIN, Setting, codes_in
from models.engine.subsets import Indices
from models.fitting import fit_model
from models.inference.dependence import distances_km
from models.results import PLACEBO_TESTS
from models.sample import build_design
from models.study import ModelSpec


@dataclass(frozen=True)
class MainModel:
    """What is known of the main model beyond its row.

    The audit, the model without each group, and the placebos that the study declares.
    """

    audit: PlaceboAudit
    leave_out: pd.DataFrame
    placebos: tuple[DeclaredPlacebo, ...]


def main_group(setting: Setting) -> SampleGroup:
    """The main model as a sample group of one cell; further treatments count as controls."""
    spec = setting.spec
    controls = (*spec.treatment[1:], *spec.controls)
    pairs = ((spec.outcome, spec.treatment[0]),)
    stratum = Stratum(spec.effects, MAIN, spec.weights, pairs, np.ones((1, 1), dtype=bool))
    subsets = np.ones((len(controls), 1), dtype=bool)
    declared = Declared(controls, (), subsets, (stratum,), 1, ())
    return next(sample_groups(setting.columns, declared, stratum, setting.clusters))


def leave_out(setting: Setting) -> pd.DataFrame:
    """The main model without each group of the multiverse's `leave_out` column; empty if none."""
    column = setting.left_out
    if column is None:
        return pd.DataFrame(columns=list(COLUMNS))
    codes, labels = pd.factorize(setting.frame[column], sort=True)
    main = main_group(setting)
    groups, named = codes[main.rows].astype(np.int64), np.asarray(labels, dtype=object)
    asked = setting.spec.inference
    correction = asked.correction if asked.kind == "cluster" else "CR1"
    if correction is None:  # left to the program
        correction = setting.fitted.inference.correction
    return leave_each_out(main, groups, named, correction or "CR1")


def trial(setting: Setting) -> Trial:
    """The main model's placebo audit, every kind of inference and the chosen one marked."""
    spec = _as_fitted(setting)  # what it cannot be fitted for is said here, not in parts of it
    main, panel = _with_places(setting, main_group(setting)), setting.panel
    parent = None if panel.parent is None else dense_codes(codes_in(setting, "parent")[main.rows])
    audited = Audited(
        sample=_audit_sample(setting, main),
        x=main.candidates[:, 1],
        parent=parent,
        national=spec.treatment[0] in setting.national,
        spec=spec,
        design=partial(build_design, setting.frame, panel, setting.spec, setting.where),
        n_clusters=min(setting.fitted.n_clusters.values(), default=None),
        drawn_for=panel.parent or panel.unit,
    )
    return prepared(audited, setting.multiverse.seed)


def _audit_sample(setting: Setting, main: SampleGroup) -> AuditSample:
    """The main model's rows without its treatment."""
    panel, rows = setting.panel, main.rows
    names = dict.fromkeys((*setting.clusters, panel.parent, panel.unit))
    clusters = {
        name: dense_codes(setting.columns.keys[name][rows]) for name in names if name is not None
    }
    without_treatment = np.delete(main.candidates, 1, axis=1)
    period = whole_numbers(setting.frame[panel.time].iloc[rows], setting.where)
    unit = dense_codes(codes_in(setting, "unit")[rows])
    return AuditSample(
        project(without_treatment, main.weights, main.effects),
        clusters,
        unit,
        (period - period.min()).astype(np.int64),
        _near(setting, rows, unit),
        panel.time,
    )


def _with_places(setting: Setting, main: SampleGroup) -> SampleGroup:
    """The main model's rows; Conley's model has none without coordinates."""
    if setting.spec.inference.kind != "conley":
        return main
    known = setting.frame[["lat", "lon"]].notna().all(axis=1).to_numpy()
    return replace(main, rows=main.rows[known[main.rows]])


def _as_fitted(setting: Setting) -> ModelSpec:
    """The main model with the correction that its errors had, chosen or by default."""
    correction = setting.fitted.inference.correction
    return replace(setting.spec, inference=replace(setting.spec.inference, correction=correction))


def _near(setting: Setting, rows: Indices, unit: Codes) -> NDArray[np.bool_] | None:
    """Which units lie within the main model's own distance, where its inference is Conley's."""
    km = setting.spec.inference.km
    if setting.spec.inference.kind != "conley" or km is None:
        return None
    first = np.unique(unit, return_index=True)[1]
    places = setting.frame[["lat", "lon"]].to_numpy(dtype=np.float64)[rows[first]]
    return distances_km(places[:, 0], places[:, 1]) <= km


def declared_placebos(setting: Setting) -> tuple[DeclaredPlacebo, ...]:
    """The study's models with the role of a placebo, and the main model's placebo tests."""
    found = []
    for index, model in enumerate(setting.study.models):
        if model.role == "placebo":
            fitted = fit_model(setting.study, setting.panel, setting.frame, index)
            for term in fitted.headlines():
                what = f"{term.term} on {model.outcome}"
                figures = term.estimate, term.std_error, term.p_value
                found.append(DeclaredPlacebo(model.id, what, *figures))
    for test in setting.fitted.tests:
        if test.test in PLACEBO_TESTS:
            found.append(DeclaredPlacebo(test.test, test.note, None, None, test.p_value))
    return tuple(found)
