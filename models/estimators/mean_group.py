"""The mean of the units' own slopes: mean group (Pesaran and Smith 1995), with common factors
(Pesaran 2006) or weighted for random coefficients (Swamy 1970).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr, stdtrit

from data.errors import BadInput
from models.absorb import dense_codes
from models.calendar_grid import calendar_grid
from models.design import Codes, Design, Floats
from models.estimators.gmm import cluster_of_units
from models.estimators.gmm.options import one_of
from models.estimators.linear import refuse_weights
from models.heterogeneity import (
    pesaran_yamagata,
    random_coefficients,
    sign_shares,
    swamy_homogeneity,
    treatment_homogeneity,
)
from models.inference.record import ROUND_OFF, require_measurable
from models.prediction import prediction_gain
from models.results import InferenceUsed, ModelResult, Term, Test
from models.study import ModelSpec
from models.unit_regressions import UnitRegressions, regress_units

OPTIONS = frozenset({"trend", "weighting", "predict"})


@dataclass(frozen=True)
class UnitModel:
    """What every unit's regression holds, on a calendar of N units by S periods.

    y (N, S); X (N, S, k) the regressors; own (N, S, q) constant, trend and, for CCE, the
    cross-section averages of y and X, under the names in `own_terms`.
    """

    y: Floats
    X: Floats
    own: Floats
    terms: tuple[str, ...]
    own_terms: tuple[str, ...]


@dataclass(frozen=True)
class Mean:
    """A mean of unit slopes: beta (k,), vcov (k, k), with t distributions of df."""

    beta: Floats
    vcov: Floats
    df: float
    n_clusters: dict[str, int]
    convention: str
    warnings: tuple[str, ...] = ()


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """The mean slope over units, each with a constant (and trend) of its own.

    Raises BadInput for requests without meaning here, or if fewer than two units can be fitted.
    """
    refuse_foreign(design, spec)
    model = unit_model(design, spec)
    fits = regress_units(model.y, np.concatenate([model.X, model.own], axis=2))
    if len(fits.units) < 2:
        need = model.X.shape[2] + model.own.shape[2] + 1
        what = f"{len(fits.units)} units have {need} periods with independent regressors"
        raise BadInput("sample", what, "use fewer regressors, or a longer panel")
    refuse_exact_units(fits, design)
    mean = plain_mean(fits, design, spec)
    if is_swamy(spec):
        mean = swamy_mean(fits, mean.n_clusters)
    k = len(model.terms)
    require_measurable(model.terms, np.diag(mean.vcov)[:k], design.y, design.X)
    return as_result(model, fits, mean, design, spec)


def refuse_exact_units(fits: UnitRegressions, design: Design) -> None:
    """Raises BadInput, naming units, where a regression leaves no error variance to measure."""
    squares = np.bincount(design.unit, design.y**2, len(design.units))[fits.units]
    exact = fits.units[~(fits.rss > ROUND_OFF * squares)]
    if len(exact):
        names = ", ".join(str(label) for label in design.units[exact[:5]])
        what = f"the regressors explain it perfectly in {len(exact)} units ({names})"
        raise BadInput("outcome", what, "leave these units out, or drop what repeats the outcome")


def is_swamy(spec: ModelSpec) -> bool:
    """Whether the units are weighted for random coefficients."""
    return bool(one_of(spec.options, "weighting", "equal", ("equal", "swamy")) == "swamy")


def refuse_foreign(design: Design, spec: ModelSpec) -> None:
    """Raises BadInput for weights, effects and inference that mean groups do not have."""
    refuse_weights(design, spec)
    allowed = {"unit"} if spec.estimator == "cce-mean-group" else {"unit", "time"}
    other = [name for name in spec.effects if name not in allowed]
    if other:
        why = "; averages over units stand in for time effects" if other == ["time"] else ""
        what = f"{spec.estimator} does not absorb {', '.join(other)}{why}"
        raise BadInput("effects", what, 'use effects = ["unit"]')
    if spec.inference.kind != "cluster" or len(spec.inference.by) > 1:
        what = "the errors come from how slopes vary over units, or clusters of units"
        raise BadInput("inference", what, 'use kind = "cluster" with one column in by')
    if spec.inference.correction is not None:
        what = f"no {spec.inference.correction} correction for a mean of slopes"
        raise BadInput("inference", what, "remove correction")
    if is_swamy(spec) and spec.estimator == "cce-mean-group":
        raise BadInput("weighting", "CCE slopes are averaged equally", 'use "mean-group"')


def unit_model(design: Design, spec: ModelSpec) -> UnitModel:
    """Outcome, regressors and what each unit has of its own, on the calendar."""
    grid = calendar_grid(design)
    y, X = grid.spread(design.y), grid.spread(design.X)
    together = np.concatenate([y[:, :, None], X], axis=2)
    present = np.isfinite(y).sum(axis=0)[:, None]
    average = np.nansum(together, axis=0) / np.where(present > 0, present, 1)
    if "time" in spec.effects:
        y, X = y - average[:, 0], X - average[:, 1:]
    own, names = [np.ones(y.shape)], ["constant"]
    if spec.options.get("trend", False):
        own.append(np.broadcast_to(np.arange(1.0, y.shape[1] + 1), y.shape))
        names.append("trend")
    if spec.estimator == "cce-mean-group":
        own += [np.broadcast_to(column, y.shape) for column in average.T]
        names += [f"mean({name})" for name in (spec.outcome, *design.terms)]
    return UnitModel(y, X, np.stack(own, axis=2), design.terms, tuple(names))


def plain_mean(fits: UnitRegressions, design: Design, spec: ModelSpec) -> Mean:
    """The unweighted mean; its variance is that of cluster sums of the units' deviations.

    With units as clusters it is the usual sum of squares over N (N - 1).
    """
    name = spec.inference.by[0] if spec.inference.by else "unit"
    cluster = clusters_of(fits, design, spec)
    size = int(cluster.max()) + 1
    if size < 2:
        raise BadInput("inference", f"one cluster of {name} only", "cluster by a finer column")
    gaps = fits.beta - fits.beta.mean(axis=0)
    sums = np.zeros((size, gaps.shape[1]))
    np.add.at(sums, cluster, gaps)
    vcov = sums.T @ sums * size / (size - 1) / len(gaps) ** 2
    convention = f"spread of the units' slopes, clustered by {name}, t with {size - 1} df"
    return Mean(fits.beta.mean(axis=0), vcov, size - 1, {name: size}, convention)


def clusters_of(fits: UnitRegressions, design: Design, spec: ModelSpec) -> Codes:
    """Codes (m,) without gaps of the clusters of the units fitted."""
    name = spec.inference.by[0] if spec.inference.by else "unit"
    return dense_codes(cluster_of_units(design, name)[fits.units])


def folds_of(spec: ModelSpec) -> int:
    """The blocks of years held out in turn. Raises BadInput for fewer than two, or for CCE."""
    folds = spec.options["predict"]
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        raise BadInput("predict", f"is {folds!r}", "write how many blocks of years, 2 or more")
    if spec.estimator == "cce-mean-group":
        what = "averages of the years held out would stand among the regressors"
        raise BadInput("predict", what, 'ask it of "mean-group"')
    return folds


def swamy_mean(fits: UnitRegressions, n_clusters: dict[str, int]) -> Mean:
    """Swamy's weighted mean, units being independent. Raises BadInput for clusters of several."""
    name, size = next(iter(n_clusters.items()))
    if size < len(fits.units):
        what = f"random coefficients take units as independent, not only clusters of {name}"
        raise BadInput("inference", what, 'use weighting = "equal", or by = ["unit"]')
    found = random_coefficients(fits)
    warnings = (
        "the spread of slopes is overstated: it is smaller than the units' sampling noise",
    ) * found.overstated
    units = len(fits.units)
    convention = f"random coefficients (Swamy), independent units, t with {units - 1} df"
    return Mean(found.beta, found.vcov, units - 1, n_clusters, convention, warnings)


def as_result(
    model: UnitModel, fits: UnitRegressions, mean: Mean, design: Design, spec: ModelSpec
) -> ModelResult:
    """The record that tables and briefs read; the averages of CCE are not listed."""
    shown = 0 if spec.estimator == "cce-mean-group" else len(model.own_terms)
    used = np.isin(design.unit, fits.units)
    statistics, tests = about_slopes(model, fits, design, spec)
    return ModelResult(
        id=spec.id,
        estimator=spec.estimator,
        outcome=spec.outcome,
        treatment=spec.treatment,
        n_obs=int(fits.n_rows.sum()),
        n_units=len(fits.units),
        n_periods=len(np.unique(design.time[used])),
        n_clusters=mean.n_clusters,
        n_instruments=None,
        inference=InferenceUsed(
            kind="cluster",
            by=tuple(mean.n_clusters),
            override=spec.inference.override,
            convention=mean.convention,
        ),
        terms=t_terms((*model.terms, *model.own_terms[:shown]), mean),
        fit=statistics,
        tests=tests,
        warnings=(*left_out(design, fits), *mean.warnings),
        effects=spec.effects or ("unit",),
    )  # fmt: skip


def about_slopes(
    model: UnitModel, fits: UnitRegressions, design: Design, spec: ModelSpec
) -> tuple[dict[str, float | None], tuple[Test, ...]]:
    """The treatments' signs over units, tests of equal slopes, and what own slopes predict."""
    statistics: dict[str, float | None] = {
        f"{share} {model.terms[j]}": value
        for j in range(design.n_treatments)
        for share, value in sign_shares(fits, j).items()
    }
    y, X, own = (values[fits.units] for values in (model.y, model.X, model.own))
    tests = (*homogeneity(model, fits), *treatment_homogeneity(y, X, own, design.n_treatments))
    if "predict" in spec.options:
        gain = prediction_gain(y, X, own, clusters_of(fits, design, spec), folds_of(spec))
        statistics |= gain.as_fit()
        tests = (*tests, gain.as_test())
    return statistics, tests


def t_terms(names: tuple[str, ...], mean: Mean) -> tuple[Term, ...]:
    """One Term for each of the first m coefficients."""
    reach = float(stdtrit(mean.df, 0.975))
    rows = zip(names, mean.beta.tolist(), np.sqrt(np.diag(mean.vcov)).tolist(), strict=False)
    return tuple(
        Term(
            name, b, s, b / s, mean.df, 2 * float(stdtr(mean.df, -abs(b / s))),
            b - reach * s, b + reach * s,
        )
        for name, b, s in rows
    )  # fmt: skip


def homogeneity(model: UnitModel, fits: UnitRegressions) -> tuple[Test, ...]:
    """Whether the slopes of the units fitted are the same, whatever else is theirs."""
    y, X, own = (values[fits.units] for values in (model.y, model.X, model.own))
    k = X.shape[2]
    slopes = replace(fits, beta=fits.beta[:, :k], inverse=fits.inverse[:, :k, :k])
    scaled = replace(slopes, rss=fits.variance * (fits.n_rows - k))
    return (swamy_homogeneity(scaled), *pesaran_yamagata(y, X, own))


def left_out(design: Design, fits: UnitRegressions) -> tuple[str, ...]:
    """A warning that names the units without a regression of their own."""
    others = np.setdiff1d(np.unique(design.unit), fits.units)
    if len(others) == 0:
        return ()
    names = ", ".join(str(label) for label in design.units[others[:5]])
    more = ", ..." if len(others) > 5 else ""
    return (f"{len(others)} units left out, too few periods or collinear: {names}{more}",)

