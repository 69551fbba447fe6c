"""Hausman-Taylor from a study file: roles found, instruments to spare tested, what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from linearmodels.iv import IV2SLS

from data.errors import BadInput
from models.results import ModelResult
from tests.study_case import fit_one, model_text, panel_of

UNITS, YEARS = 60, 5


def world(seed: int = 7) -> pd.DataFrame:
    """x1 and x2 vary, z1 and z2 do not; x2 and z2 go with the units' levels; gaps at will."""
    rng = np.random.default_rng(seed)
    unit, year = np.indices((UNITS, YEARS)).reshape(2, -1)
    level, kind, shared = rng.normal(size=(3, UNITS))
    x1 = shared[unit] + rng.normal(size=unit.size)
    x2 = level[unit] + rng.normal(size=unit.size)
    z2 = level + shared + 0.5 * rng.normal(size=UNITS)
    y = x1 + x2 + kind[unit] + z2[unit] + level[unit] + rng.normal(size=unit.size)
    return pd.DataFrame(
        {
            "unit": [f"u{u:02d}" for u in unit], "year": 2000 + year, "x1": x1, "x2": x2,
            "z1": kind[unit], "z2": z2[unit], "y": y,
        }
    )  # fmt: skip


def fitted(
    folder: Path,
    frame: pd.DataFrame,
    more: str = 'endogenous = ["x2", "z2"]',
    controls: tuple[str, ...] = ("x1", "x2", "z1"),
    inference: str = '{ kind = "classical" }',
    effects: tuple[str, ...] = ("unit",),
) -> ModelResult:
    text = model_text("hausman-taylor", "y", "z2", controls, effects, inference, more)
    return fit_one(folder, panel_of(frame, "unit", "year"), text)


@pytest.mark.parametrize("gaps", [False, True])
def test_against_linearmodels(tmp_path: Path, gaps: bool) -> None:
    """The quasi-demeaned equation by another program, with theta as reported."""
    frame = world().drop(index=[3, 4, 17, 101] if gaps else [])
    result = fitted(tmp_path, frame, inference='{ kind = "robust" }')
    groups = frame.groupby("unit")
    periods = groups["y"].transform("size")
    noise, group = result.fit["sigma2_idiosyncratic"], result.fit["sigma2_group"]
    assert noise is not None
    assert group is not None
    theta = 1 - np.sqrt(noise / (noise + periods * group))
    means = groups[["y", "x1", "x2", "z1", "z2"]].transform("mean")
    quasi = frame[means.columns] - means.mul(theta, axis=0)
    quasi["constant"] = 1 - theta
    instruments = pd.DataFrame(
        {"x2": frame["x2"] - means["x2"], "x1": means["x1"] * (1 - theta)}
    )
    theirs = IV2SLS(
        quasi["y"], quasi[["x1", "z1", "constant"]], quasi[["z2", "x2"]], instruments
    ).fit(cov_type="robust", debiased=True)
    for term in result.terms:
        assert term.estimate == pytest.approx(theirs.params[term.term], rel=1e-9)
        assert term.std_error == pytest.approx(theirs.std_errors[term.term], rel=1e-9)
    assert result.n_instruments == 5
    assert result.tests == ()  # as many instruments as regressors


@pytest.mark.parametrize("inference", ["classical", "robust"])
def test_instruments_to_spare(tmp_path: Path, inference: str) -> None:
    """Without z2 there is one to spare: Sargan's statistic is n R2 of residuals on instruments."""
    text = model_text(
        "hausman-taylor", "y", "x2", ["x1", "z1"], [],
        f'{{ kind = "{inference}" }}', 'endogenous = ["x2"]',
    )  # fmt: skip
    (test,) = fit_one(tmp_path, panel_of(world(), "unit", "year"), text).tests
    assert test.df == 1.0
    assert test.statistic > 0.0
    named = {"classical": "sargan", "robust": "overidentification_score"}
    assert test.test == named[inference]


def test_each_period_adds_instruments(tmp_path: Path) -> None:
    counts = {}
    for variant in ("hausman-taylor", "amemiya-macurdy", "breusch-mizon-schmidt"):
        more = f'endogenous = ["x2", "z2"]\nvariant = "{variant}"'
        result = fitted(tmp_path, world(), more)
        counts[variant] = result.n_instruments
        assert result.term("z2").estimate == pytest.approx(1.0, abs=0.6)
    assert list(counts.values()) == [5, 5 + YEARS - 1, 5 + 2 * (YEARS - 1)]


@pytest.mark.parametrize(
    ("more", "controls", "effects", "says"),
    [
        ("", ("x1", "x2"), (), "no regressor is named"),
        ('endogenous = ["w"]', ("x1",), (), "'w' is no regressor"),
        ('endogenous = ["x2"]\nvariant = "best"', ("x1", "x2"), (), "unknown 'best'"),
        ('endogenous = ["z2", "x1"]', ("x1", "z1"), (), "0 exogenous ones do"),
        ('endogenous = ["z2"]', ("x1",), ("time",), "with effects ['time']"),
    ],
)
def test_refusals(
    tmp_path: Path, more: str, controls: tuple[str, ...], effects: tuple[str, ...],
    says: str,
) -> None:  # fmt: skip
    with pytest.raises(BadInput, match=re.escape(says)):
        fitted(tmp_path, world(), more, controls, effects=effects)


def test_gaps_are_refused_where_each_period_is_used(tmp_path: Path) -> None:
    more = 'endogenous = ["z2"]\nvariant = "amemiya-macurdy"'
    with pytest.raises(BadInput, match="some units lack periods"):
        fitted(tmp_path, world().drop(index=[7]), more)


def test_one_period_and_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="one period"):
        fitted(tmp_path, world().query("year == 2000"))
    with pytest.raises(BadInput, match="takes none"):
        fitted(tmp_path, world().assign(w=2.0), 'endogenous = ["z2"]\nweights = "w"')


def test_a_spare_control_goes_with_a_warning(tmp_path: Path) -> None:
    result = fitted(
        tmp_path, world().assign(z3=lambda f: 2 * f["z1"]), controls=("x1", "x2", "z1", "z3")
    )
    assert any("control z3 dropped" in text for text in result.warnings)
