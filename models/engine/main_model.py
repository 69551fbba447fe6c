"""The study's main model in the engine: its one cell, its influence analysis, its audit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.expressions.calendar_lags import whole_numbers
from models.absorb import dense_codes
from models.engine.audit import AuditSample, Neighbours
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
    main = main_group(setting)
    panel, rows = setting.panel, main.rows
    names = dict.fromkeys((*setting.clusters, panel.parent, panel.unit))
    clusters = {
        name: dense_codes(setting.columns.keys[name][rows]) for name in names if name is not None
    }
    without_treatment = np.delete(main.candidates, 1, axis=1)
    period = whole_numbers(setting.frame[panel.time].iloc[rows], setting.where)
    parent = None if panel.parent is None else dense_codes(codes_in(setting, "parent")[rows])
    treatment = setting.spec.treatment[0]
    audited = Audited(
        sample=AuditSample(
            project(without_treatment, main.weights, main.effects),
            clusters,
            (period - period.min()).astype(np.int64),
            _neighbours(setting, rows),
            panel.time,
        ),
        x=main.candidates[:, 1],
        unit=dense_codes(codes_in(setting, "unit")[rows]),
        parent=parent,
        national=treatment in setting.national,
        outcome=setting.spec.outcome,
        treatment=treatment,
        drawn_for=panel.parent or panel.unit,
        chosen=setting.fitted.inference,
    )
    return prepared(audited, setting.multiverse.seed)


def _neighbours(setting: Setting, rows: Indices) -> Neighbours | None:
    """Which units lie within the main model's own distance, where its inference is Conley's."""
    km = setting.spec.inference.km
    if setting.spec.inference.kind != "conley" or km is None:
        return None
    unit = dense_codes(codes_in(setting, "unit")[rows])
    first = np.unique(unit, return_index=True)[1]
    places = setting.frame[["lat", "lon"]].to_numpy(dtype=np.float64)[rows[first]]
    return Neighbours(unit, distances_km(places[:, 0], places[:, 1]) <= km)


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
