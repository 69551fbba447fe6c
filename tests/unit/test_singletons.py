"""Rows alone in a level of an effect: found one after the other, and said where clusters are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest

from data.panel import Panel
from models.engine.multiverse import run_curve
from models.results import ModelResult
from models.singletons import linked, shortfall
from tests.study_case import fit_one, model_text, panel_of, study_of

EFFECTS = ("unit", "parent*time")
MULTIVERSE = """
[multiverse]
model = "main"
outcomes = ["y"]
treatments = ["x"]
controls = { always = [], any_of = ["z"] }
effects = [["unit", "time"], ["unit", "parent*time"]]
samples = { all = "true" }
weights = ["none"]
joint = { draws = 99, seed = 1 }
"""


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Nine countries in ten years: A, B and C of one region, the others of four."""
    rng = np.random.default_rng(1)
    regions = [(c, r) for c in "ABCDEFGHI" for r in range(1 if c in "ABC" else 4)]
    rows = [(f"{c}{r}", c, 2000 + t) for c, r in regions for t in range(10)]
    found = pd.DataFrame(rows, columns=["geo", "country", "year"])
    for name in ("x", "z", "noise"):
        found[name] = rng.normal(size=len(found))
    return found.assign(y=0.3 * found["x"] + found["noise"])


def fitted(folder: Path, frame: pd.DataFrame, how: str) -> ModelResult:
    panel = panel_of(frame, "geo", "year", "country")
    return fit_one(folder, panel, model_text("within", "y", "x", ["z"], EFFECTS, how))


def test_rows_go_until_none_is_alone() -> None:
    """Of (unit, time): 0 and 1 meet in three periods, 2 and 3 are a chain from period 2 on."""
    unit = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 3])
    time = np.array([0, 1, 2, 0, 1, 2, 2, 3, 3, 4])
    assert linked([unit, time], 10).tolist() == [True] * 6 + [False] * 4
    assert linked([unit], 10).all()
    assert linked([], 10).all()


def test_no_coefficient_or_plain_cluster_sum_changes_without_them(
    tmp_path: Path, frame: pd.DataFrame
) -> None:
    how = '{ kind = "cluster", by = ["parent"], correction = "CR0" }'
    whole = fitted(tmp_path, frame, how).term("x")
    some = fitted(tmp_path, frame[~frame["country"].isin(list("ABC"))], how).term("x")
    assert whole.estimate == pytest.approx(some.estimate, rel=1e-12)
    assert whole.std_error == pytest.approx(some.std_error, rel=1e-12)


def test_cr1_says_how_much_longer_its_intervals_were(tmp_path: Path, frame: pd.DataFrame) -> None:
    how = '{ kind = "cluster", by = ["parent"], correction = "CR1" }'
    whole = fitted(tmp_path, frame, how)
    some = fitted(tmp_path, frame[~frame["country"].isin(list("ABC"))], how)
    assert (whole.n_obs, whole.n_clusters["country"], some.n_clusters["country"]) == (270, 9, 6)
    said = next(text for text in whole.warnings if "3 of 9 clusters of 'country'" in text)
    assert "(A, B, C)" in said
    printed = re.search(r"(\d+\.\d) % longer", said)
    assert printed is not None
    with_all, without = (one.term("x").conf_high - one.term("x").estimate for one in (whole, some))
    assert float(printed[1]) == pytest.approx(100 * (without / with_all - 1), abs=0.1)
    assert shortfall(9, 3) == pytest.approx(without / with_all - 1, abs=1e-3)
    assert not [text for text in some.warnings if "tell nothing" in text]


def test_no_figure_is_given_for_clusters_both_ways(tmp_path: Path, frame: pd.DataFrame) -> None:
    """Periods, which lose nothing, set the degrees of freedom: what units lose is too much."""
    how = '{ kind = "cluster", by = ["unit", "time"] }'
    whole = fitted(tmp_path, frame, how)
    some = fitted(tmp_path, frame[~frame["country"].isin(list("ABC"))], how)
    with_all, without = (one.term("x").conf_high - one.term("x").estimate for one in (whole, some))
    assert without / with_all - 1 < 0.8 * shortfall(27, 3)
    (said,) = (text for text in whole.warnings if "3 of 27 clusters of 'geo'" in text)
    assert "longer" not in said


# pyfixest still calls pandas in ways that pandas 3.1 deprecates
@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
@pytest.mark.filterwarnings("ignore:[0-9]+ singleton fixed effect:UserWarning")
def test_the_longer_intervals_are_those_of_pyfixest(tmp_path: Path, frame: pd.DataFrame) -> None:
    """Which leaves singletons out, and counts 6 clusters; with them it has ours."""
    how = '{ kind = "cluster", by = ["parent"], correction = "CR1" }'
    ours = fitted(tmp_path, frame, how).term("x")
    half = {}
    for rule in ("none", "singleton"):
        theirs = pf.feols(
            "y ~ x + z | geo + country^year",
            frame,
            vcov={"CRV1": "country"},
            ssc=pf.ssc(k_adj=True, k_fixef="nonnested", G_adj=True, G_df="conventional"),
            demeaner=pf.MapDemeaner(fixef_tol=1e-14),
            fixef_rm=rule,
        )
        low, high = theirs.confint().loc["x"]
        half[rule] = (high - low) / 2
    assert ours.conf_high - ours.estimate == pytest.approx(half["none"], rel=1e-9)
    assert shortfall(9, 3) == pytest.approx(half["singleton"] / half["none"] - 1, abs=1e-3)


@pytest.mark.parametrize("how", ['"cluster", correction = "CR2"', '"wild-cluster", draws = 99'])
def test_other_tests_name_the_clusters_and_no_figure(
    tmp_path: Path, frame: pd.DataFrame, how: str
) -> None:
    result = fitted(tmp_path, frame, f'{{ by = ["parent"], kind = {how} }}')
    said = [text for text in result.warnings if "3 of 9 clusters" in text]
    assert len(said) == 1
    assert "longer" not in said[0]


def test_a_curve_counts_the_rows_they_are_in(tmp_path: Path, frame: pd.DataFrame) -> None:
    how = '{ kind = "cluster", by = ["parent"] }'
    text = model_text("within", "y", "x", (), ("unit", "time"), how) + MULTIVERSE
    panel: Panel = panel_of(frame, "geo", "year", "country")
    curve = run_curve(study_of(tmp_path, text), panel, lambda _: None)
    said = [warning for warning in curve.warnings if "tell nothing of the slope" in warning]
    assert len(said) == 1
    assert said[0].startswith("in 2 of 4 specifications up to 3 of the clusters")
    assert f"would be up to {100 * shortfall(9, 3):.1f} % longer" in said[0]
    assert "n_silent" not in curve.specs
