"""The difference between two coefficients of one model, as a coefficient with errors of its own.

b1 x1 + b2 x2 = (b1 - b2) x1 + b2 (x1 + x2): fitted with the sum in the second regressor's place, a
model has the difference as its first coefficient, and every kind of inference holds for it as it
does for any coefficient, degrees of freedom and resampling included.
"""

from __future__ import annotations

from dataclasses import replace

from data.errors import BadInput
from models.design import Design
from models.estimators import load
from models.results import ModelResult, Term
from models.study import ModelSpec

FOR = ("pooled", "within", "first-difference", "random")  # the same under a change of basis
LESS = " - "


def with_contrast(result: ModelResult, design: Design, spec: ModelSpec) -> ModelResult:
    """The result with the difference that the study's `contrast` asks for, after the treatments.

    Raises BadInput for a name that is no regressor of the model, or for reshuffled treatments.
    """
    if spec.contrast is None:
        return result
    first, second = spec.contrast
    for name in spec.contrast:
        if name not in design.terms:
            todo = f"name two of {', '.join(design.terms)}"
            raise BadInput("contrast", f"{name!r} is no regressor of this model", todo)
    if spec.inference.kind == "randomization":
        what = "reshuffling a treatment tests no difference between two"
        raise BadInput("contrast", what, 'use kind = "cluster" or "wild-cluster"')
    X = design.X.copy()
    i, j = design.terms.index(first), design.terms.index(second)
    X[:, j] += X[:, i]
    options = {key: value for key, value in spec.options.items() if key != "sensitivity"}
    refit = load(spec.estimator).fit(replace(design, X=X), replace(spec, options=options))
    gap = replace(refit.term(first), term=f"{first}{LESS}{second}")
    place = sum(term.term in spec.treatment for term in result.terms)
    return replace(result, terms=(*result.terms[:place], gap, *result.terms[place:]))


def contrast_of(model: ModelResult) -> Term | None:
    """The model's difference between two coefficients, if it was asked for one."""
    return next((term for term in model.terms if LESS in term.term), None)


def parts(name: str) -> tuple[str, str] | None:
    """The two coefficients whose difference a term called `name` is."""
    first, less, second = name.partition(LESS)
    return (first, second) if less else None
