"""Rows of a curve that hold the outcome's own past beside unit effects: the bias they carry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from data.errors import BadInput
from models.engine.setting import Setting
from models.estimators.linear import fit_screened
from models.nickell import nickell_bound
from models.sample import build_design


def own_past_cautions(setting: Setting) -> Iterator[str]:
    """The Nickell bound of each outcome whose lag is among the controls or treatments.

    It is that of the fit with all of them, in the main model's rows with unit and time effects:
    rows that hold fewer regressors have about the same.
    """
    declared = setting.multiverse
    if not any("unit" in one or setting.panel.unit in one for one in declared.effects):
        return
    regressors = (*declared.treatments, *declared.controls_always, *declared.controls_any_of)
    for outcome in declared.outcomes:
        names = tuple(name for name in dict.fromkeys(regressors) if name != outcome)
        model = replace(
            setting.spec, outcome=outcome, treatment=(), controls=names, effects=("unit", "time")
        )
        try:
            design = build_design(setting.frame, setting.panel, model, setting.where)
            linear, _ = fit_screened(design, design.effects)
        except BadInput:  # no row has them all, or they leave nothing: no such row is in the curve
            continue
        kept = [design.terms.index(name) for name in linear.terms]
        bound = nickell_bound(replace(design, X=design.X[:, kept], terms=linear.terms), linear.beta)
        if bound is not None:
            yield f"rows of {outcome} on its own past: {bound.note}"
