"""The wild cluster bootstrap against fwildclusterboot's published example (R), to three digits.

Its p-value of 0.001 is a bootstrap's of 9,999 draws; the p-value over all sign vectors is 0.00043.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from wildboottest.wildboottest import wildboottest

from models.inference.cluster import find_clusters
from models.inference.measure import measure
from models.study import Inference
from tests.canonical_designs import fit_design, voters
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
FWILD = Reference("in print: fwildclusterboot (R)")
BESIDE = Reference("wildboottest, run beside")


@pytest.mark.case("voters-wild-cluster-bootstrap")
def test_voters(realdata: Path) -> None:
    design = voters(realdata)
    fit = fit_design(design)
    how = Inference("wild-cluster", ("group_id1",))
    ours = measure(fit, design, how)
    FWILD.agrees("estimate", fit.beta[0], 0.0788, abs=5e-5)
    FWILD.agrees("t statistic", ours.statistic[0], 3.98313, abs=5e-6)
    # what is in print comes from 9,999 draws; with as few, ours varies as it does (see below)
    as_many = measure(fit, design, replace(how, draws=9999))
    FWILD.agrees("p-value", as_many.p_value[0], 0.001, abs=5e-4)
    FWILD.agrees(
        "ends of the interval", (ours.conf_low[0], ours.conf_high[0]), (0.039, 0.119), abs=1e-3
    )
    assert ours.n_clusters == {"group_id1": 40}
    assert "99,999 balanced draws of Rademacher weights" in ours.convention


def test_voters_p_value_is_that_of_independent_draws(realdata: Path) -> None:
    """Of a million draws, beside wildboottest's, and beside four million independent ones.

    The latter were multiplied out and counted once: 1,729 reached the sample's |t|.
    """
    design = voters(realdata)
    fit = fit_design(design)
    how = Inference("wild-cluster", ("group_id1",))
    p = [measure(fit, design, replace(how, seed=seed)).p_value[0] for seed in range(10)]
    assert sum(p) / 10 == pytest.approx(0.000432, abs=4 * (0.000432 / 1e6) ** 0.5)
    dummies = [pd.get_dummies(effect, drop_first=True, dtype=float) for effect in design.effects]
    X = sm.add_constant(np.column_stack([design.X, *dummies]))
    names = [f"x{j}" for j in range(X.shape[1])]
    groups = pd.Series(find_clusters(design, "group_id1").codes)
    model = sm.OLS(design.y, pd.DataFrame(X, columns=names))
    theirs = wildboottest(model, B=99_999, cluster=groups, param="x1", seed=1, show=False)
    t = measure(fit, design, how).statistic[0]
    BESIDE.agrees("t statistic", t, theirs["statistic"].iloc[0], rel=1e-6)
    simulated = 4 * (0.00044 / 99_999) ** 0.5
    BESIDE.agrees("p-value", sum(p) / 10, theirs["p-value"].iloc[0], abs=simulated)


def test_voters_intervals_of_other_seeds_stay_near(realdata: Path) -> None:
    design = voters(realdata)
    fit = fit_design(design)
    how = Inference("wild-cluster", ("group_id1",), draws=9999, seed=1)
    first = measure(fit, design, how)
    again = measure(fit, design, how)
    other = measure(fit, design, replace(how, seed=2))
    assert first.conf_low.tolist() == again.conf_low.tolist()
    assert other.conf_low[0] != first.conf_low[0]
    assert other.conf_low[0] == pytest.approx(first.conf_low[0], abs=2e-3)
