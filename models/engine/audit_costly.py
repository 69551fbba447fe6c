"""The placebo audit's costlier inferences: CR2 with Satterthwaite df, and the wild bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.absorb import group_sums, is_nested
from models.design import Codes, Floats
from models.engine.audit import BLOCK, AuditSample, Judge, PlaceboFits
from models.engine.bias_reduced import Leverage, bias_reduced
from models.engine.crossing import crossing_columns
from models.engine.curve import two_sided_p
from models.engine.resampling import no_squares
from models.engine.sign_draws import sign_draws

DRAWS = 399
ENOUGH = 6  # clusters: with fewer, no p-value of sign flips falls to 5 %
NUMBERS = 2**20  # in the products of a block of draws with clusters and placebos
KEPT = 2**21  # in the draws that are kept from one block of placebos to the next
MOST_NUMBERS = 2**25  # in the products of controls and crossing effects, held for each cluster


@dataclass(frozen=True)
class ClusterSums:
    """What the rest of the model looks like to each cluster.

    columns holds each cluster's rows (n_g, q) of columns that are orthonormal in the weights'
    metric and span controls and crossing effects, times the weights; gram (G, q, q) are their
    products by cluster, outcome (G, q) their products with the outcome. order (n,) sorts the rows
    by cluster.
    """

    columns: tuple[Floats, ...]
    gram: Floats
    outcome: Floats
    cluster: Codes
    order: Codes
    weights: Floats

    @cached_property
    def eigen(self) -> tuple[Floats, Floats]:
        """Eigenvalues (G, q) and eigenvectors (G, q, q) of gram."""
        values, vectors = np.linalg.eigh(self.gram)
        return values, vectors

    def with_treatments(self, x: Floats) -> Floats:
        """Products of the columns with treatments x (n, B) by cluster: (G, B, q)."""
        ends = np.cumsum([len(rows) for rows in self.columns])
        of_cluster = np.split(x[self.order], ends[:-1])
        products = [some.T @ rows for some, rows in zip(of_cluster, self.columns, strict=True)]
        return np.stack(products)

    def squares(self, x: Floats) -> Floats:
        """Weighted squares of treatments x (n, B) by cluster: (G, B)."""
        return group_sums(self.cluster, x**2, self.weights, len(self.outcome))


def costly_judges(sample: AuditSample, seed: int) -> list[Judge]:
    """CR2 and the wild cluster bootstrap, by the sample's first cluster."""
    name, codes = next(iter(sample.clusters.items()))
    across = [effect for effect in sample.projected.effects if not is_nested(effect, codes)]
    rank = sample.basis.shape[1] + sum(int(effect.max()) + 1 for effect in across)
    if (int(codes.max()) + 1) * rank**2 > MOST_NUMBERS:
        return []
    sums = cluster_sums(sample, codes)
    n_clusters = len(sums.outcome)
    judges = [] if n_clusters < ENOUGH else [_wild(sums, name, n_clusters, seed)]
    if np.all(sample.projected.weights == 1.0):
        judges.insert(0, _bias_reduced(sums, name, n_clusters))
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
    of_cluster = np.split(columns[order], ends[:-1])
    weighted = np.split((columns * w[:, None])[order], ends[:-1])
    gram = np.stack([c.T @ wc for c, wc in zip(of_cluster, weighted, strict=True)])
    outcome = group_sums(codes, columns * y[:, None], w, n_clusters)
    return ClusterSums(tuple(weighted), gram, outcome, codes, order, w)


def _bias_reduced(sums: ClusterSums, name: str, n_clusters: int) -> Judge:
    def p_values(fits: PlaceboFits) -> Floats:
        variance, df = bias_reduced(leverage_of(sums, fits))
        return two_sided_p(fits.beta * np.sqrt(fits.information / variance), df)

    return Judge("cluster", (name,), "CR2", n_clusters, p_values)


def leverage_of(sums: ClusterSums, fits: PlaceboFits) -> Leverage:
    """What CR2 needs to know of B placebo fits, the placebos brought to unit length."""
    length = np.sqrt(fits.information)
    shared = sums.with_treatments(fits.x) / length[:, None]
    scores = group_sums(sums.cluster, fits.scores, None, len(sums.outcome)) / length
    own = sums.squares(fits.x) / fits.information
    residuals = sums.outcome[:, None, :] - (fits.beta * length)[:, None] * shared
    return Leverage(*sums.eigen, own, shared, residuals, scores)


def _wild(sums: ClusterSums, name: str, n_clusters: int, seed: int) -> Judge:
    signs, every = sign_draws(n_clusters, DRAWS, seed)
    blocks = _blocks(sums.outcome, signs.astype(np.float64))
    spare = 0 if every else 1

    def p_values(fits: PlaceboFits) -> Floats:
        scores = group_sums(sums.cluster, fits.scores, None, n_clusters).T
        squares = sums.squares(fits.x).T
        under_null = scores + fits.beta[:, None] * squares
        own, products = squares / fits.information[:, None], sums.with_treatments(fits.x)
        found = np.abs(fits.t(np.einsum("bg,bg->b", scores, scores))) * (1.0 - 1e-9)
        extreme = np.full(len(found), spare)
        for block, squared in _sums_of_squares(under_null, own, products, blocks()):
            np.maximum(squared, no_squares(under_null)[:, None], out=squared)
            t = np.abs(under_null @ block.signs) / np.sqrt(squared)
            extreme += np.count_nonzero(t >= found[:, None], axis=1)
        return np.where(np.isnan(found), np.nan, extreme / (signs.shape[1] + spare))

    return Judge("wild-cluster", (name,), None, n_clusters, p_values)


@dataclass(frozen=True)
class DrawnOutcomes:
    """D draws of the outcome, the same for all placebos: signs w (G, D).

    taken (q, D), the sum of outcome_g w_g, is what controls and crossing effects take of it;
    by_cluster (G q, D) are its products with each cluster's sign.
    """

    signs: Floats
    taken: Floats
    by_cluster: Floats


def _blocks(outcome: Floats, signs: Floats) -> Callable[[], Iterable[DrawnOutcomes]]:
    """Gives the draws by blocks: made once if few numbers are in all of them, else made anew."""
    n_clusters, q = outcome.shape
    step = max(1, NUMBERS // max(1, q * (n_clusters + BLOCK)))

    def block(start: int) -> DrawnOutcomes:
        w = signs[:, start : start + step]
        taken = outcome.T @ w
        return DrawnOutcomes(w, taken, (w[:, None] * taken).reshape(-1, w.shape[1]))

    starts = range(0, signs.shape[1], step)
    few = n_clusters * q * signs.shape[1] <= KEPT
    kept = [block(start) for start in starts] if few else None
    return lambda: kept or map(block, starts)


def _sums_of_squares(
    scores: Floats, own: Floats, products: Floats, blocks: Iterable[DrawnOutcomes]
) -> Iterator[tuple[DrawnOutcomes, Floats]]:
    """Sums (B, D) over clusters of the squared scores of B refitted placebos, by blocks of draws w.

    A cluster's score is a_g w_g - p_g'r - s_g a'w: scores a and own s are (B, G), products p
    (G, B, q), and r is what controls and crossing effects take of the drawn outcome. Multiplied
    out, so that draws meet placebos in matrix products; as in `NullScores`, which has other
    outcomes as well.
    """
    n_clusters, n_placebos, q = products.shape
    by_placebo = products.transpose(1, 0, 2)
    weighted = (scores[:, :, None] * by_placebo).reshape(n_placebos, n_clusters * q)
    gram = (by_placebo.transpose(0, 2, 1) @ by_placebo).reshape(n_placebos * q, q)
    crossed = (own[:, None, :] @ by_placebo)[:, 0]
    constant, squares = (np.einsum("bg,bg->b", of, of)[:, None] for of in (scores, own))
    for block in blocks:
        w, r = block.signs, block.taken
        summed = scores @ w
        fitted = np.einsum("bqd,qd->bd", (gram @ r).reshape(n_placebos, q, w.shape[1]), r)
        shared = 2.0 * (crossed @ r - (scores * own) @ w) + summed * squares
        yield block, constant - 2.0 * weighted @ block.by_cluster + fitted + summed * shared
