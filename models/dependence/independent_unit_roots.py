"""Does a series wander without limit, if units are independent? One Dickey-Fuller regression each.

Im, Pesaran and Shin (2003) average the t values, Maddala and Wu (1999) sum the logarithms of their
p-values, Levin, Lin and Chu (2002) pool the regressions. All take units as independent, which
countries and regions hardly are: CIPS (`unit_roots.py`) does not. Tables in `dickey_fuller.toml`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import chdtrc, log_ndtr, ndtr

from data.errors import BadInput
from models.calendar_grid import shift
from models.dependence.unit_roots import Case, deterministic, own_columns
from models.design import Codes, Floats
from models.results import Test
from models.unit_regressions import regress_units, remove

LEAST = 10  # rows of a unit's regression: where the table of moments begins


@dataclass(frozen=True)
class DickeyFuller:
    """t values (m,) of the lagged level, and rows (m,) of the regressions of m units."""

    t: Floats
    rows: Codes
    case: Case
    lags: int


@cache
def tables() -> dict[str, Any]:
    """The published tables, by test and case."""
    return tomllib.loads(Path(__file__).with_name("dickey_fuller.toml").read_text("utf-8"))


def dickey_fuller(y: Floats, case: Case, lags: int) -> DickeyFuller:
    """The regressions of y (N, S), NaN where missing, with `lags` lagged changes (0 to 4).

    Raises BadInput if fewer than two units have ten rows for it.
    """
    columns = own_columns(y, lags)
    X = np.concatenate([columns[:, :, 1:], deterministic(y, case)], axis=2)
    long = np.isfinite(columns).all(axis=2).sum(axis=1) >= LEAST
    fits = regress_units(columns[long, :, 0], X[long])
    if len(fits.units) < 2:
        what = f"unit roots take {LEAST + lags + 1} consecutive periods of two units or more"
        raise BadInput("diagnostics", what, 'drop "unit-root"')
    t = fits.beta[:, 0] / np.sqrt(fits.variance * fits.inverse[:, 0, 0])
    return DickeyFuller(t, fits.n_rows, case, lags)


def im_pesaran_shin(found: DickeyFuller) -> Test:
    """The standardised mean of the t values: normal under a unit root in every unit; one-sided."""
    table = tables()["moments"]
    own = table[found.case]
    mean, variance = (
        np.interp(found.rows, table["periods"], own[key][found.lags])
        for key in ("mean", "variance")
    )
    statistic = float((found.t - mean).sum() / np.sqrt(variance.sum()))
    name = f"im_pesaran_shin_{found.case}"
    return Test(name, statistic, None, float(ndtr(statistic)), _note(found))


def maddala_wu(found: DickeyFuller) -> Test:
    """-2 times the sum of the log p-values: chi-squared under a unit root in every unit."""
    own = tables()["quantile"][found.case]
    low, high = (np.polynomial.polynomial.polyval(found.t, own[key]) for key in ("low", "high"))
    quantile = np.where(found.t <= own["limit"], low, high)
    statistic, df = float(-2 * log_ndtr(quantile).sum()), 2 * len(found.t)
    name = f"maddala_wu_{found.case}"
    return Test(name, statistic, df, float(chdtrc(df, statistic)), _note(found))


def levin_lin_chu(y: Floats, case: Case, lags: int) -> Test:
    """The bias-corrected t value of one common root, y (N, S) without a gap; one-sided.

    Its table begins at 25 rows: below, the statistic stands without a p-value. Raises BadInput
    for an unbalanced panel.
    """
    if not np.isfinite(y).all():
        raise BadInput("diagnostics", "Levin-Lin-Chu takes a balanced panel", 'use "unit-root"')
    columns = own_columns(y, lags)
    Z = np.concatenate([columns[:, :, 2:], deterministic(y, case)], axis=2)
    left = remove(Z, columns[:, :, :2])[:, lags + 1 :]
    change, level = left[:, :, 0], left[:, :, 1]
    slopes = (change * level).sum(axis=1) / (level**2).sum(axis=1)
    noise = np.sqrt(((change - slopes[:, None] * level) ** 2).mean(axis=1))
    change, level = change / noise[:, None], level / noise[:, None]
    spread = float((level**2).sum())
    slope = float((change * level).sum()) / spread
    variance = float(((change - slope * level) ** 2).mean())
    error = np.sqrt(variance / spread)
    ratio = float(np.mean(np.sqrt(long_run_variance(y, case)) / noise))
    rows, table = change.shape[1], tables()["levin_lin_chu"]
    mean, deviation = (
        float(np.interp(rows, table["periods"], table[case][key])) for key in ("mean", "deviation")
    )
    statistic = (slope / error - change.size * ratio * error * mean / variance) / deviation
    short = rows < table["periods"][0]
    note = f"{case}, {lags} lag(s), {len(y)} units"
    if short:
        note += f"; no p-value: its table begins at {table['periods'][0]} periods, here {rows}"
    p_value = None if short else float(ndtr(statistic))
    return Test(f"levin_lin_chu_{case}", float(statistic), None, p_value, note)


def long_run_variance(y: Floats, case: Case) -> Floats:
    """Of the changes of y (N, S), each unit's (N,): Bartlett weights over 3.21 S^(1/3) lags.

    Around their mean only where units have trends, as Levin, Lin and Chu have it: their table
    makes up for nothing more. Taking out what each regression takes out, as some programs do,
    rejects a true unit root most of the time.
    """
    change = (y - shift(y, 1))[:, 1:]
    if case == "trend":
        change = change - change.mean(axis=1, keepdims=True)
    return bartlett(change, round(3.21 * y.shape[1] ** (1 / 3)))


def bartlett(change: Floats, lags: int) -> Floats:
    """Long-run variances (N,) of series (N, S) that have no gap, up to `lags` lags."""
    width = change.shape[1]
    total = (change**2).sum(axis=1)
    most = min(lags, width - 1)
    for lag in range(1, most + 1):
        product = (change[:, lag:] * change[:, :-lag]).sum(axis=1)
        total = total + 2 * (1 - lag / (most + 1)) * product
    return np.asarray(total / width)


def _note(found: DickeyFuller) -> str:
    return f"{found.case}, {found.lags} lag(s), {len(found.t)} units taken as independent"
