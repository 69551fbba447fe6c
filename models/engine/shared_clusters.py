"""Samples with clusters in common: each cluster's rows are projected and condensed once.

Samples of a curve differ in which rows are missing, and mostly in a few clusters. Effects nested
in clusters are projected out of a cluster whatever the rest of the sample is. What its rows then
say is a small triangle R with R'R = X'WX, where X holds the dummies of the effects that cut across
clusters (see `models.engine.crossing`) and the candidate columns. A sample is a stack of such
triangles, far shorter than its rows, from which the dummies are projected out like any columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat

import numpy as np

from models.absorb import absorb_stacked, dense_codes, group_sums, group_totals, is_nested
from models.design import Codes, Floats
from models.engine.crossing import Condensed
from models.engine.pieces import Pieces, distinct_pieces
from models.engine.samples import SampleGroup
from models.engine.subsets import Flags
from models.engine.triangles import Triangles, condense_members

LEVELS = 64  # of the crossing effects: with more, triangles are as long as what they condense
SMALL = 2**22  # numbers, for which it is calls that take the time: there it pays to save these
PAYS, PAYS_SMALL = 0.25, 1.0  # numbers in the pieces, at most, to one in the samples' own rows
STACKED = 4  # numbers in the samples' triangles, at most, to one in their rows
FLAGS = 2**28  # which sample holds which row


def condense_shared(groups: Sequence[SampleGroup]) -> list[Condensed | None]:
    """Samples of the same effects and weights condensed by the one cluster column they name.

    As from `condense` and `crossing_sums`, but for round-off. None for a sample where that is in
    doubt; for all of them where they have too little in common for it to pay.
    """
    found: list[Condensed | None] = [None] * len(groups)
    for places in _families(groups):
        together = _condensed([groups[k] for k in places])
        for k, one in zip(places, together, strict=True):
            found[k] = one
    return found


def _families(groups: Sequence[SampleGroup]) -> Iterator[list[int]]:
    """Places of the samples whose strata have the same levels of the effects that cut across.

    Were others among them, each triangle would hold the levels of all.
    """
    if not groups or len(groups[0].by) != 1:
        return
    strata, families = (defaultdict[object, list[int]](list) for _ in range(2))
    for place, group in enumerate(groups):
        strata[group.stratum.sample].append(place)
    keys = groups[0].columns.keys
    for places in strata.values():
        used = _used([groups[k] for k in places])
        names = _crossing(groups[0], used)
        levels = tuple((name, np.unique(keys[name][used]).tobytes()) for name in names)
        families[levels] += places
    yield from (places for places in families.values() if len(places) > 1)


def _condensed(groups: Sequence[SampleGroup]) -> Iterable[Condensed | None]:
    """Samples with the same levels, condensed together if that pays."""
    shared = _shared(groups)
    if shared is None:
        return repeat(None, len(groups))
    names, pieces, triangles = shared
    place = {name: column for column, name in enumerate(names)}
    columns = [np.array([place[name] for name in group.names]) for group in groups]
    n_obs = np.array([len(group.rows) for group in groups])
    return condense_members(triangles, pieces.member, columns, n_obs)


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
    keys, used = groups[0].columns.keys, _used(groups)
    if not groups[0].stratum.effects:
        return {"constant": np.zeros(len(used), dtype=np.int64)}
    found = {}
    for name in _crossing(groups[0], used):
        found[name] = np.zeros(len(used), dtype=np.int64)
        found[name][used] = dense_codes(keys[name][used])
    return found


def _used(groups: Sequence[SampleGroup]) -> Flags:
    """The rows (N,) that any of the samples holds."""
    used = np.zeros(len(groups[0].columns.keys[groups[0].by[0]]), dtype=bool)
    for group in groups:
        used[group.rows] = True
    return used


def _crossing(group: SampleGroup, used: Flags) -> tuple[str, ...]:
    """The sample's effects that some rows `used` (N,) have across clusters."""
    keys = group.columns.keys
    clusters = keys[group.by[0]][used]
    return tuple(
        name for name in group.stratum.effects if not is_nested(keys[name][used], clusters)
    )


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
    roots = _roots(left, piece, count + 1)
    n_levels = levels.shape[1]
    first = np.flatnonzero(np.diff(piece, prepend=-1))
    nothing = np.full((1, len(names)), np.inf)
    summed = partial(group_sums, piece, weights=weights, n_groups=count + 1)
    return Triangles(
        roots[:, :, :n_levels],
        roots[:, :, n_levels:],
        unit,
        summed(levels),
        np.append(group_totals(piece, weights), 0.0),
        summed(values),
        summed(values * values),
        np.append(np.minimum.reduceat(raw, first, axis=0), nothing, axis=0),
        np.append(np.maximum.reduceat(raw, first, axis=0), -nothing, axis=0),
        np.cumsum([0, *(own.shape[1] for own in dummies[:-1])], dtype=np.int64),
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
