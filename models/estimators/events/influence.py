"""Results whose errors come from units' influences on the estimates, summed by cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.errors import BadInput
from models.absorb import dense_codes, group_sums
from models.design import Codes, Design, Floats
from models.estimators.events.adoption import Adoption
from models.estimators.events.event_study import path_tests
from models.estimators.gmm import cluster_of_units
from models.estimators.linear import inference_used, terms_of
from models.inference import Uncertainty
from models.inference.record import ROUND_OFF, of_estimates, require_above
from models.results import ModelResult, Test
from models.study import ModelSpec


@dataclass(frozen=True)
class Influence:
    """m estimates (m,) under `terms`, and each unit's influence on them (N, m).

    An estimate less its estimand is, to first order, the sum of its column. `events` are the event
    times among the terms; `method` is in words for the convention.
    """

    terms: tuple[str, ...]
    estimate: Floats
    influence: Floats
    events: list[int]
    method: str
    base: bool = True  # whether event times are differences from the base period


def influence_result(
    found: Influence,
    adoption: Adoption,
    spec: ModelSpec,
    tests: tuple[Test, ...],
    warnings: tuple[str, ...],
) -> ModelResult:
    """The record with clustered errors, t with G - 1 df, no small-sample factor; path tests first.

    Raises BadInput for other inference than one cluster column, or clusters that units straddle.
    """
    design = adoption.design
    measured = _clustered(found, design, spec)
    path, worries = _path(found, measured)
    return ModelResult(
        id=spec.id,
        estimator=spec.estimator,
        outcome=spec.outcome,
        treatment=found.terms[:1],
        n_obs=design.n_obs,
        n_units=len(np.unique(design.unit)),
        n_periods=len(np.unique(design.time)),
        n_clusters=measured.n_clusters,
        n_instruments=None,
        inference=inference_used(spec, measured),
        terms=terms_of(found.terms, found.estimate, measured),
        fit={"n_adopters": adoption.n_adopters},
        tests=(*path, *tests),
        warnings=(*adoption.warnings, *warnings, *worries),
        effects=spec.effects or ("unit", "time"),
    )


def _path(found: Influence, measured: Uncertainty) -> tuple[tuple[Test, ...], tuple[str, ...]]:
    """The tests of the path by event time, and their cautions."""
    assert measured.vcov is not None
    places = [found.terms.index(f"event {e}") for e in found.events]
    spread = measured.vcov[np.ix_(places, places)]
    df = float(measured.df[0])
    return path_tests(found.events, found.estimate[places], spread, df, found.base)


def _cluster(design: Design, spec: ModelSpec) -> tuple[str, Codes]:
    """The one cluster column, and the cluster of each unit (N,)."""
    how = spec.inference
    if how.kind != "cluster" or len(how.by) > 1 or how.correction not in (None, "CR0"):
        what = f"{spec.estimator} has errors from influence functions summed by one cluster column"
        raise BadInput("inference", what, 'use { kind = "cluster", by = ["..."] } alone')
    name = how.by[0] if how.by else "unit"
    codes = dense_codes(cluster_of_units(design, name))
    if codes.max() < 1:
        raise BadInput("inference", f"one cluster of {name} only", "cluster by a finer column")
    return name, codes


def _clustered(found: Influence, design: Design, spec: ModelSpec) -> Uncertainty:
    name, codes = _cluster(design, spec)
    size = int(codes.max()) + 1
    sums = group_sums(codes, found.influence, None, size)
    vcov = sums.T @ sums
    # an average of gaps between outcomes, so one row's own length is the yardstick
    least = ROUND_OFF * (design.y @ design.y) / design.n_obs
    require_above(found.terms, np.diag(vcov), np.full(len(vcov), least))
    convention = (
        f"{found.method}, clustered by {name} ({size} clusters), no small-sample factor, "
        f"t with {size - 1} df"
    )
    return of_estimates(found.estimate, vcov, size - 1.0, convention, {name: size})
