"""Many samples resampled with the same draws, in as few matrix products as can be.

Samples that differ in a few rows have the same clusters. Where these are few, each specification
is one packed quadratic form in the draw (see `resampling`), so that the forms of all such samples
are stacked and meet the draws' products once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.design import Floats
from models.engine.resampling import (
    Resampler,
    few_clusters,
    in_strips,
    packed_squares,
    studentise,
)
from models.engine.subsets import Indices

WHOLE = 2**23  # numbers in the matrices of one sample
CACHED = 2**17  # numbers in one array of what the forms are made of


@dataclass(frozen=True)
class Stack:
    """S specifications on the same clusters: scores (S, G), packed forms (S, P).

    slope and factor (S,) are as in `NullScores`.
    """

    scores: Floats
    form: Floats
    slope: Floats
    factor: Floats


def statistics_of(
    resamplers: Sequence[Resampler], present: Indices, signs: Floats
) -> tuple[Floats, Floats]:
    """Slopes and t-statistics (S, D) of all samples in turn, under the null.

    signs (all clusters, D) are draws for the clusters `present`, in that order.
    """
    sizes = np.array([len(resampler.cells) for resampler in resamplers], dtype=np.int64)
    slopes, t = np.empty((2, signs.shape[1], sizes.sum())).transpose(0, 2, 1)  # curve by curve
    start, order = 0, []
    for members in _alike(resamplers):
        some = [resamplers[k] for k in members]
        rows = slice(start, start := start + sizes[members].sum())
        drawn = signs[np.searchsorted(present, some[0].cluster)]
        if _stackable(some[0]):
            _fill(_stacked(some), drawn, slopes[rows], t[rows])
        else:
            slopes[rows], t[rows] = some[0].statistics(drawn)
        order += members
    if order == sorted(order):
        return slopes, t
    place = np.argsort(np.repeat(order, sizes[order]), kind="stable")
    return np.take(slopes.T, place, axis=1).T, np.take(t.T, place, axis=1).T


def _alike(resamplers: Sequence[Resampler]) -> list[list[int]]:
    """Samples that can be stacked, by their clusters; each other sample by itself."""
    alike: dict[bytes | int, list[int]] = defaultdict(list)
    for k, resampler in enumerate(resamplers):
        alike[resampler.cluster.tobytes() if _stackable(resampler) else k].append(k)
    return list(alike.values())


def _stackable(resampler: Resampler) -> bool:
    """Whether packed forms pay, and all of the sample's may be held at once."""
    n_clusters, rank = len(resampler.cluster), resampler.rank
    held = len(resampler.cells) * n_clusters * max(rank, n_clusters)
    return few_clusters(n_clusters, rank) and held <= WHOLE


def _stacked(resamplers: Sequence[Resampler]) -> Stack:
    """The forms of samples on the same clusters, made block by block."""
    n_specs = sum(len(resampler.cells) for resampler in resamplers)
    n_clusters = len(resamplers[0].cluster)
    form = np.empty((n_specs, 1 + n_clusters * (n_clusters - 1) // 2))
    nulls, start = [], 0
    for resampler in resamplers:
        for _, cells in resampler.blocks(CACHED):
            null = resampler.null(cells)
            null.quadratic_form(form[start : (start := start + len(cells))])
            nulls.append((null.scores, null.slope, null.factor))
    scores, slope, factor = (np.concatenate(parts) for parts in zip(*nulls, strict=True))
    return Stack(scores, form, slope, factor)


def _fill(stack: Stack, signs: Floats, slopes: Floats, t: Floats) -> None:
    """Write slopes and t (S, D) of draws `signs` (G, D)."""

    def fill(some: slice) -> None:
        drawn, squares = signs[:, some], t[:, some]
        packed_squares(stack.form, drawn, squares)
        studentise(stack, drawn, squares, slopes[:, some], squares)

    in_strips(fill, stack.form, signs.shape[1])
