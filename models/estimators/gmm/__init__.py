"""Difference GMM (Arellano and Bond 1991) and system GMM (Blundell and Bond 1998).

A row of the design may lack a regressor: it then serves for lags and instruments only. The
one-step weighting H is that of gretl, plm and xtabond2 unless `h_matrix` says otherwise.
"""

from __future__ import annotations

import numpy as np

from data.errors import BadInput
from models.calendar_grid import calendar_grid
from models.design import Codes, Design, Floats
from models.estimators.gmm import options as gmm_options
from models.estimators.gmm.equations import level_equations
from models.estimators.gmm.model import DynamicFit, dynamic_gmm
from models.estimators.gmm.options import GmmChoices, read_choices, read_instruments
from models.estimators.gmm.tests import (
    difference_in_hansen,
    hansen,
    sargan,
    serial_correlation,
    wald,
)
from models.estimators.linear import refuse_exact
from models.estimators.normal_reference import normal_terms
from models.inference.cluster import find_clusters
from models.results import InferenceUsed, ModelResult, Test
from models.study import ModelSpec

OPTIONS = gmm_options.OPTIONS
NEAR = 0.9  # instruments per cluster from which overidentification tests lose their meaning
FEW = 50  # clusters below which the normal approximation is doubtful


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """The dynamic model that `spec` describes. Raises BadInput for a request it cannot answer."""
    choices = read_choices(spec, design)
    cluster_name = spec.inference.by[0] if spec.inference.by else "unit"
    done = estimate_model(design, spec, choices, cluster_name)
    refuse_exact(done.fit.sigma2, design)
    refuse_explosive(done, choices)
    return as_result(done, spec, choices, cluster_name)


def estimate_model(
    design: Design, spec: ModelSpec, choices: GmmChoices, cluster_name: str
) -> DynamicFit:
    """The estimate with all its matrices. Raises BadInput where the data cannot identify it."""
    grid = calendar_grid(design)
    blocks, _, plain = read_instruments(spec, design, grid)
    cluster = cluster_of_units(design, cluster_name)
    levels = level_equations(
        grid.spread(design.y),
        grid.spread(design.X),
        design.terms,
        choices.lags,
        spec.outcome,
        np.asarray(np.isfinite(plain).all(axis=2)),
        choices.system,
    )
    return dynamic_gmm(levels, blocks, plain, cluster, choices, grid.first)


def cluster_of_units(design: Design, name: str) -> Codes:
    """(N,) codes of each unit's cluster. Raises BadInput if a unit changes its cluster."""
    codes = find_clusters(design, name).codes
    home = np.zeros(len(design.units), dtype=np.int64)
    home[design.unit] = codes
    if not np.array_equal(home[design.unit], codes):
        what = f"units change their '{name}' over time"
        raise BadInput("inference", what, "cluster by a column that is fixed for each unit")
    return home


def largest_root(beta: Floats, lags: tuple[int, ...]) -> float:
    """The modulus of the largest root of the autoregression with coefficients beta on `lags`."""
    polynomial = np.zeros(max(lags) + 1)
    polynomial[0] = 1.0
    polynomial[list(lags)] = -beta[: len(lags)]
    return float(np.abs(np.roots(polynomial)).max(initial=0.0))


def refuse_explosive(done: DynamicFit, choices: GmmChoices) -> None:
    """Raises BadInput where the estimated autoregression does not settle down."""
    root = largest_root(reported_beta(done, choices), choices.lags)
    if root >= 1:
        what = f"explosive: the largest autoregressive root is estimated at {root:.3f}"
        raise BadInput("outcome", what, "difference it, add time effects, or use fewer lags")


def reported_beta(done: DynamicFit, choices: GmmChoices) -> Floats:
    """Coefficients (k,) of the step that the study asks for."""
    return (done.fit.one if choices.steps == 1 else done.fit.two).beta


def as_result(
    done: DynamicFit, spec: ModelSpec, choices: GmmChoices, cluster_name: str
) -> ModelResult:
    """The record that tables and briefs read; time effects are tested, not listed."""
    rows = done.fit.moments.rows
    tests = all_tests(done, choices)
    n_clusters = done.fit.moments.cluster.shape[0]
    listed = len(done.levels.terms) - done.levels.n_time_effects
    beta = reported_beta(done, choices)
    return ModelResult(
        id=spec.id,
        estimator=spec.estimator,
        outcome=spec.outcome,
        treatment=spec.treatment,
        n_obs=rows.n_levels or len(rows.y),
        n_units=len(np.unique(rows.unit)),
        n_periods=len(np.unique(rows.period)),
        n_clusters={cluster_name: n_clusters} if choices.robust else {},
        n_instruments=done.instruments.Z.shape[1],
        inference=inference_used(spec, choices, cluster_name),
        terms=normal_terms(done.levels.terms[:listed], beta, np.sqrt(np.diag(done.vcov))),
        fit={"sigma2": done.fit.sigma2, "largest_root": largest_root(beta, choices.lags)},
        tests=tests,
        warnings=tuple(cautions(done, tests, n_clusters)),
        effects=("unit", "time") if choices.time_effects else ("unit",),
    )


def all_tests(done: DynamicFit, choices: GmmChoices) -> tuple[Test, ...]:
    """Autocorrelation, overidentification as a whole and by subset, and the time effects."""
    step = done.fit.one if choices.steps == 1 else done.fit.two
    robust = choices.robust or choices.steps == 2
    tests = [
        *(
            serial_correlation(done.fit, done.levels, step, done.vcov, order, robust)
            for order in (1, 2)
        ),
        sargan(done.fit),
        hansen(done.fit),
    ]
    groups = done.instruments.groups
    if len(groups) > 1 and tests[3].df is not None:
        tests += [difference_in_hansen(done.fit, name, cols) for name, cols in groups.items()]
    if done.levels.n_time_effects:
        last = slice(-done.levels.n_time_effects, None)
        tests.append(wald("wald_time", step.beta[last], done.vcov[last, last]))
    return tuple(tests)


def inference_used(spec: ModelSpec, choices: GmmChoices, cluster_name: str) -> InferenceUsed:
    """How the errors were made, in one sentence."""
    rows = "first differences" if choices.transform == "fd" else "forward orthogonal deviations"
    if choices.steps == 2:
        correction = "Windmeijer" if choices.windmeijer else None
        how = "two-step errors" + (", Windmeijer-corrected" if correction else ", not corrected")
    else:
        correction = None
        how = "one-step errors" + (", robust" if choices.robust else ", classical")
    weighting = f", H {choices.h_matrix}" if choices.system else ""
    by = f", clustered by {cluster_name}" if choices.robust else ""
    return InferenceUsed(
        kind=spec.inference.kind,
        by=(cluster_name,) if choices.robust else (),
        correction=correction,
        override=spec.inference.override,
        convention=f"{rows}{weighting}; {how}{by}; normal reference, no small-sample factor",
    )


def cautions(done: DynamicFit, tests: tuple[Test, ...], n_clusters: int) -> list[str]:
    """What a reader must know before believing the estimate."""
    found = []
    count = done.instruments.Z.shape[1]
    if count > NEAR * n_clusters:
        found.append(
            f"{count} instruments for {n_clusters} clusters: the estimate leans to within and "
            "overidentification tests lose power; set collapse = true or shorten the lag windows"
        )
    if n_clusters < FEW:
        found.append(f"{n_clusters} clusters: GMM errors and tests are approximations for many")
    if done.fit.one.rank < count:
        found.append(f"{count - done.fit.one.rank} of {count} instruments repeat the others")
    ar2, j = tests[1], tests[3]
    if ar2.p_value is not None and ar2.p_value < 0.05:
        found.append("AR(2) in differences: second lags of the outcome are not valid instruments")
    if j.p_value is not None and j.p_value < 0.05:
        found.append(f"Hansen's J (p = {j.p_value:.2g}): the instruments contradict each other")
    return found
