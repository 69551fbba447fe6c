"""Does a series wander without limit? Pesaran's (2007) CIPS, valid where units move together.

Each unit's Dickey-Fuller regression is augmented by cross-section averages; the statistic is the
mean of their t values, each kept within Pesaran's bounds. His tables II(b) and II(c) give the
critical values, interpolated linearly in units and periods.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import numpy as np

from data.errors import BadInput
from models.calendar_grid import shift
from models.design import Floats
from models.results import Test
from models.unit_regressions import UnitRegressions, regress_units

Case = Literal["drift", "trend"]
BOUNDS: dict[Case, tuple[float, float]] = {"drift": (-6.19, 2.61), "trend": (-6.42, 1.70)}
LEVELS = np.array([0.01, 0.05, 0.10])


def cips(y: Floats, case: Case = "drift", lags: int = 1, truncated: bool = True) -> Test:
    """CIPS of y (N, S), NaN where missing: H0 is a unit root in every unit.

    `case` gives units a level, or a trend too. The p-value is interpolated between the tabulated
    1, 5 and 10 %, and None outside; the note says on which side. Raises BadInput if fewer than two
    units have the periods it takes.
    """
    fits = augmented_regressions(y, deterministic(y, case), lags)
    if len(fits.units) < 2:
        need = fits.beta.shape[1] + lags + 2
        what = f"CIPS takes {need} consecutive periods, and {len(fits.units)} units have them"
        raise BadInput("diagnostics", what, 'drop "cips"')
    t = fits.beta[:, 0] / np.sqrt(fits.variance * fits.inverse[:, 0, 0])
    if truncated:
        t = np.clip(t, *BOUNDS[case])
    statistic = float(t.mean())
    critical = critical_values(case, len(t), float(np.median(fits.n_rows)), truncated)
    p_value, side = _p_value(statistic, critical)
    note = f"{case}, {lags} lag(s), {len(t)} units; 5 % critical value {critical[1]:.2f}{side}"
    return Test(f"cips_{case}", statistic, None, p_value, note)


def augmented_regressions(y: Floats, own: Floats, lags: int) -> UnitRegressions:
    """Each unit's Dickey-Fuller regression with its own columns (N, S, q) and the averages.

    The lagged level's coefficient comes first.
    """
    columns = own_columns(y, lags)
    complete = np.isfinite(columns).all(axis=2)
    columns[~complete] = np.nan
    count = complete.sum(axis=0)[:, None]
    average = np.nansum(columns, axis=0) / np.where(count > 0, count, 1)
    shared = np.broadcast_to(average, columns.shape)
    return regress_units(columns[:, :, 0], np.concatenate([columns[:, :, 1:], shared, own], axis=2))


def critical_values(case: Case, units: float, periods: float, truncated: bool) -> Floats:
    """The 1, 5 and 10 % critical values (3,); the table's edge beyond it."""
    stored = tomllib.loads(Path(__file__).with_name("cips.toml").read_text("utf-8"))
    sizes = np.array(stored["sizes"], dtype=np.float64)
    kind = stored[case]
    found = []
    for level in ("1", "5", "10"):
        table = np.array(kind[level])  # a row per number of periods, a column per number of units
        if truncated:
            for row, values in kind.get(f"truncated_{level}", {}).items():
                table[list(sizes).index(float(row))] = values
        by_periods = [np.interp(units, sizes, row) for row in table]
        found.append(float(np.interp(periods, sizes, by_periods)))
    return np.array(found)


def deterministic(y: Floats, case: Case) -> Floats:
    """What each unit has of its own (N, S, q): a level, or a level and a trend."""
    level = np.ones((*y.shape, 1))
    if case == "drift":
        return level
    trend = np.broadcast_to(np.arange(y.shape[1], dtype=np.float64), y.shape)[:, :, None]
    return np.concatenate([level, trend], axis=2)


def own_columns(y: Floats, lags: int) -> Floats:
    """Each unit's change, lagged level and lagged changes (N, S, lags + 2)."""
    change = y - shift(y, 1)
    return np.stack([change, shift(y, 1), *(shift(change, k + 1) for k in range(lags))], axis=2)


def _p_value(statistic: float, critical: Floats) -> tuple[float | None, str]:
    if statistic < critical[0]:
        return None, ", p < 0.01"
    if statistic > critical[-1]:
        return None, ", p > 0.10"
    return float(np.interp(statistic, critical, LEVELS)), ""
