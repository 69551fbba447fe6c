"""Samples put together from the triangles of their pieces (see `models.engine.shared_clusters`).

Small samples by the hundred: what is done to each of them is done to a stack of them at once, on
all columns, whether a sample uses them or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.design import Floats
from models.engine.crossing import Condensed
from models.engine.crossproducts import NO_VARIATION, CrossProducts, GroupProducts, pack
from models.engine.subsets import Flags, Indices
from models.threads import slices

NUMBERS = 2**17  # in the triangles of a stack: as many as stay in the processor's cache
NONE, SOME = 1e-12, 1e-7  # of a dummy's length: less is round-off, more is a direction of its own
APART = 1e-6  # of a column's mean square: of less variation in a sample, digits would be lost


@dataclass(frozen=True)
class Triangles:
    """Pieces condensed: dummies (pieces, q, L) and columns (pieces, q, P) of their triangles.

    The columns are in units of `unit` (P,). totals (pieces, L) weigh the rows of each level;
    weight (pieces,), sums and squares (pieces, P) are moments before the projection, least and
    largest (pieces, P) values as they stand in the panel. The last piece is empty: that of clusters
    of which a sample has no row. `starts` are the places among the levels where each crossing
    effect begins; nested says whether any effect does not cross.
    """

    dummies: Floats
    columns: Floats
    unit: Floats
    totals: Floats
    weight: Floats
    sums: Floats
    squares: Floats
    least: Floats
    largest: Floats
    starts: Indices
    nested: bool


def condense_members(
    triangles: Triangles, member: Indices, columns: Sequence[Indices], n_obs: Indices
) -> Iterator[Condensed | None]:
    """Samples of some columns (p,) each; None for one that has to be told from its rows.

    member (k, G) is the piece that each sample has of each cluster, -1 where it has none; n_obs
    (k,) are its rows.
    """
    _, q, P = triangles.columns.shape
    numbers = member.shape[1] * q * (P + triangles.totals.shape[1])
    for some in slices(len(member), max(1, NUMBERS // max(1, numbers))):
        used = np.zeros((len(member[some]), P), dtype=bool)
        for flags, own in zip(used, columns[some], strict=True):
            flags[own] = True
        stack = _stack(triangles, member[some], used)
        for k, (own, n) in enumerate(zip(columns[some], n_obs[some], strict=True)):
            yield stack.condensed(k, own, int(n)) if stack.sure[k] else None


@dataclass(frozen=True)
class _Stack:
    """k samples of G clusters and all P columns.

    roots (k, r, P) have R'R = Z'Z for the columns Z, which were scale (k, P) long; by_cluster
    (k, G, q, P) are their triangles, across (k, G, q, L) those of an orthonormal basis of the
    dummies, whose last rank (k,) columns are not zero. n_weights (k,) is what the weights add up
    to. sure (k,) flags the samples that can be told from triangles.
    """

    triangles: Triangles
    present: Flags
    roots: Floats
    scale: Floats
    by_cluster: Floats
    across: Floats
    rank: Indices
    n_weights: Floats
    sure: Flags

    def condensed(self, k: int, columns: Indices, n_obs: int) -> Condensed:
        """Sample k with these columns (p,)."""
        present = self.present[k]
        by_cluster = self.by_cluster[k, present][:, :, columns]
        across = self.across[k, present][:, :, self.across.shape[3] - self.rank[k] :]
        counted = int(self.rank[k]) + int(self.triangles.nested)
        n_rows = n_obs / self.n_weights[k]  # weights count rows
        transposed = by_cluster.transpose(0, 2, 1)
        products = CrossProducts(
            self.roots[k][:, columns],
            (self.scale[k] * self.triangles.unit)[columns] * np.sqrt(n_rows),
            n_obs,
            (GroupProducts(pack(transposed @ by_cluster), counted, 1.0),),
        )
        return Condensed(products, lambda: transposed @ across)


def _stack(triangles: Triangles, member: Indices, used: Flags) -> _Stack:
    """Samples of the pieces member (k, G), which use the columns flagged in `used` (k, P)."""
    k, n_clusters = member.shape
    _, q, P = triangles.columns.shape
    across, rank, sure = _basis(triangles, member)
    before, told = _before(triangles, member, used)
    Z = triangles.columns[member].reshape(k, n_clusters * q, P)
    for _ in range(2):  # what round-off leaves in the first time, the second takes away
        Z -= across @ (across.transpose(0, 2, 1) @ Z)
    scale = np.sqrt(np.einsum("kij,kij->kj", Z, Z))
    scale[scale**2 <= NO_VARIATION * before] = 0.0
    Z *= np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)[:, None, :]
    roots: Floats = np.asarray(np.linalg.qr(Z, mode="r"))
    return _Stack(
        triangles,
        member >= 0,
        roots,
        scale,
        Z.reshape(k, n_clusters, q, P),
        across.reshape(k, n_clusters, q, across.shape[2]),
        rank,
        triangles.weight[member].sum(axis=1),
        sure & told,
    )


def _basis(triangles: Triangles, member: Indices) -> tuple[Floats, Indices, Flags]:
    """Orthonormal columns (k, G q, L) that span the dummies, zeros before the last rank (k,).

    Flags (k,) the samples whose rank can be told from triangles: not one with levels that are
    linked by a thread, or with an effect that does not cut across its clusters.
    """
    k, n_clusters = member.shape
    _, q, n_levels = triangles.dummies.shape
    dummies = triangles.dummies[member].reshape(k, n_clusters * q, n_levels)
    if not n_levels:
        return dummies, np.zeros(k, dtype=np.int64), np.ones(k, dtype=bool)
    totals = triangles.totals[member]
    shared = (totals > 0).sum(axis=1) > 1
    sure = np.all(np.logical_or.reduceat(shared, triangles.starts, axis=1), axis=1)
    length = np.sqrt(totals.sum(axis=1))
    dummies *= np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)[:, None, :]
    values, vectors = np.linalg.eigh(dummies.transpose(0, 2, 1) @ dummies)
    kept = values >= SOME
    sure &= ~((values > NONE) & ~kept).any(axis=1)
    vectors *= np.where(kept, 1.0 / np.sqrt(values.clip(SOME)), 0.0)[:, None, :]
    return dummies @ vectors, kept.sum(axis=1), sure


def _before(triangles: Triangles, member: Indices, used: Flags) -> tuple[Floats, Flags]:
    """Sums of squares (k, P) about each sample's means, infinite for what is constant there.

    Flags (k,) the samples in which no column varies so little, beside where it stands among all
    rows or how much it varies over these, that too few of its digits are left.
    """
    weight = triangles.weight[member].sum(axis=1)[:, None]
    squares = triangles.squares[member].sum(axis=1)
    before = squares - triangles.sums[member].sum(axis=1) ** 2 / weight
    least, largest = triangles.least[member].min(axis=1), triangles.largest[member].max(axis=1)
    constant = least == largest
    told = ((before >= APART * np.maximum(squares, weight)) | constant | ~used).all(axis=1)
    before[constant] = np.inf
    return before, told
