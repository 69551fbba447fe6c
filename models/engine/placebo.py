"""Placebo treatments: drawn at random, but alike the real one where it matters for error bars.

What makes error bars too small is not chance but structure: a treatment that is the same all over
a country, moves slowly, and moves together in several regions. The placebos keep the real
treatment's level, its persistence (an autoregression per component, corrected for its Nickell
bias), how its variance divides between parents and units, and how volatile each of these is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.design import Codes, Floats

GRID = np.linspace(-0.95, 0.99, 389)  # of the autoregressive coefficient


@dataclass(frozen=True)
class Component:
    """One part of the treatment: E entities (parents or units), each a stationary AR(1).

    persistence is the AR coefficient; spread (E,) the standard deviation of each entity around its
    mean; permanent the standard deviation of those means; entity (n,) codes the rows.
    """

    persistence: float
    spread: Floats
    permanent: float
    entity: Codes

    @property
    def variance(self) -> float:
        """Mean variance over time."""
        return float(np.mean(self.spread**2))


@dataclass(frozen=True)
class PlaceboProcess:
    """The treatment's components over T calendar periods; period (n,) counts from the first."""

    components: tuple[Component, ...]
    period: Codes
    n_periods: int

    @property
    def persistence(self) -> float:
        """The components' AR coefficient, weighted by variance."""
        sizes = np.array([part.variance for part in self.components])
        rhos = np.array([part.persistence for part in self.components])
        return float(sizes @ rhos / sizes.sum()) if sizes.sum() > 0 else 0.0

    def draw(self, draws: int, rng: np.random.Generator) -> Floats:
        """Placebo treatments (n, draws)."""
        total = np.zeros((len(self.period), draws))
        for part in self.components:
            n_entities = len(part.spread)
            path = _stationary(part.persistence, (self.n_periods, n_entities, draws), rng)
            path *= part.spread[:, None]
            path += part.permanent * rng.standard_normal((n_entities, draws))
            total += path.reshape(-1, draws)[self.period * n_entities + part.entity]
        return total


def describe(
    x: Floats, unit: Codes, period: Codes, parent: Codes | None, national: bool
) -> PlaceboProcess:
    """The process behind a treatment x (n,), after its common movement over time is taken out.

    period (n,) counts calendar periods, gaps included. A national treatment varies by parent only;
    another one has a parent and a unit component, or units alone where there is no parent.
    """
    rest = x - _means(x, period)[period]
    n_periods = int(period.max()) + 1
    if parent is None:
        return PlaceboProcess((_component(rest, unit, period),), period, n_periods)
    cell = parent * n_periods + period
    shared = _means(rest, cell)[cell]
    one_each = np.unique(cell, return_index=True)[1]
    by_parent = _component(shared, parent, period, one_each)
    if national:
        return PlaceboProcess((by_parent,), period, n_periods)
    # within a cell of k units, (k - 1)/k of the units' variance is left, and 1/k is in the mean
    left = 1.0 - len(one_each) / len(x)
    own = _component(rest - shared, unit, period)
    if left > 0:
        own = replace(own, spread=own.spread / np.sqrt(left))
        excess = by_parent.spread**2 - own.variance * (1.0 - left)
        by_parent = replace(by_parent, spread=np.sqrt(np.maximum(excess, 0.0)))
    return PlaceboProcess((by_parent, own), period, n_periods)


def _component(
    values: Floats, entity: Codes, period: Codes, rows: Codes | None = None
) -> Component:
    """The AR(1) of values (n,) by entity, from one row for each entity and period."""
    rows = np.arange(len(values)) if rows is None else rows
    n_entities, n_periods = int(entity.max()) + 1, int(period.max()) + 1
    path = np.full((n_entities, n_periods), np.nan)
    path[entity[rows], period[rows]] = values[rows]
    known = ~np.isnan(path)
    counts = np.maximum(known.sum(axis=1), 1)
    means = np.where(known, path, 0.0).sum(axis=1) / counts
    around = np.where(known, path - means[:, None], 0.0)
    both = known[:, 1:] & known[:, :-1]
    lagged = float((around[:, :-1] ** 2)[both].sum())
    found = float((around[:, 1:] * around[:, :-1])[both].sum()) / lagged if lagged > 0 else 0.0
    rho, share = _without_nickell_bias(found, max(3, round(float(counts.mean()))))
    spread = np.sqrt((around**2).sum(axis=1) / counts / share)
    permanent = np.sqrt(max(0.0, float(means.var()) - float(np.mean(spread**2)) * (1.0 - share)))
    return Component(rho, spread, permanent, entity)


def _without_nickell_bias(found: float, n_periods: int) -> tuple[float, float]:
    """The AR coefficient that is found as `found` in means-adjusted series of this length.

    Also returns which share of its stationary variance such a series keeps around its mean.
    """
    gaps = np.abs(np.subtract.outer(np.arange(n_periods), np.arange(n_periods)))
    series = GRID[:, None, None] ** gaps
    means = series.mean(axis=1)
    around = series - means[:, None, :] - means[:, :, None] + means.mean(axis=1)[:, None, None]
    diagonal = np.einsum("gtt->gt", around)
    lagged = np.einsum("gtt->gt", around[:, 1:, :-1])
    expected = lagged.sum(axis=1) / diagonal[:, :-1].sum(axis=1)
    place = int(np.argmin(np.abs(expected - found)))
    return float(GRID[place]), float(diagonal[place].mean())


def _stationary(rho: float, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    """Stationary AR(1) paths of unit variance (T, E, draws)."""
    path = rng.standard_normal(shape)
    path[1:] *= np.sqrt(1.0 - rho**2)
    for t in range(1, shape[0]):
        path[t] += rho * path[t - 1]
    return path


def _means(values: Floats, codes: Codes) -> Floats:
    """Means by code, zero for codes that do not occur."""
    counts = np.bincount(codes)
    return np.bincount(codes, values) / np.maximum(counts, 1)
