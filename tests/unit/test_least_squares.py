"""Least squares after absorption against statsmodels and linearmodels with explicit dummies."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from linearmodels.iv import IV2SLS

from data.errors import BadInput
from models.design import Floats
from models.least_squares import collinear_columns, fit_least_squares

RNG = np.random.default_rng(8)
N = 240
UNIT, TIME = np.divmod(np.arange(N), 8)
DUMMIES = np.hstack([np.eye(30)[UNIT], np.eye(8)[TIME][:, 1:]])
Z = RNG.normal(size=(N, 2))
SHOCK = RNG.normal(size=N)
X = np.column_stack([Z @ [0.7, 0.4] + SHOCK + RNG.normal(size=N), RNG.normal(size=N) + 100.0])
Y = X @ [1.5, -2.0] + SHOCK + UNIT + RNG.normal(size=N)
WEIGHTS = RNG.uniform(0.2, 4.0, N)
EFFECTS = (UNIT, TIME)
TERMS = ("x", "c")


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_ordinary_and_weighted(weights: Floats | None) -> None:
    ours = fit_least_squares(Y, X, TERMS, weights, EFFECTS)
    w = np.ones(N) if weights is None else weights
    theirs = sm.WLS(Y, np.hstack([X, DUMMIES]), weights=w).fit()
    assert ours.beta == pytest.approx(theirs.params[:2], rel=1e-10)
    assert ours.residuals == pytest.approx(theirs.resid, abs=1e-10)
    bread = theirs.normalized_cov_params[:2, :2] * w.mean()
    assert ours.bread == pytest.approx(bread, rel=1e-9)
    assert ours.n_absorbed == 37
    assert ours.scores.sum(axis=0) == pytest.approx([0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_two_stage(weights: Floats | None) -> None:
    ours = fit_least_squares(Y, X, TERMS, weights, EFFECTS, ("x",), Z)
    exogenous = np.hstack([X[:, 1:], DUMMIES])
    theirs = IV2SLS(Y, exogenous, X[:, :1], Z, weights=weights).fit(cov_type="unadjusted")
    params = theirs.params.to_numpy()
    assert ours.beta == pytest.approx([params[-1], params[0]], rel=1e-9)
    assert ours.residuals == pytest.approx(np.asarray(theirs.resids), abs=1e-8)


def test_collinear_columns_keeps_the_first() -> None:
    a, b = RNG.normal(size=(2, N))
    columns = np.column_stack([a, b, a - 2 * b, np.ones(N), a + 1.0, 1e-6 * RNG.normal(size=N)])
    assert collinear_columns(columns, None) == [2, 4]
    assert collinear_columns(columns, WEIGHTS) == [2, 4]


def test_a_column_that_the_effects_absorb_is_found() -> None:
    absorbed = UNIT * 3.7 + TIME + 1990.0
    with pytest.raises(BadInput, match=r"'still'.*absorbed by the effects"):
        fit_least_squares(Y, np.column_stack([X, absorbed]), (*TERMS, "still"), None, EFFECTS)


def test_perfect_collinearity_is_named() -> None:
    doubled = np.column_stack([X, 2 * X[:, 0] - X[:, 1]])
    with pytest.raises(BadInput, match="'again'"):
        fit_least_squares(Y, doubled, (*TERMS, "again"), None, EFFECTS)


def test_too_few_rows() -> None:
    with pytest.raises(BadInput, match="3 rows for 3 parameters"):
        fit_least_squares(Y[:3], X[:3], TERMS, None, (np.zeros(3, dtype=np.int64),))


def test_too_few_instruments() -> None:
    with pytest.raises(BadInput, match="0 usable for 1"):
        fit_least_squares(Y, X, TERMS, None, EFFECTS, ("x",), X[:, 1:])
    with pytest.raises(BadInput, match="1 usable for 2"):
        fit_least_squares(Y, X, TERMS, None, EFFECTS, ("x", "c"), Z[:, :1])


def test_a_redundant_instrument_changes_nothing() -> None:
    redundant = np.column_stack([Z, Z.sum(axis=1)])
    both = fit_least_squares(Y, X, TERMS, None, EFFECTS, ("x",), redundant)
    once = fit_least_squares(Y, X, TERMS, None, EFFECTS, ("x",), Z)
    assert both.beta == pytest.approx(once.beta, rel=1e-9)
