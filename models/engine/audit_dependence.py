"""The placebo audit's inferences for errors that are correlated over time or space.

What `models.inference.dependence` computes of one fit, for many placebo fits at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.absorb import dense_codes, group_sums
from models.design import Codes, Floats
from models.engine.audit import AuditSample, Judge, PlaceboFits
from models.engine.curve import two_sided_p
from models.inference.dependence import default_lags
from models.study import Inference

MOST_NUMBERS = 2**20  # products that panel-corrected errors may take for each placebo
SPARSE = 4  # cells of units by periods for each row, beyond which they are not laid out
Pairs = tuple[float, NDArray[np.intp], NDArray[np.intp]]


def dependence_judges(sample: AuditSample, chosen: Inference) -> Iterator[Judge]:
    """Driscoll-Kraay, Newey-West, panel-corrected, and Conley where the study names a distance.

    With the lags that the study has `chosen` for its own, and the default for the others.
    """
    n_periods = len(np.unique(sample.period))
    if n_periods > 1:
        yield _driscoll_kraay(sample, _lags("driscoll-kraay", n_periods, chosen), n_periods)
        yield _newey_west(sample, _lags("newey-west", n_periods, chosen))
        yield from _panel_corrected(sample)
    if sample.near is not None:
        yield _conley(sample, sample.near)


def _lags(kind: str, n_periods: int, chosen: Inference) -> int:
    own = chosen.lags if chosen.kind == kind else None
    return default_lags(n_periods) if own is None else own


def _driscoll_kraay(sample: AuditSample, lags: int, n_periods: int) -> Judge:
    def p_values(fits: PlaceboFits) -> Floats:
        sums = group_sums(sample.period, fits.scores, None, int(sample.period.max()) + 1)
        meat = np.einsum("tb,tb->b", sums, sums)
        for lag in range(1, min(lags, len(sums) - 1) + 1):
            weight = 2.0 * (1.0 - lag / (lags + 1.0))
            meat += weight * np.einsum("tb,tb->b", sums[lag:], sums[:-lag])
        return two_sided_p(fits.t(meat), n_periods - 1.0)

    return Judge("driscoll-kraay", (), None, None, p_values)


def _newey_west(sample: AuditSample, lags: int) -> Judge:
    pairs = list(_lagged_pairs(sample.unit, sample.period, lags))

    def p_values(fits: PlaceboFits) -> Floats:
        meat = np.einsum("ib,ib->b", fits.scores, fits.scores)
        for weight, later, earlier in pairs:
            products = np.einsum("ib,ib->b", fits.scores[later], fits.scores[earlier])
            meat += 2.0 * weight * products
        return two_sided_p(fits.t(meat), sample.spare)

    return Judge("newey-west", (), None, None, p_values)


def _lagged_pairs(unit: Codes, period: Codes, lags: int) -> Iterator[Pairs]:
    """For each lag its Bartlett weight, and the rows of a unit that are so many periods apart."""
    row = np.full((int(unit.max()) + 1, int(period.max()) + 1), -1, dtype=np.intp)
    row[unit, period] = np.arange(len(unit))
    for lag in range(1, min(lags, row.shape[1] - 1) + 1):
        later, earlier = row[:, lag:], row[:, :-lag]
        both = (later >= 0) & (earlier >= 0)
        yield 1.0 - lag / (lags + 1.0), later[both], earlier[both]


def _panel_corrected(sample: AuditSample) -> Iterator[Judge]:
    """None where too many units are observed in periods of their own, or in few of all periods.

    The covariance of two units is averaged over the periods they share. For units i of one pattern
    of presence and j of another, the sum of their covariances with x_i'x_j is the product of two
    matrices (T, T): the sums of e_i x_i' and of e_j x_j'.
    """
    time = dense_codes(sample.period)
    present = np.zeros((int(sample.unit.max()) + 1, int(time.max()) + 1))
    if present.size > SPARSE * len(time):
        return
    present[sample.unit, time] = 1.0
    patterns, which = np.unique(present, axis=0, return_inverse=True)
    if patterns.size**2 > MOST_NUMBERS:
        return
    shared = patterns @ patterns.T
    share = np.divide(1.0, shared, out=np.zeros_like(shared), where=shared > 0)
    members = [np.flatnonzero(which.reshape(-1) == p) for p in range(len(patterns))]
    root = np.sqrt(sample.projected.weights)[:, None]

    def laid_out(values: Floats) -> Floats:
        """Values (n, B) times root weights as (B, T, U), zero where a unit has no row."""
        grid = np.zeros((values.shape[1], *present.T.shape))
        grid[:, time, sample.unit] = (values * root).T
        return grid

    def p_values(fits: PlaceboFits) -> Floats:
        errors, x = laid_out(fits.y[:, None] - fits.beta * fits.x), laid_out(fits.x)
        sums = np.stack([errors[:, :, own] @ x[:, :, own].transpose(0, 2, 1) for own in members])
        by_placebo = sums.reshape(*sums.shape[:2], -1).transpose(1, 0, 2)
        meat = np.einsum("pq,bpq->b", share, by_placebo @ by_placebo.transpose(0, 2, 1))
        return two_sided_p(fits.t(meat), sample.spare)

    yield Judge("panel-corrected", (), None, None, p_values)


def _conley(sample: AuditSample, flags: NDArray[np.bool_]) -> Judge:
    near = flags.astype(np.float64)

    def p_values(fits: PlaceboFits) -> Floats:
        sums = group_sums(sample.unit, fits.scores, None, len(near))
        meat = np.einsum("ub,ub->b", sums, near @ sums)
        return two_sided_p(fits.t(meat), len(near) - 1.0)

    return Judge("conley", (), None, len(near), p_values)
