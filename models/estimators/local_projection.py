"""Local projections (Jorda 2005): the treatment's association with the outcome h periods later.

One regression per horizon, on the rows whose outcome is known h calendar periods later. Errors
overlap across periods, so `kind = "driscoll-kraay"` is meant for them; with `lags` of outcome and
treatment among the controls, errors clustered by unit or parent are valid too (lag augmentation:
Montiel Olea and Plagborg-Moller 2021). Unit effects bias responses by the order of 1/T even where
the treatment is random (Mei, Sheng and Shi 2023), which is said beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from data.errors import BadInput
from models.absorb import is_nested
from models.calendar_grid import CalendarGrid, calendar_grid, shift
from models.design import Design
from models.estimators.gmm import largest_root
from models.estimators.linear import fit_screened, inference_used, take_rows, terms_of
from models.inference import Uncertainty
from models.inference.dependence import default_lags
from models.inference.measure import measure
from models.least_squares import LinearFit
from models.results import ModelResult, Term
from models.study import Inference, ModelSpec

OPTIONS = frozenset({"horizon", "lags"})


@dataclass(frozen=True)
class Projection:
    """The regression of one horizon: `sample` has its rows, and the led outcome as y."""

    horizon: int
    sample: Design
    linear: LinearFit
    uncertainty: Uncertainty
    warnings: tuple[str, ...]


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """The response at horizons 0 to `horizon`, one term per treatment and horizon.

    Raises BadInput for impossible options, or a horizon without rows.
    """
    horizon, lags = read_options(spec)
    grid = calendar_grid(design)
    widened = with_lags(design, spec.outcome, lags, grid)
    done = [project(widened, design, grid, spec, h) for h in range(horizon + 1)]
    first = done[0]
    refuse_explosive(first.linear, spec.outcome, lags)
    return ModelResult(
        id=spec.id,
        estimator=spec.estimator,
        outcome=spec.outcome,
        treatment=spec.treatment,
        n_obs=first.linear.n_obs,
        n_units=len(np.unique(first.sample.unit)),
        n_periods=len(np.unique(first.sample.time)),
        n_clusters=first.uncertainty.n_clusters,
        n_instruments=None,
        inference=replace(
            inference_used(spec, first.uncertainty),
            convention=convention(first.uncertainty, lags, spec.inference),
        ),
        terms=tuple(term for one in done for term in response(one)),
        fit={f"n_obs h={one.horizon}": float(one.linear.n_obs) for one in done},
        warnings=tuple(dict.fromkeys((*cautions(done), *every_warning(done)))),
        effects=spec.effects,
        weights=spec.weights,
    )


def read_options(spec: ModelSpec) -> tuple[int, int]:
    """Horizon and lags. Raises BadInput unless they are whole numbers from zero."""
    horizon, lags = spec.options.get("horizon", 4), spec.options.get("lags", 0)
    for key, value in (("horizon", horizon), ("lags", lags)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise BadInput(key, f"{key} = {value!r}", "write a whole number, 0 or more")
    return horizon, lags


def with_lags(design: Design, outcome: str, lags: int, grid: CalendarGrid) -> Design:
    """The design with `lags` calendar lags of outcome and treatments among the controls (NaN
    where they run out).
    """
    columns, names = [design.X], [*design.terms]
    treatments = design.X[:, : design.n_treatments]
    for lag in range(1, min(lags, grid.n_periods) + 1):  # one that long already leaves no row
        for name, values in (
            (outcome, design.y),
            *zip(design.terms, treatments.T, strict=False),
        ):
            columns.append(grid.gather(shift(grid.spread(values), lag))[:, None])
            names.append(f"lag({name}, {lag})")
    return replace(design, X=np.column_stack(columns), terms=tuple(names))


def project(
    widened: Design, design: Design, grid: CalendarGrid, spec: ModelSpec, horizon: int
) -> Projection:
    """Least squares of the outcome `horizon` periods later. Raises BadInput without rows."""
    led = grid.gather(shift(grid.spread(design.y), -horizon))
    known = np.flatnonzero(np.isfinite(led) & np.isfinite(widened.X).all(axis=1))
    if len(known) == 0:
        what = f"no row has all lags and an outcome {horizon} periods later"
        raise BadInput("horizon", what, "choose a shorter horizon, or fewer lags")
    sample = take_rows(replace(widened, y=led), known)
    try:
        linear, warnings = fit_screened(sample, sample.effects, constant=not sample.effects)
        uncertainty = measure(linear, sample, overlapping(spec.inference, sample, horizon))
    except BadInput as fault:
        raise BadInput(f"horizon {horizon}, {fault.where}", fault.what, fault.todo) from None
    return Projection(horizon, sample, linear, uncertainty, warnings)


def refuse_explosive(linear: LinearFit, outcome: str, lags: int) -> None:
    """Raises BadInput where the outcome's own lags say that its responses never settle."""
    values = dict(zip(linear.terms, linear.beta, strict=True))
    own = np.array([values.get(f"lag({outcome}, {lag})", 0.0) for lag in range(1, lags + 1)])
    root = largest_root(own, tuple(range(1, lags + 1))) if lags else 0.0
    if root >= 1.0:
        what = f"explosive: the largest autoregressive root is estimated at {root:.3f}"
        raise BadInput("outcome", what, "difference it, add time effects, or shorten the sample")


def overlapping(how: Inference, sample: Design, horizon: int) -> Inference:
    """Driscoll-Kraay reaches over the periods that the horizon makes overlap, unless told."""
    if how.kind != "driscoll-kraay" or how.lags is not None:
        return how
    n_periods = len(np.unique(sample.time))
    return replace(how, lags=min(max(default_lags(n_periods), horizon + 1), n_periods - 1))


def response(one: Projection) -> Iterator[Term]:
    """The treatments' terms of one horizon, named after it."""
    for term in terms_of(one.linear.terms, one.linear.beta, one.uncertainty):
        if term.term in one.sample.terms[: one.sample.n_treatments]:
            yield replace(term, term=f"{term.term} h={one.horizon}")


def convention(first: Uncertainty, lags: int, how: Inference) -> str:
    """How the errors were made, in one sentence."""
    added = f"{lags} lag(s) of outcome and treatment" if lags else "no lags of outcome or treatment"
    grows = how.kind == "driscoll-kraay" and how.lags is None
    more = " with at least h + 1 lags" if grows else ""
    return (
        f"at horizon 0: {first.convention}; at horizon h the same on the rows observed h later"
        f"{more}; {added} added to the controls"
    )


def cautions(done: list[Projection]) -> Iterator[str]:
    """What a reader must know before believing a response."""
    sample = done[0].sample
    counts = np.bincount(sample.unit)
    mean = counts[counts > 0].mean()
    if len(done) > 1 and any(is_nested(codes, sample.unit) for codes in sample.effects):
        summed = max(abs(sum(parts)) for parts in zip(*map(treatment_slopes, done), strict=True))
        yield (
            f"unit effects with {mean:.0f} periods a unit bias the responses after horizon 0 "
            f"towards the opposite sign, here by a size of order {summed / mean:.2g}"
        )


def treatment_slopes(one: Projection) -> list[float]:
    """The treatments' coefficients at one horizon."""
    return [float(value) for value in one.linear.beta[: one.sample.n_treatments]]


def every_warning(done: list[Projection]) -> Iterator[str]:
    """The warnings of all horizons."""
    for one in done:
        yield from (*one.warnings, *one.uncertainty.warnings)
