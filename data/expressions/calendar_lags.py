"""Lags by the calendar: the same unit, so many periods ago, or missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import BadInput


class CalendarIndex:
    """Finds the row of a unit at another time, for all rows at once.

    `units` and `times` are (n,); a missing unit or time, a time that is no whole number, or two
    rows for one unit and time raise BadInput.
    """

    def __init__(self, units: pd.Series, times: pd.Series, where: str) -> None:
        codes = pd.factorize(units)[0].astype(np.int64)
        calendar = whole_numbers(times, where)
        if (codes < 0).any():
            raise BadInput(where, f"a row without {units.name}", "drop it, or complete it")
        known = calendar if len(calendar) else np.zeros(1, dtype=np.int64)  # an empty table
        self._first, self._last = int(known.min()), int(known.max())
        self._calendar = calendar
        # one integer per unit and time: a unit's own stretch of numbers never meets the next one's
        self._keys = codes * (self._last - self._first + 1) + (calendar - self._first)
        self._order = np.argsort(self._keys, kind="stable")
        self._sorted = self._keys[self._order]
        twice = np.flatnonzero(self._sorted[1:] == self._sorted[:-1])
        if len(twice):
            row = self._order[twice[0]]
            raise BadInput(
                where,
                f"{units.iloc[row]} has two rows for {times.iloc[row]}",
                "keep one row for each unit and time",
            )

    def shifted(self, values: NDArray[np.float64], periods: int) -> NDArray[np.float64]:
        """`values` of the same unit `periods` earlier (later if negative), NaN if there is none."""
        wanted = self._keys - periods
        earlier = self._calendar - periods
        slot = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        there = self._sorted[slot] == wanted
        there &= (earlier >= self._first) & (earlier <= self._last)
        return np.where(there, values[self._order[slot]], np.nan)


def whole_numbers(times: pd.Series, where: str) -> NDArray[np.int64]:
    """Times as integers (years, or any count of periods). Raises BadInput if they are not."""
    numbers = pd.to_numeric(times, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.flatnonzero(~np.isfinite(numbers) | (numbers != np.round(numbers)))
    if len(wrong):
        raise BadInput(
            where,
            f"{times.name} is {times.iloc[wrong[0]]} in row {wrong[0] + 1}",
            "give each row a whole number for its period, such as a year",
        )
    return numbers.astype(np.int64)
