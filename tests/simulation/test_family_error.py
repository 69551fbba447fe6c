"""Do adjusted p-values keep the error of a whole family, and the unadjusted ones lose it?

Eight outcomes, correlated within units, regressed on one treatment in 30 clusters; all eight nulls
true, or four of them. Romano-Wolf is judged by the chance of any false rejection,
Benjamini-Hochberg by the mean share of false ones among the rejected.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtr

from models.design import Design, Floats
from models.inference.multiple import benjamini_hochberg, romano_wolf
from models.inference.wild import wild_statistics
from models.least_squares import fit_least_squares
from models.study import Inference
from tests.simulation_record import record

pytestmark = pytest.mark.slow
DRAWS, OUTCOMES, UNITS, PERIODS = 1000, 8, 30, 6
HOW = Inference("wild-cluster", ("unit",), draws=199)
FACTOR = np.sqrt(UNITS / (UNITS - 1) * (UNITS * PERIODS - 1) / (UNITS * PERIODS - 2 - UNITS + 1))


def family(rng: np.random.Generator, moved: int) -> tuple[Floats, Floats]:
    """|t| of each outcome (m,) and of its resamples (B, m); the first `moved` have an effect."""
    unit, time = np.divmod(np.arange(UNITS * PERIODS), PERIODS)
    own, wide = rng.normal(size=(2, UNITS * PERIODS))
    x = rng.normal(size=UNITS)[unit] * (time > 2) + own
    shared = rng.normal(size=UNITS)[unit] * (time - 2.5) + wide
    observed, drawn = [], []
    for outcome in range(OUTCOMES):
        noise = rng.normal(size=UNITS)[unit] * (time > 2) + rng.normal(size=len(unit))
        y = (0.7 if outcome < moved else 0.0) * x + 0.5 * shared + noise
        design = Design(
            y=y, X=x[:, None], terms=("x",), n_treatments=1, weights=None, unit=unit, time=time,
            units=np.arange(UNITS).astype(object), times=np.arange(PERIODS), parent=None,
            effects=(unit,), effect_names=("unit",),
        )  # fmt: skip
        fit = fit_least_squares(y, design.X, ("x",), None, (unit,))
        statistic, resampled = wild_statistics(fit, design, HOW)
        observed.append(statistic[0])
        drawn.append(resampled[:, 0])
    return np.array(observed), np.column_stack(drawn)


def write(name: str, words: str, rate: float) -> float:
    row = {"method": name, "family": words, "draws": DRAWS, "error": round(rate, 4)}
    record("families", name.replace(" ", "-"), [row])
    return rate


def test_romano_wolf_keeps_the_chance_of_any_false_rejection() -> None:
    rng = np.random.default_rng(20260701)
    kept, lost = [], []
    for _ in range(DRAWS):
        observed, drawn = family(rng, 0)
        kept.append(romano_wolf(observed, drawn).min() < 0.05)
        lost.append((1.0 + (drawn >= observed).sum(axis=0)).min() / (1.0 + len(drawn)) < 0.05)
    words = "8 outcomes, no effect on any: the share of families with a rejection"
    assert 0.03 <= write("Romano-Wolf", words, float(np.mean(kept))) <= 0.07
    assert write("unadjusted wild bootstrap", words, float(np.mean(lost))) > 0.15


def test_benjamini_hochberg_keeps_the_share_of_false_discoveries() -> None:
    rng = np.random.default_rng(20260702)
    shares = []
    for _ in range(DRAWS):
        observed, _ = family(rng, OUTCOMES // 2)
        p_values = 2.0 * stdtr(UNITS - 1.0, -observed / FACTOR)
        rejected = benjamini_hochberg(p_values) < 0.05
        false = rejected[OUTCOMES // 2 :].sum()
        shares.append(false / max(rejected.sum(), 1))
    words = "8 outcomes, an effect on 4: the mean share of false ones among the rejected"
    assert 0.01 <= write("Benjamini-Hochberg", words, float(np.mean(shares))) <= 0.05
