"""Estimates far beyond trials of youth programmes are flagged, in studies of the young alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from models.fitting import fit_study
from models.study.file import read_study
from tests.study_case import model_text, panel_of, study_of


def panel(slope: float, scale: float = 1.0) -> Panel:
    """y = slope x within units, in standard deviations of either, before `scale`."""
    random = np.random.default_rng(5)
    index = pd.MultiIndex.from_product([range(60), range(2001, 2011)], names=["geo", "year"])
    table = index.to_frame(index=False)
    level = 50.0 * random.normal(size=60)[table["geo"]]
    x, noise, table["w"] = random.normal(size=(3, len(table)))
    table["w"] = np.exp(table["w"])
    table["x"] = scale * x
    table["y"] = level + slope * x + np.sqrt(1 - slope**2) * noise
    return panel_of(table, "geo", "year")


def said(folder: Path, given: Panel, claims: str = '["Y1"]', **more: str) -> list[str]:
    body = model_text("within", "y", "x", (), ("unit", "time"), more=more.get("more", ""))
    study = study_of(folder, body)
    text = study.path.read_text("utf-8").replace('id = "test"', f'id = "test"\nclaims = {claims}')
    study.path.write_text(text, "utf-8")
    (model,) = fit_study(read_study(study.path), given).models
    return [text for text in model.warnings if "trials of youth programmes" in text]


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e5])
def test_a_slope_far_beyond_trials_is_flagged_in_any_unit(tmp_path: Path, scale: float) -> None:
    (text,) = said(tmp_path, panel(0.5, scale))
    size = float(text.split("goes with ")[1].split(" of")[0])
    assert size == pytest.approx(0.5, abs=0.05)  # of what varies within units, not of levels
    assert len(said(tmp_path, panel(-0.5, scale))) == 1


def test_a_small_slope_is_not(tmp_path: Path) -> None:
    assert said(tmp_path, panel(0.1)) == []


def test_other_claims_and_placebos_are_left_alone(tmp_path: Path) -> None:
    assert said(tmp_path, panel(0.5), claims='["Q1"]') == []
    assert said(tmp_path, panel(0.5), more='role = "placebo"') == []


def test_weights_count(tmp_path: Path) -> None:
    assert len(said(tmp_path, panel(0.5), more='weights = "w"')) == 1
