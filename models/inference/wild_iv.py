"""Wild restricted efficient bootstrap for two-stage least squares, by clusters.

Davidson and MacKinnon (2010), clustered as in Roodman et al. (2019): residuals of the outcome
under the null and of the efficient first stage are multiplied by the same weight of their cluster,
and both stages are estimated again. With exogenous regressors and effects partialled out, all that
a draw needs are small products of instruments with the two sets of residuals, linear in its
weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from models.absorb import group_sums
from models.design import Design, Floats
from models.inference import Uncertainty
from models.inference.cluster import cluster_scores
from models.inference.draws import DRAWS_IV, WildWeights, wild_weights
from models.inference.record import require_variance
from models.inference.wild import Refit, absorption_of, at_once, resampled, wild_clusters
from models.least_squares import LinearFit
from models.study import Inference
from models.threads import side_by_side


@dataclass(frozen=True)
class System:
    """One coefficient's test: y (n,), T (n, e) with the tested regressor first, instruments Z
    (n, l), all with effects and the other exogenous regressors partialled out. `first_stage` (e,)
    marks the columns of T that are endogenous; weights (n,).
    """

    y: Floats
    T: Floats
    Z: Floats
    first_stage: tuple[bool, ...]
    weights: Floats
    refit: Refit

    def products(self, left: Floats, right: Floats) -> Floats:
        """left'W right."""
        return (left * self.weights[:, None]).T @ right


@dataclass(frozen=True)
class Null:
    """The data-generating process under the null, condensed to instrument space.

    beta (e,) restricted coefficients; gram (l, l) is Z'WZ and pi (l, e) the first stage;
    within (G, l, e) holds Z_g'W_g Z_g pi; sums (1 + e, l, G) and couplings (1 + e, G l, G) what the
    residuals of the outcome and of each first stage add, by cluster, per unit of its weight.
    """

    beta: Floats
    gram: Floats
    pi: Floats
    within: Floats
    sums: Floats
    couplings: Floats


def wild_cluster_iv(fit: LinearFit, design: Design, how: Inference) -> Uncertainty:
    """Restricted efficient wild bootstrap-t of each coefficient; errors and t shown are CR1's.

    Raises BadInput as `wild.wild_cluster` does.
    """
    clusters = wild_clusters(design, how)
    weights = wild_weights(how, clusters.size, DRAWS_IV)
    influence = cluster_scores(fit, clusters.codes) @ fit.bread
    variance = np.square(influence).sum(axis=0)
    require_variance(fit, variance)

    def test(j: int) -> tuple[float, float, float]:
        """p-value and ends of the interval of coefficient j."""
        system = _system(fit, Refit(clusters, absorption_of(fit), fit.X[:, :0], fit.weights), j)

        def under(null: float) -> Floats:
            return statistics(system, weights, null)

        return weights.resamples.test(under, float(fit.beta[j]), float(np.sqrt(variance[j])))

    found = side_by_side(test, range(len(fit.beta)), partial(at_once, clusters))
    return resampled(fit, clusters, weights, variance, np.array(list(found)))


def _system(fit: LinearFit, refit: Refit, j: int) -> System:
    """Partial the other exogenous regressors out of everything the test of term j needs."""
    X, k = fit.actual, len(fit.terms)
    endogenous = [i for i in range(k) if fit.terms[i] in fit.endogenous and i != j]
    tested = [j, *endogenous]
    base = X[:, [i for i in range(k) if i not in tested]]
    excluded = np.empty((fit.n_obs, 0)) if fit.instruments is None else fit.instruments
    own = fit.terms[j] in fit.endogenous
    together = np.column_stack([fit.y, X[:, tested], excluded])
    root = np.sqrt(fit.weights)[:, None]
    Q, _ = np.linalg.qr(base * root)
    together = together - Q @ (Q.T @ (together * root)) / root
    y, T, Z = np.split(together, [1, 1 + len(tested)], axis=1)
    instruments = Z if own else np.column_stack([T[:, 0], Z])
    kept = Refit(refit.clusters, refit.absorption, base, fit.weights)
    marks = (own, *(True for _ in endogenous))
    return System(y[:, 0], T, instruments, marks, fit.weights, kept)


def _null(system: System, value: float) -> Null:
    """Estimate the model with the tested coefficient held at `value`."""
    T, Z, products = system.T, system.Z, system.products
    gram = products(Z, Z)
    left = system.y - value * T[:, 0]
    fitted = Z @ np.linalg.solve(gram, products(Z, T[:, 1:]))
    others = np.linalg.solve(products(fitted, T[:, 1:]), products(fitted, left))
    u = left - T[:, 1:] @ others
    # the efficient first stage conditions on the restricted residuals
    base = np.column_stack([Z, u])
    both = np.linalg.solve(products(base, base), products(base, T))
    pi = np.asarray(both[: Z.shape[1]], dtype=np.float64)
    residuals = np.column_stack([u, (T - Z @ pi) * np.array(system.first_stage, dtype=float)])
    if not system.first_stage[0]:
        pi[:, 0] = np.eye(len(pi))[0]  # its own instrument
    clusters, (n, n_z) = system.refit.clusters, Z.shape
    within = [
        group_sums(clusters.codes, Z * (system.weights * f)[:, None], None, clusters.size)
        for f in (Z @ pi).T
    ]
    weighted = (Z * system.weights[:, None])[:, :, None] * residuals[:, None, :]
    sums = group_sums(clusters.codes, weighted.reshape(n, -1), None, clusters.size)
    coupled = [[system.refit.coupling(z, r) for z in Z.T] for r in residuals.T]
    return Null(
        beta=np.concatenate([[value], others]),
        gram=gram,
        pi=pi,
        within=np.stack(within, axis=2),
        sums=sums.reshape(clusters.size, n_z, -1).transpose(2, 1, 0),
        couplings=np.array(coupled).transpose(0, 2, 1, 3).reshape(len(coupled), -1, clusters.size),
    )


def statistics(system: System, weights: WildWeights, value: float) -> Floats:
    """|t*| of every draw (draws,) under the null value, without small-sample factor."""
    null = _null(system, value)
    size, (n_z, n_t) = system.refit.clusters.size, null.pi.shape
    drawn = []
    for v in weights.blocks((1 + n_t) * n_z * size):
        moved = null.sums @ v  # (1 + e, l, b)
        zx = (null.gram @ null.pi)[:, :, None] + moved[1:].transpose(1, 0, 2)
        first = np.linalg.solve(null.gram, zx.reshape(n_z, -1)).reshape(zx.shape)
        bread = np.linalg.inv(np.einsum("leb,lfb->bef", first, zx))
        change = np.einsum("bef,lfb,lb->be", bread, first, moved[0])
        direction = np.einsum("leb,be->lb", first, bread[:, :, 0])
        # the cluster scores of the tested coefficient: instruments combined before the products
        scores = (null.couplings @ v).reshape(1 + n_t, size, n_z, -1)
        left = np.einsum("glb,lb->gb", scores[0], direction)
        for e in range(n_t):
            moving = np.einsum("glb,lb->gb", scores[1 + e], direction)
            left -= (null.within[:, :, e] @ direction + moving) * change[:, e]
        error = np.sqrt(np.square(left).sum(axis=0))
        drawn.append(np.abs(change[:, 0]) / error)
    return np.concatenate(drawn)
