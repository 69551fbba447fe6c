"""Mixed models from a study file: an independent implementation, invariance, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from data.errors import BadInput
from models.estimators import mixed
from models.estimators.mixed.fit import hessian, interior
from models.estimators.mixed.likelihood import evaluate
from models.fitting import fit_study
from models.results import ModelResult
from models.study import ModelSpec
from tests.canonical_designs import design_from
from tests.study_case import estimates, fit_one, model_text, panel_of, std_errors, study_of

CLUSTERED = '{ kind = "cluster", by = ["parent"], correction = "CR1" }'


def world(seed: int = 7, countries: int = 9, regions: int = 4, years: int = 6) -> pd.DataFrame:
    """Regions in countries; levels by both, slopes by country."""
    rng = np.random.default_rng(seed)
    country, region, year = np.indices((countries, regions, years)).reshape(3, -1)
    x, z = rng.normal(size=(2, country.size))
    slope = 0.5 + 0.4 * rng.normal(size=countries)[country]
    level = rng.normal(size=countries)[country]
    own = rng.normal(size=(countries, regions))[country, region]
    y = 1 + slope * x - 0.3 * z + level + own + rng.normal(size=country.size)
    names = np.char.add("C", country.astype(str))
    labels = np.char.add(np.char.add(names, "R"), region.astype(str))
    columns = {"country": names, "region": labels, "year": 2000 + year, "x": x, "z": z, "y": y}
    return pd.DataFrame(columns)


def fitted(folder: Path, frame: pd.DataFrame, more: str = "", **changes: Any) -> ModelResult:
    text = model_text("mixed", "y", "x", **{"controls": ["z"], "more": more, **changes})
    return fit_one(folder, panel_of(frame, "region", "year", "country"), text)


def test_country_slopes_as_statsmodels(tmp_path: Path) -> None:
    """Random slopes by country beside regions, a variance component in statsmodels.

    Its standard errors come from the information on slopes and variances jointly: not compared.
    """
    frame = world()
    result = fitted(tmp_path, frame, 'slopes = ["x"]')
    other = MixedLM.from_formula(
        "y ~ x + z", frame, groups="country", re_formula="1 + x",
        vc_formula={"region": "0 + C(region)"},
    ).fit(method="bfgs", gtol=1e-8)  # fmt: skip
    mine = estimates(result)
    for ours, theirs in (("constant", "Intercept"), ("x", "x"), ("z", "z")):
        assert mine[ours] == pytest.approx(other.params[theirs], abs=1e-5)
    assert result.fit["variance x by parent"] == pytest.approx(other.cov_re.iloc[1, 1], abs=1e-4)
    assert result.fit["variance unit"] == pytest.approx(other.vcomp[0], abs=1e-4)
    assert result.fit["log_likelihood"] == pytest.approx(other.llf, abs=1e-6)


def test_derivatives_are_exact() -> None:
    """The gradient of the deviance is its numerical derivative, at a point that is no optimum."""
    frame = world()
    design = design_from(frame, "y", ["x", "z"], ("region", "year"), parent="country")
    spec = ModelSpec("m", "mixed", "y", ("x",), options={"slopes": ("x",)})
    inner, _, _ = mixed.fitted(design, spec)
    theta = inner.point.theta + np.array([0.2, -0.1, 0.15, 0.3])
    for j in range(4):
        step = np.eye(4)[j] * 1e-6
        ahead, behind = (evaluate(inner.data, theta + s) for s in (step, -step))
        slope = (ahead.deviance - behind.deviance) / 2e-6
        assert evaluate(inner.data, theta).gradient[j] == pytest.approx(slope, rel=1e-5)
        assert evaluate(inner.data, theta).rss_gradient[j] == pytest.approx(
            (ahead.rss - behind.rss) / 2e-6, rel=1e-5
        )
    curved = hessian(inner.data, inner.point, interior(inner.data, inner.point))
    assert np.linalg.eigvalsh(curved).min() > 0


def test_clustered_errors_keep_the_estimate(tmp_path: Path) -> None:
    frame = world()
    plain, clustered = fitted(tmp_path, frame), fitted(tmp_path, frame, inference=CLUSTERED)
    assert estimates(clustered) == pytest.approx(estimates(plain), rel=1e-9)
    assert clustered.n_clusters == {"country": 9}
    assert std_errors(clustered)["x"] != pytest.approx(std_errors(plain)["x"], rel=1e-3)
    assert clustered.fit == plain.fit


def test_clustered_errors_by_hand(tmp_path: Path) -> None:
    """The sandwich of X'V^-1 X and the countries' scores X'V^-1 e, V from the stated variances."""
    frame = world().sort_values(["region", "year"])
    result = fitted(tmp_path, frame, inference=CLUSTERED)
    country, region = (frame[name].to_numpy() for name in ("country", "region"))
    same = [codes[:, None] == codes for codes in (country, region)]
    parts = [result.fit[f"variance {level}"] or 0.0 for level in ("parent", "unit", "residual")]
    V = parts[0] * same[0] + parts[1] * same[1] + parts[2] * np.eye(len(frame))
    X = np.column_stack([frame["x"], frame["z"], np.ones(len(frame))])
    bread = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    left = np.linalg.solve(V, frame["y"] - X @ np.array(list(estimates(result).values())))
    scores = np.array([X[country == c].T @ left[country == c] for c in np.unique(country)])
    n, G = len(frame), 9
    vcov = bread @ scores.T @ scores @ bread * G / (G - 1) * (n - 1) / (n - 3)
    assert list(std_errors(result).values()) == pytest.approx(np.sqrt(np.diag(vcov)), rel=1e-8)


def test_order_and_scale_do_not_matter(tmp_path: Path) -> None:
    frame = world()
    base = fitted(tmp_path, frame, 'slopes = ["x"]')
    moved_columns = {"x": frame["x"] * 1000 + 5, "y": frame["y"] * 10 - 3}
    changed = frame.assign(region="r" + frame["region"], **moved_columns)
    moved = fitted(tmp_path, changed.sample(frac=1, random_state=1), 'slopes = ["x"]')
    assert estimates(moved)["x"] == pytest.approx(estimates(base)["x"] / 100, rel=1e-6)
    assert std_errors(moved)["x"] == pytest.approx(std_errors(base)["x"] / 100, rel=1e-6)
    slopes = [one.fit["variance x by parent"] or 0.0 for one in (base, moved)]
    assert slopes[1] == pytest.approx(slopes[0] / 1e4, rel=1e-5)


def test_slopes_by_named_groups(tmp_path: Path) -> None:
    named = fitted(tmp_path, world(), 'slopes = { parent = ["x"], unit = [] }')
    listed = fitted(tmp_path, world(), 'slopes = ["x"]')
    assert named.fit == listed.fit
    assert not any(name.startswith("share") for name in named.fit)


def test_shares_add_up_without_any_regressor(tmp_path: Path) -> None:
    body = (
        '[[model]]\nid = "v"\nestimator = "mixed"\noutcome = "y"\n'
        'slopes = { parent = [], unit = [], time = [] }\ninference = { kind = "classical" }\n'
    )
    result = fit_study(
        study_of(tmp_path, body), panel_of(world(), "region", "year", "country")
    ).models[0]
    levels = ("parent", "unit", "time", "residual")
    assert sum(result.fit[f"share {level}"] or 0.0 for level in levels) == pytest.approx(1.0)
    assert [term.term for term in result.terms] == ["constant"]


def test_a_variance_of_zero_is_said(tmp_path: Path) -> None:
    """Regions that differ less than chance alone would have them differ."""
    frame = world()
    frame["y"] -= frame.groupby("region")["y"].transform("mean")
    result = fitted(tmp_path, frame)
    assert result.fit["variance unit"] == pytest.approx(0.0, abs=1e-12)
    assert result.fit["share unit low"] is None
    assert any("variance of zero" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("more", "changes", "says"),
    [
        ('slopes = ["w"]', {}, "no regressor"),
        ('slopes = { country = ["x"] }', {}, "no such group"),
        ("slopes = {}", {}, "no group"),
        ('likelihood = "full"', {}, "unknown"),
        ("", {"effects": ["unit"]}, "leave the random effects"),
        ("", {"inference": '{ kind = "cluster", by = ["unit"] }'}, "reach over clusters"),
        ("", {"inference": '{ kind = "robust" }'}, "robust errors"),
        ('weights = "z"', {}, "none"),
    ],
)
def test_refusals(tmp_path: Path, more: str, changes: dict[str, Any], says: str) -> None:
    frame = world()
    if "weights" in more:
        frame["z"] = frame["z"].abs() + 1
    with pytest.raises(BadInput, match=says):
        fitted(tmp_path, frame, more, **changes)
