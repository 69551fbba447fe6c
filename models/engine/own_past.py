"""Rows of a curve that hold the outcome's own past beside unit effects: the bias they carry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from data.errors import BadInput
from models.design import Design, Floats
from models.engine.setting import Setting
from models.estimators.linear import fit_screened
from models.nickell import nickell_bound
from models.sample import build_design


def own_past_cautions(setting: Setting) -> Iterator[str]:
    """The Nickell bound of each outcome whose lag is among the controls or treatments.

    It is that of the fit with all of them, in the main model's rows with unit and time effects:
    rows that hold fewer regressors have about the same. Where no row has them all, as with
    treatments of different years, each is looked at beside the controls of every row.
    """
    declared = setting.multiverse
    if not any("unit" in one or setting.panel.unit in one for one in declared.effects):
        return
    always = declared.controls_always
    regressors = (*declared.treatments, *always, *declared.controls_any_of)
    for outcome in declared.outcomes:
        names = tuple(name for name in dict.fromkeys(regressors) if name != outcome)
        apart = [tuple(dict.fromkeys((one, *always))) for one in names]
        whole = _fit(setting, outcome, names)
        fits = (_fit(setting, outcome, some) for some in apart) if whole is None else (whole,)
        bounds = (nickell_bound(*one) for one in fits if one is not None)
        bound = next(filter(None, bounds), None)
        if bound is not None:
            yield f"rows of {outcome} on its own past: {bound.note}"


def _fit(setting: Setting, outcome: str, names: tuple[str, ...]) -> tuple[Design, Floats] | None:
    """The regressors that a fit with both effects keeps, and its slopes; None without such rows."""
    model = replace(
        setting.spec, outcome=outcome, treatment=(), controls=names, effects=("unit", "time")
    )
    try:
        design = build_design(setting.frame, setting.panel, model, setting.where)
        linear, _ = fit_screened(design, design.effects)
    except BadInput:
        return None
    kept = [design.terms.index(name) for name in linear.terms]
    return replace(design, X=design.X[:, kept], terms=linear.terms), linear.beta
