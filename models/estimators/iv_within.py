"""Two-stage least squares with effects absorbed, and what tells whether to believe it.

The first stage's effective F (Montiel Olea and Pflueger 2013) and the Anderson-Rubin (1949) set,
which covers however weak the instruments are, both with the errors that the study asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from data.errors import BadInput
from models.absorb import absorb
from models.design import Design, Floats
from models.estimators.anderson_rubin import anderson_rubin
from models.estimators.first_stage import effective_f
from models.estimators.linear import CONSTANT, fit_statistics, report
from models.estimators.shift_share import fit_shift_share
from models.inference.measure import measure
from models.least_squares import LinearFit, collinear_columns, fit_least_squares
from models.results import ModelResult, Test
from models.study import Inference, ModelSpec

OPTIONS = frozenset({"instruments", "shift_share"})


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """Instrument every treatment by the columns named in option `instruments`.

    Option `shift_share` makes the instrument of shares and shocks instead (`shift_share.py`).

    Raises BadInput without instruments, with fewer than treatments, or for an instrument that is
    text, a regressor already, or without variation left.
    """
    if "shift_share" in spec.options:
        return fit_shift_share(design, spec, fit)
    instruments, names = read_instruments(design, spec.options.get("instruments"))
    controls, warnings = _usable_controls(design)
    treatments = design.terms[: design.n_treatments]
    instruments, names, spare = _usable_instruments(design, instruments, names, controls)
    warnings = (*warnings, *spare)
    X = np.column_stack([design.X[:, : design.n_treatments], *controls.values()])
    linear = fit_least_squares(
        design.y, X, (*treatments, *controls), design.weights, design.effects,
        treatments, instruments,
    )  # fmt: skip
    measured = measure(linear, design, spec.inference)
    strength = _strength(linear, design, spec, instruments, names, controls)
    result = report(
        linear, design, spec, {**fit_statistics(linear, "r2_within"), **strength.statistics},
        strength.tests, (*warnings, *strength.warnings), measured,
    )  # fmt: skip
    return replace(result, n_instruments=len(names))


@dataclass(frozen=True)
class _Strength:
    """What tells whether to believe a two-stage fit: tests, ends of a set, and warnings."""

    tests: tuple[Test, ...] = ()
    statistics: dict[str, float | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def _strength(
    linear: LinearFit, design: Design, spec: ModelSpec, instruments: Floats,
    names: tuple[str, ...], controls: dict[str, Floats],
) -> _Strength:  # fmt: skip
    """Effective F and Anderson-Rubin set, or why there is none.

    Raises BadInput where the reduced form cannot be fitted, as with more instruments than rows.
    """
    if design.n_treatments != 1:
        return _Strength(warnings=("effective F and Anderson-Rubin set need a single treatment",))
    reduced = replace(design, X=instruments, terms=names, n_treatments=len(names))
    x, held, how = design.X[:, 0], list(controls.values()), _measurable(spec.inference)
    try:
        robust = anderson_rubin(linear, reduced, x, held, how)
        f, weak = effective_f(reduced, x, held, how)
    except BadInput as fault:  # the treatment has its errors; an instrument alone has none
        if fault.where != "inference":
            raise
        return _Strength(warnings=(f"no effective F and no Anderson-Rubin set: {fault.what}",))
    ends = {"ar_low": robust.low, "ar_high": robust.high}
    return _Strength((f, robust.test), ends, (*weak, *robust.warnings))


def read_instruments(design: Design, named: Any) -> tuple[Floats, tuple[str, ...]]:
    """The excluded instruments (n, l) and their names. Raises BadInput."""
    names = tuple(named) if isinstance(named, (list, tuple)) else (named,)
    if not names or not all(isinstance(name, str) for name in names):
        raise BadInput("instruments", "none named", 'add instruments = ["column", ...]')
    for name in names:
        if name not in design.columns:
            raise BadInput("instruments", f"no column {name!r}", "check its name")
        if design.columns[name].dtype != np.float64:
            raise BadInput("instruments", f"{name!r} is text", "use numbers, such as a condition")
        if name in design.terms:
            raise BadInput("instruments", f"{name!r} is a regressor too", "take it out of one")
    return np.column_stack([design.columns[name] for name in names]).astype(np.float64), names


def _usable_controls(design: Design) -> tuple[dict[str, Floats], tuple[str, ...]]:
    """Controls, and a constant without effects, that the effects and one another do not span."""
    columns = dict(zip(design.terms, design.X.T, strict=True))
    controls = {name: columns[name] for name in design.terms[design.n_treatments :]}
    if not design.effects:
        controls[CONSTANT] = np.ones(design.n_obs)
    if not controls:
        return {}, ()
    stacked = np.column_stack(list(controls.values()))
    left = absorb(design.effects, design.weights, design.n_obs).residual(stacked)
    spare = collinear_columns(left, design.weights, stacked)
    dropped = [list(controls)[j] for j in spare]
    kept = {name: column for name, column in controls.items() if name not in dropped}
    return kept, tuple(f"control {name} dropped: absorbed by the effects" for name in dropped)


def _usable_instruments(
    design: Design, instruments: Floats, names: tuple[str, ...], controls: dict[str, Floats]
) -> tuple[Floats, tuple[str, ...], tuple[str, ...]]:
    """Instruments that controls, effects and one another do not span; BadInput if too few."""
    stacked = np.column_stack([*controls.values(), instruments])
    left = absorb(design.effects, design.weights, design.n_obs).residual(stacked)
    spare = [j - len(controls) for j in collinear_columns(left, design.weights, stacked)]
    kept = [j for j in range(len(names)) if j not in spare]
    if len(kept) < design.n_treatments:
        raise BadInput(
            "instruments",
            f"{len(kept)} with variation of their own for {design.n_treatments} treatment(s)",
            "name at least as many as treatments, not absorbed by effects or controls",
        )
    dropped = (f"instrument {names[j]} dropped: absorbed by effects or controls" for j in spare)
    return instruments[:, kept], tuple(names[j] for j in kept), tuple(dropped)


def _measurable(how: Inference) -> Inference:
    """The kind of errors for the first stage: resampling has no variance to offer it."""
    if how.kind in ("wild-cluster", "randomization"):
        return replace(how, kind="cluster", correction=None)
    return how
