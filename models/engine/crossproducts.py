"""Cross-products: all that least squares and clustered variances need to know of a panel.

Once the candidate columns Z (n, p) are projected on the effects, a regression is a small dense
problem in R'R = Z'WZ, and the clustered score of a coefficient is a bilinear form in the cluster's
own Z_g'W Z_g. A thousand specifications then cost one matrix product, not a thousand passes over
the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.design import Codes, Floats

# A column whose variation falls below this share of what it was before a projection is taken for
# a linear combination of what was projected out: round-off leaves about 1e-15 of it.
NO_VARIATION = 1e-10


@dataclass(frozen=True)
class Grouping:
    """One way of summing scores over rows: codes (n,) 0..n_groups-1.

    effects_counted is what the absorbed effects add to K in the small-sample factor. sign is -1
    for the intersection that two-way clustering subtracts (Cameron, Gelbach and Miller 2011).
    """

    codes: Codes
    n_groups: int
    effects_counted: int
    sign: float = 1.0


@dataclass(frozen=True)
class GroupProducts:
    """A grouping's cross-products: packed (G, P), P = p (p + 1) / 2, the upper triangles by row."""

    packed: Floats
    effects_counted: int
    sign: float

    def scores(self, left: Floats, right: Floats) -> Floats:
        """Scores (G, S) of S pairs of coefficient columns left, right (p, S).

        Entry (g, s) is left_s' Z_g'W Z_g right_s: one matrix product for all groups and pairs.
        """
        return self.packed @ symmetric_products(left, right)


@dataclass(frozen=True)
class CrossProducts:
    """Projected columns, condensed. All columns are divided by `scale` to have unit length.

    root (p, p) is the upper triangle R of the QR decomposition of W^(1/2) Z / scale: R'R holds the
    cross-products without having lost half of their digits. scale (p,) is zero for a column that
    the effects absorb.
    """

    root: Floats
    scale: Floats
    n_obs: int
    groups: tuple[GroupProducts, ...]


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


def unit_columns(Z: Floats, weights: Floats, before: Floats) -> tuple[Floats, Floats]:
    """W^(1/2) Z with columns of unit length (n, p), and their lengths (p,).

    `before` (p,) holds the columns' lengths before the projection; a column of which nothing is
    left becomes zero, with length zero.
    """
    rooted = Z * np.sqrt(weights)[:, None]
    scale = np.sqrt(np.einsum("ij,ij->j", rooted, rooted))
    scale[scale**2 <= NO_VARIATION * before**2] = 0.0
    return rooted * np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0), scale


def cross_products(
    Z: Floats, weights: Floats, before: Floats, groupings: Sequence[Grouping]
) -> CrossProducts:
    """Condense projected columns Z (n, p) by each grouping; `before` as in `unit_columns`."""
    unit, scale = unit_columns(Z, weights, before)
    root: Floats = np.asarray(np.linalg.qr(unit, mode="r"))
    short = unit.shape[1] - len(root)  # positive where there are fewer rows than columns
    groups = tuple(
        GroupProducts(
            packed_by_group(unit, grouping.codes, grouping.n_groups),
            grouping.effects_counted,
            grouping.sign,
        )
        for grouping in groupings
    )
    return CrossProducts(np.pad(root, ((0, short), (0, 0))), scale, len(Z), groups)


def packed_by_group(Z: Floats, codes: Codes, n_groups: int) -> Floats:
    """Each group's Z_g'Z_g as a packed upper triangle (G, P)."""
    order = np.argsort(codes, kind="stable")
    ordered = Z[order]
    ends = np.cumsum(np.bincount(codes, minlength=n_groups))
    p = Z.shape[1]
    blocks = np.zeros((n_groups, p, p))
    for g, (start, end) in enumerate(zip(np.append(0, ends[:-1]), ends, strict=True)):
        rows = ordered[start:end]
        np.matmul(rows.T, rows, out=blocks[g])
    upper = np.triu_indices(p)
    return np.ascontiguousarray(blocks[:, upper[0], upper[1]])


def unpacked(packed: Floats, p: int) -> Floats:
    """Symmetric matrices (G, p, p) from their packed upper triangles (G, P)."""
    upper = np.triu_indices(p)
    full = np.empty((len(packed), p, p))
    full[:, upper[0], upper[1]] = packed
    full[:, upper[1], upper[0]] = packed
    return full
