"""Placebos are drawn by the study's seed after common movement is taken out, and counted at 5 %."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from models.design import Design, Floats
from models.engine.audit import BLOCK, AuditSample, Judge, PlaceboFits, counted
from models.engine.placebo import describe
from models.engine.placebo_audit import Audited, Trial, placebo_audit, prepared
from models.engine.projection import project
from models.inference.draws import LEVEL, Resamples
from models.study import Inference, ModelSpec

PARENTS, PERIODS = 6, 10


def panel(seed: int = 5) -> Design:
    """Six parents of four units over ten periods, a tenth of the rows missing; no controls."""
    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(PARENTS * 4 * PERIODS), PERIODS)
    kept = rng.random(len(unit)) > 0.1
    unit, time = unit[kept], time[kept]
    parent = unit // 4
    x = rng.normal(size=(PARENTS, PERIODS))[parent, time] + rng.normal(size=len(unit))
    return Design(
        y=rng.normal(size=len(unit)), X=x[:, None], terms=("x",), n_treatments=1, weights=None,
        unit=unit, time=time, units=np.arange(PARENTS * 4).astype(object),
        times=np.arange(PERIODS), parent=parent, effects=(unit, time),
        effect_names=("unit", "time"), columns={"parent": parent, "unit": unit, "time": time},
    )  # fmt: skip


def audit_of(data: Design, seed: int) -> Trial:
    assert data.parent is not None
    clusters = {"parent": data.parent, "unit": data.unit}
    projected = project(data.y[:, None], None, data.effects)
    sample = AuditSample(projected, clusters, data.unit, data.time)
    how = Inference("cluster", ("parent",), "CR1")
    spec = ModelSpec("m", "within", "y", ("x",), (), ("unit", "time"), None, how)
    x = data.X[:, 0]
    return prepared(Audited(sample, x, data.parent, False, spec, lambda: data, PARENTS), seed)


@pytest.mark.parametrize("form", ["national", "regional", "units alone"])
@pytest.mark.parametrize("unit_effects", [True, False])
def test_what_moves_all_units_alike_is_no_part_of_the_process(
    form: str, unit_effects: bool
) -> None:
    """Years absorb it in the model: a trend and shocks common to all change nothing."""
    data, rng = panel(), np.random.default_rng(9)
    x, parent = data.X[:, 0], data.parent if form != "units alone" else None
    if form == "national":
        x = rng.normal(size=(PARENTS, PERIODS))[data.unit // 4, data.time]
    common = 3.0 * np.arange(PERIODS) + 5.0 * rng.normal(size=PERIODS)
    plain, moved = (
        describe(one, data.unit, data.time, parent, form == "national", unit_effects)
        for one in (x, x + common[data.time])
    )
    assert len(plain.components) == len(moved.components) == 1 + (form == "regional")
    for one, other in zip(plain.components, moved.components, strict=True):
        assert other.persistence == pytest.approx(one.persistence, abs=1e-9)
        assert other.spread == pytest.approx(one.spread, rel=1e-9)


def test_without_unit_effects_a_unit_s_spread_is_about_the_means_of_its_periods() -> None:
    data = panel()
    x = data.X[:, 0] + 3.0 * data.time
    (part,) = describe(x, data.unit, data.time, None, False, unit_effects=False).components
    frame = pd.DataFrame({"unit": data.unit, "time": data.time, "x": x})
    left = frame["x"] - frame.groupby("time")["x"].transform("mean")
    wanted = (left**2).groupby(frame["unit"]).mean() ** 0.5
    assert part.spread == pytest.approx(wanted.to_numpy(), rel=1e-10)


def test_the_study_s_seed_decides_the_placebos() -> None:
    judged: list[Floats] = []

    def seen(fits: PlaceboFits) -> Floats:
        judged.append(fits.x.copy())
        return np.ones(len(fits.beta))

    data = panel()
    for seed in (3, 4, 3):
        trial = replace(audit_of(data, seed), judges=(Judge("seen", (), None, None, seen),))
        assert list(trial.rejections(0)[:, 0]) == [0, BLOCK]
    first, other, again = judged
    assert np.array_equal(first, again)
    assert np.abs(np.corrcoef(first[:, 0], other[:, 0])[0, 1]) < 0.5


def test_a_rate_s_simulation_error_is_that_of_a_binomial_share() -> None:
    trial = audit_of(panel(), 1)
    counts = [np.array([[13, 4, 0], [100, 90, 100]]), np.array([[7, 5, 0], [100, 90, 100]])]
    rates = placebo_audit(replace(trial, judges=trial.judges[:3]), counts).rates
    assert [rate.placebos for rate in rates] == [200, 180, 200]
    for rate, share in zip(rates, (20 / 200, 9 / 180, 0.0), strict=True):
        assert rate.rejection_rate == share
        wanted = binom(rate.placebos, share).std() / rate.placebos
        assert rate.simulation_error == pytest.approx(wanted, rel=1e-12)


def test_a_p_value_of_exactly_5_percent_is_a_rejection_as_it_is_for_an_interval() -> None:
    """Four of 99 draws and the sample: the interval ends where that many begin to reach."""
    draws = Resamples(99, 1)
    drawn = np.arange(1.0, 100.0)
    _, end = draws.interval(lambda _null: drawn, 0.0, 1.0)
    p_values = np.array([draws.p_value(end + apart, drawn) for apart in (-1e-3, 1e-3)])
    assert list(p_values) == [0.06, LEVEL]
    assert list(counted(p_values)) == [1, 2]
    assert list(counted(np.array([np.nextafter(LEVEL, 1.0), np.nan, LEVEL, 0.0]))) == [2, 3]
