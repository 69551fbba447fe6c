"""What must not matter, and what must matter exactly so, for each static estimator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from models.results import ModelResult
from tests.study_case import fit_one, model_text, panel_of

CR1 = '{ kind = "cluster", by = ["parent"], correction = "CR1" }'
CR2 = '{ kind = "cluster", by = ["parent"], correction = "CR2" }'
MODELS = {
    "pooled": model_text("pooled", "y", "x", ["c"], inference=CR1, more='weights = "w"'),
    "within": model_text("within", "y", "x", ["c"], ["unit", "time"], CR2, 'weights = "w"'),
    "country-year": model_text("within", "y", "x", ["c"], ["unit", "parent*time"], CR1),
    "first-difference": model_text("first-difference", "y", "x", ["c"], ["time"], CR1),
    "between": model_text("between", "y", "x", ["c"], inference='{ kind = "robust" }'),
    "random": model_text("random", "y", "x", ["c"]),
    "hausman-taylor": model_text(
        "hausman-taylor", "y", "x", ["c", "s"], [], CR1, 'endogenous = ["x", "s"]'
    ),
    "fama-macbeth": model_text("fama-macbeth", "y", "x", ["c"]),
    "mundlak": model_text("mundlak", "y", "x", ["c"], inference=CR1),
    "iv-within": model_text(
        "iv-within", "y", "x", ["c"], ["unit", "time"], CR1, 'instruments = ["z", "z2"]'
    ),
    "driscoll-kraay": model_text(
        "within", "y", "x", ["c"], ["unit"], '{ kind = "driscoll-kraay", lags = 2 }'
    ),
}
each_estimator = pytest.mark.parametrize("text", MODELS.values(), ids=MODELS.keys())


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Thirty regions in ten countries over seven years, a tenth of the rows missing."""
    random = np.random.default_rng(4)
    geo, year = (grid.ravel() for grid in np.meshgrid(range(30), range(7), indexing="ij"))
    n = len(geo)
    z, z2, hidden = random.normal(size=(3, n))
    x = z + 0.5 * z2 + hidden + random.normal(size=30)[geo]
    c = random.normal(size=n) + 0.1 * year
    y = 0.5 * x + c + hidden + random.normal(size=30)[geo] + random.normal(size=n)
    frame = pd.DataFrame(
        {
            "geo": [f"R{unit:02d}" for unit in geo], "country": [f"C{unit // 3}" for unit in geo],
            "year": year + 2000, "x": x, "c": c, "y": y, "z": z, "z2": z2,
            "w": random.uniform(1, 4, size=n), "s": np.arange(30)[geo] ** 2 % 7.0,
        }
    )  # fmt: skip
    return frame[random.uniform(size=n) > 0.1].reset_index(drop=True)


def fitted(folder: Path, frame: pd.DataFrame, text: str) -> ModelResult:
    return fit_one(folder, panel_of(frame, "geo", "year", "country"), text)


def same_as(ours: ModelResult, theirs: ModelResult, scale: dict[str, float] | None = None) -> None:
    """Equal but for the factors by which `scale` says terms change; the constant is left out."""
    factors = scale or {}
    assert ours.n_obs == theirs.n_obs
    for term in ours.terms:
        if term.term == "constant" and scale is not None:
            continue
        other, factor = theirs.term(term.term), factors.get(term.term, 1.0)
        near(term.estimate, other.estimate * factor)
        near(term.std_error, other.std_error * factor)
        near(term.statistic, other.statistic)
        near(term.p_value, other.p_value)
    for one, two in zip(ours.tests, theirs.tests, strict=True):
        near(one.statistic, two.statistic)


def near(ours: float, theirs: float) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-11)


@each_estimator
def test_order_of_rows(tmp_path: Path, frame: pd.DataFrame, text: str) -> None:
    panel = panel_of(frame, "geo", "year", "country")
    shuffled: Panel = replace(panel, frame=panel.frame.sample(frac=1, random_state=1))
    same_as(fit_one(tmp_path, shuffled, text), fit_one(tmp_path, panel, text))


@each_estimator
def test_names_of_units(tmp_path: Path, frame: pd.DataFrame, text: str) -> None:
    names = {name: f"{rank} {name}" for rank, name in enumerate(reversed(frame["geo"].unique()))}
    renamed = frame.assign(
        geo=frame["geo"].map(names), country=frame["country"].str.replace("C", "land ")
    )
    same_as(fitted(tmp_path, renamed, text), fitted(tmp_path, frame, text))


@each_estimator
def test_another_calendar(tmp_path: Path, frame: pd.DataFrame, text: str) -> None:
    same_as(
        fitted(tmp_path, frame.assign(year=frame["year"] - 3000), text),
        fitted(tmp_path, frame, text),
    )


@each_estimator
def test_units_of_a_regressor(tmp_path: Path, frame: pd.DataFrame, text: str) -> None:
    scaled = fitted(tmp_path, frame.assign(x=frame["x"] * 1000.0), text)
    factor = {"x": 1e-3, "unit mean of x": 1e-3}
    same_as(scaled, fitted(tmp_path, frame, text), factor)


@each_estimator
def test_units_of_the_outcome(tmp_path: Path, frame: pd.DataFrame, text: str) -> None:
    plain = fitted(tmp_path, frame, text)
    scaled = fitted(tmp_path, frame.assign(y=frame["y"] * 100.0), text)
    same_as(scaled, plain, {term.term: 100.0 for term in plain.terms})


@each_estimator
def test_another_zero(tmp_path: Path, frame: pd.DataFrame, text: str) -> None:
    moved = frame.assign(x=frame["x"] + 7.0, y=frame["y"] - 3.0, z=frame["z"] + 1.0)
    same_as(fitted(tmp_path, moved, text), fitted(tmp_path, frame, text), {})


@each_estimator
def test_scale_of_weights(tmp_path: Path, frame: pd.DataFrame, text: str) -> None:
    heavier = frame.assign(w=frame["w"] * 1e6)
    same_as(fitted(tmp_path, heavier, text), fitted(tmp_path, frame, text))


@each_estimator
def test_an_incomplete_row_more(tmp_path: Path, frame: pd.DataFrame, text: str) -> None:
    extra = pd.DataFrame({"geo": ["R00"], "country": ["C0"], "year": [2050], "x": [np.nan]})
    longer = pd.concat([frame, extra], ignore_index=True)
    same_as(fitted(tmp_path, longer, text), fitted(tmp_path, frame, text))
