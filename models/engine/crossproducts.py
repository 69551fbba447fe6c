"""Cross-products: all that least squares and clustered variances need to know of a panel.

Once the candidate columns Z (n, p) are projected on the effects, a regression is a small dense
problem in R'R = Z'WZ, and the clustered score of a coefficient is a bilinear form in the cluster's
own Z_g'W Z_g. A thousand specifications then cost one matrix product, not a thousand passes over
the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

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

    root (r, p) is some R with R'R = Z'WZ / scale^2, from a QR decomposition: it holds the cross-
    products without having lost half of their digits. scale (p,) is zero for a column that
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


def cross_products(unit: Floats, scale: Floats, groupings: Sequence[Grouping]) -> CrossProducts:
    """Condense weighted columns of unit length (n, p), once `scale` (p,) long, by each grouping."""
    groups = tuple(
        GroupProducts(
            packed_by_group(unit, grouping.codes, grouping.n_groups),
            grouping.effects_counted,
            grouping.sign,
        )
        for grouping in groupings
    )
    return CrossProducts(triangle(unit), scale, len(unit), groups)


def triangle(columns: Floats) -> Floats:
    """R (p, p) with R'R = Z'Z for columns Z (n, p), its last rows zero where n is less than p."""
    root = np.zeros((columns.shape[1], columns.shape[1]))
    found = np.linalg.qr(columns, mode="r")
    root[: len(found)] = found
    return root


def packed_by_group(Z: Floats, codes: Codes, n_groups: int) -> Floats:
    """Each group's Z_g'Z_g as a packed upper triangle (G, P)."""
    ordered = Z
    if np.any(codes[1:] < codes[:-1]):
        ordered = Z.take(np.argsort(codes, kind="stable"), axis=0)
    ends = np.cumsum(np.bincount(codes, minlength=n_groups))
    p = Z.shape[1]
    blocks = np.zeros((n_groups, p, p))
    for g, (start, end) in enumerate(zip(np.append(0, ends[:-1]), ends, strict=True)):
        rows = ordered[start:end]
        np.matmul(rows.T, rows, out=blocks[g])
    return pack(blocks)


def pack(blocks: Floats) -> Floats:
    """Upper triangles (G, P) by row of symmetric matrices (G, p, p)."""
    p = blocks.shape[2]
    return blocks.reshape(len(blocks), p * p).take(_upper(p), axis=1)


@lru_cache
def _upper(p: int) -> Codes:
    """Where the upper triangle of a matrix (p, p) stands in its rows, one after the other (P,)."""
    rows, columns = np.triu_indices(p)
    return rows * p + columns
