"""Bias-corrected within estimate of a dynamic panel with few units (Kiviet 1995; Bruno 2005).

For strictly exogenous regressors and one lag of the outcome. Errors come from a parametric
bootstrap of the whole procedure, the initial estimate included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.errors import BadInput
from models.calendar_grid import calendar_grid
from models.design import Codes, Design, Floats
from models.estimators.gmm import cluster_of_units
from models.estimators.gmm.equations import (
    Equations,
    Levels,
    level_equations,
    on_rows,
    stack,
    with_time_effects,
)
from models.estimators.gmm.estimation import collect_moments, one_step
from models.estimators.gmm.instruments import GmmBlock, build_instruments
from models.estimators.gmm.options import FURTHEST, one_of, refuse_effects
from models.estimators.linear import refuse_exact
from models.estimators.lsdvc.bias import Corrected, correct_within
from models.estimators.lsdvc.panels import simulated
from models.estimators.normal_reference import normal_terms
from models.least_squares import collinear_columns
from models.results import InferenceUsed, ModelResult
from models.study import ModelSpec

OPTIONS = frozenset({"initial", "order", "draws", "seed"})
INITIAL = {
    "ah": "Anderson-Hsiao",
    "ab": "one-step Arellano-Bond",
    "bb": "one-step Blundell-Bond",
}
LEAST, MOST = 20, 9_999  # draws
ORDERS = {1: "1/T", 2: "1/(N T)", 3: "1/(N T^2)"}


@dataclass(frozen=True)
class Choices:
    """initial estimator, order of the bias approximation, bootstrap draws and seed."""

    initial: str
    order: int
    draws: int
    seed: int


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """The within estimate of a dynamic model, its bias removed.

    Raises BadInput where the model cannot be estimated, or is explosive.
    """
    choices = read_choices(spec)
    levels = levels_of(design, spec)
    first = initial_estimate(levels, choices.initial)
    refuse_explosive(float(first[0]), INITIAL[choices.initial])
    corrected = correct_within(levels, first, choices.order)
    refuse_explosive(float(corrected.beta[0]), "lsdvc")
    refuse_exact(corrected.sigma2, design)
    name = spec.inference.by[0] if spec.inference.by else "unit"
    clusters = cluster_of_units(design, name)
    drawn = bootstrap(levels, corrected, clusters, choices)
    sizes = {name: int(clusters.max()) + 1}
    return as_result(levels, corrected, drawn, spec, choices, sizes)


def read_choices(spec: ModelSpec) -> Choices:
    """The options of a [[model]], checked. Raises BadInput."""
    refuse_effects(spec)
    if spec.inference.kind != "cluster" or len(spec.inference.by) > 1 or spec.inference.correction:
        what = "lsdvc measures its errors by a bootstrap that draws whole clusters"
        raise BadInput("inference", what, 'use kind = "cluster" with one column in by')
    draws = spec.options.get("draws", 200)
    if not isinstance(draws, int) or not LEAST <= draws <= MOST:
        raise BadInput("draws", f"draws = {draws!r}", f"write a number from {LEAST} to {MOST:,}")
    return Choices(
        initial=one_of(spec.options, "initial", "ab", tuple(INITIAL)),
        order=one_of(spec.options, "order", 3, tuple(ORDERS)),
        draws=draws,
        seed=spec.options.get("seed", 20260101),
    )


def levels_of(design: Design, spec: ModelSpec) -> Levels:
    """The level equations with time effects. Raises BadInput if no unit has three periods."""
    grid = calendar_grid(design)
    everywhere = np.ones((grid.n_units, grid.n_periods), dtype=bool)
    y, X = grid.spread(design.y), grid.spread(design.X)
    levels = level_equations(y, X, design.terms, (1,), spec.outcome, everywhere, constant=False)
    if levels.usable.sum(axis=1).max(initial=0) < 2:
        what = "too few periods: no unit has three in a row with all variables known"
        raise BadInput("sample", what, "use a longer panel without gaps")
    if "time" in spec.effects:
        used = np.asarray(levels.usable.any(axis=0))
        used[np.flatnonzero(used)[0]] = False
        levels = with_time_effects(levels, used, grid.first)
    return levels


def initial_estimate(levels: Levels, kind: str) -> Floats:
    """A consistent estimate (k,) to evaluate the bias at.

    "ah": the second lag in levels instruments the differenced lag (Anderson and Hsiao 1982);
    "ab": all lags from the second; "bb": these and lagged differences for levels, no constant.
    Regressors instrument themselves. Raises BadInput where it is not identified.
    """
    rows = stack(levels, "fd", kind == "bb", "full")
    refuse_collinear(rows, levels.terms)
    return instrumented(levels, rows, kind)


def refuse_collinear(rows: Equations, terms: tuple[str, ...]) -> None:
    """Raises BadInput for regressors that others span once unit effects are gone."""
    spare = collinear_columns(rows.X, None) if len(rows.y) else list(range(rows.X.shape[1]))
    if spare:
        names = ", ".join(terms[column] for column in spare)
        what = f"{names}: absorbed by the effects, or a combination of other regressors"
        raise BadInput("regressors", what, "drop it")


def instrumented(levels: Levels, rows: Equations, kind: str) -> Floats:
    """The one-step estimate (k,) on the rows of `levels`. Raises BadInput if not identified."""
    block = GmmBlock("outcome", levels.y, 2, 2 if kind == "ah" else FURTHEST)
    plain, nothing = levels.X[:, :, 1:], levels.X[:, :, :0]
    Z = build_instruments(rows, (block,), plain, nothing, collapse=kind == "ah").Z
    if Z.shape[1] < rows.X.shape[1]:
        what = "no outcome two periods back to instrument the lagged one"
        raise BadInput("sample", what, "use a longer panel without gaps")
    moments = collect_moments(rows, Z, np.zeros(len(levels.y), dtype=np.int64))
    return one_step(moments)


def refuse_explosive(root: float, name: str) -> None:
    """Raises BadInput for a root at which the bias has no approximation."""
    if abs(root) >= 1:
        what = f"explosive: {name} estimates an autoregressive root of {root:.3f}"
        raise BadInput("outcome", what, "difference it, add time effects, or use system-gmm")


def bootstrap(
    levels: Levels, corrected: Corrected, clusters: Codes, choices: Choices
) -> Floats:
    """Estimates (d, k) from panels simulated at the corrected one; explosive draws are left out.

    clusters (N,) are the units' clusters.

    Raises BadInput if more than half of them are.
    """
    rng = np.random.default_rng(choices.seed)
    rows = stack(levels, "fd", choices.initial == "bb", "full")
    kept = []
    for _ in range(choices.draws):
        drawn = simulated(levels, corrected, clusters, rng)
        first = instrumented(drawn, on_rows(rows, drawn), choices.initial)
        if abs(first[0]) < 1:
            kept.append(correct_within(drawn, first, choices.order).beta)
    if len(kept) < choices.draws / 2:
        what = f"explosive in {choices.draws - len(kept)} of {choices.draws} bootstrap panels"
        raise BadInput("outcome", what, "use system-gmm, or difference it")
    return np.array(kept)


def as_result(
    levels: Levels, corrected: Corrected, drawn: Floats, spec: ModelSpec, choices: Choices,
    n_clusters: dict[str, int],
) -> ModelResult:  # fmt: skip
    """The record that tables and briefs read; time effects are not listed."""
    listed = len(levels.terms) - levels.n_time_effects
    lost = choices.draws - len(drawn)
    return ModelResult(
        id=spec.id,
        estimator=spec.estimator,
        outcome=spec.outcome,
        treatment=spec.treatment,
        n_obs=int(levels.usable.sum()),
        n_units=int(levels.usable.any(axis=1).sum()),
        n_periods=int(levels.usable.any(axis=0).sum()),
        n_clusters=n_clusters,
        n_instruments=None,
        inference=inference_used(spec, choices, n_clusters),
        terms=normal_terms(levels.terms[:listed], corrected.beta, drawn.std(axis=0, ddof=1)),
        fit={
            "sigma2": corrected.sigma2,
            "lag_within": float(corrected.within[0]),
            "lag_bias": float(corrected.bias[0]),
        },
        warnings=(f"{lost} explosive bootstrap draws left out",) * (lost > 0),
        effects=("unit", "time") if levels.n_time_effects else ("unit",),
    )


def inference_used(
    spec: ModelSpec, choices: Choices, n_clusters: dict[str, int]
) -> InferenceUsed:
    """How estimate and errors were made, in one sentence."""
    name = next(iter(n_clusters))
    return InferenceUsed(
        kind=spec.inference.kind,
        by=(name,),
        override=spec.inference.override,
        convention=(
            f"bias removed to order {ORDERS[choices.order]} at {INITIAL[choices.initial]}; "
            f"bootstrap by {name}, {choices.draws} draws, seed {choices.seed}; normal reference"
        ),
    )
