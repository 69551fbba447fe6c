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

    persistence is the AR coefficient; spread (E,) the standard deviation of each entity over time;
    entity (n,) codes the rows.
    """

    persistence: float
    spread: Floats
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
            total += path.reshape(-1, draws).take(self.period * n_entities + part.entity, axis=0)
        return total


def describe(
    x: Floats,
    unit: Codes,
    period: Codes,
    parent: Codes | None,
    national: bool,
    unit_effects: bool = True,
) -> PlaceboProcess:
    """The process behind a treatment x (n,), after its common movement over time is taken out.

    period (n,) counts calendar periods, gaps included. A national treatment varies by parent only;
    another one has a parent and a unit component, or units alone where there is no parent. Without
    unit effects in the model, lasting differences between units are part of what persists.
    """
    rest = x - _means(x, period)[period]
    n_periods = int(period.max()) + 1
    if parent is None:
        alone = _component(_paths(rest, unit, period, unit_effects), unit, unit_effects)
        return PlaceboProcess((alone,), period, n_periods)
    cell = parent * n_periods + period
    shared = _means(rest, cell)[cell]
    one_each = np.unique(cell, return_index=True)[1]
    together = _paths(shared[one_each], parent[one_each], period[one_each], unit_effects)
    if national or len(one_each) == len(x):
        return PlaceboProcess((_component(together, parent, unit_effects),), period, n_periods)
    # in a cell of k units their own movement keeps (k - 1)/k of its variance around the mean, and
    # puts 1/k into the mean
    left = 1.0 - len(one_each) / len(x)
    apart = _paths(rest - shared, unit, period, unit_effects)
    own = _component(apart, unit, unit_effects)
    own = replace(own, spread=own.spread / np.sqrt(left))
    noise = _autocovariances(apart) * (1.0 - left) / left
    both = (_component(together, parent, unit_effects, noise), own)
    return PlaceboProcess(both, period, n_periods)


def _paths(values: Floats, entity: Codes, period: Codes, centred: bool) -> Floats:
    """Values (n,) as series (entities, periods), NaN where there is none, around their means."""
    path = np.full((int(entity.max()) + 1, int(period.max()) + 1), np.nan)
    path[entity, period] = values
    return path - _row_means(path)[:, None] if centred else path


def _row_means(path: Floats) -> Floats:
    known = ~np.isnan(path)
    return np.where(known, path, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def _autocovariances(path: Floats) -> Floats:
    """Mean squares and mean products with the period before (2,), where both are known."""
    both = ~np.isnan(path[:, 1:]) & ~np.isnan(path[:, :-1])
    now, before = path[:, 1:][both], path[:, :-1][both]
    return np.array([before @ before, now @ before]) / max(len(now), 1)


def _component(
    path: Floats, entity: Codes, centred: bool, noise: Floats | None = None
) -> Component:
    """The AR(1) behind series (E, T), less a noise's autocovariances (2,)."""
    noise = np.zeros(2) if noise is None else noise
    found = _autocovariances(path)
    size, lagged = np.maximum(found[0] - noise[0], 0.0), found[1] - noise[1]
    counts = np.maximum((~np.isnan(path)).sum(axis=1), 1)
    ratio = float(lagged / size) if size > 0 else 0.0
    rho, share = float(np.clip(ratio, GRID[0], GRID[-1])), 1.0
    if centred:
        rho, share = _without_nickell_bias(ratio, max(3, round(float(counts.mean()))))
    signal = size / found[0] if found[0] > 0 else 0.0
    spread = np.sqrt(np.nansum(path**2, axis=1) / counts / share * signal)
    return Component(rho, spread, entity)


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
