"""Rows laid out on the calendar, so that a lag is a number of periods, never of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.design import Codes, Design, Floats


@dataclass(frozen=True)
class CalendarGrid:
    """N units by S consecutive calendar periods; every (N, S) grid holds NaN where no row is.

    unit, period (n,) place the rows of a design; `first` is the calendar value of period 0.
    """

    unit: Codes
    period: Codes
    n_units: int
    n_periods: int
    first: int

    def spread(self, values: Floats) -> Floats:
        """(n,) or (n, k) values on the grid: (N, S) or (N, S, k), NaN where there is no row."""
        shape = (self.n_units, self.n_periods, *values.shape[1:])
        grid = np.full(shape, np.nan)
        grid[self.unit, self.period] = values
        return grid

    def gather(self, grid: Floats) -> Floats:
        """The reverse of `spread`: the grid's values at the rows, (n,) or (n, k)."""
        return grid[self.unit, self.period]


def calendar_grid(design: Design) -> CalendarGrid:
    """The grid that holds every row of `design`, years without any row included."""
    period = design.times[design.time] - design.times[0]
    return CalendarGrid(
        unit=design.unit,
        period=period.astype(np.int64),
        n_units=len(design.units),
        n_periods=int(design.times[-1] - design.times[0]) + 1,
        first=int(design.times[0]),
    )


def shift(grid: Floats, periods: int) -> Floats:
    """An (N, S) or (N, S, k) grid lagged by `periods` (negative: led), NaN where it runs out."""
    out = np.full_like(grid, np.nan)
    width = grid.shape[1]
    if periods >= 0:
        out[:, periods:] = grid[:, : max(width - periods, 0)]
    else:
        out[:, :periods] = grid[:, -periods:]
    return out
