"""A lagged outcome in estimators that make nothing of it: how far its coefficient is off.

`within` has its bias from models.nickell itself; difference-gmm, system-gmm and lsdvc are made for
lagged outcomes, and local projections say their own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.absorb import is_nested
from models.design import Design
from models.nickell import WAY_OUT, mean_periods, of_estimate, own_past
from models.results import ModelResult
from models.study import ModelSpec

WITHIN_SLOPES = ("iv-within", "spatial")  # where units have effects; mundlak's always are
LEVELS = ("pooled", "random", "mixed", "fama-macbeth")
UNIT_BY_UNIT = ("mean-group", "cce-mean-group")
OTHERS = (*LEVELS, *UNIT_BY_UNIT, "first-difference", "hausman-taylor")


def with_dynamics(result: ModelResult, design: Design, spec: ModelSpec) -> ModelResult:
    """The result with the bias of the outcome's own past beside it, as a test where it has a size.

    Estimators with within slopes get Nickell's bound, others a warning of theirs. An instrumented
    past has neither: its bias is what its instruments make of it.
    """
    effects = any(is_nested(codes, design.unit) for codes in design.effects)
    inside = spec.estimator == "mundlak" or (spec.estimator in WITHIN_SLOPES and effects)
    past = _past(design, result) if inside or spec.estimator in OTHERS else None
    if past is None or (spec.estimator == "iv-within" and _instrumented(design, past[0])):
        return result
    if not inside:
        return replace(result, warnings=(_caution(design, spec, *past), *result.warnings))
    bound = of_estimate(design, *past)
    if bound is None:
        return result
    said = (bound.note, *result.warnings)
    return replace(result, tests=(*result.tests, bound), warnings=said)


def _caution(design: Design, spec: ModelSpec, term: str, estimate: float) -> str:
    """What to know of the outcome's own past where its bias is another one, or has no size."""
    if spec.estimator == "first-difference":
        root = 1.0 + 2.0 * estimate  # plim is (rho - 1) / 2: Anderson and Hsiao (1981)
        fits = f"a root of {root:.3f} would give it" if abs(root) < 1 else "no stationary root does"
        tells = f"its change moves with the error's, which leaves {estimate:.3f} ({fits})"
    elif spec.estimator in UNIT_BY_UNIT:
        periods = mean_periods(design)
        root = (estimate + 1.0 / periods) / (1.0 - 3.0 / periods) if periods > 3 else 1.0
        bias = -(1.0 + 3.0 * min(root, 1.0)) / periods  # Kendall (1954)
        tells = f"each unit's own {periods:.0f} periods bias it by about {bias:.2f}"
    elif spec.estimator == "hausman-taylor":
        tells = (
            "its deviations from unit means, which are taken as unrelated to the error, pull "
            f"{estimate:.3f} down, and its means, as unrelated to the units, pull it up"
        )
    else:
        tells = (
            f"it holds what lasts of the units, which {spec.estimator} leaves in the error or "
            f"takes as unrelated to it, so that {estimate:.3f} is too large where anything does"
        )
    return f"{term} is the outcome's own past: {tells}, and other slopes follow; {WAY_OUT}"


def _instrumented(design: Design, past: str) -> bool:
    """Whether the outcome's own past, as `own_past` calls it, is one of the treatments."""
    return past.removeprefix("1 + ") in design.terms[: design.n_treatments]


def _past(design: Design, result: ModelResult) -> tuple[str, float] | None:
    """The outcome's own past among the regressors that the result has, and its coefficient."""
    estimates = {term.term: term.estimate for term in result.terms}
    kept = [j for j, name in enumerate(design.terms) if name in estimates]
    names = tuple(design.terms[j] for j in kept)
    beta = np.array([estimates[name] for name in names])
    return own_past(replace(design, X=design.X[:, kept], terms=names), beta)
