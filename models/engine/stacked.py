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
from models.engine.resampling import Resampler, few_clusters, packed_squares, studentise
from models.engine.subsets import Indices

WHOLE = 2**23  # numbers in the matrices of one sample


@dataclass(frozen=True)
class Stack:
    """S specifications on the same clusters: scores (S, G), packed forms (S, P).

    slope and factor (S,) are as in `NullScores`; place (S,) is where each stands among the
    specifications of all samples.
    """

    scores: Floats
    form: Floats
    slope: Floats
    factor: Floats
    place: Indices


def statistics_of(
    resamplers: Sequence[Resampler], present: Indices, signs: Floats
) -> tuple[Floats, Floats]:
    """Slopes and t-statistics (S, D) of all samples in turn, under the null.

    signs (all clusters, D) are draws for the clusters `present`, in that order.
    """
    sizes = [len(resampler.cells) for resampler in resamplers]
    places = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    slopes = np.empty((sum(sizes), signs.shape[1]))
    t = np.empty_like(slopes)
    alike: dict[bytes, list[int]] = defaultdict(list)
    for k, resampler in enumerate(resamplers):
        n_clusters, rank = len(resampler.cluster), resampler.rank
        if few_clusters(n_clusters, rank) and fits_whole(len(resampler.cells), n_clusters, rank):
            alike[resampler.cluster.tobytes()].append(k)
        else:
            drawn = signs[np.searchsorted(present, resampler.cluster)]
            slopes[places[k]], t[places[k]] = resampler.statistics(drawn)
    for members in alike.values():
        drawn = signs[np.searchsorted(present, resamplers[members[0]].cluster)]
        stack = _stacked([resamplers[k] for k in members], [places[k] for k in members])
        found: Floats = np.empty((2, len(stack.place), signs.shape[1]))
        studentise(stack, drawn, packed_squares(stack.form, drawn), found[0], found[1])
        slopes[stack.place], t[stack.place] = found
    return slopes, t


def fits_whole(n_specs: int, n_clusters: int, rank: int) -> bool:
    """Whether a sample's matrices may all be held at once, not block by block."""
    return n_specs * n_clusters * max(rank, n_clusters) <= WHOLE


def _stacked(resamplers: Sequence[Resampler], places: Sequence[Indices]) -> Stack:
    nulls = [resampler.null(resampler.cells) for resampler in resamplers]
    return Stack(
        np.concatenate([null.scores for null in nulls]),
        np.concatenate([null.quadratic_form() for null in nulls]),
        np.concatenate([null.slope for null in nulls]),
        np.concatenate([null.factor for null in nulls]),
        np.concatenate(places),
    )
