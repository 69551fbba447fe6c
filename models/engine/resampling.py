"""Wild cluster resampling of a whole curve under the null, with the same draws for every cell.

Each specification's residuals under the sharp null of no effect are flipped cluster by cluster
(Cameron, Gelbach and Miller 2008), the model is fitted anew, effects included, and its clustered
t-statistic taken. Nothing is refitted in fact: with a_g = x_g'u_g the clusters' scores under the
null, a draw w has slope a'w / x'x and scores K w, where K = diag(a) - L R' carries what refitting
the controls, the treatment and the crossing effects does to them (after Roodman, MacKinnon,
Nielsen and Webb 2019). The t-statistics of all draws are then matrix products, or with few
clusters transforms of quadratic forms (see `stacked`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.design import Floats
from models.engine.crossproducts import CrossProducts
from models.engine.curve import Cells, small_sample_factor
from models.engine.subsets import Indices, Residualised
from models.inference.draws import TIE
from models.inference.sign_draws import Signs
from models.threads import slices

FEW_SPECS = 8  # below which they are resampled one by one
NUMBERS = 2**22  # in the largest array of a block of specifications
CACHED = 2**16  # numbers that stay in the processor's cache
REPEATS = 1.0 - TIE  # a draw that repeats the data counts as extreme as they are, round-off or not


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
        for block, cells in self.blocks(NUMBERS, len(self.cells)):
            null = self.null(cells)
            for some, numbers in widened(drawn):
                summed = slopes[block, some]
                np.matmul(null.scores * null.slope[:, None], numbers, out=summed)
                studentise(null, summed, null.sums_of_squares(numbers), t[block, some])
        return slopes, t

    @property
    def rank(self) -> int:
        """Columns of the factors that refitting adds to the scores."""
        return len(self.solved.controls) + 1 + self.crossing.shape[2]

    def blocks(self, numbers: int, most: int) -> Iterator[tuple[slice, Cells]]:
        """At most `most` specifications at a time, with their places: `numbers` in an array."""
        held = len(self.solved.controls) + len(self.solved.targets) + self.crossing.shape[2]
        few = min(most, numbers // (len(self.cluster) * held))
        for block in slices(len(self.cells), few):
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
        packed, p = self.products.groups[0].packed, self.products.root.shape[1]
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

    def forms(self, out: Floats | None = None) -> Floats:
        """Forms A (S, G, G), not symmetric, that have w'A w = |K w|^2 for signs w."""
        n_specs, n_clusters, rank = self.right.shape
        out = np.empty((n_specs, n_clusters, n_clusters)) if out is None else out
        transposed = self.right.transpose(0, 2, 1)
        if 2 * rank > n_clusters:  # through K itself: fewer products than through its factors
            summed = self.left @ transposed
            np.einsum("sgg->sg", summed)[...] -= self.scores
            np.matmul(summed.transpose(0, 2, 1), summed, out=out)
        else:
            np.matmul(-2.0 * self.halves(), transposed, out=out)
            out[:, 0, 0] += np.einsum("sg,sg->s", self.scores, self.scores)
        return out

    def sums_of_squares(self, signs: Floats) -> Floats:
        """Sums (S, D) of the squared cluster scores K_s w of each draw, signs (G, D) of +-1."""
        if len(self.scores) < FEW_SPECS:
            return _one_by_one(self, signs)
        return _many_clusters(self, signs)

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


def studentise(of: Summed, slopes: Floats, squares: Floats, t: Floats) -> None:
    """Write t (S, D) of slopes and sums of squares (S, D); squares are used up, and may be t."""
    np.maximum(squares, _no_squares(of.scores)[:, None], out=squares)
    squares *= (of.factor * of.slope**2)[:, None]
    np.divide(slopes, np.sqrt(squares, out=squares), out=t)


def _no_squares(scores: Floats) -> Floats:
    """The sums of squares (S,) below which nothing but round-off is left of scores (S, G).

    With few clusters a draw may be fitted without error. Where it has no slope either, its t is
    then next to zero, and not what round-off makes of 0 / 0.
    """
    return np.finfo(float).tiny + 1e-12 * np.einsum("sg,sg->s", scores, scores)


def widened(signs: Floats | Signs) -> Iterator[tuple[slice, Floats]]:
    """Draws as floating numbers with their places: all at once, or by blocks if in single bytes."""
    n_clusters, n_draws = signs.shape
    step = 8 * CACHED // n_clusters if signs.dtype == np.int8 else n_draws
    for start in range(0, n_draws, step):
        some = slice(start, start + step)
        yield some, signs[:, some].astype(np.float64, copy=False)


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


def _many_clusters(null: NullScores, signs: Floats) -> Floats:
    """Sums of squared scores (S, D) from the thin factors, never forming (G, G)."""
    n_specs, n_clusters, rank = null.right.shape
    thin = (n_specs * rank, n_clusters)
    first = null.halves().transpose(0, 2, 1).reshape(thin) @ signs
    second = null.right.transpose(0, 2, 1).reshape(thin) @ signs
    shape = (n_specs, rank, signs.shape[1])
    cross = np.einsum("sqd,sqd->sd", first.reshape(shape), second.reshape(shape))
    return (null.scores**2).sum(axis=1)[:, None] - 2.0 * cross
