"""Samples with clusters in common: each cluster's rows are projected and condensed once.

Samples of a curve differ in which rows are missing, and mostly in a few clusters. Effects nested
in clusters are projected out of a cluster whatever the rest of the sample is. What its rows then
say is a small triangle R with R'R = X'WX, where X holds the dummies of the effects that cut across
clusters (see `models.engine.crossing`) and the candidate columns. A sample is a stack of such
triangles, far shorter than its rows, from which the dummies are projected out like any columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from models.absorb import absorb_stacked, dense_codes, group_sums, group_totals, is_nested
from models.design import Codes, Floats
from models.engine.crossing import Condensed
from models.engine.crossproducts import (
    NO_VARIATION,
    CrossProducts,
    GroupProducts,
    packed_products,
    triangle,
)
from models.engine.pieces import Pieces, distinct_pieces
from models.engine.samples import SampleGroup
from models.engine.subsets import Indices

LEVELS = 64  # of the crossing effects: with more, triangles are as long as what they condense
SMALL = 2**22  # numbers, for which it is calls that take the time: there it pays to save these
PAYS, PAYS_SMALL = 0.25, 1.0  # numbers in the pieces, at most, to one in the samples' own rows
STACKED = 4  # numbers in the samples' triangles, at most, to one in their rows
FLAGS = 2**28  # which sample holds which row
NONE, SOME = 1e-12, 1e-7  # of a dummy's length: less is round-off, more is a direction of its own
APART = 1e-6  # of a column's mean square: of less variation in a sample, digits would be lost


@dataclass(frozen=True)
class Triangles:
    """Pieces condensed: dummies (pieces, q, L) and columns (pieces, q, P) of their triangles.

    The columns are in units of `unit` (P,). totals (pieces, L) weigh the rows of each level;
    weight (pieces,), sums and squares (pieces, P) are moments before the projection, least and
    largest (pieces, P) values as they stand in the panel. `cuts` are the places among the levels
    that part one crossing effect from the next; nested says whether any effect does not cross.
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
    cuts: Indices
    nested: bool


def condense_shared(groups: Sequence[SampleGroup]) -> list[Condensed | None]:
    """Samples of one stratum condensed by the one cluster column they name.

    As from `condense` and `crossing_sums`, but for round-off. None for a sample where that is in
    doubt; for all of them where they have too little in common for it to pay.
    """
    shared = _shared(groups) if len(groups) > 1 and len(groups[0].by) == 1 else None
    if shared is None:
        return [None] * len(groups)
    names, pieces, triangles = shared
    return [
        _condensed(
            triangles,
            member[member >= 0],
            np.array([names.index(name) for name in group.names]),
            len(group.rows),
        )
        for group, member in zip(groups, pieces.member, strict=True)
    ]


def _shared(
    groups: Sequence[SampleGroup],
) -> tuple[tuple[str, ...], Pieces, Triangles] | None:
    """What samples have in common: columns by name, pieces and their triangles; None if too little.

    What can be told beforehand is, lest large samples be cut up in vain.
    """
    across = _across(groups)
    names = tuple(dict.fromkeys(name for group in groups for name in group.names))
    levels = sum(int(codes.max()) + 1 for codes in across.values())
    size = len(names) + levels
    numbers = sum(len(group.rows) * len(group.names) for group in groups)
    clusters = groups[0].columns.keys[groups[0].by[0]]
    stacked = len(groups) * len(np.unique(clusters)) * size**2
    flags = len(groups) * len(clusters)
    if levels > LEVELS or stacked > STACKED * numbers or flags > FLAGS:
        return None
    pieces = distinct_pieces([group.rows for group in groups], clusters)
    held = len(pieces.rows) * size
    if held > (PAYS_SMALL if held < SMALL else PAYS) * numbers:
        return None
    triangles = _triangles(groups[0], names, pieces, across)
    return None if triangles is None else (names, pieces, triangles)


def _across(groups: Sequence[SampleGroup]) -> dict[str, Codes]:
    """The effects that cut across the clusters, by name: codes (N,) of all rows, dense in the used.

    Where there is no effect at all, the constant is one.
    """
    first, keys = groups[0], groups[0].columns.keys
    clusters = keys[first.by[0]]
    used = np.zeros(len(clusters), dtype=bool)
    for group in groups:
        used[group.rows] = True
    if not first.stratum.effects:
        return {"constant": np.zeros(len(clusters), dtype=np.int64)}
    found = {}
    for name in first.stratum.effects:
        if not is_nested(keys[name][used], clusters[used]):
            found[name] = np.zeros(len(clusters), dtype=np.int64)
            found[name][used] = dense_codes(keys[name][used])
    return found


def _triangles(
    group: SampleGroup, names: tuple[str, ...], pieces: Pieces, across: Mapping[str, Codes]
) -> Triangles | None:
    """Each piece projected and condensed; None where its nested effects need more than that."""
    piece, count = pieces.piece, pieces.count
    name = group.stratum.weights
    weights = None if name is None else group.columns.numbers[name][pieces.rows]
    inside = _inside(group, pieces, across)
    absorption = absorb_stacked(inside, weights, len(piece))
    if absorption is None:
        return None
    raw = np.column_stack([group.columns.numbers[name][pieces.rows] for name in names])
    values, unit = _standardised(raw)
    codes = [own[pieces.rows] for own in across.values()]
    dummies = [own[:, None] == np.arange(int(own.max()) + 1) for own in codes]
    levels = np.hstack([np.zeros((len(piece), 0)), *dummies])
    left = absorption.residual(np.hstack([levels, values]))
    if weights is not None:
        left *= np.sqrt(weights)[:, None]
    roots = _roots(left, piece, count)
    n_levels = levels.shape[1]
    starts = np.flatnonzero(np.diff(piece, prepend=-1))
    summed = partial(group_sums, piece, weights=weights, n_groups=count)
    return Triangles(
        roots[:, :, :n_levels],
        roots[:, :, n_levels:],
        unit,
        summed(levels),
        group_totals(piece, weights),
        summed(values),
        summed(values * values),
        np.minimum.reduceat(raw, starts, axis=0),
        np.maximum.reduceat(raw, starts, axis=0),
        np.cumsum([own.shape[1] for own in dummies[:-1]], dtype=np.int64),
        bool(inside),
    )


def _inside(
    group: SampleGroup, pieces: Pieces, across: Mapping[str, Codes]
) -> tuple[Codes, ...]:
    """The effects nested in clusters (m,), no level in two pieces."""
    found = []
    for name in group.stratum.effects:
        if name not in across:
            codes = dense_codes(group.columns.keys[name][pieces.rows])
            pair = pieces.piece * (int(codes.max()) + 1) + codes
            found.append(np.unique(pair, return_inverse=True)[1])
    return tuple(found)


def _standardised(raw: Floats) -> tuple[Floats, Floats]:
    """Columns (m, P) about their means and in units (P,) of their deviations over all rows.

    A column stands at its mean where it is not known: samples with such a row do not use it. It is
    scaled by a power of two before its mean is taken from it, which costs no digits however far
    from zero it stands.
    """
    known = ~np.isnan(raw)
    values = np.where(known, raw, 0.0)
    counts = np.maximum(known.sum(axis=0), 1)
    unit = np.ldexp(0.5, np.frexp(np.abs(values).max(axis=0, initial=0.0))[1])
    values /= unit
    values -= known * (values.sum(axis=0) / counts)
    spread = np.sqrt((values**2).sum(axis=0) / counts)
    spread[spread == 0] = 1.0
    values /= spread
    return values, unit * spread


def _roots(rows: Floats, piece: Codes, count: int) -> Floats:
    """For each piece's rows X (n, q), an R (q, q) with R'R = X'X: the rows, if they are few."""
    q = rows.shape[1]
    roots = np.zeros((count, q, q))
    ends = np.cumsum(np.bincount(piece, minlength=count))
    for k, (start, end) in enumerate(zip(np.append(0, ends[:-1]), ends, strict=True)):
        if end - start > q:
            roots[k] = np.linalg.qr(rows[start:end], mode="r")
        else:
            roots[k, : end - start] = rows[start:end]
    return roots


def _condensed(
    triangles: Triangles, pieces: Indices, columns: Indices, n_obs: int
) -> Condensed | None:
    """A sample of some pieces and columns (p,); None where it has to be told from its rows."""
    basis, before = _basis(triangles, pieces), _before(triangles, pieces, columns)
    if basis is None or before is None:
        return None
    n_clusters, p, r = len(pieces), len(columns), basis.shape[1]
    Z = triangles.columns[pieces][:, :, columns].reshape(-1, p)
    across = triangles.dummies[pieces] @ basis
    crossing = across.reshape(len(Z), r)
    for _ in range(2):  # what round-off leaves in the first time, the second takes away
        Z -= crossing @ (crossing.T @ Z)
    scale = np.sqrt(np.einsum("ij,ij->j", Z, Z))
    scale[scale**2 <= NO_VARIATION * before] = 0.0
    Z *= np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    by_cluster = Z.reshape(n_clusters, -1, p)
    n_rows = n_obs / triangles.weight[pieces].sum()  # weights count rows
    products = CrossProducts(
        triangle(Z),
        scale * triangles.unit[columns] * np.sqrt(n_rows),
        n_obs,
        (GroupProducts(packed_products(by_cluster), r + int(triangles.nested), 1.0),),
    )
    return Condensed(products, lambda: by_cluster.transpose(0, 2, 1) @ across)


def _basis(triangles: Triangles, pieces: Indices) -> Floats | None:
    """B (L, r) that makes of the dummies D orthonormal columns D B of the same span.

    None where their rank cannot be told from the triangles: levels that are linked by a thread, or
    an effect that does not cut across the clusters of this sample.
    """
    totals = triangles.totals[pieces]
    if not totals.shape[1]:
        return np.zeros((0, 0))
    shared = np.split((totals > 0).sum(axis=0) > 1, triangles.cuts)
    if not all(effect.any() for effect in shared):
        return None
    dummies = triangles.dummies[pieces].reshape(-1, totals.shape[1])
    length = np.sqrt(totals.sum(axis=0))
    unit = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    dummies *= unit
    values, vectors = np.linalg.eigh(dummies.T @ dummies)
    if np.any((values > NONE) & (values < SOME)):
        return None
    kept = values >= SOME
    basis: Floats = unit[:, None] * vectors[:, kept] / np.sqrt(values[kept])
    return basis


def _before(triangles: Triangles, pieces: Indices, columns: Indices) -> Floats | None:
    """Sums of squares (p,) about the sample's means, infinite for a column that is constant there.

    None where one varies so little, beside where it stands among all rows or how much it varies
    over these, that too few of its digits are left.
    """
    some = np.ix_(pieces, columns)
    weight = triangles.weight[pieces].sum()
    squares = triangles.squares[some].sum(axis=0)
    before: Floats = squares - triangles.sums[some].sum(axis=0) ** 2 / weight
    constant = triangles.least[some].min(axis=0) == triangles.largest[some].max(axis=0)
    if np.any((before < APART * np.maximum(squares, weight)) & ~constant):
        return None
    before[constant] = np.inf
    return before
