"""Mixed models: slopes common to all, and levels and slopes that vary at random by group.

Random intercepts by parent and unit unless `slopes` says otherwise: a list gives these regressors
random slopes by parent (by unit in a panel without parents); a table such as
{ parent = ["esf"], unit = [], time = [] } names every group with random effects. A group's
intercept and slopes are correlated. `effects` are fixed ones, as dummies. Restricted maximum
likelihood, or full with `likelihood = "ml"`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from data.errors import BadInput
from models.absorb import absorb, dense_codes, is_nested
from models.design import Codes, Design, Floats
from models.estimators.linear import CONSTANT, refuse_exact, refuse_weights, report
from models.estimators.mixed.fit import MixedFit, fit_mixed
from models.estimators.mixed.groups import groupings_of
from models.estimators.mixed.likelihood import Grouping
from models.estimators.mixed.named_effects import named_effects
from models.estimators.mixed.variance_shares import inside_share, variance_shares
from models.inference import Uncertainty
from models.inference.cluster import find_clusters
from models.inference.record import from_variance
from models.least_squares import LinearFit, collinear_columns, fit_least_squares
from models.results import ModelResult
from models.study import ModelSpec

OPTIONS = frozenset({"slopes", "likelihood"})
FEW_GROUPS = 10


def fit(design: Design, spec: ModelSpec) -> ModelResult:
    """Slopes with errors by cluster, or classical with Satterthwaite's degrees of freedom.

    `fit` of the result holds the variances, correlations and, without random slopes, each level's
    share of the variance with its 95 % interval. Raises BadInput for groups that cannot be told
    apart, and for inference that does not respect the groups.
    """
    mixed, X, terms = fitted(design, spec)
    if spec.inference.kind == "classical":
        linear = as_linear(mixed, design, X, terms)
        measured: Uncertainty | None = model_based(linear, mixed)
    else:
        linear, measured = whitened(mixed, design, spec, X, terms), None
    statistics = {**variances(mixed), **shares(mixed), "log_likelihood": mixed.log_likelihood}
    result = report(linear, design, spec, statistics, (), cautions(mixed), measured)
    shown = len(design.terms) + 1
    kept = tuple(term for term in result.terms if term.term in terms[:shown])
    return replace(result, terms=kept, groups=named_effects(mixed, design))


def fitted(design: Design, spec: ModelSpec) -> tuple[MixedFit, Floats, tuple[str, ...]]:
    """The fit, its regressors X (n, p) and their names: slopes, constant, then dummies."""
    refuse_weights(design, spec)
    method = spec.options.get("likelihood", "reml")
    if method not in ("reml", "ml"):
        raise BadInput("likelihood", f"unknown {method!r}", 'use "reml" or "ml"')
    groups = groupings_of(design, spec)
    X, terms = regressors(design, groups)
    refuse_exact(within_groups(design, groups, X), design)
    return fit_mixed(design.y, X, groups, method == "reml"), X, terms


def within_groups(design: Design, groups: tuple[Grouping, ...], X: Floats) -> float:
    """The outcome's mean square about what X (n, p) and a level for each group explain."""
    codes = tuple(group.codes for group in groups)
    left = absorb(codes, None, design.n_obs).residual(np.column_stack([design.y, X]))
    slopes, *_ = np.linalg.lstsq(left[:, 1:], left[:, 0], rcond=None)
    return float(np.mean((left[:, 0] - left[:, 1:] @ slopes) ** 2))


def regressors(
    design: Design, groups: tuple[Grouping, ...]
) -> tuple[Floats, tuple[str, ...]]:
    """The columns of X (n, p) and their names; dummies omit each effect's first level.

    Raises BadInput for a treatment without variation beside the effects, or for effects that
    leave random ones nothing.
    """
    columns, names = [design.X, np.ones((design.n_obs, 1))], [*design.terms, CONSTANT]
    for name, codes in zip(design.effect_names, design.effects, strict=True):
        for group in groups:
            if is_nested(codes, group.codes):
                what = f"fixed {name} effects leave the random effects by {group.name} nothing"
                raise BadInput("effects", what, "keep one of the two")
        dense = dense_codes(codes)
        columns.append((dense[:, None] == np.arange(1, dense.max() + 1)).astype(np.float64))
        names += [f"{name} {level}" for level in range(1, int(dense.max()) + 1)]
    X = np.hstack(columns)
    # the effects' dummies before the controls, so that a control they span is the one to go
    k, treated = len(design.terms), design.n_treatments
    order = [*range(treated), *range(k, X.shape[1]), *range(treated, k)]
    spare = {order[j] for j in collinear_columns(X[:, order], None)}
    hit = [names[j] for j in spare if j < k]
    if hit:
        what = f"{hit[0]!r} is a combination of the effects and other regressors"
        raise BadInput("regressors", what, "drop it, or use fewer effects")
    kept = [j for j in range(len(names)) if j not in spare]
    return X[:, kept], tuple(names[j] for j in kept)


def as_linear(mixed: MixedFit, design: Design, X: Floats, terms: tuple[str, ...]) -> LinearFit:
    """The fit as generalised least squares, for its record."""
    residuals = design.y - X @ mixed.beta
    ones = np.ones(design.n_obs)
    return LinearFit(
        terms, design.y, X, mixed.beta, residuals, ones, mixed.bread, (), 0
    )  # fmt: skip


def model_based(linear: LinearFit, mixed: MixedFit) -> Uncertainty:
    """Errors that hold if the random effects are as the model says."""
    vcov = mixed.residual_variance * mixed.bread
    convention = "model-based (random effects as specified), t with Satterthwaite df"
    return from_variance(linear, vcov, mixed.satterthwaite(), convention)


def whitened(
    mixed: MixedFit, design: Design, spec: ModelSpec, X: Floats, terms: tuple[str, ...]
) -> LinearFit:
    """Least squares on data made uncorrelated by the model, cluster by cluster.

    Its scores are those of the mixed model, so that clustered errors hold whether or not the
    random effects are as specified. Raises BadInput if a group reaches over several clusters.
    """
    how = spec.inference
    if how.kind != "cluster" or len(how.by) > 1:
        what = f"{how.kind} errors by {', '.join(how.by) or 'row'}"
        raise BadInput("inference", what, 'use "classical", or "cluster" by one column')
    clusters = find_clusters(design, how.by[0] if how.by else "unit")
    for group in mixed.data.groupings:
        if not is_nested(group.codes, clusters.codes):
            what = f"random effects by {group.name} reach over clusters of {clusters.name}"
            raise BadInput("inference", what, 'cluster by a coarser column, or use "classical"')
    both = np.column_stack([design.y, X])
    for rows in clusters.rows():
        both[rows] = np.linalg.solve(np.linalg.cholesky(relative_covariance(mixed, rows)),
                                     both[rows])  # fmt: skip
    return fit_least_squares(both[:, 0], np.ascontiguousarray(both[:, 1:]), terms)


def relative_covariance(mixed: MixedFit, rows: Codes) -> Floats:
    """The covariance (r, r) of some rows of the outcome, over the residual variance."""
    V = np.eye(len(rows))
    for group, factor in zip(mixed.data.groupings, mixed.point.factors, strict=True):
        codes, values = group.codes[rows], group.values[rows] @ factor
        V += np.where(codes[:, None] == codes, values @ values.T, 0.0)
    return V


def variances(mixed: MixedFit) -> dict[str, float | None]:
    """Variances of the random effects, correlations within a group, and the residual variance."""
    found: dict[str, float | None] = {}
    for group, covariance in zip(mixed.data.groupings, mixed.covariances, strict=True):
        deviations = np.sqrt(np.diag(covariance))
        for j, column in enumerate(group.columns):
            label = group.name if column == CONSTANT else f"{column} by {group.name}"
            found[f"variance {label}"] = float(covariance[j, j])
            for i in range(j):
                product = float(deviations[i] * deviations[j])
                key = f"correlation {group.columns[i]}, {column} by {group.name}"
                found[key] = float(covariance[i, j]) / product if product > 0 else None
    found["variance residual"] = mixed.residual_variance
    return found


def shares(mixed: MixedFit) -> dict[str, float | None]:
    """Each level's share of the variance, and regions' of lasting differences between regions and
    countries, if intercepts are all that varies.
    """
    found: dict[str, float | None] = {}
    inside = inside_share(mixed)
    for share in (*variance_shares(mixed), *([inside] if inside else [])):
        found[f"share {share.level}"] = share.estimate
        found[f"share {share.level} low"] = share.conf_low
        found[f"share {share.level} high"] = share.conf_high
    return found


def cautions(mixed: MixedFit) -> tuple[str, ...]:
    """Warnings on variances at zero and on groups too few to know their variance."""
    few = [group for group in mixed.data.groupings if group.size < FEW_GROUPS]
    return (
        *(f"the random effect {name} has an estimated variance of zero" for name in mixed.at_zero),
        *(f"the variance by {group.name} rests on {group.size} groups only" for group in few),
    )
