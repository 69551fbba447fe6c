"""The outcome's own past is named, with its bias, by every estimator that makes nothing of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from models.engine.multiverse import run_curve
from models.nickell import nickell_bias
from models.results import ModelResult
from tests.study_case import estimates, fit_one, model_text, panel_of, study_of

RHO, UNITS, PERIODS = 0.6, 600, 10
PAST = '[variables]\nbefore = "lag(y)"\nchange = "diff(y)"\nearlier = "lag(y, 2)"\n'


@pytest.fixture(scope="module")
def panel() -> Panel:
    """A stationary autoregression with unit levels; x is of no matter to it, v tells x."""
    random = np.random.default_rng(11)
    level = random.normal(size=UNITS)
    y = level / (1 - RHO) + random.normal(size=UNITS) / np.sqrt(1 - RHO**2)
    rows = []
    for year in range(2000, 2000 + PERIODS + 1):
        v = random.normal(size=UNITS)
        x = v + random.normal(size=UNITS)
        rows.append(pd.DataFrame({"geo": range(UNITS), "year": year, "y": y, "x": x, "v": v}))
        y = RHO * y + level + random.normal(size=UNITS)
    return panel_of(pd.concat(rows), "geo", "year")


def fitted(folder: Path, panel: Panel, estimator: str, **more: str) -> ModelResult:
    effects = ("unit", "time") if estimator in ("within", "iv-within") else ()
    given = {"outcome": "y", "control": "before", "own": "", **more}
    inference = '{ kind = "cluster" }' if estimator.endswith("group") else '{ kind = "classical" }'
    body = model_text(
        estimator, given["outcome"], "x", (given["control"],), effects, inference, given["own"]
    )
    return fit_one(folder, panel, PAST + body)


@pytest.mark.parametrize("estimator", ["within", "mundlak", "iv-within"])
def test_within_slopes_carry_nickells_bound(
    tmp_path: Path, panel: Panel, estimator: str
) -> None:
    own = 'instruments = ["v"]' if estimator == "iv-within" else ""
    result = fitted(tmp_path, panel, estimator, own=own)
    (bound,) = (test for test in result.tests if test.test == "nickell_bias")
    assert bound.statistic == pytest.approx(nickell_bias(RHO, PERIODS), abs=0.02)
    assert estimates(result)["before"] - bound.statistic == pytest.approx(RHO, abs=0.04)
    assert bound.note in result.warnings


def test_a_change_on_its_own_level_is_the_same_autoregression(
    tmp_path: Path, panel: Panel
) -> None:
    level = fitted(tmp_path, panel, "within")
    change = fitted(tmp_path, panel, "within", outcome="change")
    assert estimates(change)["before"] == pytest.approx(estimates(level)["before"] - 1, abs=1e-10)
    assert change.tests[-1].statistic == pytest.approx(level.tests[-1].statistic, abs=1e-9)
    assert any("of 1 + before is biased" in text for text in change.warnings)


def test_first_differences_say_which_root_they_hide(tmp_path: Path, panel: Panel) -> None:
    result = fitted(tmp_path, panel, "first-difference")
    root = 1 + 2 * estimates(result)["before"]
    assert root == pytest.approx(RHO, abs=0.06)  # the estimate itself is near -0.2
    assert any(f"a root of {root:.3f} would give it" in text for text in result.warnings)


def test_units_one_by_one_are_off_by_kendalls_bias(tmp_path: Path, panel: Panel) -> None:
    result = fitted(tmp_path, panel, "mean-group")
    (said,) = (text for text in result.warnings if "own past" in text)
    bias = float(said.split("by about ")[1].split(",")[0])
    assert estimates(result)["before"] - bias == pytest.approx(RHO, abs=0.1)


@pytest.mark.parametrize("estimator", ["pooled", "random", "mixed", "fama-macbeth"])
def test_levels_that_last_are_in_the_past(tmp_path: Path, panel: Panel, estimator: str) -> None:
    result = fitted(tmp_path, panel, estimator)
    assert estimates(result)["before"] > RHO + 0.1
    assert any("is too large where anything does" in text for text in result.warnings)


def test_hausman_and_taylor_lie_on_either_side(tmp_path: Path, panel: Panel) -> None:
    result = fitted(tmp_path, panel, "hausman-taylor", own='endogenous = ["x"]')
    assert estimates(result)["before"] < RHO - 0.05  # not "too large", whatever units keep
    (said,) = (text for text in result.warnings if "own past" in text)
    assert "too large" not in said
    assert "pull it up" in said


def test_an_instrumented_past_is_what_its_instruments_make_it(tmp_path: Path) -> None:
    """A driver v that owes nothing to errors: v a period ago tells y a period ago."""
    random = np.random.default_rng(5)
    level, rows = random.normal(size=200), []
    y = level / (1 - RHO)
    for year in range(2000, 2000 + PERIODS + 1):
        v = random.normal(size=200)
        y = RHO * y + level + 2.0 * v + random.normal(size=200)
        rows.append(pd.DataFrame({"geo": range(200), "year": year, "y": y, "v": v}))
    body = '[variables]\nbefore = "lag(y)"\ndriver = "lag(v)"\n' + model_text(
        "iv-within", "y", "before", ["v"], ("unit", "time"), more='instruments = ["driver"]'
    )
    result = fit_one(tmp_path, panel_of(pd.concat(rows), "geo", "year"), body)
    assert estimates(result)["before"] == pytest.approx(RHO, abs=0.03)
    assert not any("biased" in text or "own past" in text for text in result.warnings)
    assert "nickell_bias" not in [test.test for test in result.tests]


@pytest.mark.parametrize("estimator", ["within", "mundlak", "first-difference", "random"])
def test_nothing_is_said_without_it(tmp_path: Path, panel: Panel, estimator: str) -> None:
    result = fitted(tmp_path, panel, estimator, control="v")
    assert not any("own past" in text or "biased" in text for text in result.warnings)


def test_a_curve_names_it_once(tmp_path: Path, panel: Panel) -> None:
    body = PAST + model_text("within", "y", "x", (), ("unit", "time"))
    body += "[multiverse]\nmodel = 'main'\njoint = { draws = 99 }\n"
    for optional, said in (("['before', 'v']", 1), ("['v']", 0)):
        study = study_of(tmp_path, f"{body}controls = {{ any_of = {optional} }}\n")
        warnings = run_curve(study, panel, lambda _: None).warnings
        assert sum("rows of y on its own past" in text for text in warnings) == said


def test_a_curve_names_it_where_no_row_has_every_treatment(tmp_path: Path, panel: Panel) -> None:
    late = panel.frame["year"] > 2005
    x = panel.frame["x"]
    frame = panel.frame.assign(x=x.mask(late), x2=x.where(late))
    body = PAST + model_text("within", "y", "x", (), ("unit", "time"))
    body += "[multiverse]\nmodel = 'main'\njoint = { draws = 99 }\ntreatments = ['x', 'x2']\n"
    study = study_of(tmp_path, f"{body}controls = {{ any_of = ['before'] }}\n")
    curve = run_curve(study, panel_of(frame, "geo", "year"), lambda _: None)
    assert len(curve.specs) == 4
    assert sum("rows of y on its own past" in text for text in curve.warnings) == 1
