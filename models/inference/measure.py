"""From a fit to its uncertainty, in the way that the study asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from data.errors import BadInput
from models.design import Codes, Design, Floats
from models.inference import Uncertainty
from models.inference.alone import told_by_several
from models.inference.cluster import (
    Clusters,
    counted_parameters,
    effective_clusters,
    find_clusters,
    repair,
    sandwich,
    small_sample_factor,
    two_way,
)
from models.inference.dependence import (
    MANY_NEAR,
    conley,
    default_lags,
    driscoll_kraay,
    newey_west,
    panel_corrected,
    require_periods,
)
from models.inference.leverage import bias_reduced, jackknife
from models.inference.randomization import randomize
from models.inference.record import from_variance, require_uncancelled
from models.inference.wild import wild_cluster
from models.inference.wild_iv import wild_cluster_iv
from models.least_squares import LinearFit
from models.singletons import linked, shortfall, silent
from models.study import Inference

# CR2 is the default correction unless this many effective clusters carry each treatment.
MANY_CLUSTERS = 50
CORRECTIONS = ("CR0", "CR1", "CR2", "CR3")
BY_CLUSTER = ("cluster", "wild-cluster")
NAMED = 8  # clusters in a warning
FEW_PERIODS = 30  # below which Driscoll-Kraay errors are often too small (docs/coverage.md)


def measure(fit: LinearFit, design: Design, how: Inference) -> Uncertainty:
    """Standard errors, tests and 95 % intervals of all k coefficients.

    `design` describes the rows of `fit`, in the same order. Raises BadInput for an unknown kind or
    column, a single cluster, or a standard error that would be zero.
    """
    if design.n_obs != fit.n_obs:
        raise ValueError(f"the design has {design.n_obs} rows, the fit {fit.n_obs}")
    measured = KINDS.get(how.kind)
    if measured is None:
        known = ", ".join(sorted(KINDS))
        raise BadInput(f"inference.kind = '{how.kind}'", "no such kind", f"choose one of {known}")
    found = measured(fit, design, how)
    said = _silent_clusters(fit, design, found) if how.kind in BY_CLUSTER else ()
    return replace(found, warnings=(*found.warnings, *said))


def _classical(fit: LinearFit) -> Uncertainty:
    df = _residual_df(fit)
    variance = fit.weights @ fit.residuals**2 / df
    convention = f"classical (equal variances, no correlation), t with {df} df"
    return from_variance(fit, variance * fit.bread, df, convention)


def _robust(fit: LinearFit) -> Uncertainty:
    df = _residual_df(fit)
    influence = fit.scores @ fit.bread
    vcov = influence.T @ influence * (fit.n_obs / df)
    return from_variance(fit, vcov, df, f"robust to unequal variances (HC1), t with {df} df")


def _clustered(fit: LinearFit, design: Design, how: Inference) -> Uncertainty:
    names = how.by or ("unit",)
    if how.correction not in (None, *CORRECTIONS):
        choices = ", ".join(CORRECTIONS)
        raise BadInput(
            f"inference.correction = '{how.correction}'", "no such correction", f"choose {choices}"
        )
    if len(names) > 2:
        raise BadInput(f"inference.by = {list(names)}", "more than two columns", "name one or two")
    clusters = [find_clusters(design, name) for name in names]
    if len(clusters) == 2:
        return _clustered_twice(fit, design, clusters, how)
    return _clustered_once(fit, design, clusters[0], how)


def _clustered_once(
    fit: LinearFit, design: Design, clusters: Clusters, how: Inference
) -> Uncertainty:
    effective = effective_clusters(fit, clusters.codes)
    fewest = float(effective[: max(design.n_treatments, 1)].min())
    correction = how.correction or ("CR1" if fewest >= MANY_CLUSTERS else "CR2")
    df: Floats | float = clusters.size - 1.0
    rule = f"t with {clusters.size - 1} df"
    if correction == "CR2":
        vcov, df = bias_reduced(fit, clusters, n_treatments=design.n_treatments)
        rule = "Satterthwaite df"
    elif correction == "CR3":
        vcov = jackknife(fit, clusters)
    else:
        vcov = sandwich(fit, clusters.codes)
        if correction == "CR1":
            parameters = counted_parameters(fit, [clusters.codes])
            vcov *= small_sample_factor(clusters.size, fit.n_obs, parameters)
            rule += f", K = {parameters} with nested effects not counted"
    convention = (
        f"clustered by {clusters.name} ({clusters.size} clusters, {fewest:.1f} effective), "
        f"{correction} with {rule}"
    )
    measured = from_variance(
        fit, vcov, df, convention, {clusters.name: clusters.size}, _few(clusters, fewest)
    )
    return replace(measured, correction=correction)


def _clustered_twice(
    fit: LinearFit, design: Design, clusters: Sequence[Clusters], how: Inference
) -> Uncertainty:
    first, second = clusters
    correction = how.correction or "CR1"
    if correction not in ("CR0", "CR1"):
        raise BadInput(
            f"inference.correction = '{correction}'",
            "not defined for two-way clusters",
            "use CR1, or cluster by the column with fewer clusters",
        )
    said: tuple[str, ...] = ()
    for one, other in ((first, second), (second, first)):
        todo = f'cluster by {other.name} alone, or use kind = "randomization"'
        what = f"clusters of {one.name}"
        said += told_by_several(fit, one, what, design.n_treatments, todo)
    raw = two_way(fit, first, second, correction == "CR1")
    require_uncancelled(fit, np.diag(raw), design.n_treatments)
    vcov, repaired = repair(raw)
    df = min(first.size, second.size) - 1
    convention = (
        f"clustered by {first.name} ({first.size}) and {second.name} ({second.size}), "
        f"V1 + V2 - V12, {correction}, t with {df} df"
    )
    warnings = ("negative eigenvalues of the two-way variance were set to zero",) * repaired
    sizes = {first.name: first.size, second.name: second.size}
    measured = from_variance(fit, vcov, df, convention, sizes, (*said, *warnings))
    return replace(measured, correction=correction)


def _driscoll_kraay(fit: LinearFit, design: Design, how: Inference) -> Uncertainty:
    calendar, n_periods = _calendar(design)
    lags = default_lags(n_periods) if how.lags is None else how.lags
    require_periods(n_periods, lags, how.kind)
    convention = (
        f"Driscoll-Kraay with {lags} lag(s), Bartlett weights, no small-sample factor, "
        f"t with {n_periods - 1} df"
    )
    todo = 'use kind = "cluster" by unit or parent, or kind = "randomization"'
    periods = find_clusters(design, "time")
    said = told_by_several(fit, periods, "periods", design.n_treatments, todo)
    vcov = driscoll_kraay(fit, calendar, lags)
    short = f"Driscoll-Kraay errors from fewer than {FEW_PERIODS} periods are often too small"
    warnings = (*said, *(short,) * (n_periods < FEW_PERIODS))
    return from_variance(fit, vcov, n_periods - 1, convention, warnings=warnings)


def _newey_west(fit: LinearFit, design: Design, how: Inference) -> Uncertainty:
    calendar, n_periods = _calendar(design)
    lags = default_lags(n_periods) if how.lags is None else how.lags
    require_periods(n_periods, lags, how.kind)
    df = _residual_df(fit)
    convention = f"Newey-West within units, {lags} lag(s), Bartlett weights, t with {df} df"
    return from_variance(fit, newey_west(fit, design.unit, calendar, lags), df, convention)


def _panel_corrected(fit: LinearFit, design: Design) -> Uncertainty:
    df = _residual_df(fit)
    convention = f"panel-corrected (contemporaneous covariances of units), t with {df} df"
    return from_variance(fit, panel_corrected(fit, design.unit, design.time), df, convention)


def _conley(fit: LinearFit, design: Design, how: Inference) -> Uncertainty:
    where = "inference.kind = 'conley'"
    missing = [name for name in ("lat", "lon") if name not in design.columns]
    if how.km is None or how.km <= 0 or missing:
        what = f"no column {', '.join(missing)}" if missing else "no distance is given"
        raise BadInput(where, what, "set km, and columns lat and lon in degrees")
    latitude, longitude = (np.asarray(design.columns[n], dtype=np.float64) for n in ("lat", "lon"))
    units = find_clusters(design, "unit")
    todo = 'use kind = "randomization", or treatments of more units'
    said = told_by_several(fit, units, "units", design.n_treatments, todo)
    raw, share = conley(fit, design.unit, latitude, longitude, how.km)
    require_uncancelled(fit, np.diag(raw), design.n_treatments)
    vcov, repaired = repair(raw)
    convention = (
        f"Conley, uniform kernel to {how.km:g} km and any correlation within units, "
        f"t with {units.size - 1} df"
    )
    warnings = ("negative eigenvalues of the Conley variance were set to zero",) * repaired
    if share > MANY_NEAR:
        close = f"{share:.0%} of all pairs of units lie within {how.km:g} km"
        warnings = (*warnings, f"{close}: with so few apart, Conley errors are often too small")
    n_clusters = {"unit": units.size}
    return from_variance(fit, vcov, units.size - 1, convention, n_clusters, (*said, *warnings))


def _wild(fit: LinearFit, design: Design, how: Inference) -> Uncertainty:
    return (wild_cluster_iv if fit.endogenous else wild_cluster)(fit, design, how)


def _calendar(design: Design) -> tuple[Codes, int]:
    """Periods counted from the first (n,), gaps included, and how many of them occur."""
    present = np.unique(design.time)
    values = design.times[design.time] if len(design.times) else design.time
    return values - values.min(), len(present)


def _residual_df(fit: LinearFit) -> int:
    return fit.n_obs - len(fit.terms) - fit.n_absorbed


def _few(clusters: Clusters, effective: float) -> tuple[str, ...]:
    if effective >= 5:
        return ()
    return (
        f"only {effective:.1f} effective clusters of '{clusters.name}' carry the estimate: compare "
        "with kind = 'wild-cluster' or 'randomization'",
    )


def _silent_clusters(fit: LinearFit, design: Design, found: Uncertainty) -> Iterator[str]:
    """A warning for each kind of clusters of which some consist of singletons.

    What they take from CR1 intervals is known where clusters are of one kind: a second has a part
    in the variance and may set the degrees of freedom.
    """
    kept = linked(fit.effects, fit.n_obs)
    for name in () if kept.all() else found.n_clusters:
        clusters = find_clusters(design, name)
        gone = silent(clusters.codes, kept)
        if not len(gone):
            continue
        labels = ", ".join(clusters.labels[g] for g in gone[:NAMED])
        more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
        said = (
            f"{len(gone)} of {clusters.size} clusters of '{name}' tell nothing of the slopes: each "
            f"of their rows is alone in a level of an effect ({labels}{more})"
        )
        if found.correction == "CR1" and len(found.n_clusters) == 1:
            longer = 100 * shortfall(clusters.size, len(gone))
            said += f"; CR1 counts them, and without them intervals would be {longer:.1f} % longer"
        yield said


Measured = Callable[[LinearFit, Design, Inference], Uncertainty]
KINDS: Mapping[str, Measured] = {
    "classical": lambda fit, _design, _how: _classical(fit),
    "robust": lambda fit, _design, _how: _robust(fit),
    "cluster": _clustered,
    "driscoll-kraay": _driscoll_kraay,
    "newey-west": _newey_west,
    "panel-corrected": lambda fit, design, _how: _panel_corrected(fit, design),
    "conley": _conley,
    "wild-cluster": _wild,
    "randomization": randomize,
}
