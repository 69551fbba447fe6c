"""Samples cut up by clusters: the sets of rows of one cluster that several samples hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.design import Codes
from models.engine.samples import distinct
from models.engine.subsets import Indices


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
    sizes = [len(own) for own in rows]
    return Pieces(np.concatenate(rows), np.repeat(np.arange(len(rows)), sizes), len(rows), member)
