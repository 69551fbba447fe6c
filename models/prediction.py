"""Do units' own slopes predict years that were held out better than one slope for all?

Both models give every unit a level of its own, from the other years. The national one has the
pooled within slope; the regional one each unit's slope, drawn to the mean as far as it is noisy
(best linear unbiased under random coefficients, Swamy 1970), since raw slopes of short series
would lose by noise alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from data.errors import BadInput
from models.design import Codes, Floats
from models.heterogeneity import scaled
from models.results import Test
from models.unit_regressions import UnitRegressions, regress_units, remove


@dataclass(frozen=True)
class PredictionGain:
    """The share of the squared error out of sample that units' own slopes take off.

    Negative where they add to it. The interval holds units of one cluster together, with t of df.
    """

    share: float
    std_error: float
    df: float
    folds: int

    @property
    def reach(self) -> float:
        """Half the width of the 95 % interval."""
        return float(stdtrit(self.df, 0.975)) * self.std_error

    def as_fit(self) -> dict[str, float | None]:
        """The gain and its interval under the names of a result's `fit`."""
        low, high = self.share - self.reach, self.share + self.reach
        return {
            "prediction_gain": self.share,
            "prediction_gain low": low,
            "prediction_gain high": high,
        }

    def as_test(self) -> Test:
        """The test that own slopes predict no better and no worse."""
        t = self.share / self.std_error
        note = (
            f"own slopes take {self.share:.1%} off the squared error in years held out, "
            f"{self.folds} blocks of years in turn"
        )
        return Test("prediction_gain", t, self.df, 2 * float(stdtr(self.df, -abs(t))), note)


def prediction_gain(
    y: Floats, X: Floats, own: Floats, clusters: Codes, folds: int
) -> PredictionGain:
    """The gain over `folds` blocks of consecutive periods, each predicted from all others.

    y (N, S), X (N, S, k), own (N, S, q) what each unit has of its own; clusters (N,) without gaps.
    A unit counts in a block if its other years carry a regression of its own. Raises BadInput if
    that leaves fewer than two clusters, and for more blocks than periods.
    """
    if folds > y.shape[1]:
        what = f"{folds:,} blocks of {y.shape[1]} periods"
        raise BadInput("predict", what, "ask for fewer blocks")
    squares = np.zeros((2, len(y)))
    for block in np.array_split(np.arange(y.shape[1]), folds):
        held = np.isin(np.arange(y.shape[1]), block)
        squares += _squared_errors(y, X, own, held)
    size = int(clusters.max()) + 1
    national, regional = (np.bincount(clusters, one, minlength=size) for one in squares)
    if np.count_nonzero(national) < 2:
        what = f"{folds} blocks leave units too few years to learn from"
        raise BadInput("predict", what, "ask for more blocks, or use fewer regressors")
    ratio = regional.sum() / national.sum()
    influence = (regional - ratio * national) / national.sum()
    error = float(np.sqrt(size / (size - 1) * (influence**2).sum()))
    return PredictionGain(float(1 - ratio), error, float(size - 1), folds)


def _squared_errors(y: Floats, X: Floats, own: Floats, held: NDArray[np.bool_]) -> Floats:
    """Sums (2, N) of squared errors at the periods `held` (S,): national slope, own slopes."""
    seen = np.where(held, np.nan, y)
    left = remove(own, np.concatenate([seen[:, :, None], X], axis=2))
    fits = regress_units(left[:, :, 0], left[:, :, 1:])
    enough = fits.n_rows > X.shape[2] + own.shape[2]
    if np.count_nonzero(enough) < 2:
        return np.zeros((2, len(y)))
    fits = _only(fits, enough, own.shape[2])
    values = np.nan_to_num(left[fits.units])
    X_ = values[:, :, 1:]
    moments = np.einsum("isk,is->k", X_, values[:, :, 0])
    pooled = np.linalg.solve(np.einsum("isk,isl->kl", X_, X_), moments)
    found = np.zeros((2, len(y)))
    for row, slopes in enumerate((np.broadcast_to(pooled, fits.beta.shape), shrunken_slopes(fits))):
        at = fits.units
        rest = y[at] - np.einsum("isk,ik->is", X[at], slopes)
        levels = regress_units(np.where(held, np.nan, rest), own[at])
        gaps = rest[levels.units] - np.einsum("isq,iq->is", own[at][levels.units], levels.beta)
        found[row, at[levels.units]] = np.nansum(np.where(held, gaps, 0.0) ** 2, axis=1)
    return found


def _only(fits: UnitRegressions, kept: NDArray[np.bool_], absorbed: int) -> UnitRegressions:
    """Some of the units, their degrees of freedom less what was absorbed before."""
    n_rows = fits.n_rows[kept]
    k = fits.beta.shape[1]
    scale = (n_rows - k) / (n_rows - k - absorbed)
    return UnitRegressions(
        fits.units[kept], fits.beta[kept], fits.rss[kept] * scale, n_rows, fits.inverse[kept]
    )


def shrunken_slopes(fits: UnitRegressions) -> Floats:
    """Best linear unbiased slopes (m, k): the units' own, drawn to their weighted mean.

    The spread of true slopes is what the estimates' spread exceeds their sampling noise by, and
    zero in directions where it does not.
    """
    gaps = fits.beta - fits.beta.mean(axis=0)
    spread = gaps.T @ gaps / (len(gaps) - 1)
    noise = fits.variance[:, None, None] * fits.inverse
    root = np.sqrt(np.diag(spread))
    values, vectors = np.linalg.eigh(scaled(spread - noise.mean(axis=0), spread))
    delta = np.outer(root, root) * ((vectors * np.maximum(values, 0.0)) @ vectors.T)
    precision = np.linalg.inv(delta + noise)
    weighted = np.einsum("ijk,ik->j", precision, fits.beta)
    mean = np.linalg.solve(precision.sum(axis=0), weighted)
    pulled = np.einsum("ijk,ik->ij", precision, fits.beta - mean)
    return np.asarray(mean + pulled @ delta, dtype=np.float64)
