"""The Nickell bias: the project's own table, a simulation, and when it is said at all."""

from __future__ import annotations

import numpy as np
import pytest

from models.design import Design, Floats
from models.nickell import implied_root, lagged_outcome, nickell_bias, nickell_bound

# Ground rules of the project, item 8: simulated with 240 units, two decimals
TABLE = {
    10: {0.5: -0.16, 0.7: -0.20, 0.9: -0.24},
    15: {0.5: -0.11, 0.7: -0.13, 0.9: -0.16},
    20: {0.5: -0.08, 0.7: -0.09, 0.9: -0.12},
}
CELLS = [(rho, periods, bias) for periods, row in TABLE.items() for rho, bias in row.items()]


@pytest.mark.parametrize(("rho", "periods", "bias"), CELLS)
def test_table_of_the_ground_rules(rho: float, periods: int, bias: float) -> None:
    assert nickell_bias(rho, periods) == pytest.approx(bias, abs=0.0051)


def autoregression(rho: float, units: int, periods: int, seed: int) -> Floats:
    """(units, periods + 1) from the stationary distribution, with unit effects."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(size=units)
    y = np.empty((units, periods + 1))
    y[:, 0] = effect / (1 - rho) + rng.normal(size=units) / np.sqrt(1 - rho**2)
    for t in range(1, periods + 1):
        y[:, t] = rho * y[:, t - 1] + effect + rng.normal(size=units)
    return y


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_closed_form_is_what_a_simulation_gives(rho: float) -> None:
    """200,000 units, so that the sampling error of the within estimate is below 0.002."""
    y = autoregression(rho, 200_000, 10, seed=3)
    now, before = (part - part.mean(axis=1, keepdims=True) for part in (y[:, 1:], y[:, :-1]))
    estimate = (now * before).sum() / (before**2).sum()
    assert estimate - rho == pytest.approx(nickell_bias(rho, 10), abs=0.003)


def test_two_periods_have_the_textbook_bias() -> None:
    """Nickell's special case: with two periods the bias is -(1 + rho) / 2."""
    assert nickell_bias(0.4, 2) == pytest.approx(-0.7, rel=1e-12)


def test_implied_root_undoes_the_bias() -> None:
    for rho in (-0.5, 0.0, 0.7, 0.95):
        assert implied_root(rho + nickell_bias(rho, 12), 12) == pytest.approx(rho, abs=1e-9)
    assert implied_root(0.99, 12) is None


def dynamic_design(own_lag: bool) -> Design:
    y = autoregression(0.6, 50, 10, seed=5)
    unit, period = np.divmod(np.arange(500), 10)
    lagged = y[:, :-1].ravel() + (0.0 if own_lag else 1e-3 * np.arange(500))
    return Design(
        y=y[:, 1:].ravel(),
        X=np.column_stack([np.ones(500), lagged]),
        terms=("one", "before"),
        n_treatments=1,
        weights=None,
        unit=unit,
        time=period,
        units=np.arange(50).astype(object),
        times=np.arange(2000, 2010),
        parent=None,
        effects=(unit,),
        effect_names=("unit",),
    )


def test_bound_is_given_for_a_lagged_outcome_only() -> None:
    assert lagged_outcome(dynamic_design(own_lag=True)) == 1
    assert nickell_bound(dynamic_design(own_lag=False), np.array([0.0, 0.5])) is None
    bound = nickell_bound(dynamic_design(own_lag=True), np.array([0.0, 0.4]))
    assert bound is not None
    rho = implied_root(0.4, 10)
    assert rho is not None
    assert bound.statistic == pytest.approx(0.4 - rho, abs=1e-9)
    assert "before" in bound.note
