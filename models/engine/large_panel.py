"""Two-way within on arrays of many million rows: no copy of the panel, two passes in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import BadInput
from models.absorb import is_nested
from models.design import Codes, Floats
from models.engine.two_way import LargeFit, TwoWaySums, clustered, solve

ROWS = 2**16  # handled at a time: a block of a few columns fits the processor's cache


@dataclass(frozen=True)
class LargePanel:
    """p columns (n,), the outcome first, with codes (n,) without gaps; nothing is copied.

    unit 0..N-1, time 0..T-1, cluster 0..G-1; weights (n,) or None.
    """

    columns: Sequence[Floats]
    unit: Codes
    time: Codes
    cluster: Codes
    weights: Floats | None = None

    def blocks(self) -> Iterator[tuple[slice, Codes, Codes, Floats | None]]:
        """Rows, their units and periods, and their weights, block by block."""
        for start in range(0, len(self.unit), ROWS):
            rows = slice(start, start + ROWS)
            weights = None if self.weights is None else self.weights[rows]
            yield rows, self.unit[rows], self.time[rows], weights


def within_large(panel: LargePanel, terms: tuple[str, ...]) -> LargeFit:
    """Coefficients of the regressors with unit and time effects, clustered (CR1).

    Raises BadInput for a value that is missing or infinite, weights that are not positive,
    regressors that the effects absorb, or a single cluster.
    """
    _require_weights(panel)
    n_units, n_periods = int(panel.unit.max()) + 1, int(panel.time.max()) + 1
    cells = _cells(panel, n_units, n_periods)
    totals = cells.sum(axis=1)
    means = [_sums(panel, column, n_units) / totals for column in panel.columns]
    _require_finite(means, terms)
    solution = solve(_two_way_sums(panel, cells, totals, means), terms)
    for j, mean in enumerate(means):  # from here on: what a unit and all its periods take away
        mean -= (cells @ solution.gamma[:, j]) / totals
    scores = _cluster_scores(panel, means, solution.gamma, solution.beta)
    sizes = (len(panel.unit), n_units, n_periods, len(scores))
    nested = tuple(is_nested(effect, panel.cluster) for effect in (panel.unit, panel.time))
    return clustered(solution, scores.T @ scores, terms, sizes, (nested[0], nested[1]))


def _require_weights(panel: LargePanel) -> None:
    weights = panel.weights
    if weights is not None and not 0 < weights.min() <= weights.max() < np.inf:  # NaN is neither
        raise BadInput("weights", "not positive numbers everywhere", "drop those rows")


def _require_finite(means: list[Floats], terms: tuple[str, ...]) -> None:
    """A column's own cells are not looked at: one that is no number leaves none of its unit."""
    for name, mean in zip(("the outcome", *terms), means, strict=True):
        if not np.isfinite(mean).all():
            raise BadInput(name, "a missing or infinite value", "drop those rows")


def _cells(panel: LargePanel, n_units: int, n_periods: int) -> Floats:
    """Weight of each unit in each period (N, T)."""
    cells = np.zeros(n_units * n_periods)
    for _, unit, time, weights in panel.blocks():
        np.add.at(cells, unit * n_periods + time, 1.0 if weights is None else weights)
    return cells.reshape(n_units, n_periods)


def _sums(panel: LargePanel, column: Floats, n_units: int) -> Floats:
    """Weighted sums of a column by unit (N,)."""
    values = column if panel.weights is None else column * panel.weights
    return np.bincount(panel.unit, values, n_units).astype(np.float64, copy=False)


def _two_way_sums(
    panel: LargePanel, cells: Floats, totals: Floats, means: list[Floats]
) -> TwoWaySums:
    """The sufficient statistics of `two_way`, in one pass."""
    p, n_periods = len(means), cells.shape[1]
    sums, products = np.zeros((p, n_periods)), np.zeros((p, p))
    values = np.empty((p, ROWS))
    for rows, unit, time, weights in panel.blocks():
        block = values[:, : len(unit)]
        for j, column in enumerate(panel.columns):
            np.subtract(column[rows], means[j][unit], out=block[j])
        weighted = block if weights is None else block * weights
        products += weighted @ block.T
        for j in range(p):
            sums[j] += np.bincount(time, weighted[j], n_periods)
    between = np.array([totals @ (mean - totals @ mean / totals.sum()) ** 2 for mean in means])
    return TwoWaySums(
        meetings=cells.T @ (cells / totals[:, None]),
        by_period=cells.sum(axis=0),
        sums=sums.T.copy(),
        products=products,
        before=np.diag(products) + between,
    )


def _cluster_scores(
    panel: LargePanel, away: list[Floats], gamma: Floats, beta: Floats
) -> Floats:
    """Scores summed by cluster (G, k); away (p, N) and gamma (T, p) are subtracted by row."""
    k = len(beta)
    scores = np.zeros((k, int(panel.cluster.max()) + 1))
    periods = np.ascontiguousarray(gamma.T)
    values = np.empty((k + 1, ROWS))
    for rows, unit, time, weights in panel.blocks():
        block = values[:, : len(unit)]
        for j, column in enumerate(panel.columns):
            np.subtract(column[rows], away[j][unit], out=block[j])
            block[j] -= periods[j][time]
        residual = block[0] - beta @ block[1:]
        if weights is not None:
            residual *= weights
        for score, regressor in zip(scores, block[1:], strict=True):
            np.add.at(score, panel.cluster[rows], regressor * residual)
    return scores.T
