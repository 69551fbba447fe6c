"""The difference between two coefficients: against statsmodels' test of it, and by its meaning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from data.errors import BadInput
from data.panel import Panel
from tests.study_case import estimates, fit_one, model_text, panel_of, study_of

CLUSTERED = '{ kind = "cluster", by = ["unit"], correction = "CR1" }'
CONTRAST = 'contrast = ["x", "z"]'


def panel() -> tuple[Panel, pd.DataFrame]:
    rng = np.random.default_rng(8)
    unit, time = np.repeat(np.arange(30), 8), np.tile(np.arange(2000, 2008), 30)
    x, z = rng.normal(size=240) + rng.normal(size=30)[unit], rng.normal(size=240)
    y = 0.8 * x + 0.3 * z + rng.normal(size=240) + rng.normal(size=30)[unit]
    frame = pd.DataFrame({"i": unit, "t": time, "x": x, "z": z + 0.4 * x, "y": y})
    return panel_of(frame, "i", "t"), frame


@pytest.mark.parametrize("inference", ['{ kind = "classical" }', CLUSTERED])
def test_it_is_statsmodels_test_of_the_difference(tmp_path: Path, inference: str) -> None:
    given, frame = panel()
    body = model_text("pooled", "y", ["x", "z"], inference=inference, more=CONTRAST)
    result = fit_one(tmp_path, given, body)
    ols = sm.OLS(frame["y"], sm.add_constant(frame[["x", "z"]]))
    fit = ols.fit() if "classical" in inference else ols.fit(
        cov_type="cluster", cov_kwds={"groups": frame["i"]}, use_t=True
    )  # fmt: skip
    theirs = fit.t_test("x - z = 0")
    ours = result.term("x - z")
    assert [t.term for t in result.terms][:3] == ["x", "z", "x - z"]
    assert ours.estimate == pytest.approx(theirs.effect[0], rel=1e-10)
    assert ours.std_error == pytest.approx(theirs.sd[0, 0], rel=1e-10)
    assert ours.p_value == pytest.approx(float(theirs.pvalue), rel=1e-8)
    assert (ours.conf_low, ours.conf_high) == pytest.approx(tuple(theirs.conf_int()[0]), rel=1e-9)


@pytest.mark.parametrize("estimator", ["within", "first-difference", "random"])
def test_it_is_the_difference_of_the_coefficients(tmp_path: Path, estimator: str) -> None:
    effects = ["unit", "time"] if estimator == "within" else []
    body = model_text(estimator, "y", "x", ["z"], effects, CLUSTERED, CONTRAST)
    result = fit_one(tmp_path, panel()[0], body)
    found = estimates(result)
    assert found["x - z"] == pytest.approx(found["x"] - found["z"], rel=1e-9)
    without = fit_one(tmp_path, panel()[0], body.replace(CONTRAST, ""))
    assert without.terms == tuple(t for t in result.terms if t.term != "x - z")


@pytest.mark.parametrize(
    ("more", "estimator", "inference", "words"),
    [
        ('contrast = ["x", "w"]', "pooled", '{ kind = "classical" }', "'w' is no regressor"),
        ('contrast = ["x", "x"]', "pooled", '{ kind = "classical" }', "twice"),
        ('contrast = ["x"]', "pooled", '{ kind = "classical" }', "name two regressors"),
        (CONTRAST, "mean-group", '{ kind = "cluster" }', "mean-group has none"),
        (CONTRAST, "pooled", '{ kind = "randomization" }', "reshuffling"),
    ],
)
def test_what_has_no_difference_is_refused(
    tmp_path: Path, more: str, estimator: str, inference: str, words: str
) -> None:
    body = model_text(estimator, "y", ["x", "z"], inference=inference, more=more)
    with pytest.raises(BadInput, match=words):
        fit_one(tmp_path, panel()[0], body)


def test_a_model_decides_only_claims_that_its_study_lists(tmp_path: Path) -> None:
    body = model_text("pooled", "y", "x", more='decides = ["Y2"]')
    with pytest.raises(BadInput, match=r"study\.toml:\d+.*does not list"):
        study_of(tmp_path, body)


def test_a_role_is_one_of_three(tmp_path: Path) -> None:
    assert study_of(tmp_path, model_text("pooled", "y", "x")).models[0].role == "estimate"
    with pytest.raises(BadInput, match="role"):
        study_of(tmp_path, model_text("pooled", "y", "x", more='role = "twin"'))
