"""Panels simulated at a bias-corrected estimate (Bruno 2005, Stata Journal 5), to bootstrap it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.calendar_grid import shift
from models.design import Codes, Floats
from models.estimators.gmm.equations import Levels
from models.estimators.lsdvc.bias import Corrected, demeaned


def simulated(
    levels: Levels, corrected: Corrected, clusters: Codes, rng: np.random.Generator
) -> Levels:
    """The panel with new errors; regressors and the first outcome of each spell are as given.

    clusters (N,) are the units' clusters.
    """
    usable = levels.usable
    gap = np.where(usable, levels.y - levels.X @ corrected.beta, 0.0)
    effect = gap.sum(axis=1) / np.maximum(usable.sum(axis=1), 1)
    drive = levels.X[:, :, 1:] @ corrected.beta[1:] + effect[:, None]
    drive += new_errors(levels, corrected, clusters, rng)
    y = levels.y.copy()
    for t in range(1, y.shape[1]):
        y[:, t] = np.where(usable[:, t], corrected.beta[0] * y[:, t - 1] + drive[:, t], y[:, t])
    X = levels.X.copy()
    X[:, :, 0] = shift(y, 1)
    return replace(levels, y=y, X=X)


def new_errors(
    levels: Levels, corrected: Corrected, clusters: Codes, rng: np.random.Generator
) -> Floats:
    """Errors (N, S): normal where units are the clusters, else the residuals with one random sign
    per cluster and period, which keeps how units move together.
    """
    usable = levels.usable
    if len(np.unique(clusters)) == len(clusters):
        return np.asarray(np.sqrt(corrected.sigma2) * rng.standard_normal(usable.shape))
    gap = (levels.y - levels.X @ corrected.beta)[:, :, None]
    residuals = demeaned(levels, gap)[:, :, 0]
    scale = np.sqrt(corrected.sigma2 / (residuals[usable] ** 2).mean())
    signs = rng.choice([-1.0, 1.0], size=(int(clusters.max()) + 1, usable.shape[1]))
    return np.asarray(scale * residuals * signs[clusters])
