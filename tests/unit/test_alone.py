"""Treatments of one period, cluster or unit: sums over such groups do not measure their errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.errors import BadInput
from models.design import Design, Floats
from models.inference import Uncertainty
from models.inference.measure import measure
from models.least_squares import fit_least_squares
from models.study import Inference

N_UNITS, N_PERIODS = 48, 16
BOTH_WAYS = Inference("cluster", ("parent", "time"))
KINDS = [
    (Inference("driscoll-kraay", lags=1), "2009 alone among periods"),
    (Inference("driscoll-kraay", lags=0), "2009 alone among periods"),
    (BOTH_WAYS, "2009 alone among clusters of time"),
    (Inference("cluster", ("unit", "time"), "CR0"), "2009 alone among clusters of time"),
]


def panel(treated: Floats, seed: int = 0, weighted: bool = False) -> Design:
    """48 units of 16 periods, four to a parent; a treatment `treated` (n,) and a control."""
    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(N_UNITS * N_PERIODS), N_PERIODS)
    shocks = rng.normal(size=(N_UNITS // 4, N_PERIODS))
    places = rng.uniform(40, 60, size=(N_UNITS, 2))[unit]
    return Design(
        y=shocks[unit // 4, time] + rng.normal(size=len(unit)),
        X=np.column_stack([treated, rng.normal(size=len(unit))]), terms=("d", "c"),
        n_treatments=1, weights=rng.uniform(0.5, 2.0, len(unit)) if weighted else None,
        unit=unit, time=time, units=np.arange(N_UNITS).astype(object),
        times=np.arange(2001, 2001 + N_PERIODS), parent=unit // 4, effects=(unit, time),
        effect_names=("unit", "time"), columns={"lat": places[:, 0], "lon": places[:, 1]},
    )  # fmt: skip


def measured(design: Design, how: Inference) -> Uncertainty:
    fit = fit_least_squares(design.y, design.X, design.terms, design.weights, design.effects)
    return measure(fit, design, how)


def switched_on(periods: int) -> Floats:
    """Half of the parents treated, for some periods from the ninth on."""
    unit, time = np.divmod(np.arange(N_UNITS * N_PERIODS), N_PERIODS)
    return ((unit < N_UNITS // 2) & (time >= 8) & (time < 8 + periods)).astype(float)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("how", "message"), KINDS)
def test_a_treatment_of_one_period_has_no_errors_from_sums_over_periods(
    how: Inference, message: str, weighted: bool
) -> None:
    design = panel(switched_on(1), weighted=weighted)
    with pytest.raises(BadInput, match=message):
        measured(design, how)
    assert measured(design, Inference("cluster", ("parent",), "CR1")).std_error[0] > 0


def test_rows_that_are_not_there_change_nothing() -> None:
    design = panel(switched_on(1))
    kept = np.random.default_rng(1).random(design.n_obs) > 0.2
    gappy = replace(
        design, y=design.y[kept], X=design.X[kept], unit=design.unit[kept],
        time=design.time[kept], parent=None, effects=tuple(e[kept] for e in design.effects),
        columns={},
    )  # fmt: skip
    with pytest.raises(BadInput, match="2009 alone among periods"):
        measured(gappy, Inference("driscoll-kraay"))


def test_few_periods_are_warned_of_and_many_are_not() -> None:
    for how in (Inference("driscoll-kraay", lags=1), BOTH_WAYS):
        few = measured(panel(switched_on(2)), how).warnings
        assert any("d rests on only 2." in text for text in few)
        many = measured(panel(switched_on(8)), how).warnings
        assert not any("rests on only" in text for text in many)


def test_one_treated_unit_or_parent_has_no_errors_from_sums_over_them() -> None:
    unit, time = np.divmod(np.arange(N_UNITS * N_PERIODS), N_PERIODS)
    one_unit = panel(((unit == 5) & (time > 7)).astype(float))
    with pytest.raises(BadInput, match="5 alone among units"):
        measured(one_unit, Inference("conley", km=100.0))
    one_parent = panel(((unit // 4 == 2) & (time > 7)).astype(float))
    with pytest.raises(BadInput, match="2 alone among clusters of parent"):
        measured(one_parent, BOTH_WAYS)


def test_controls_may_rest_on_one_period() -> None:
    design = panel(np.random.default_rng(2).normal(size=N_UNITS * N_PERIODS))
    design = replace(design, X=np.column_stack([design.X[:, 0], switched_on(1)]))
    assert np.isfinite(measured(design, BOTH_WAYS).std_error[0])


def test_what_is_refused_would_reject_a_true_null_often() -> None:
    """By the formula, 200 draws: the refusal is not for nothing."""
    rejected = 0
    for seed in range(200):
        design = panel(switched_on(1), seed)
        fit = fit_least_squares(design.y, design.X, design.terms, None, design.effects)
        sums = np.zeros((N_PERIODS, 2))
        np.add.at(sums, design.time, fit.scores)
        variance = (fit.bread @ sums.T @ sums @ fit.bread)[0, 0]
        rejected += abs(fit.beta[0]) > 2.131 * np.sqrt(variance)  # t with 15 df
    assert rejected > 80
