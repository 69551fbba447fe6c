"""Diagnostics from a study file: what reaches the result, what is refused, what must not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.stattools import adfuller

from data.errors import BadInput
from models.calendar_grid import calendar_grid
from models.dependence import DIAGNOSTICS
from models.dependence.cross_section import pairs_of, pesaran_cd
from models.dependence.diagnose import TESTS, model_residuals
from models.dependence.effects import lm_tests
from models.dependence.independent_unit_roots import dickey_fuller, levin_lin_chu, maddala_wu
from models.dependence.unit_roots import Case
from models.estimators import load
from models.estimators.linear import fit_screened
from models.results import ModelResult
from models.study import Inference, ModelSpec
from tests.canonical_designs import design_from
from tests.study_case import fit_one, model_text, panel_of


def world(gaps: bool = False) -> pd.DataFrame:
    """Twelve units of fourteen periods with a common shock."""
    rng = np.random.default_rng(3)
    unit, year = np.indices((12, 14)).reshape(2, -1)
    x, z, own = rng.normal(size=(3, unit.size))
    y = x + rng.normal(size=12)[unit] + rng.normal(size=14)[year] + own
    frame = pd.DataFrame({"unit": unit, "year": 2000 + year, "x": x, "z": z, "y": y})
    if gaps:
        frame = frame.drop(index=[20, 21, 55, 90])
    return frame.assign(unit=np.char.add("u", frame["unit"].astype(str).to_numpy(dtype=str)))


def fitted(folder: Path, frame: pd.DataFrame, names: list[str], **changes: Any) -> ModelResult:
    estimator = changes.pop("estimator", "within")
    given = {"controls": ["z"], "effects": ["unit"], "more": f"diagnostics = {names}", **changes}
    body = model_text(estimator, "y", "x", **given)
    return fit_one(folder, panel_of(frame, "unit", "year"), body)


def test_every_name_has_a_test() -> None:
    assert set(TESTS) == set(DIAGNOSTICS)


@pytest.mark.parametrize("gaps", [False, True])
def test_all_at_once(tmp_path: Path, gaps: bool) -> None:
    (tmp_path / "pairs.csv").write_text("a,b\nu1,u2\nu2,u1\nu2,u3\nu3,u2\n", "utf-8")
    names = [name for name in DIAGNOSTICS if not (gaps and name == "spatial-lm")]
    more = f'diagnostics = {names}\nneighbours = "pairs.csv"'
    result = fitted(tmp_path, world(gaps), [], more=more)
    found = {test.test: test for test in result.tests}
    assert len(found) == len(result.tests) >= 20
    assert found["pesaran_cd"].p_value is not None
    assert found["pesaran_cd"].p_value < 0.01
    assert ("baltagi_li_joint" in found) is not gaps
    assert ("bias_corrected_scaled_lm" in found) is not gaps


@pytest.mark.parametrize(
    ("estimator", "effects"),
    [("pooled", []), ("random", ["unit"]), ("mundlak", []), ("first-difference", ["time"])],
)
def test_other_estimators(tmp_path: Path, estimator: str, effects: list[str]) -> None:
    names = ["cd-two-way", "serial"]
    result = fitted(tmp_path, world(True), names, estimator=estimator, effects=effects)
    names_found = {test.test for test in result.tests}
    assert "weighted_cd" in names_found
    assert any("wooldridge" in name or name == "serial_correlation" for name in names_found)


def test_a_unit_without_residuals_is_left_out_in_silence(tmp_path: Path) -> None:
    """One row has no difference: the tests are those of the other units."""
    frame = world()
    single = frame[(frame["unit"] != "u4") | (frame["year"] == 2005)]
    found, without = (
        fitted(tmp_path, some, ["cd-two-way"], estimator="first-difference", effects=["time"])
        for some in (single, frame[frame["unit"] != "u4"])
    )
    assert [test.test for test in found.tests] == [test.test for test in without.tests]
    assert all(np.isfinite(test.statistic) for test in found.tests)


@pytest.mark.parametrize("weights", [None, "w"])
def test_residuals_are_the_models_own(weights: str | None) -> None:
    frame = world(True).assign(w=lambda f: np.exp(f["z"]))
    effects, how = ("unit", "year"), Inference("classical")
    design = design_from(frame, "y", ["x", "z"], ("unit", "year"), effects, weights)
    spec = ModelSpec("m", "within", "y", ("x",), effects=effects, inference=how)
    result = load("within").fit(design, spec)
    grid = calendar_grid(design).spread(fit_screened(design, design.effects)[0].residuals)
    ours = model_residuals(design, spec, result)
    assert np.isfinite(ours).sum() == len(frame)
    assert np.nanmax(np.abs(ours - grid)) < 1e-12


def test_cd_by_hand() -> None:
    """Three series with a gap: correlations over shared years, weighted by their roots."""
    e = np.array([[1.0, 2, 4, 3, 5], [2, 1, np.nan, 4, 3], [0, 1, 0, 2, 2]])
    pairs = [(0, 1, [0, 1, 3, 4]), (0, 2, [0, 1, 2, 3, 4]), (1, 2, [0, 1, 3, 4])]
    total = sum(np.sqrt(len(t)) * np.corrcoef(e[i, t], e[j, t])[0, 1] for i, j, t in pairs)
    assert pesaran_cd(pairs_of(e)).statistic == pytest.approx(total / np.sqrt(3), rel=1e-12)


@pytest.mark.parametrize(
    "name",
    ["cd-two-way", "cips", "unit-root", "unit-root-trend", "serial", "cd-units", "homogeneity"],
)
def test_order_names_and_scale_do_not_matter(tmp_path: Path, name: str) -> None:
    frame = world(True)
    base = fitted(tmp_path, frame, [name])
    renamed = frame.assign(
        unit=frame["unit"].map(lambda u: f"{99 - int(u[1:])}{u}"), y=5 * frame["y"] + 2
    )
    moved = fitted(tmp_path, renamed.sample(frac=1, random_state=2), [name])
    assert [t.test for t in moved.tests] == [t.test for t in base.tests]
    expected = [t.statistic for t in base.tests]
    assert [t.statistic for t in moved.tests] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ("names", "changes", "says"),
    [
        (["cdd"], {}, "unknown test 'cdd'"),
        (["cd"], {"effects": ["unit", "time"]}, "cd-two-way"),
        (["effects"], {"weights": "w"}, "no weighted form"),
        (["cd"], {"estimator": "mean-group"}, "mean-group has none"),
        (["poolability"], {"frame": "short"}, "too short"),
        (["cips-trend"], {"frame": "short"}, "consecutive periods"),
        (["unit-root"], {"frame": "short"}, "12 consecutive periods"),
    ],
)
def test_refusals(tmp_path: Path, names: list[str], changes: dict[str, Any], says: str) -> None:
    frame = world().assign(w=1.5)
    if changes.pop("frame", None):
        frame = frame[frame["year"] < 2003]
    if weights := changes.pop("weights", None):
        changes["more"] = f'diagnostics = {names}\nweights = "{weights}"'
    with pytest.raises(BadInput) as caught:
        fitted(tmp_path, frame, names, **changes)
    assert says in str(caught.value)


@pytest.mark.parametrize(("case", "regression"), [("drift", "c"), ("trend", "ct")])
def test_unit_roots_by_statsmodels(case: Case, regression: str) -> None:
    """Each unit's augmented Dickey-Fuller regression and p-value, one by one; the gaps of one."""
    y = np.random.default_rng(8).normal(size=(6, 30)).cumsum(axis=1)
    y[0, 13:] = np.nan
    found = dickey_fuller(y, case, 2)
    known = (series[np.isfinite(series)] for series in y)
    theirs = [
        adfuller(series, 2, regression, autolag=None, result_object=False)[:2] for series in known
    ]
    assert found.t == pytest.approx([t for t, _ in theirs], rel=1e-9)
    fisher = -2 * np.log([p for _, p in theirs]).sum()
    assert maddala_wu(found).statistic == pytest.approx(fisher, rel=1e-6)
    assert found.rows.tolist() == [10, 27, 27, 27, 27, 27]


def test_long_panels_have_a_p_value_for_a_common_root() -> None:
    y = np.random.default_rng(8).normal(size=(6, 30))
    test = levin_lin_chu(y, "drift", 1)
    assert test.p_value is not None
    assert test.p_value < 0.01
    with pytest.raises(BadInput, match="balanced"):
        levin_lin_chu(np.where(y > y.max() - 1e-9, np.nan, y), "drift", 1)


def test_lm_tests_of_negative_components_do_not_reject() -> None:
    """Units' and periods' sums that cancel: no variance is negative, so the mixture gives zero."""
    e = np.array([[1.0, -1, 1, -1], [-1, 1, -1, 1]])
    found = {test.test: test for test in lm_tests(e)}
    assert found["gourieroux_holly_monfort"].statistic == 0.0
    assert found["gourieroux_holly_monfort"].p_value == 1.0
    assert (found["king_wu_two_way"].p_value or 0.0) > 0.5
