"""Wild cluster resampling of a whole curve under the null, with the same draws for every cell.

Each specification's residuals under the sharp null of no effect are flipped cluster by cluster
(Cameron, Gelbach and Miller 2008), the model is fitted anew, effects included, and its clustered
t-statistic taken. Nothing is refitted in fact: with a_g = x_g'u_g the clusters' scores under the
null, a draw w has slope a'w / x'x and scores K w, where K = diag(a) - L R' carries what refitting
the controls, the treatment and the crossing effects does to them (after Roodman, MacKinnon,
Nielsen and Webb 2019). The t-statistics of all draws are then matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.design import Floats
from models.engine.crossproducts import CrossProducts
from models.engine.curve import Cells, small_sample_factor
from models.engine.subsets import Indices, Residualised
from models.engine.threads import side_by_side

FEW_CLUSTERS = 12  # up to here all 2^G sign vectors are taken instead of a random sample
FEW_SPECS = 8  # below which a quadratic form in all pairs of clusters does not pay
NUMBERS = 2**22  # in the largest array of a block of specifications
CACHED = 2**16  # numbers that stay in the processor's cache
STRIP = 2**17  # numbers in the products of pairs of a strip of draws
NARROW = 64  # draws in a strip, if need be with more numbers
SHARED = 2**26  # multiplications in a strip that are worth a thread
Signs = NDArray[np.int8]  # +-1, an eighth of the memory


@dataclass(frozen=True)
class Resampler:
    """One sample's specifications, ready to be resampled by the first group of its products.

    solved and cells are as in `estimate_curve`; crossing (G, p, r) as from `crossing_sums`;
    cluster (G,) places this sample's clusters among those of all samples.
    """

    products: CrossProducts
    crossing: Floats
    solved: Residualised
    cells: Cells
    cluster: Indices

    def statistics(self, signs: Floats | Signs) -> tuple[Floats, Floats]:
        """Slopes and t-statistics (S, D) under the null for draws `signs` (all clusters, D)."""
        drawn = signs if len(signs) == len(self.cluster) else signs[self.cluster]
        slopes = np.empty((len(self.cells), drawn.shape[1]))
        t = np.empty_like(slopes)
        for block, cells in self.blocks(NUMBERS):
            null = self.null(cells)
            for some, numbers in _widened(drawn):
                squares = null.sums_of_squares(numbers)
                studentise(null, numbers, squares, slopes[block, some], t[block, some])
        return slopes, t

    @property
    def rank(self) -> int:
        """Columns of the factors that refitting adds to the scores."""
        return len(self.solved.controls) + 1 + self.crossing.shape[2]

    def blocks(self, numbers: int) -> Iterator[tuple[slice, Cells]]:
        """Specifications in blocks of one size, with their places: `numbers` in an array."""
        n_clusters, n_specs = len(self.cluster), len(self.cells)
        wide = n_clusters if few_clusters(n_clusters, self.rank) else 0
        held = len(self.solved.controls) + len(self.solved.targets) + self.crossing.shape[2]
        for block in pieces(n_specs, numbers // (n_clusters * max(held, wide))):
            yield block, self.cells[block]

    def null(self, cells: Cells) -> NullScores:
        """The matrices of a block of specifications."""
        solved, group, scale = self.solved, self.products.groups[0], self.products.scale
        m, r = len(solved.controls), self.crossing.shape[2]
        columns = np.concatenate([solved.controls, solved.targets])
        pair, subset = np.stack([cells.treatment, cells.outcome]), cells.subset
        makers = solved.coefficients[pair[:, :, None], columns, subset[:, None]]
        residual = makers[0] @ self.products.root[:, columns].T
        information = np.einsum("sp,sp->s", residual, residual)
        left, right = both = _times(makers, self._sums(columns))
        squares, scores = (both[..., r:] @ makers[0][:, :, None])[..., 0]
        right[:, :, r : r + m] = right[:, :, r : r + m] @ solved.inverse(subset)
        left[:, :, r + m], right[:, :, r + m] = squares / information[:, None], scores
        units = scale[solved.targets[cells.outcome]] / scale[solved.targets[cells.treatment]]
        n_regressors = solved.kept.sum(axis=0)[subset] + 1
        return NullScores(
            scores,
            left[:, :, : r + m + 1],
            right[:, :, : r + m + 1],
            units / information,
            small_sample_factor(group, self.products.n_obs, n_regressors),
        )

    def _sums(self, columns: Indices) -> Floats:
        """Each cluster's crossing sums and products with the columns (p, G, r + p), from p."""
        packed, p = self.products.groups[0].packed, len(self.products.root)
        low, high = np.minimum(columns[:, None], columns), np.maximum(columns[:, None], columns)
        products = packed[:, low * (2 * p - low - 1) // 2 + high]  # places in upper triangles
        return np.concatenate([self.crossing[:, columns], products], axis=2).transpose(1, 0, 2)


@dataclass(frozen=True)
class NullScores:
    """S specifications under the null: K_s = diag(scores_s) - left_s right_s' (G, G).

    scores (S, G), left and right (S, G, q); slope (S,) turns a summed score into a slope in the
    data's units, factor (S,) is that of small samples.
    """

    scores: Floats
    left: Floats
    right: Floats
    slope: Floats
    factor: Floats

    def quadratic_form(self, out: Floats | None = None) -> Floats:
        """K'K packed (S, P): its trace, then the entries above the diagonal row by row."""
        n_specs, n_clusters, rank = self.right.shape
        transposed = self.right.transpose(0, 2, 1)
        if 2 * rank > n_clusters:  # through K itself: fewer products than through its factors
            summed = self.left @ transposed
            np.einsum("sgg->sg", summed)[...] -= self.scores
            form = summed.transpose(0, 2, 1) @ summed
        else:
            cross = self.halves() @ transposed
            form = -(cross + cross.transpose(0, 2, 1))
            np.einsum("sgg->sg", form)[...] += self.scores**2
        form[:, 0, 0] = np.einsum("sgg->s", form)
        flat = form.reshape(n_specs, -1)
        return np.take(flat, _upper(n_clusters), axis=1, out=out, mode="clip")

    def sums_of_squares(self, signs: Floats) -> Floats:
        """Sums (S, D) of the squared cluster scores K_s w of each draw, signs (G, D) of +-1."""
        n_specs, n_clusters, rank = self.right.shape
        if n_specs < FEW_SPECS:
            return _one_by_one(self, signs)
        quadratic = _few_clusters if few_clusters(n_clusters, rank) else _many_clusters
        return quadratic(self, signs)

    def halves(self) -> Floats:
        """Y (S, G, q) such that K'K = diag(scores^2) - Y right' - right Y'."""
        inner = self.left.transpose(0, 2, 1) @ self.left
        return self.scores[:, :, None] * self.left - 0.5 * self.right @ inner


class Summed(Protocol):
    """Scores (S, G) of S specifications, and what makes slopes and t-statistics of their sums."""

    @property
    def scores(self) -> Floats: ...
    @property
    def slope(self) -> Floats: ...
    @property
    def factor(self) -> Floats: ...


def studentise(of: Summed, signs: Floats, squares: Floats, slopes: Floats, t: Floats) -> None:
    """Write slopes and t (S, D) of draws `signs` (G, D); squares (S, D), used up, may be t."""
    np.matmul(of.scores, signs, out=slopes)
    np.maximum(squares, no_squares(of.scores)[:, None], out=squares)
    squares *= of.factor[:, None]
    np.divide(slopes, np.sqrt(squares, out=squares), out=t)
    slopes *= of.slope[:, None]


def no_squares(scores: Floats) -> Floats:
    """The sums of squares (S,) below which nothing but round-off is left of scores (S, G).

    With few clusters a draw may be fitted without error. Where it has no slope either, its t is
    then next to zero, and not what round-off makes of 0 / 0.
    """
    return np.finfo(float).tiny + 1e-12 * np.einsum("sg,sg->s", scores, scores)


def _widened(signs: Floats | Signs) -> Iterator[tuple[slice, Floats]]:
    """Draws as floating numbers with their places: all at once, or by blocks if in single bytes."""
    n_clusters, n_draws = signs.shape
    step = 8 * CACHED // n_clusters if signs.dtype == np.int8 else n_draws
    for start in range(0, n_draws, step):
        some = slice(start, start + step)
        yield some, signs[:, some].astype(np.float64, copy=False)


@lru_cache(maxsize=8)
def _upper(n_clusters: int) -> Indices:
    """Places (P,) in matrices (G, G): the first, then those above the diagonal row by row."""
    rows, columns = np.triu_indices(n_clusters, 1)
    return np.append(0, rows * n_clusters + columns)


def few_clusters(n_clusters: int, rank: int) -> bool:
    """Whether a quadratic form costs less than the two thin products it factors into."""
    return n_clusters <= 4 * rank


def _times(columns: Floats, sums: Floats) -> Floats:
    """columns' sums_g for columns (2, S, p) and all clusters' sums (p, G, c): (2, S, G, c)."""
    p, n_clusters, width = sums.shape
    n_specs = columns.shape[1]
    return (columns.reshape(-1, p) @ sums.reshape(p, -1)).reshape(2, n_specs, n_clusters, width)


def _one_by_one(null: NullScores, signs: Floats) -> Floats:
    """Sums of squared scores (S, D), a specification at a time: no work is shared by cells.

    From the scores themselves, or from the thin factors where these are fewer than clusters.
    """
    n_specs, n_clusters, rank = null.right.shape
    squares = np.empty((n_specs, signs.shape[1]))
    step = max(1, CACHED // n_clusters)
    if thin := 2 * rank < n_clusters:
        forms = np.concatenate([null.halves(), null.right], axis=2).transpose(0, 2, 1)
    else:
        forms = -null.left @ null.right.transpose(0, 2, 1)
        np.einsum("sgg->sg", forms)[...] += null.scores
    for start in range(0, signs.shape[1], step):
        drawn = signs[:, start : start + step]
        for k, form in enumerate(forms):
            found, part = form @ drawn, squares[k, start : start + step]
            if thin:
                np.einsum("qd,qd->d", found[:rank], found[rank:], out=part)
            else:
                np.einsum("gd,gd->d", found, found, out=part)
    return (null.scores**2).sum(axis=1)[:, None] - 2.0 * squares if thin else squares


def _few_clusters(null: NullScores, signs: Floats) -> Floats:
    """Sums of squared scores (S, D): K'K packed, times each draw's own products, packed."""
    form = null.quadratic_form()
    squares = np.empty((len(form), signs.shape[1]))

    def fill(some: slice) -> None:
        packed_squares(form, signs[:, some], squares[:, some])

    in_strips(fill, form, signs.shape[1])
    return squares


def in_strips(fill: Callable[[slice], None], form: Floats, draws: int) -> None:
    """Fill in draws by strips whose products of pairs stay in the cache, side by side if long."""
    packed = form.shape[1]
    most = max(STRIP // packed, min(NARROW, NUMBERS // packed))
    at_once = 64 if form.size * min(most, draws) > SHARED else 1
    for _ in side_by_side(fill, pieces(draws, most), at_once):
        pass


def pieces(length: int, most: int) -> Iterator[slice]:
    """Slices of about one size that cover `length` places, of at most `most` each (or of one)."""
    count = -(-length // max(1, most))
    return (slice(length * k // count, length * (k + 1) // count) for k in range(count))


def packed_squares(form: Floats, signs: Floats, out: Floats) -> None:
    """w'A w (S, D) of packed matrices (S, P), see `NullScores.quadratic_form`, and draws (G, D)."""
    np.matmul(form, _products_of_pairs(signs), out=out)


def _products_of_pairs(signs: Floats) -> Floats:
    """One, then twice each draw's products of pairs of clusters, (P, D): see `quadratic_form`."""
    n_clusters, draws = signs.shape
    packed = np.empty((1 + n_clusters * (n_clusters - 1) // 2, draws))
    packed[0] = 1.0
    twice = 2.0 * signs
    start = 1
    for i in range(n_clusters - 1):  # contiguous blocks, where gathering would copy them thrice
        end = start + n_clusters - 1 - i
        np.multiply(twice[i], signs[i + 1 :], out=packed[start:end])
        start = end
    return packed


def _many_clusters(null: NullScores, signs: Floats) -> Floats:
    """Sums of squared scores (S, D) from the thin factors, never forming (G, G)."""
    n_specs, n_clusters, rank = null.right.shape
    thin = (n_specs * rank, n_clusters)
    first = null.halves().transpose(0, 2, 1).reshape(thin) @ signs
    second = null.right.transpose(0, 2, 1).reshape(thin) @ signs
    shape = (n_specs, rank, signs.shape[1])
    cross = np.einsum("sqd,sqd->sd", first.reshape(shape), second.reshape(shape))
    return null.scores**2 @ signs**2 - 2.0 * cross


def sign_draws(n_clusters: int, draws: int, seed: int) -> tuple[Signs, bool]:
    """Rademacher draws (G, D), and whether they are all 2^G sign vectors (few clusters)."""
    every = n_clusters <= FEW_CLUSTERS
    bits: NDArray[np.integer[Any]]
    if every:
        bits = np.arange(2**n_clusters) >> np.arange(n_clusters)[:, None] & 1
    else:
        size = n_clusters * draws
        random = np.random.default_rng(seed).bytes(-(-size // 8))
        drawn = np.unpackbits(np.frombuffer(random, dtype=np.uint8), count=size)
        bits = drawn.reshape(n_clusters, draws)
    return 1 - 2 * bits.astype(np.int8), every
