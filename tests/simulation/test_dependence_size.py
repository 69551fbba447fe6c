"""Do the specification tests keep their level, and see what they are for?

Independent errors of unequal variance on 40 units and 20 periods, unless a test says otherwise. The
table also shows why the plain CD test is refused on residuals net of time effects.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from models.dependence.cross_section import pairs_of, pesaran_cd, weighted_cd
from models.dependence.independent_unit_roots import (
    dickey_fuller,
    im_pesaran_shin,
    levin_lin_chu,
    maddala_wu,
)
from models.dependence.serial import wooldridge_difference, wooldridge_within
from models.dependence.unit_roots import Case, cips
from models.design import Floats
from tests.simulation_record import record

pytestmark = pytest.mark.slow
DRAWS, UNITS, PERIODS = 2000, 40, 20
Rng = np.random.Generator
LEVEL = (0.035, 0.065)


def unequal(rng: Rng, periods: int = PERIODS, units: int = UNITS) -> Floats:
    """Independent errors whose deviation differs by unit."""
    return rng.uniform(0.5, 1.5, (units, 1)) * rng.normal(size=(units, periods))


def within(e: Floats) -> Floats:
    return e - e.mean(axis=1, keepdims=True)


def two_way(e: Floats) -> Floats:
    return within(e) - within(e).mean(axis=0)


def factor(rng: Rng, size: float) -> Floats:
    """A common shock that units answer differently."""
    loadings = rng.normal(size=(UNITS, 1)) * size
    return loadings * rng.normal(size=PERIODS)


def rejected(name: str, draw: Callable[[Rng], float]) -> float:
    rng = np.random.default_rng(20260303)
    rate = float(np.mean([draw(rng) < 0.05 for _ in range(DRAWS)]))
    record("dependence", name.replace(" ", "-"), [{"test": name, "rejected": f"{rate:.3f}"}])
    return rate


def weighted(e: Floats) -> float:
    return weighted_cd(e, pairs_of(e)).p_value or 0.0


def plain(e: Floats) -> float:
    return pesaran_cd(pairs_of(e)).p_value or 0.0


def test_cross_section_dependence() -> None:
    assert LEVEL[0] < rejected("cd, within", lambda rng: plain(within(unequal(rng)))) < LEVEL[1]
    size = rejected("weighted cd, two-way", lambda rng: weighted(two_way(unequal(rng))))
    assert LEVEL[0] < size < LEVEL[1]


def test_plain_cd_fails_net_of_time_effects() -> None:
    assert rejected("cd, two-way", lambda rng: plain(two_way(unequal(rng)))) > 0.5


def test_weighted_cd_sees_a_factor_that_time_effects_leave() -> None:
    draw = rejected(
        "weighted cd, two-way, factor left",
        lambda rng: weighted(two_way(unequal(rng) + factor(rng, 3.0))),
    )
    assert draw > 0.8


@pytest.mark.parametrize(("units", "low", "high"), [(300, *LEVEL), (UNITS, 0.05, 0.10)])
def test_serial_correlation(units: int, low: float, high: float) -> None:
    """Clustered as plm does, without a small-sample factor: right with many units, not with 40."""

    def net_of_units(rng: Rng) -> float:
        return wooldridge_within(within(unequal(rng, units=units))).p_value or 0.0

    assert low < rejected(f"wooldridge, within, {units} units", net_of_units) < high
    for index, kind in enumerate(("random walk", "independent")):

        def draw(rng: Rng, index: int = index) -> float:
            e = unequal(rng, units=units)
            change = e if index == 0 else np.diff(e, axis=1)
            return wooldridge_difference(change)[index].p_value or 0.0

        assert low < rejected(f"wooldridge differences, {kind}, {units} units", draw) < high


@pytest.mark.parametrize("case", ["drift", "trend"])
def test_cips(case: str) -> None:
    """Random walks that share a factor; outside the table the p-value is a bound in the note."""

    def draw(rng: Rng) -> float:
        walks = np.cumsum(unequal(rng, 31) + rng.normal(size=31), axis=1)
        found = cips(walks, "drift" if case == "drift" else "trend")
        return found.p_value if found.p_value is not None else float("> 0.10" in found.note)

    assert 0.03 < rejected(f"cips, {case}", draw) < 0.08


def walk(rng: Rng, periods: int) -> Floats:
    """Random walks, independent between units."""
    return unequal(rng, periods).cumsum(axis=1)


@pytest.mark.parametrize("case", ["drift", "trend"])
def test_independent_unit_roots(case: Case) -> None:
    """Im, Pesaran and Shin's moments are of few periods; the others take many."""

    def averaged(rng: Rng) -> float:
        return im_pesaran_shin(dickey_fuller(walk(rng, 20), case, 1)).p_value or 0.0

    def combined(rng: Rng) -> float:
        return maddala_wu(dickey_fuller(walk(rng, 100), case, 1)).p_value or 0.0

    def pooled(rng: Rng) -> float:
        return levin_lin_chu(walk(rng, 100), case, 1).p_value or 0.0

    size = rejected(f"im, pesaran and shin, {case}", averaged)
    assert LEVEL[0] < size < LEVEL[1]
    assert rejected(f"maddala and wu, {case}, 100 periods", combined) < 0.08
    assert rejected(f"levin, lin and chu, {case}, 100 periods", pooled) < 0.08


def test_independent_unit_roots_fail_with_a_common_walk() -> None:
    """A walk that all units share makes each of them look like more evidence than it is."""
    draw = rejected(
        "im, pesaran and shin, common walk",
        lambda rng: (
            im_pesaran_shin(
                dickey_fuller(rng.normal(size=20).cumsum() + 0.5 * walk(rng, 20), "drift", 1)
            ).p_value
            or 0.0
        ),
    )
    assert draw > 0.08
