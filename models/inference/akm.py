"""Errors for shift-share designs: what is random is the shocks (Adao, Kolesar and Morales 2019).

Units with similar shares share the same shocks, wherever they lie, so clusters of neighbours miss
how their residuals go together. The variance sums, over shocks, the residuals weighed by exposure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from models.design import Codes, Floats


@dataclass(frozen=True)
class ShiftShare:
    """A just-identified shift-share regression, effects and controls taken out of everything.

    y, x and z (n,) are what these leave of outcome, treatment and instrument; weights (n,); shares
    (n, K) as given; time (n,) codes of the periods, in each of which a shock has one value. Shocks
    of one sector may be related over time: they are summed before squaring.
    """

    y: Floats
    x: Floats
    z: Floats
    weights: Floats
    shares: Floats
    time: Codes

    @property
    def beta(self) -> float:
        """The instrumental-variable estimate."""
        return float(self.z @ (self.weights * self.y) / self.first_stage)

    @property
    def first_stage(self) -> float:
        """The weighted cross-product of instrument and treatment."""
        return float(self.z @ (self.weights * self.x))


def akm_error(model: ShiftShare) -> float:
    """The AKM standard error of `model.beta`; normal critical values go with it."""
    shocks = residual_shocks(model)
    sums = _exposed(model, model.y - model.beta * model.x, shocks)
    return float(np.sqrt(sums @ sums) / abs(model.first_stage))


def akm0_interval(model: ShiftShare) -> tuple[float, float]:
    """The 95 % set of AKM0: values not rejected with residuals under the null.

    It covers better than AKM with few or concentrated shocks. A set that is not an interval (a
    weak first stage, or very few shocks) is returned as the whole line.
    """
    critical = float(ndtri(0.975)) ** 2
    shocks = residual_shocks(model)
    of_y, of_x = _exposed(model, model.y, shocks), _exposed(model, model.x, shocks)
    reduced = float(model.z @ (model.weights * model.y))
    square = model.first_stage**2 - critical * float(of_x @ of_x)
    middle = reduced * model.first_stage - critical * float(of_y @ of_x)
    level = reduced**2 - critical * float(of_y @ of_y)
    inside = middle**2 - square * level
    if square <= 0.0 or inside < 0.0:
        return -np.inf, np.inf
    half = np.sqrt(inside)
    return float((middle - half) / square), float((middle + half) / square)


def residual_shocks(model: ShiftShare) -> Floats:
    """Shocks (T, K) net of what effects and controls explain: the instrument on the shares.

    In each period, the least-squares coefficients of the transformed instrument on all shares.
    """
    root = np.sqrt(model.weights)
    periods = np.unique(model.time)
    found = np.zeros((len(periods), model.shares.shape[1]))
    for row, period in zip(found, periods, strict=True):
        here = model.time == period
        shares = model.shares[here] * root[here, None]
        row[:] = np.linalg.lstsq(shares, model.z[here] * root[here], rcond=None)[0]
    return found


def _exposed(model: ShiftShare, residual: Floats, shocks: Floats) -> Floats:
    """For each sector (K,): its shocks times the residuals of units weighed by their exposure."""
    _, period = np.unique(model.time, return_inverse=True)
    weighed = model.shares * (model.weights * residual)[:, None]
    return np.asarray((weighed * shocks[period]).sum(axis=0))
