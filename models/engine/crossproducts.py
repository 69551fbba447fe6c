"""Cross-products: all that least squares and clustered variances need to know of a panel.

Once the candidate columns Z (n, p) are projected on the effects, a regression is a small dense
problem in R'R = Z'WZ, and the clustered score of a coefficient is a bilinear form in the cluster's
own Z_g'W Z_g. A thousand specifications then cost one matrix product, not a thousand passes over
the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.design import Codes, Floats

# A column whose variation falls below this share of what it was before a projection is taken for
# a linear combination of what was projected out: round-off leaves about 1e-15 of it.
NO_VARIATION = 1e-10


@dataclass(frozen=True)
class CrossProducts:
    """Projected columns, condensed. All columns are scaled to unit length by `scale`.

    root (p, p) is the upper triangle R of the QR decomposition of W^(1/2) Z / scale: R'R holds the
    cross-products without having lost half of their digits. clusters (G, P), P = p (p + 1) / 2,
    holds each cluster's Z_g'W Z_g as its packed upper triangle, row by row. scale (p,) is zero for
    a column that the effects absorb.
    """

    root: Floats
    clusters: Floats
    scale: Floats
    n_obs: int

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.clusters)

    def scores(self, left: Floats, right: Floats) -> Floats:
        """Cluster scores (G, S) of S pairs of coefficient columns left, right (p, S).

        Entry (g, s) is left_s' Z_g'W Z_g right_s: one matrix product for all clusters and pairs.
        """
        return self.clusters @ symmetric_products(left, right)


def symmetric_products(left: Floats, right: Floats) -> Floats:
    """Packed (P, S) form q with q . pack(A) = left' A right for any symmetric A (p, p)."""
    p, n_columns = left.shape
    packed = np.empty((p * (p + 1) // 2, n_columns))
    start = 0
    for i in range(p):  # one row of the triangle at a time keeps the operands contiguous
        row = packed[start : start + p - i]
        np.multiply(left[i], right[i:], out=row)
        row[1:] += right[i] * left[i + 1 :]
        start += p - i
    return packed


def scale_to_unit_length(Z: Floats, weights: Floats, before: Floats) -> tuple[Floats, Floats]:
    """W^(1/2) Z with columns of unit length (n, p), and their lengths (p,).

    `before` (p,) holds the columns' lengths before the projection; a column of which nothing is
    left becomes zero, with length zero.
    """
    rooted = Z * np.sqrt(weights)[:, None]
    scale = np.sqrt(np.einsum("ij,ij->j", rooted, rooted))
    scale[scale**2 <= NO_VARIATION * before**2] = 0.0
    return rooted * np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0), scale


def cross_products(
    Z: Floats, weights: Floats, cluster: Codes, n_clusters: int, before: Floats
) -> CrossProducts:
    """Condense projected columns Z (n, p) by the cluster codes (n,) 0..n_clusters-1."""
    unit, scale = scale_to_unit_length(Z, weights, before)
    root: Floats = np.asarray(np.linalg.qr(unit, mode="r"))
    if len(root) < unit.shape[1]:  # fewer rows than columns
        root = np.vstack([root, np.zeros((unit.shape[1] - len(root), unit.shape[1]))])
    return CrossProducts(root, packed_by_cluster(unit, cluster, n_clusters), scale, len(Z))


def packed_by_cluster(Z: Floats, cluster: Codes, n_clusters: int) -> Floats:
    """Each cluster's Z_g'Z_g as a packed upper triangle (G, P)."""
    order = np.argsort(cluster, kind="stable")
    ordered = Z[order]
    ends = np.cumsum(np.bincount(cluster, minlength=n_clusters))
    p = Z.shape[1]
    blocks = np.zeros((n_clusters, p, p))
    for g, (start, end) in enumerate(zip(np.append(0, ends[:-1]), ends, strict=True)):
        rows = ordered[start:end]
        np.matmul(rows.T, rows, out=blocks[g])
    upper = np.triu_indices(p)
    return np.ascontiguousarray(blocks[:, upper[0], upper[1]])
