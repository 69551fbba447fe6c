"""The placebo audit's costlier inferences: CR2 with Satterthwaite df, CR3, the wild bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from models.absorb import group_sums, is_nested
from models.design import Codes, Floats
from models.engine.audit import AuditSample, Judge, PlaceboFits
from models.engine.bias_reduced import Leverage, bias_reduced, jackknifed
from models.engine.crossing import crossing_columns
from models.engine.curve import two_sided_p
from models.engine.resampling import REPEATS, NullScores, studentise
from models.engine.stacked import forms_pay
from models.inference.sign_draws import coded_draws
from models.inference.walsh import SignedSums
from models.threads import slices

DRAWS = 399
ENOUGH = 6  # clusters: with fewer, no p-value of sign flips falls to 5 %
NUMBERS = 2**20  # in the largest array of placebos that are resampled at a time
MOST_NUMBERS = 2**25  # in the products of controls and crossing effects, held for each cluster


@dataclass(frozen=True)
class ClusterSums:
    """What the rest of the model looks like to each cluster.

    columns (n, q) are orthonormal in the weights' metric and span controls and crossing effects,
    times the weights, and with them `order` (n,) sorts the rows of a panel by cluster: cluster g
    has rows ends[g - 1] to ends[g]. gram (G, q, q) are their products by cluster, outcome (G, q)
    their products with the outcome.
    """

    columns: Floats
    gram: Floats
    outcome: Floats
    cluster: Codes
    order: Codes
    ends: Codes
    weights: Floats

    @cached_property
    def eigen(self) -> tuple[Floats, Floats]:
        """Eigenvalues (G, q) and eigenvectors (G, q, q) of gram."""
        values, vectors = np.linalg.eigh(self.gram)
        return values, vectors

    def with_treatments(self, x: Floats) -> Floats:
        """Products of the columns with treatments x (n, B) by cluster: (G, B, q)."""
        return _by_cluster(x[self.order], self.columns, self.ends)

    def squares(self, x: Floats) -> Floats:
        """Weighted squares of treatments x (n, B) by cluster: (G, B)."""
        return group_sums(self.cluster, x**2, self.weights, len(self.outcome))


def costly_judges(sample: AuditSample, seed: int) -> list[Judge]:
    """CR2, CR3 and the wild cluster bootstrap with Rademacher weights, by the first cluster."""
    name, codes = next(iter(sample.clusters.items()))
    across = [effect for effect in sample.projected.effects if not is_nested(effect, codes)]
    rank = sample.basis.shape[1] + sum(int(effect.max()) + 1 for effect in across)
    if (int(codes.max()) + 1) * rank**2 > MOST_NUMBERS:
        return []
    sums = cluster_sums(sample, codes)
    n_clusters = len(sums.outcome)
    judges = [_jackknifed(sums, name, n_clusters)]
    if np.all(sample.projected.weights == 1.0):
        judges.insert(0, _bias_reduced(sums, name, n_clusters))
    if n_clusters >= ENOUGH:
        judges.append(_wild(sums, name, n_clusters, seed))
    return judges


def cluster_sums(sample: AuditSample, codes: Codes) -> ClusterSums:
    """The controls and crossing effects of a sample, summed by the clusters `codes` (n,)."""
    w = sample.projected.weights
    columns = np.hstack([sample.basis, crossing_columns(sample.projected, codes)])
    n_clusters = int(codes.max()) + 1
    y = sample.projected.Z[:, 0]
    y = y - sample.basis @ ((sample.basis * w[:, None]).T @ y)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=n_clusters))
    columns = columns[order]
    weighted = columns * w[order, None]
    gram = _by_cluster(columns, weighted, ends)
    outcome = np.add.reduceat(weighted * y[order, None], np.append(0, ends[:-1]), axis=0)
    return ClusterSums(weighted, gram, outcome, codes, order, ends, w)


def _by_cluster(left: Floats, right: Floats, ends: Codes) -> Floats:
    """left_g' right_g (G, p, q) for columns (n, p) and (n, q) whose rows stand by cluster."""
    products = np.empty((len(ends), left.shape[1], right.shape[1]))
    for out, start, end in zip(products, np.append(0, ends[:-1]), ends, strict=True):
        np.matmul(left[start:end].T, right[start:end], out=out)
    return products


def _bias_reduced(sums: ClusterSums, name: str, n_clusters: int) -> Judge:
    def p_values(fits: PlaceboFits) -> Floats:
        variance, df = bias_reduced(leverage_of(sums, fits))
        return two_sided_p(fits.beta * np.sqrt(fits.information / variance), df)

    return Judge("cluster", (name,), "CR2", n_clusters, p_values)


def _jackknifed(sums: ClusterSums, name: str, n_clusters: int) -> Judge:
    def p_values(fits: PlaceboFits) -> Floats:
        variance = jackknifed(leverage_of(sums, fits))
        return two_sided_p(fits.beta * np.sqrt(fits.information / variance), n_clusters - 1.0)

    return Judge("cluster", (name,), "CR3", n_clusters, p_values)


def leverage_of(sums: ClusterSums, fits: PlaceboFits) -> Leverage:
    """What CR2 and CR3 need to know of B placebo fits, the placebos brought to unit length."""
    length = np.sqrt(fits.information)
    shared = sums.with_treatments(fits.x) / length[:, None]
    scores = group_sums(sums.cluster, fits.scores, None, len(sums.outcome)) / length
    own = sums.squares(fits.x) / fits.information
    residuals = sums.outcome[:, None, :] - (fits.beta * length)[:, None] * shared
    return Leverage(*sums.eigen, own, shared, residuals, scores)


def _wild(sums: ClusterSums, name: str, n_clusters: int, seed: int) -> Judge:
    draws, every = coded_draws(n_clusters, DRAWS, seed)
    rank = sums.outcome.shape[1] + 1
    forms = SignedSums(draws.pairs()) if forms_pay(n_clusters, rank) else None
    resampled = partial(_resampled, sums.outcome, draws.signs().astype(np.float64), forms)
    widest = rank if forms is None else max(n_clusters, rank)
    most, spare = max(1, NUMBERS // (n_clusters * widest)), 0 if every else 1

    def p_values(fits: PlaceboFits) -> Floats:
        scores = group_sums(sums.cluster, fits.scores, None, n_clusters).T
        squares = sums.squares(fits.x).T
        products = sums.with_treatments(fits.x).transpose(1, 0, 2)
        under_null = scores + fits.beta[:, None] * squares
        own = squares / fits.information[:, None]
        found = np.abs(fits.t(np.einsum("bg,bg->b", scores, scores))) * REPEATS
        extreme = np.full(len(found), spare)
        for some in slices(len(found), most):
            t = np.abs(resampled(under_null[some], own[some], products[some]))
            extreme[some] += np.count_nonzero(t >= found[some, None], axis=1)
        return np.where(np.isnan(found), np.nan, extreme / (len(draws) + spare))

    return Judge("wild-cluster", (name,), None, n_clusters, p_values)


def _resampled(
    outcome: Floats,
    signs: Floats,
    forms: SignedSums | None,
    scores: Floats,
    own: Floats,
    products: Floats,
) -> Floats:
    """t-statistics (B, D) of B placebos under the null, for draws `signs` (G, D) of the outcome.

    outcome (G, q) is what controls and crossing effects take of a cluster's outcome, products
    (B, G, q) what they share with its treatments; scores and own (B, G) are its scores under the
    null and its share of the treatment's squares. The placebos are specifications in which
    refitting the treatment is one more column (see `NullScores`).
    """
    left = np.concatenate([products, own[:, :, None]], axis=2)
    taken = np.broadcast_to(outcome, products.shape)
    right = np.concatenate([taken, scores[:, :, None]], axis=2)
    one = np.ones(len(scores))
    null = NullScores(scores, left, right, one, one)
    if forms is None:
        squares = null.sums_of_squares(signs)
    else:
        squares = forms.of(null.forms().reshape(len(one), -1))
    t = np.empty_like(squares)
    studentise(null, scores @ signs, squares, t)
    return t
