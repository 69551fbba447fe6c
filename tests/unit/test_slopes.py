"""What is read from units' own slopes: their signs, tests of the treatment's alone, and whether
they predict years held out; each against a computation of another kind.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.multitest import multipletests

from data.errors import BadInput
from models.design import Floats
from models.heterogeneity import sign_shares, treatment_homogeneity
from models.prediction import PredictionGain, prediction_gain, shrunken_slopes
from models.unit_regressions import regress_units
from tests.unit.test_mean_group import run, simulated


def spread_over(units: int, periods: int, spread: float, seed: int) -> tuple[Floats, Floats]:
    """y (N, S) and X (N, S, 1) with slopes of mean 1 and this standard deviation."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(units, periods, 1))
    slopes = 1 + spread * rng.normal(size=units)
    noise = rng.normal(size=(units, periods)) + rng.normal(size=(units, 1))
    return X[:, :, 0] * slopes[:, None] + noise, X


def gain_of(y: Floats, X: Floats, folds: int = 4) -> PredictionGain:
    return prediction_gain(y, X, np.ones((*y.shape, 1)), np.arange(len(y)), folds)


def test_signs_are_those_that_survive_looking_at_every_unit() -> None:
    y, X = spread_over(60, 15, 1.0, 7)
    both = np.concatenate([X, np.ones((*y.shape, 1))], axis=2)
    fits = [sm.OLS(y[i], both[i]).fit() for i in range(60)]
    slopes = np.array([fit.params[0] for fit in fits])
    clear = multipletests([fit.pvalues[0] for fit in fits], 0.05, "fdr_bh")[0]
    found = sign_shares(regress_units(y, both), 0)
    assert found["share_positive"] == pytest.approx((slopes > 0).mean())
    assert found["share_positive_bh"] == pytest.approx((clear & (slopes > 0)).mean())
    assert found["share_negative_bh"] == pytest.approx((clear & (slopes < 0)).mean())
    assert 0 < found["share_negative_bh"] < found["share_positive_bh"] < 1


def test_unequal_slopes_of_a_control_are_not_the_treatments() -> None:
    rng = np.random.default_rng(33)
    y, X = spread_over(80, 25, 0.0, 3)
    control = rng.normal(size=X.shape)
    y = y + control[:, :, 0] * rng.normal(size=(80, 1))
    own, both = np.ones((*y.shape, 1)), np.concatenate([X, control], axis=2)
    (alone,) = treatment_homogeneity(y, both, own, 1)
    (of_control,) = treatment_homogeneity(y, both[:, :, ::-1], own, 1)
    assert alone.p_value is not None
    assert alone.p_value > 0.05
    assert of_control.p_value == pytest.approx(0, abs=1e-10)
    assert treatment_homogeneity(y, both, own, 2) == ()


def test_own_slopes_predict_better_only_where_slopes_differ() -> None:
    alike, apart = gain_of(*spread_over(80, 20, 0.0, 1)), gain_of(*spread_over(80, 20, 1.0, 1))
    assert abs(alike.share) < 0.01  # drawn to the mean, own slopes lose next to nothing
    assert alike.share - alike.reach < 0 < alike.share + alike.reach
    assert apart.share - apart.reach > 0.2


def test_the_national_error_is_that_of_a_within_fit_on_the_other_years() -> None:
    y, X = spread_over(12, 9, 0.5, 5)
    total = 0.0
    for held in np.array_split(np.arange(9), 3):
        seen = np.setdiff1d(np.arange(9), held)
        unit = np.repeat(np.arange(12), len(seen))
        dummies = (unit[:, None] == np.arange(12)).astype(float)
        fit = sm.OLS(y[:, seen].ravel(), np.column_stack([X[:, seen, 0].ravel(), dummies])).fit()
        total += ((y[:, held] - X[:, held, 0] * fit.params[0] - fit.params[1:, None]) ** 2).sum()
    own = gain_of(y, X, 3)
    raw = PredictionGain(own.share, own.std_error, own.df, own.folds)
    regional = 0.0
    for held in np.array_split(np.arange(9), 3):
        seen = np.setdiff1d(np.arange(9), held)
        centred = X[:, seen] - X[:, seen].mean(axis=1, keepdims=True)
        y_ = y[:, seen] - y[:, seen].mean(axis=1, keepdims=True)
        fits = regress_units(y_, centred)
        scale = (len(seen) - 1) / (len(seen) - 2)
        fits = type(fits)(fits.units, fits.beta, fits.rss * scale, fits.n_rows, fits.inverse)
        slopes = shrunken_slopes(fits)[:, 0]
        level = y[:, seen].mean(axis=1) - X[:, seen, 0].mean(axis=1) * slopes
        regional += ((y[:, held] - X[:, held, 0] * slopes[:, None] - level[:, None]) ** 2).sum()
    assert raw.share == pytest.approx(1 - regional / total, rel=1e-10)


def test_slopes_that_do_not_differ_are_drawn_to_one() -> None:
    y, X = spread_over(200, 8, 0.0, 11)
    centred = X - X.mean(axis=1, keepdims=True)
    fits = regress_units(y - y.mean(axis=1, keepdims=True), centred)
    assert shrunken_slopes(fits).std() < 0.3 * fits.beta.std()


def test_a_mean_group_reports_what_own_slopes_predict() -> None:
    result = run(simulated(40, 20), options={"predict": 4})
    gain, low = result.fit["prediction_gain"], result.fit["prediction_gain low"]
    assert gain is not None
    assert low is not None
    assert 0 < low < gain < 1
    assert {"prediction_gain", "pesaran_yamagata_treatment"} <= {t.test for t in result.tests}


@pytest.mark.parametrize("folds", [1, True, 2.5, "all"])
def test_blocks_that_cannot_be_held_out_are_refused(folds: object) -> None:
    with pytest.raises(BadInput, match="predict"):
        run(simulated(20, 12), options={"predict": folds})


def test_averages_over_units_are_not_held_out() -> None:
    with pytest.raises(BadInput, match="held out"):
        run(simulated(20, 20), "cce-mean-group", options={"predict": 3})


def test_blocks_that_leave_too_few_years_are_refused() -> None:
    y, X = spread_over(10, 4, 0.5, 2)
    with pytest.raises(BadInput, match="too few years"):
        gain_of(y, X, 2)
