"""National money in a panel whose study forgets to declare the country."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.panel import Panel
from tests.study_case import fit_one, model_text, panel_of

BY_UNIT = '{ kind = "cluster", by = ["unit"] }'


def panel(parent: str | None = None, gaps: bool = False) -> Panel:
    """Ten countries of five regions over twelve years: figures of several kinds."""
    random = np.random.default_rng(8)
    index = pd.MultiIndex.from_product([range(50), range(2001, 2013)], names=["geo", "year"])
    table = index.to_frame(index=False)
    country, year = table["geo"] // 5, table["year"] - 2001
    table["country"] = country
    table["money"] = random.normal(size=(10, 12))[country, year]
    table["own"], table["y"] = random.normal(size=(2, len(table)))
    table["rounded"] = np.round(12 + 4 * table["own"])  # whole per cent
    table["adopted"] = (table["year"] > 2001 + 3 * (1 + country % 3)).astype(float)
    table["paid"] = np.where(table["geo"] % 4 == 0, np.exp(table["own"]), 0.0)
    table["trend"] = year + 0.0
    kept = random.random(len(table)) > (0.2 if gaps else 0.0)
    return panel_of(table[kept], "geo", "year", parent)


def said(folder: Path, given: Panel, treatment: str, how: str = BY_UNIT) -> list[str]:
    body = model_text("within", "y", treatment, (), ("unit",), how)
    return [text for text in fit_one(folder, given, body).warnings if "moves alike" in text]


@pytest.mark.parametrize("gaps", [False, True])
def test_money_that_units_share_is_warned_of(tmp_path: Path, gaps: bool) -> None:
    (text,) = said(tmp_path, panel(gaps=gaps), "money")
    assert 'add parent = ... to [panel]' in text


@pytest.mark.parametrize("treatment", ["own", "rounded", "adopted", "paid", "trend"])
def test_other_figures_are_not(tmp_path: Path, treatment: str) -> None:
    assert said(tmp_path, panel(), treatment) == []


def test_clusters_that_allow_for_it_need_no_warning(tmp_path: Path) -> None:
    how = '{ kind = "cluster", by = ["country"] }'
    assert said(tmp_path, panel(), "money", how) == []
    assert said(tmp_path, panel("country"), "money", how) == []
