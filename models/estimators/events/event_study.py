"""Event studies by least squares: two-way, and interaction-weighted (Sun and Abraham 2021).

The two-way regression pools cohorts; where paths differ between them, its coefficients mix event
times. The interaction-weighted one estimates each cohort's path against the never treated and
averages them by the cohorts' shares at each event time, which are taken as fixed numbers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from data.errors import BadInput
from models.design import Design, Floats
from models.estimators.events.adoption import BASE, Adoption, read_adoption
from models.estimators.events.pretrends import (
    pretrend_caution,
    pretrend_slope,
    pretrend_test,
    sensitivity,
)
from models.estimators.events.rules import check_adoption, needs_effects
from models.estimators.linear import fit_screened, fit_statistics, report, terms_of
from models.inference import Uncertainty
from models.inference.measure import measure
from models.least_squares import LinearFit
from models.results import ModelResult, Test
from models.study import Inference, ModelSpec

METHODS = ("two-way", "sun-abraham")
AVERAGE = "event average"


def fit_event_study(design: Design, spec: ModelSpec) -> ModelResult:
    """Differences from the period before adoption, by event time, and their mean after it.

    Option `method` is "sun-abraham" (default) or "two-way". Every kind of inference of linear
    models works; for resampling kinds the pre-trend tests use clustered errors. Raises BadInput
    for what `rules` refuses.
    """
    method = spec.options.get("method", "sun-abraham")
    if method not in METHODS:
        raise BadInput("method", f"is {method!r}", f"choose one of {', '.join(METHODS)}")
    if spec.inference.kind == "randomization":
        todo = 'use kind = "cluster" or "wild-cluster"'
        raise BadInput("inference", "adoption dates are not reshuffled here", todo)
    adoption = read_adoption(design, spec)
    tests, cautions = check_adoption(adoption, spec)
    spec = replace(spec, effects=needs_effects(spec))
    wide, transform = _with_dummies(adoption, method)
    cells, dropped = fit_screened(wide, wide.effects)
    linear = _by_event(cells, transform, adoption.events)
    wide = replace(wide, n_treatments=len(adoption.events))
    measured = measure(linear, wide, spec.inference)
    path, worries = path_tests(
        adoption.events, *_variance(linear, wide, spec.inference, measured, len(adoption.events))
    )
    warnings = (*adoption.warnings, *dropped, *cautions, *worries)
    figures = {**fit_statistics(linear, "r2_within"), "n_adopters": adoption.n_adopters}
    result = report(linear, wide, spec, figures, (*path, *tests), warnings, measured)
    return _with_average(result, linear, wide, spec, adoption.events)


def path_tests(
    events: list[int], beta: Floats, vcov: Floats, df: float, base: bool = True
) -> tuple[tuple[Test, ...], tuple[str, ...]]:
    """Pre-trend test, breakdown values, and the cautions that follow, for a path (m,).

    `base` says that the path is measured from the base period, as breakdown values need.
    """
    before = [j for j, e in enumerate(events) if e < BASE]
    leads, spread = beta[before], vcov[np.ix_(before, before)]
    tests = (
        pretrend_test(leads, spread, df),
        pretrend_slope([events[j] for j in before], leads, spread, df, base),
    )
    values = sensitivity(events, beta, vcov, df) if base else ()
    return (*tests, *values), pretrend_caution(tests)


def reparametrised(linear: LinearFit, transform: Floats, terms: tuple[str, ...]) -> LinearFit:
    """The same fit with transform (k, k, invertible) times its coefficients as coefficients.

    The regressors become X inv(transform): fitted values and residuals stay as they are, so every
    inference of linear fits applies to the new coefficients.
    """
    return replace(
        linear,
        terms=terms,
        X=linear.X @ np.linalg.inv(transform),
        beta=transform @ linear.beta,
        bread=transform @ linear.bread @ transform.T,
    )


def _by_event(cells: LinearFit, transform: Floats, events: list[int]) -> LinearFit:
    """Coefficients by event time first, then what else is in the model."""
    padded = np.eye(len(cells.terms))
    padded[: len(transform), : len(transform)] = transform
    others = (f"cell {j}" for j in range(len(events), len(transform)))
    names = (*(f"event {e}" for e in events), *others, *cells.terms[len(transform) :])
    return reparametrised(cells, padded, names)


def _variance(
    linear: LinearFit, wide: Design, how: Inference, measured: Uncertainty, size: int
) -> tuple[Floats, Floats, float]:
    """The first coefficients, their variance and fewest df; clustered where errors resample."""
    if measured.vcov is None:
        measured = measure(linear, wide, replace(how, kind="cluster", correction=None))
    assert measured.vcov is not None
    return linear.beta[:size], measured.vcov[:size, :size], float(measured.df[:size].min())


def _with_average(
    result: ModelResult, linear: LinearFit, wide: Design, spec: ModelSpec, events: list[int]
) -> ModelResult:
    """The result led by the mean over event times from 0 on; cells are left out."""
    after = [j for j, e in enumerate(events) if e >= 0]
    transform = np.eye(len(linear.terms))
    transform[after[0], after] = 1.0 / len(after)
    averaged = reparametrised(linear, transform, linear.terms)
    mean = terms_of(averaged.terms, averaged.beta, measure(averaged, wide, spec.inference))
    shown = (term for term in result.terms if not term.term.startswith("cell "))
    terms = (replace(mean[after[0]], term=AVERAGE), *shown)
    return replace(result, terms=terms, treatment=(AVERAGE,))


def _with_dummies(adoption: Adoption, method: str) -> tuple[Design, Floats]:
    """The design with a dummy per event time or cell, and what averages cells to event times.

    The transform (d, d) has the event times' averages in its first rows, then cells left as they
    are: all but one of each event time.
    """
    design, event = adoption.design, adoption.event
    if method == "two-way":
        cells = [(None, e) for e in adoption.events]
    else:
        cells = [
            (c, e) for e in adoption.events for c in adoption.cohorts
            if np.any((adoption.cohort == c) & (event == e))
        ]  # fmt: skip
    columns = [
        (event == e) & (adoption.adopts if c is None else adoption.cohort == c) for c, e in cells
    ]
    names = tuple(f"event {e}" if c is None else f"cohort {c:.0f}, event {e}" for c, e in cells)
    dummies = np.column_stack(columns).astype(np.float64)
    wide = replace(
        design,
        X=np.hstack([dummies, design.X]),
        terms=(*names, *design.terms),
        n_treatments=len(names),
        effects=design.effects or (design.unit, design.time),
        effect_names=design.effect_names or ("unit", "time"),
    )
    sizes = dummies.sum(axis=0) if design.weights is None else design.weights @ dummies
    return wide, _averaging(np.array([e for _, e in cells]), sizes, adoption.events)


def _averaging(cell_events: Floats, sizes: Floats, events: list[int]) -> Floats:
    first = np.zeros((len(events), len(sizes)))
    others = []
    for row, e in zip(first, events, strict=True):
        cells = np.flatnonzero(cell_events == e)
        row[cells] = sizes[cells] / sizes[cells].sum()
        others.extend(cells[cells != cells[np.argmax(sizes[cells])]])
    return np.vstack([first, np.eye(len(sizes))[np.array(others, dtype=np.int64)]])

