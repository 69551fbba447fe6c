"""The stacked equations of a dynamic panel: first differences or forward deviations, and levels.

Every row is a linear combination of a unit's level equations, so one sparse matrix turns levels
of the outcome, of regressors and of plain instruments into rows, and gives the covariance of the
rows' errors when the level errors are independent with equal variance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, vstack

from models.calendar_grid import shift
from models.design import Codes, Floats

Transform = Literal["fd", "fod"]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Levels:
    """The model in levels on a calendar of N units by S periods.

    y (N, S); X (N, S, k) holds lags of the outcome, regressors, the constant of a system and the
    time dummies, in the order of `terms`; usable (N, S) marks complete level equations.
    """

    y: Floats
    X: Floats
    terms: tuple[str, ...]
    n_lags: int
    n_time_effects: int
    usable: Bools


@dataclass(frozen=True)
class Equations:
    """r rows: transformed equations, then (in a system) equations in levels.

    unit, period (r,) say whose and when (a forward deviation of t belongs to t + 1, when its
    error is as far from the past as a difference's); in_levels (r,); y (r,), X (r, k);
    `combination` (r, N S) makes rows from flattened levels; `errors` (r, e) is its square root
    of the error covariance H = errors errors' up to the variance.
    """

    unit: Codes
    period: Codes
    in_levels: Bools
    y: Floats
    X: Floats
    combination: csr_array
    errors: csr_array

    @property
    def n_levels(self) -> int:
        """How many rows are equations in levels."""
        return int(self.in_levels.sum())


def level_equations(
    y: Floats,
    regressors: Floats,
    terms: tuple[str, ...],
    lags: tuple[int, ...],
    outcome: str,
    needed: Bools,
    constant: bool,
) -> Levels:
    """The level equations of y (N, S) on its own `lags` and on regressors (N, S, k).

    needed (N, S) is False where a plain instrument is missing: such an equation is left out.
    """
    own = [shift(y, lag)[:, :, None] for lag in lags]
    X = np.concatenate([*own, regressors], axis=2)
    names = (*(f"lag({outcome}, {lag})" for lag in lags), *terms)
    usable = np.isfinite(y) & np.isfinite(X).all(axis=2) & needed
    if constant:
        X = np.concatenate([X, np.ones((*y.shape, 1))], axis=2)
        names = (*names, "constant")
    return Levels(y, X, names, len(lags), 0, usable)


def with_time_effects(levels: Levels, used: Bools, first: int) -> Levels:
    """Adds a dummy for each period (S,) marked in `used`, named by its calendar year."""
    periods = np.flatnonzero(used)
    units, span = levels.y.shape
    dummies = np.broadcast_to(np.eye(span)[:, periods], (units, span, len(periods)))
    return Levels(
        y=levels.y,
        X=np.concatenate([levels.X, dummies], axis=2),
        terms=(*levels.terms, *(f"time {first + int(period)}" for period in periods)),
        n_lags=levels.n_lags,
        n_time_effects=len(periods),
        usable=levels.usable,
    )


def difference_rows(usable: Bools) -> tuple[Codes, Codes, csr_array]:
    """First differences of adjacent usable periods: unit (r,), period (r,), matrix (r, N S)."""
    both = usable.copy()
    both[:, 0] = False
    both[:, 1:] &= usable[:, :-1]
    unit, period = np.nonzero(both)
    now = unit * usable.shape[1] + period
    rows = np.arange(len(now))
    matrix = coo_array(
        (
            np.concatenate([np.ones(len(now)), -np.ones(len(now))]),
            (np.concatenate([rows, rows]), np.concatenate([now, now - 1])),
        ),
        shape=(len(now), usable.size),
    )
    return unit, period, csr_array(matrix)


def deviation_rows(usable: Bools) -> tuple[Codes, Codes, csr_array]:
    """Forward orthogonal deviations (Arellano and Bover 1995), each placed one period later."""
    later = usable[:, ::-1].cumsum(axis=1)[:, ::-1] - usable
    unit, period = np.nonzero(usable & (later > 0))
    count = later[unit, period].astype(np.float64)
    span = usable.shape[1]
    ahead = usable[unit] & (np.arange(span) > period[:, None])
    row, column = np.nonzero(ahead)
    scale = np.sqrt(count / (count + 1))
    matrix = coo_array(
        (
            np.concatenate([scale, -(scale / count)[row]]),
            (
                np.concatenate([np.arange(len(unit)), row]),
                np.concatenate([unit * span + period, unit[row] * span + column]),
            ),
        ),
        shape=(len(unit), usable.size),
    )
    return unit, period + 1, csr_array(matrix)


def level_rows(usable: Bools) -> tuple[Codes, Codes, csr_array]:
    """The level equations themselves, one row each."""
    unit, period = np.nonzero(usable)
    here = unit * usable.shape[1] + period
    matrix = coo_array(
        (np.ones(len(here)), (np.arange(len(here)), here)), shape=(len(here), usable.size)
    )
    return unit, period, csr_array(matrix)


def transformed_rows(usable: Bools, transform: Transform) -> tuple[Codes, Codes, csr_array]:
    """The rows that are free of unit effects, by either transformation."""
    return difference_rows(usable) if transform == "fd" else deviation_rows(usable)


def stack(levels: Levels, transform: Transform, system: bool, h_matrix: str) -> Equations:
    """All rows of the estimation. h_matrix: see `errors_of`."""
    unit, period, combination = transformed_rows(levels.usable, transform)
    in_levels = np.zeros(len(unit), dtype=bool)
    if system:
        level_unit, level_period, identity = level_rows(levels.usable)
        in_levels = np.concatenate([in_levels, np.ones(len(level_unit), dtype=bool)])
        unit = np.concatenate([unit, level_unit])
        period = np.concatenate([period, level_period])
        combination = csr_array(vstack([combination, identity]))
    return Equations(
        unit=unit,
        period=period,
        in_levels=in_levels,
        y=combination @ flat(levels.y[:, :, None])[:, 0],
        X=combination @ flat(levels.X),
        combination=combination,
        errors=errors_of(combination, in_levels, h_matrix),
    )


def on_rows(rows: Equations, levels: Levels) -> Equations:
    """The same rows of levels that differ in nothing but the outcome and its first lag."""
    X = rows.X.copy()
    X[:, 0] = rows.combination @ flat(levels.X[:, :, :1])[:, 0]
    return replace(rows, y=rows.combination @ flat(levels.y[:, :, None])[:, 0], X=X)


def errors_of(combination: csr_array, in_levels: Bools, h_matrix: str) -> csr_array:
    """A root of the one-step H. "full": transformed and level rows share their errors, as they do
    (gretl's and plm's default, xtabond2's h(3)); "block": they are treated as unrelated (DPD
    style, xtabond2's h(2)). Without level rows the two are the same.
    """
    if h_matrix == "full" or not in_levels.any():
        return combination
    entries = combination.tocoo()
    row, column = entries.coords
    own = np.where(in_levels[row], column + combination.shape[1], column)
    size = (combination.shape[0], 2 * combination.shape[1])
    return csr_array(coo_array((entries.data, (row, own)), shape=size))


def flat(grid: Floats) -> Floats:
    """(N, S, k) as (N S, k) with zeros for missing: only usable periods carry weight in a row."""
    return np.nan_to_num(grid.reshape(grid.shape[0] * grid.shape[1], grid.shape[2]), nan=0.0)
