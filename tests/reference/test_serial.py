"""Serial correlation of panel errors against R's plm 2.6-2, beyond Wooldridge's tests.

plm's Breusch-Godfrey and Durbin-Watson tests stack the transformed panel and lag across units; ours
never do, and have Wooldridge's test in their place. They are recomputed here from our transformed
fits, stacked as plm stacks them. Closed forms: 1e-10 relative.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.calendar_grid import calendar_grid
from models.dependence.serial import durbin_watson
from models.design import Floats
from models.estimators.linear import fit_screened
from models.estimators.random_effects import quasi_demeaned, variance_components
from models.least_squares import LinearFit
from tests.canonical_designs import fit_design, us_states
from tests.reference_record import Reference

pytestmark = [pytest.mark.realdata, pytest.mark.case("A.us.serial")]
PLM = Reference("R 4.2.2: plm 2.6-2")
RECOMPUTED = replace(PLM, recomputed=True)


def breusch_godfrey(fit: LinearFit, order: int) -> tuple[float, float]:
    """LM and F forms for residuals stacked by unit and time, values before the first being zero."""
    e = fit.residuals
    lagged = np.column_stack([np.concatenate([np.zeros(k), e[:-k]]) for k in range(1, order + 1)])
    X = np.column_stack([fit.X, lagged])
    fitted = X @ np.linalg.lstsq(X, e, rcond=None)[0]
    explained, total = float(fitted @ fitted), float(e @ e)
    f = explained / order / ((total - explained) / (len(e) - X.shape[1]))
    return len(e) * explained / total, f


def transformed(realdata: Path, name: str) -> LinearFit:
    effects = {"within": ("fips",), "two-way": ("fips", "year")}.get(name, ())
    design = us_states(realdata, effects)
    if name == "random":
        without = us_states(realdata, ("fips",))
        theta = variance_components(without, without.unit).theta
        return fit_screened(quasi_demeaned(without, without.unit, theta))[0]
    return fit_design(design)


@pytest.mark.parametrize(
    ("name", "order", "theirs"),
    [
        ("within", 1, 149.787077937202),
        ("within", 2, 150.249968867302),
        ("within", 19, 179.961564083671),
        ("two-way", 1, 57.2188053076998),
        ("pooled", 1, 663.426134459796),
        ("random", 1, 182.626342033493),
    ],
)
def test_breusch_godfrey_as_stacked(realdata: Path, name: str, order: int, theirs: float) -> None:
    fit = transformed(realdata, name)
    RECOMPUTED.agrees(f"Breusch-Godfrey {order}", breusch_godfrey(fit, order)[0], theirs, rel=1e-10)
    if (name, order) == ("within", 1):
        RECOMPUTED.agrees("F form", breusch_godfrey(fit, 1)[1], 176.260333843213, rel=1e-10)
        assert fit.n_obs - len(fit.terms) - 1 == 964


def test_durbin_watson(realdata: Path) -> None:
    """plm's `pdwtest` counts the steps from one state's end to the next one's beginning too."""
    design = us_states(realdata, ("fips",))
    residuals: Floats = calendar_grid(design).spread(fit_design(design).residuals)
    within, lbi = durbin_watson(residuals)
    PLM.agrees("Bhargava and others, d", within.statistic, 1.08568468455014, rel=1e-10)
    PLM.agrees("Baltagi and Wu, LBI", lbi.statistic, 1.22306234158938, rel=1e-10)
    across = np.square(residuals[1:, 0] - residuals[:-1, -1]).sum() / np.square(residuals).sum()
    stacked = within.statistic + across
    RECOMPUTED.agrees("Durbin-Watson, stacked", stacked, 1.2125518091384, rel=1e-10)
