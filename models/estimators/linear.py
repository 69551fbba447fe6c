"""What the linear estimators share: dropping collinear controls, fitting, and reporting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from data.errors import BadInput
from models.absorb import absorb
from models.design import Codes, Design, Floats
from models.inference import Uncertainty
from models.inference.measure import measure
from models.inference.record import ROUND_OFF
from models.least_squares import LinearFit, collinear_columns, fit_least_squares
from models.results import InferenceUsed, ModelResult, Term, Test
from models.study import ModelSpec

CONSTANT = "constant"


def fit_screened(
    design: Design, effects: tuple[Codes, ...] = (), *, constant: bool = False
) -> tuple[LinearFit, tuple[str, ...]]:
    """Least squares on a design's y and X, effects absorbed, and a warning per dropped control.

    `constant` adds a column of ones after the regressors. A control that the effects or the
    columns before it span is dropped; a treatment never is. Raises BadInput for such a treatment.
    """
    X, terms = design.X, design.terms
    if constant:
        X, terms = np.column_stack([X, np.ones(design.n_obs)]), (*terms, CONSTANT)
    spare = _spanned(X, design.weights, effects)
    for j in spare:
        if j < design.n_treatments:
            raise _without_variation(design, terms[j])
    kept = [j for j in range(len(terms)) if j not in spare]
    if not kept:
        raise BadInput("controls", "none has variation left", "choose other controls or effects")
    names = tuple(terms[j] for j in kept)
    linear = fit_least_squares(design.y, X[:, kept], names, design.weights, effects)
    dropped = (terms[j] for j in spare if terms[j] != CONSTANT)
    return linear, tuple(
        f"control {name} dropped: absorbed by the effects or by the columns before it"
        for name in dropped
    )


def _spanned(X: Floats, weights: Floats | None, effects: tuple[Codes, ...]) -> list[int]:
    left = absorb(effects, weights, len(X)).residual(X) if effects else X
    return collinear_columns(left, weights, X)


def _without_variation(design: Design, name: str) -> BadInput:
    x = design.X[:, design.terms.index(name)]
    means = np.bincount(design.unit, x) / np.bincount(design.unit)
    still = np.allclose(x, means[design.unit], rtol=1e-9, atol=0.0)
    if still and "unit" in design.effect_names:
        what = f"{name!r} does not vary within units, so unit effects absorb all of it"
        todo = 'use "between" or "random", or a treatment that changes over time'
    else:
        effects = " and ".join(design.effect_names) or "the constant"
        what = f"{name!r} is a combination of {effects} and the other treatments"
        todo = "use fewer or coarser effects, or another treatment"
    return BadInput("treatment", what, todo)


def report(
    linear: LinearFit,
    design: Design,
    spec: ModelSpec,
    fit: dict[str, float | None],
    tests: tuple[Test, ...] = (),
    warnings: tuple[str, ...] = (),
    measured: Uncertainty | None = None,
) -> ModelResult:
    """The result of a linear fit, its uncertainty measured as the study asks.

    `design` has the rows of the fit. Raises BadInput where the inference cannot be done.
    """
    uncertainty = measure(linear, design, spec.inference) if measured is None else measured
    return ModelResult(
        id=spec.id,
        estimator=spec.estimator,
        outcome=spec.outcome,
        treatment=spec.treatment,
        n_obs=linear.n_obs,
        n_units=len(np.unique(design.unit)),
        n_periods=len(np.unique(design.time)),
        n_clusters=uncertainty.n_clusters,
        n_instruments=None,
        inference=inference_used(spec, uncertainty),
        terms=terms_of(linear.terms, linear.beta, uncertainty),
        fit=fit,
        tests=tests,
        warnings=(*warnings, *uncertainty.warnings),
        effects=spec.effects,
        weights=spec.weights,
    )


def inference_used(spec: ModelSpec, uncertainty: Uncertainty) -> InferenceUsed:
    """How the errors were made, with the correction that was chosen or the default."""
    how = spec.inference
    return InferenceUsed(
        kind=how.kind,
        by=how.by,
        correction=uncertainty.correction,
        override=how.override,
        convention=uncertainty.convention,
    )


def terms_of(names: tuple[str, ...], beta: Floats, uncertainty: Uncertainty) -> tuple[Term, ...]:
    """One record for each of k coefficients (k,)."""
    columns = (
        beta,
        uncertainty.std_error,
        uncertainty.statistic,
        uncertainty.df,
        uncertainty.p_value,
        uncertainty.conf_low,
        uncertainty.conf_high,
    )
    return tuple(
        Term(
            name, float(b), float(se), float(t), float(df) if np.isfinite(df) else None,
            float(p), float(low), float(high),
        )
        for name, b, se, t, df, p, low, high in zip(names, *columns, strict=True)
    )  # fmt: skip


def fit_statistics(linear: LinearFit, r2: str) -> dict[str, float | None]:
    """Residual sum of squares, residual df, and R2 under the name `r2`.

    R2 compares with the transformed outcome's own variation: around its mean where nothing was
    absorbed. With weights, all sums are weighted, the weights averaging one.
    """
    y = linear.y
    if not linear.n_absorbed:
        y = y - np.average(y, weights=linear.weights)
    rss = float(linear.weights @ linear.residuals**2)
    total = float(linear.weights @ y**2)
    return {
        r2: 1.0 - rss / total if total > 0.0 else None,
        "rss": rss,
        "df_residual": float(linear.n_obs - len(linear.terms) - linear.n_absorbed),
    }


def take_rows(design: Design, rows: Codes) -> Design:
    """The design at some of its rows; labels and calendar stay as they are."""
    return replace(
        design,
        y=design.y[rows],
        X=design.X[rows],
        weights=None if design.weights is None else design.weights[rows],
        unit=design.unit[rows],
        time=design.time[rows],
        parent=None if design.parent is None else design.parent[rows],
        effects=tuple(codes[rows] for codes in design.effects),
        columns={name: values[rows] for name, values in design.columns.items()},
    )


def refuse_weights(design: Design, spec: ModelSpec) -> None:
    """Raises BadInput if the model is weighted and its estimator has no weighted form here."""
    if design.weights is not None:
        raise BadInput(
            "weights", f"{spec.estimator} takes none", 'drop them, or use "within" or "pooled"'
        )


def refuse_exact(error_variance: float, design: Design) -> None:
    """Raises BadInput where an error variance is round-off beside the outcome's own size."""
    if not error_variance > ROUND_OFF * float(design.y @ design.y) / design.n_obs:
        what = "regressors and effects explain it perfectly: no error variance is left to measure"
        raise BadInput("outcome", what, "drop what is the outcome in other words, or some effects")


def refuse_effects(spec: ModelSpec, allowed: tuple[tuple[str, ...], ...]) -> None:
    """Raises BadInput for effects that the estimator does not absorb."""
    if spec.effects not in allowed:
        choices = " or ".join(str(list(one)) for one in allowed)
        raise BadInput(
            "effects",
            f"{spec.estimator} with effects {list(spec.effects)}",
            f'give effects = {choices}, or use "within"',
        )
