"""Many samples resampled with the same draws, in as few array operations as can be.

Samples that differ in a few rows have the same clusters. Where these are few, each specification
has one sum of the draw's signs and one quadratic form in them, and all draws are transforms of
these (see `walsh`): all such samples are transformed together, as many at a time as stay in the
processor's cache.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.design import Floats
from models.engine.curve import Cells
from models.engine.resampling import Resampler, studentise
from models.engine.subsets import Indices
from models.inference.sign_draws import SignDraws
from models.inference.walsh import SignedSums
from models.threads import one_thread, processors, side_by_side

CACHED = 2**17  # numbers in one array of what the forms are made of
HELD = 2**18  # numbers in the forms of a batch
SHARED = 8  # batches that are worth threads: a few take longer with them than without
MOST_CLUSTERS = 256  # whose pairs are worth a transform
PER_RANK = 16  # clusters at most for each column of the factors that do without a transform
FEWEST = 8  # specifications worth an array operation, however many numbers they are
Batch = tuple[slice, list[tuple[Resampler, Cells]]]  # places, and the cells that belong there


@dataclass(frozen=True)
class Stack:
    """S specifications on the same clusters: scores (S, G), forms (S, G, G).

    slope and factor (S,) are as in `NullScores`.
    """

    scores: Floats
    form: Floats
    slope: Floats
    factor: Floats


def statistics_of(
    resamplers: Sequence[Resampler],
    present: Indices,
    draws: SignDraws,
    threads: Callable[[], int] = processors,
) -> tuple[Floats, Floats]:
    """Slopes and t-statistics (S, D) of all samples in turn, under the null.

    The draws are for the clusters `present`, in that order; `threads` says how many may be used.
    """
    sizes = np.array([len(resampler.cells) for resampler in resamplers], dtype=np.int64)
    slopes, t = np.empty((2, sizes.sum(), len(draws)))
    start, order = 0, []
    for members in _alike(resamplers):
        some = [resamplers[k] for k in members]
        rows = slice(start, start := start + sizes[members].sum())
        drawn = draws.of(np.searchsorted(present, some[0].cluster))
        if _stackable(some[0]):
            _fill(some, drawn, threads, slopes[rows], t[rows])
        else:
            slopes[rows], t[rows] = some[0].statistics(drawn.signs())
        order += members
    if order == sorted(order):
        return slopes, t
    place = np.argsort(np.repeat(order, sizes[order]), kind="stable")
    return slopes[place], t[place]


def _alike(resamplers: Sequence[Resampler]) -> list[list[int]]:
    """Samples that can be stacked, by their clusters; each other sample by itself."""
    alike: dict[bytes | int, list[int]] = defaultdict(list)
    for k, resampler in enumerate(resamplers):
        alike[resampler.cluster.tobytes() if _stackable(resampler) else k].append(k)
    return list(alike.values())


def _stackable(resampler: Resampler) -> bool:
    return forms_pay(len(resampler.cluster), resampler.rank)


def forms_pay(n_clusters: int, rank: int) -> bool:
    """Whether transforms of forms in all pairs of clusters pay, from some hundred draws on.

    `rank` is the number of columns of the factors that do without them.
    """
    return n_clusters <= min(MOST_CLUSTERS, PER_RANK * rank)


def _fill(
    resamplers: Sequence[Resampler],
    draws: SignDraws,
    threads: Callable[[], int],
    slopes: Floats,
    t: Floats,
) -> None:
    """Write slopes and t (S, D) of samples on the same clusters, batch by batch."""
    sums, forms = SignedSums(draws), SignedSums(draws.pairs())
    most = max(FEWEST, HELD // max(forms.height, len(draws.words) ** 2))

    def fill(batch: Batch) -> None:
        rows, parts = batch
        stack = _stacked(parts)
        sums.of(stack.scores * stack.slope[:, None], slopes[rows])
        forms.of(stack.form.reshape(len(stack.form), -1), t[rows])
        studentise(stack, slopes[rows], t[rows], t[rows])

    batches = list(_batches(resamplers, most))
    for _ in side_by_side(fill, batches, threads if len(batches) >= SHARED else one_thread):
        pass


def _batches(resamplers: Sequence[Resampler], most: int) -> Iterator[Batch]:
    """Blocks of samples together, as long as they are at most `most` specifications."""
    start, end = 0, 0
    parts: list[tuple[Resampler, Cells]] = []
    for resampler in resamplers:
        for _, cells in resampler.blocks(CACHED, most):
            if end + len(cells) > start + most:
                yield slice(start, end), parts
                start, parts = end, []
            parts.append((resampler, cells))
            end += len(cells)
    yield slice(start, end), parts


def _stacked(parts: Sequence[tuple[Resampler, Cells]]) -> Stack:
    """The null scores of cells of several samples, and their forms."""
    n_clusters = len(parts[0][0].cluster)
    form = np.empty((sum(len(cells) for _, cells in parts), n_clusters, n_clusters))
    found, start = [], 0
    for resampler, cells in parts:
        null = resampler.null(cells)
        null.forms(form[start : (start := start + len(cells))])
        found.append((null.scores, null.slope, null.factor))
    scores, slope, factor = (np.concatenate(part) for part in zip(*found, strict=True))
    return Stack(scores, form, slope, factor)
