"""Wild cluster bootstrap with the null imposed, on cluster score matrices.

A draw multiplies each cluster's restricted residuals by one random weight. What the refit would
give, with effects and regressors absorbed anew, is linear in those weights: the cluster scores of
all draws are one product of a (G, G) matrix with the weights. Cameron, Gelbach and Miller (2008),
Roodman, MacKinnon, Nielsen and Webb (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from data.errors import BadInput
from models.absorb import Absorption, absorb, group_sums
from models.design import Design, Floats
from models.inference import Uncertainty
from models.inference.cluster import (
    Clusters,
    cluster_scores,
    counted_parameters,
    find_clusters,
    small_sample_factor,
)
from models.inference.draws import DRAWS, FARTHEST, WildWeights, wild_weights
from models.inference.null_draws import Drawing, Statistics, drawing
from models.inference.record import require_variance
from models.least_squares import LinearFit
from models.study import Inference
from models.threads import processors, side_by_side

MOST_CLUSTERS = 4000
HELD = 2**22  # numbers in one array of all coefficients that are tested at a time


@dataclass(frozen=True)
class Refit:
    """What estimating again absorbs from a bootstrap outcome: effects and `base` (n, q)."""

    clusters: Clusters
    absorption: Absorption
    base: Floats
    weights: Floats

    def coupling(self, left: Floats, right: Floats) -> Floats:
        """Q (G, G) such that Q v holds left_g'W_g e*_g, for e* what is left of v_g right_g.

        left and right are (n,); e* is the residual of the weighted vector after the refit.
        """
        weighted, codes = self.weights * right, self.clusters.codes
        own = np.bincount(codes, left * weighted, self.clusters.size)
        total = np.diag(own) - self._project_base(left, weighted)
        if self.absorption.effects:
            rights = self._tables(weighted)
            fitted = self.absorption.coefficients(rights)
            for table, values in zip(self._tables(left * self.weights), fitted, strict=True):
                total -= table.T @ values
        return total

    def _project_base(self, left: Floats, weighted: Floats) -> Floats:
        gram = (self.base * self.weights[:, None]).T @ self.base
        vectors = (left * self.weights, weighted)
        lefts, rights = (self._sums(self.base * vector[:, None]) for vector in vectors)
        return lefts @ np.linalg.solve(gram, rights.T) if self.base.shape[1] else np.zeros((1, 1))

    def _sums(self, Z: Floats) -> Floats:
        """Sums by cluster (G, q)."""
        return group_sums(self.clusters.codes, Z, None, self.clusters.size)

    def _tables(self, values: Floats) -> list[Floats]:
        """Sums of `values` (n,) by level and cluster (levels, G), one table for each effect."""
        size, codes = self.clusters.size, self.clusters.codes
        tables = []
        for effect, total in zip(self.absorption.effects, self.absorption.totals, strict=True):
            cells = group_sums(effect * size + codes, values[:, None], None, len(total) * size)
            tables.append(cells.reshape(-1, size))
        return tables


def wild_statistics(fit: LinearFit, design: Design, how: Inference) -> tuple[Floats, Floats]:
    """|t| of each coefficient (k,) and |t*| of every draw under its null of zero (draws, k).

    Without small-sample factors, which cancel. Fits of one sample with the same clusters and seed
    share their draws, so that their columns can be set side by side for `multiple.romano_wolf`.
    """
    clusters = wild_clusters(design, how)
    weights = wild_weights(how, clusters.size, DRAWS)
    refit = Refit(clusters, absorption_of(fit), fit.X, fit.weights)
    influence = cluster_scores(fit, clusters.codes) @ fit.bread
    error, draw = np.sqrt(np.square(influence).sum(axis=0)), drawing(weights)
    drawn = [_draw(fit, refit, draw, j, error[j])(b) for j, b in enumerate(fit.beta)]
    return np.abs(fit.beta) / error, np.column_stack(drawn)


def wild_cluster(fit: LinearFit, design: Design, how: Inference) -> Uncertainty:
    """Restricted wild cluster bootstrap-t of each coefficient; errors and t shown are CR1's.

    p-values and 95 % intervals, by inverting the test, come from the draws. Raises BadInput for
    more than one column or too many clusters.
    """
    clusters = wild_clusters(design, how)
    weights = wild_weights(how, clusters.size, DRAWS)
    refit = Refit(clusters, absorption_of(fit), fit.X, fit.weights)
    influence = cluster_scores(fit, clusters.codes) @ fit.bread
    variance = np.square(influence).sum(axis=0)
    require_variance(fit, variance)
    draw = drawing(weights)

    def test(j: int) -> tuple[float, float, float]:
        """p-value and ends of the interval of coefficient j."""
        estimate, error = float(fit.beta[j]), float(np.sqrt(variance[j]))
        statistics = _draw(fit, refit, draw, j, error)
        return weights.resamples.test(lambda null: statistics(estimate - null), estimate, error)

    found = side_by_side(test, range(len(fit.beta)), partial(at_once, clusters))
    return resampled(fit, clusters, weights, variance, np.array(list(found)))


def at_once(clusters: Clusters) -> int:
    """Coefficients that may be tested at a time: each holds ten arrays (G, G), or some more."""
    return max(1, min(processors(), HELD // clusters.size**2))


def absorption_of(fit: LinearFit) -> Absorption:
    """The projection off the fit's effects, once more."""
    even = bool(np.all(fit.weights == 1.0))
    return absorb(fit.effects, None if even else fit.weights, fit.n_obs)


def wild_clusters(design: Design, how: Inference) -> Clusters:
    """The one grouping that the bootstrap resamples by."""
    names = how.by or ("unit",)
    if len(names) > 1:
        raise BadInput(
            f"inference.by = {list(names)}",
            "the wild cluster bootstrap resamples one grouping",
            "name the column with fewer clusters",
        )
    clusters = find_clusters(design, names[0])
    if clusters.size > MOST_CLUSTERS:
        raise BadInput(
            f"inference.by = '{names[0]}'",
            f"{clusters.size} clusters: a bootstrap adds nothing here",
            "use kind = 'cluster' with CR1",
        )
    return clusters


def _draw(fit: LinearFit, refit: Refit, draw: Drawing, j: int, error: float) -> Statistics:
    """|t*| of every draw for coefficient j, by how far the estimate is from the null value."""
    # the regressor less what the others explain: residuals under the null are e + d r
    alone = fit.X @ (fit.bread[:, j] / fit.bread[j, j])
    left = alone * fit.bread[j, j]
    rights = (fit.residuals, alone)
    products = np.column_stack([left * fit.weights * right for right in rights])
    sums = group_sums(refit.clusters.codes, products, None, refit.clusters.size)
    return draw(sums.T, [refit.coupling(left, right) for right in rights], error)


def resampled(
    fit: LinearFit,
    clusters: Clusters,
    weights: WildWeights,
    variance: Floats,
    found: Floats,
) -> Uncertainty:
    """The record of a bootstrap: found (k, 3) holds p-values and both ends of the intervals."""
    warnings = tuple(
        f"the bootstrap interval of '{term}' has no end within {FARTHEST:,.0f} standard errors on"
        " one side or both"
        for term, ends in zip(fit.terms, found[:, 1:], strict=True)
        if not np.isfinite(ends).all()
    )
    kind = "restricted efficient (IV)" if fit.endogenous else "restricted"
    convention = (
        f"wild cluster bootstrap by {clusters.name} ({clusters.size} clusters), {kind}, "
        f"{weights.label}; interval by test inversion; the error shown is CR1's"
    )
    return beside_cr1(fit, clusters, variance, found, convention, warnings)


def beside_cr1(
    fit: LinearFit,
    clusters: Clusters,
    variance: Floats,
    found: Floats,
    convention: str,
    warnings: tuple[str, ...] = (),
) -> Uncertainty:
    """p-values and intervals `found` (k, 3) beside CR1's errors; `variance` (k,) is CR0's."""
    parameters = counted_parameters(fit, [clusters.codes])
    std_error = np.sqrt(variance * small_sample_factor(clusters.size, fit.n_obs, parameters))
    p_value, low, high = found.T
    return Uncertainty(
        std_error=std_error,
        df=np.full(len(std_error), clusters.size - 1.0),
        statistic=fit.beta / std_error,
        p_value=p_value,
        conf_low=low,
        conf_high=high,
        vcov=None,
        n_clusters={clusters.name: clusters.size},
        convention=convention,
        warnings=warnings,
    )
