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
from models.engine.crossproducts import NO_VARIATION, CrossProducts, GroupProducts, packed_products
from models.engine.samples import Columns, SampleGroup, distinct
from models.engine.subsets import Indices

LEVELS = 64  # of the crossing effects: with more, triangles are as long as what they condense
DENSER = 4  # times as many numbers in all samples' triangles as in their rows, at most
LONGER = 1  # times as many numbers in the distinct pieces
NONE, SOME = 1e-12, 1e-7  # of a dummy's length: less is round-off, more is a direction of its own


@dataclass(frozen=True)
class Pieces:
    """The distinct sets of rows of one cluster that k samples hold.

    rows (m,) index the panel, piece after piece; piece (m,) says which of the `count` they belong
    to; member (k, G) is the piece that a sample has of each cluster, -1 where it has no row.
    """

    rows: Indices
    piece: Codes
    count: int
    member: Indices


@dataclass(frozen=True)
class Triangles:
    """Pieces condensed: dummies (pieces, q, L) and columns (pieces, q, P) of their triangles.

    The columns are in units of `unit` (P,). totals (pieces, L) weigh the rows of each level;
    weight (pieces,), sums and squares (pieces, P) are moments of the columns before the projection.
    `cuts` are the places among the levels that part one crossing effect from the next.
    """

    dummies: Floats
    columns: Floats
    unit: Floats
    totals: Floats
    weight: Floats
    sums: Floats
    squares: Floats
    cuts: Indices
    nested: bool


def condense_shared(groups: Sequence[SampleGroup]) -> list[Condensed] | None:
    """Samples of one stratum condensed by the one cluster column they name.

    As from `condense` and `crossing_sums`, but for round-off. None where samples have too little in
    common for it to pay, or where the rank of what crosses their clusters is in doubt.
    """
    if len(groups) < 2 or len(groups[0].by) != 1:
        return None
    across = _across(groups)
    names = tuple(dict.fromkeys(name for group in groups for name in group.names))
    size = len(names) + sum(int(codes.max()) + 1 for codes in across.values())
    numbers = sum(len(group.rows) * len(group.names) for group in groups)
    clusters = groups[0].columns.keys[groups[0].by[0]]
    stacked = len(groups) * len(np.unique(clusters)) * size**2
    if size - len(names) > LEVELS or stacked > DENSER * numbers:
        return None
    pieces = distinct_pieces([group.rows for group in groups], clusters)
    if len(pieces.rows) * size > LONGER * numbers:
        return None
    triangles = _triangles(groups[0], names, pieces, across)
    if triangles is None:
        return None
    found = []
    for group, member in zip(groups, pieces.member, strict=True):
        own = np.array([names.index(name) for name in group.names])
        one = _condensed(triangles, member[member >= 0], own, len(group.rows))
        if one is None:
            return None
        found.append(one)
    return found


def _across(groups: Sequence[SampleGroup]) -> dict[str, Codes]:
    """The effects that cut across the clusters, by name: codes (N,) of all rows, dense in the used.

    Where there is no effect at all, the constant is one.
    """
    one, keys = groups[0], groups[0].columns.keys
    clusters = keys[one.by[0]]
    used = np.zeros(len(clusters), dtype=bool)
    for group in groups:
        used[group.rows] = True
    if not one.stratum.effects:
        return {"constant": np.zeros(len(clusters), dtype=np.int64)}
    found = {}
    for name in one.stratum.effects:
        if not is_nested(keys[name][used], clusters[used]):
            found[name] = np.zeros(len(clusters), dtype=np.int64)
            found[name][used] = dense_codes(keys[name][used])
    return found


def distinct_pieces(samples: Sequence[Indices], clusters: Codes) -> Pieces:
    """Cut samples, rows (n_k,) of a panel each, by clusters (N,) into their distinct pieces."""
    held = np.zeros((len(samples), len(clusters)), dtype=bool)
    for k, sample in enumerate(samples):
        held[k, sample] = True
    used = np.flatnonzero(held.any(axis=0))
    used = used[np.argsort(clusters[used], kind="stable")]
    starts = np.flatnonzero(np.diff(clusters[used], prepend=-1))
    member = np.full((len(samples), len(starts)), -1, dtype=np.int64)
    rows: list[Indices] = []
    for g, own in enumerate(np.split(used, starts[1:])):
        flags = held[:, own]
        first, which = distinct(flags)
        some = flags[first].any(axis=1)
        member[:, g] = np.where(some, len(rows) + np.cumsum(some) - 1, -1)[which]
        rows += [own[flags[k]] for k in first[some]]
    sizes = [len(one) for one in rows]
    return Pieces(np.concatenate(rows), np.repeat(np.arange(len(rows)), sizes), len(rows), member)


def _triangles(
    one: SampleGroup,
    names: tuple[str, ...],
    pieces: Pieces,
    across: Mapping[str, Codes],
) -> Triangles | None:
    """Each piece projected and condensed; None where its nested effects need more than that."""
    piece, count, keys = pieces.piece, pieces.count, one.columns.keys
    weights = None if one.stratum.weights is None else _weights(one, pieces)
    inside = [keys[name][pieces.rows] for name in one.stratum.effects if name not in across]
    stacked = tuple(dense_codes(piece * (int(codes.max()) + 1) + codes) for codes in inside)
    absorption = absorb_stacked(stacked, weights, len(piece))
    if absorption is None:
        return None
    values, unit = _standardised(one.columns, names, pieces.rows)
    dummies = [
        codes[pieces.rows, None] == np.arange(int(codes.max()) + 1) for codes in across.values()
    ]
    levels = np.hstack(dummies).astype(np.float64) if across else np.zeros((len(piece), 0))
    left = absorption.residual(np.hstack([levels, values]))
    if weights is not None:
        left *= np.sqrt(weights)[:, None]
    roots = _roots(left, piece, count)
    n_levels = levels.shape[1]
    summed = partial(group_sums, piece, weights=weights, n_groups=count)
    return Triangles(
        roots[:, :, :n_levels],
        roots[:, :, n_levels:],
        unit,
        summed(levels),
        group_totals(piece, weights),
        summed(values),
        summed(values * values),
        np.cumsum([one.shape[1] for one in dummies[:-1]], dtype=np.int64),
        bool(inside),
    )


def _weights(one: SampleGroup, pieces: Pieces) -> Floats:
    return one.columns.numbers[str(one.stratum.weights)][pieces.rows]


def _standardised(
    columns: Columns, names: tuple[str, ...], rows: Indices
) -> tuple[Floats, Floats]:
    """Columns (m, P) about their means and in units (P,) of their deviations over all rows.

    A column stands at its mean where it is not known: samples with such a row do not use it.
    """
    values = np.column_stack([columns.numbers[name][rows] for name in names])
    known = ~np.isnan(values)
    counts = np.maximum(known.sum(axis=0), 1)
    values -= np.where(known, values, 0.0).sum(axis=0) / counts
    values[~known] = 0.0
    unit = np.sqrt((values**2).sum(axis=0) / counts)
    unit[unit == 0] = 1.0
    values /= unit
    return values, unit


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
    """A sample of some pieces and columns (p,); None where its crossing effects are in doubt."""
    basis = _basis(triangles, pieces)
    if basis is None:
        return None
    n_clusters, p, r = len(pieces), len(columns), basis.shape[1]
    Z = triangles.columns[pieces][:, :, columns].reshape(-1, p)
    across = triangles.dummies[pieces] @ basis
    crossing = across.reshape(len(Z), r)
    for _ in range(2):  # what round-off leaves in the first time, the second takes away
        Z -= crossing @ (crossing.T @ Z)
    scale = np.sqrt(np.einsum("ij,ij->j", Z, Z))
    scale[scale**2 <= NO_VARIATION * _before(triangles, pieces)[columns]] = 0.0
    Z *= np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    by_cluster = Z.reshape(n_clusters, -1, p)
    root = np.linalg.qr(Z, mode="r")
    n_rows = n_obs / triangles.weight[pieces].sum()  # weights count rows
    products = CrossProducts(
        np.pad(root, ((0, p - len(root)), (0, 0))),
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


def _before(triangles: Triangles, pieces: Indices) -> Floats:
    """Sums of squares (P,) of all columns about the sample's means, before any projection."""
    sums = triangles.sums[pieces].sum(axis=0)
    squares: Floats = triangles.squares[pieces].sum(axis=0)
    return squares - sums**2 / triangles.weight[pieces].sum()
