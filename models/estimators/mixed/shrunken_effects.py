"""Shrunken (empirical Bayes) effects of countries and regions, with intervals.

The best linear unbiased predictions: an estimate of each group's own level, drawn to the mean as
far as its data are few or noisy. The intervals allow for the estimated slopes (Henderson 1975) and
for the estimated variances (Kackar and Harville 1984).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from models.design import Floats
from models.estimators.mixed.fit import STEP, MixedFit, prediction_covariance, random_effects
from models.estimators.mixed.likelihood import evaluate


@dataclass(frozen=True)
class ShrunkenEffects:
    """Effects of J groups on m columns (intercept, slopes); all arrays are (J, m).

    Groups are in the order of their codes in the design.
    """

    group: str
    columns: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    conf_low: Floats
    conf_high: Floats


def shrunken_effects(fit: MixedFit) -> tuple[ShrunkenEffects, ...]:
    """The effects of each kind of group, deviations from the common slopes and constant."""
    covariance = _covariance(fit)
    estimate, error = random_effects(fit), np.sqrt(np.diag(covariance))
    found = []
    for group, block in fit.data.blocks():
        shape = (group.size, group.width)
        values, errors = estimate[block].reshape(shape), error[block].reshape(shape)
        found.append(_with_interval(group.name, group.columns, values, errors))
    return tuple(found)


def regional_levels(fit: MixedFit) -> ShrunkenEffects:
    """Each group of the finest kind with the coarser ones it lies in: country plus region.

    Only intercepts count, and only groupings that nest; a crossed one (time) is left out.
    """
    blocks = list(fit.data.blocks())
    finest, _ = max(blocks, key=lambda pair: pair[0].size)
    first = np.unique(finest.codes, return_index=True)[1]
    picked = np.zeros((finest.size, len(fit.point.root)))
    for group, block in blocks:
        home = group.codes[first]
        if np.array_equal(home[finest.codes], group.codes):
            picked[np.arange(finest.size), block.start + home * group.width] = 1.0
    values = picked @ random_effects(fit)
    errors = np.sqrt(np.einsum("jq,qr,jr->j", picked, _covariance(fit), picked))
    return _with_interval(finest.name, finest.columns[:1], values[:, None], errors[:, None])


def _covariance(fit: MixedFit) -> Floats:
    """Covariance (q, q) of predicted less true effects."""
    moved = []
    for j, value in enumerate(fit.point.theta):
        step = np.zeros(len(fit.point.theta))
        step[j] = STEP * max(abs(value), 0.1)
        sides = [random_effects(_at(fit, fit.point.theta + s)) for s in (step, -step)]
        moved.append((sides[0] - sides[1]) / (2 * step[j]))
    slopes = np.array(moved).T
    return prediction_covariance(fit) + slopes @ fit.theta_covariance @ slopes.T


def _at(fit: MixedFit, theta: Floats) -> MixedFit:
    return replace(fit, point=evaluate(fit.data, theta))


def _with_interval(
    group: str, columns: tuple[str, ...], values: Floats, errors: Floats
) -> ShrunkenEffects:
    reach = float(ndtri(0.975)) * errors
    return ShrunkenEffects(group, columns, values, errors, values - reach, values + reach)
