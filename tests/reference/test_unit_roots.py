"""Unit-root tests that take units as independent, and CIPS without a level, against R's plm 2.6-2.

plm's `purtest` divides the regressions' squared errors by their rows. The moments that Im, Pesaran
and Shin tabulate, and MacKinnon's p-values, belong to errors that count degrees of freedom (at 17
years the difference is between -5.2 and -2.2), so ours do. Its Levin-Lin-Chu test takes long-run
variances around what each regression takes out, and rejects a true unit root most of the time: ours
are the authors' (`tests/simulation/test_dependence_size.py`). Both are brought to plm's here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from models.calendar_grid import calendar_grid
from models.dependence import independent_unit_roots
from models.dependence.independent_unit_roots import (
    DickeyFuller,
    bartlett,
    dickey_fuller,
    im_pesaran_shin,
    levin_lin_chu,
    maddala_wu,
)
from models.dependence.unit_roots import Case, augmented_regressions, deterministic
from models.design import Floats
from models.unit_regressions import remove
from tests.canonical_designs import munnell, us_states
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
PLM = Reference("R 4.2.2: plm 2.6-2", recomputed=True)


def output(realdata: Path) -> Floats:
    design = munnell(realdata)
    return calendar_grid(design).spread(design.y)


def as_in_plm(found: DickeyFuller) -> DickeyFuller:
    """t values whose errors divide by rows, not by degrees of freedom."""
    parameters = 1 + found.lags + (1 if found.case == "drift" else 2)
    return replace(found, t=found.t * np.sqrt(found.rows / (found.rows - parameters)))


def long_run_in_plm(y: Floats, case: Case) -> Floats:
    """Around a mean, or a trend, of each unit's changes."""
    change = np.diff(y, axis=1)
    net = remove(deterministic(change, case), change[:, :, None])[:, :, 0]
    return bartlett(net, round(3.21 * y.shape[1] ** (1 / 3)))


@pytest.mark.case("C.Produc.unitroot")
@pytest.mark.parametrize(
    ("case", "ips", "fisher", "common"),
    [
        (
            "drift", (2.62932236570193, 0.995722239197377),
            (83.2595553552055, 0.819882909531646), (-4.0609924093144, 2.44322802071636e-05),
        ),
        (
            "trend", (-5.15010513742371, 1.30170239741044e-07),
            (277.463638242914, 1.57201595236869e-19), (-8.24662848854428, 8.14629700793537e-17),
        ),
    ],
)  # fmt: skip
def test_output_of_states(
    realdata: Path, case: Case, ips: tuple[float, float], fisher: tuple[float, float],
    common: tuple[float, float], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Relative 1e-9: logarithms of output have a trend, which costs three digits."""
    y = output(realdata)
    found = as_in_plm(dickey_fuller(y, case, 1))
    for name, test, theirs in (
        ("Im-Pesaran-Shin", im_pesaran_shin(found), ips),
        ("Maddala-Wu", maddala_wu(found), fisher),
    ):
        PLM.agrees(name, test.statistic, theirs[0], rel=1e-9)
        PLM.agrees(f"{name}, p", test.p_value, theirs[1], rel=1e-8)
    monkeypatch.setattr(independent_unit_roots, "long_run_variance", long_run_in_plm)
    pooled = levin_lin_chu(y, case, 1)
    PLM.agrees("Levin-Lin-Chu", pooled.statistic, common[0], rel=1e-9)
    PLM.agrees("Levin-Lin-Chu, p", ndtr(pooled.statistic), common[1], rel=1e-8)
    # plm takes its table's first row, of 25 periods, for 15: the statistic is one, a test is not
    assert pooled.p_value is None
    assert "begins at 25 periods" in pooled.note


def test_degrees_of_freedom_matter(realdata: Path) -> None:
    """What plm rejects with trends at 17 years is far less plain by errors that fit the table."""
    found = dickey_fuller(output(realdata), "trend", 1)
    assert im_pesaran_shin(as_in_plm(found)).statistic < -5.1
    assert -2.3 < im_pesaran_shin(found).statistic < -2.2


@pytest.mark.case("A.us.cips")
@pytest.mark.parametrize(("lags", "theirs"), [(1, -1.99782068999576), (2, -1.423634488899)])
def test_cips_without_a_level(realdata: Path, lags: int, theirs: float) -> None:
    """plm's type "none", which no series of ours calls for: from the regressions beneath CIPS.

    No t value comes near the bounds, so that truncation changes nothing.
    """
    design = us_states(realdata)
    y = calendar_grid(design).spread(design.y)
    fits = augmented_regressions(y, np.empty((*y.shape, 0)), lags)
    t = fits.beta[:, 0] / np.sqrt(fits.variance * fits.inverse[:, 0, 0])
    PLM.agrees("CIPS, none", t.mean(), theirs, rel=1e-10)
    assert t.min() > -6.12
    assert t.max() < 4.16
