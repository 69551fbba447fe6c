"""Panel-corrected errors with weights: Beck and Katz's formula on root-weighted rows, in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from models.design import Codes, Design, Floats
from models.inference.measure import measure
from models.least_squares import fit_least_squares
from models.study import Inference

UNITS, PERIODS = 7, 20


def panel(weighted: bool, share: float) -> Design:
    """Seven units over twenty periods, `share` of the rows, with shocks common to a period."""
    rng = np.random.default_rng(12)
    unit, time = np.divmod(np.arange(UNITS * PERIODS), PERIODS)
    kept = rng.random(len(unit)) < share
    unit, time = unit[kept], time[kept]
    shock = rng.normal(size=PERIODS)[time]
    X = rng.normal(size=(len(unit), 2)) + shock[:, None]
    y = X @ [0.5, -1.0] + rng.normal(size=UNITS)[unit] + shock + rng.normal(size=len(unit))
    weights = rng.uniform(0.2, 3.0, len(unit)) if weighted else None
    return Design(
        y=y, X=X, terms=("x", "c"), n_treatments=1, weights=weights, unit=unit, time=time,
        units=np.arange(UNITS).astype(object), times=np.arange(PERIODS), parent=None,
        effects=(unit,), effect_names=("unit",),
    )  # fmt: skip


def beck_katz(y: Floats, R: Floats, unit: Codes, time: Codes) -> Floats:
    """Variance of the coefficients of R, one number at a time: the covariance of two units is the
    mean product of their residuals in the periods that both have.
    """
    inverse = np.linalg.inv(R.T @ R)
    e = y - R @ (inverse @ (R.T @ y))
    at = {(int(i), int(t)): float(v) for i, t, v in zip(unit, time, e, strict=True)}
    covariance = np.zeros((UNITS, UNITS))
    for i in range(UNITS):
        for j in range(UNITS):
            both = [t for t in range(PERIODS) if (i, t) in at and (j, t) in at]
            covariance[i, j] = np.mean([at[i, t] * at[j, t] for t in both])
    omega = covariance[np.ix_(unit, unit)] * (time[:, None] == time)
    return np.asarray(inverse @ R.T @ omega @ R @ inverse)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("share", [1.1, 0.8], ids=["balanced", "unbalanced"])
def test_errors_are_beck_and_katz_s_of_rows_times_the_roots_of_their_weights(
    weighted: bool, share: float
) -> None:
    design = panel(weighted, share)
    fit = fit_least_squares(design.y, design.X, design.terms, design.weights, design.effects)
    found = measure(fit, design, Inference("panel-corrected")).vcov
    assert found is not None
    root = np.ones(design.n_obs) if design.weights is None else np.sqrt(design.weights)
    dummies = (design.unit[:, None] == np.arange(UNITS)).astype(float)
    R = np.column_stack([design.X, dummies]) * root[:, None]
    wanted = beck_katz(design.y * root, R, design.unit, design.time)[:2, :2]
    assert found == pytest.approx(wanted, rel=1e-10)
