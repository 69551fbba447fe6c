"""A random intercept with AR(1) errors, as R's nlme has it: not in the product, recomputed here.

`mixed` has independent errors within its levels. What nlme's `lme` with `corAR1` gives for the US
states is reached from the restricted likelihood written out for a balanced panel, so that the
entry stands ready for a program that has such errors. Tolerances are those of an optimiser.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import toeplitz
from scipy.optimize import minimize

from models.calendar_grid import calendar_grid
from models.design import Floats
from tests.canonical_designs import us_states
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
NLME = Reference("R 4.2.2: nlme 3.1-162", recomputed=True)


def restricted(parameters: Floats, y: Floats, X: Floats) -> tuple[float, Floats, Floats]:
    """Log likelihood, coefficients (k,) and their covariance (k, k) of y (N, S) on X (N, S, k).

    parameters: atanh of the correlation, logs of the intercepts' and the errors' deviations.
    """
    rho, level, noise = np.tanh(parameters[0]), np.exp(parameters[1]), np.exp(parameters[2])
    n_units, n_periods, k = X.shape
    V = level**2 + noise**2 * toeplitz(rho ** np.arange(n_periods))
    root = np.linalg.cholesky(V)
    columns = np.concatenate([y[:, :, None], X], axis=2).transpose(1, 0, 2)
    white = np.linalg.solve(root, columns.reshape(n_periods, -1)).reshape(columns.shape)
    flat = white.reshape(-1, k + 1)
    moments = flat[:, 1:].T @ flat[:, 1:]
    beta = np.linalg.solve(moments, flat[:, 1:].T @ flat[:, 0])
    left = flat[:, 0] - flat[:, 1:] @ beta
    n = n_units * n_periods
    value = -(n - k) / 2 * np.log(2 * np.pi) - n_units * np.log(np.diag(root)).sum()
    value -= np.linalg.slogdet(moments)[1] / 2 + float(left @ left) / 2
    return float(value), np.asarray(beta), np.asarray(np.linalg.inv(moments))


@pytest.mark.case("A.us.lme_ar1")
def test_states(realdata: Path) -> None:
    design = us_states(realdata, effects=())
    grid = calendar_grid(design)
    y, X = grid.spread(design.y), grid.spread(design.X)
    start = np.array([0.5, np.log(0.07), np.log(0.03)])

    def loss(at: Floats) -> float:
        return -restricted(at, y, X)[0]

    best = minimize(loss, start, tol=1e-12)
    value, beta, vcov = restricted(best.x, y, X)
    theirs = [
        *(-0.0614084685356913, -0.0754617047142403, -0.0110103911701293, -0.176526191910225),
        1.94294818244906,
    ]
    errors = [
        *(0.0161015776146645, 0.00919584640180269, 0.000854816456584239, 0.0129716011785613),
        0.119503310582335,
    ]
    NLME.agrees("log likelihood", value, 2041.77737031229, rel=1e-10)
    NLME.agrees("estimates", beta, theirs, rel=1e-5)
    NLME.agrees("standard errors", np.sqrt(np.diag(vcov)), errors, rel=1e-5)
    NLME.agrees("correlation", np.tanh(best.x[0]), 0.535994794214912, rel=1e-5)
    deviations = [0.0718163934948597, 0.0308491763092133]
    NLME.agrees("deviations", np.exp(best.x[1:]), deviations, rel=1e-5)
