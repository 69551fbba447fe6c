"""The level rule beyond the treatment itself: instruments that are national, and controls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import BadInput
from data.panel import Panel
from reports.tables.notes import override_text
from tests.study_case import fit_all, fit_one, model_text, panel_of

BY_UNIT = '{ kind = "cluster", by = ["unit"] }'
BY_PARENT = '{ kind = "cluster", by = ["parent"] }'


@pytest.fixture
def panel() -> Panel:
    """Twelve countries of four regions over eight years; x moves with national money."""
    random = np.random.default_rng(20260102)
    index = pd.MultiIndex.from_product([range(48), range(2001, 2009)], names=["number", "year"])
    table = index.to_frame(index=False)
    table["geo"] = [f"R{number:02d}" for number in table["number"]]
    table["country"] = [f"C{number // 4:02d}" for number in table["number"]]
    money = random.normal(size=(12, 8))
    table["money"] = money[table["number"] // 4, table["year"] - 2001]
    table["own"] = random.normal(size=len(table))
    table["z"] = random.normal(size=len(table))
    table["x"] = table["money"] + table["own"] + random.normal(size=len(table))
    table["y"] = random.normal(size=len(table))
    return panel_of(table.drop(columns="number"), "geo", "year", "country", {})


def instrumented(instruments: str, inference: str, controls: tuple[str, ...] = ("z",)) -> str:
    body = model_text("iv-within", "y", "x", controls, ("unit", "time"), inference=inference)
    return body + f"instruments = {instruments}\n"


@pytest.mark.parametrize("instruments", ['["money"]', '"money"', '["money", "twice"]'])
def test_national_instruments_need_national_clusters(
    tmp_path: Path, panel: Panel, instruments: str
) -> None:
    body = '[variables]\ntwice = "money ** 2"\n' + instrumented(instruments, BY_UNIT)
    message = "what the instruments tell of 'x' is the same for all units of a country"
    with pytest.raises(BadInput, match=message):
        fit_one(tmp_path, panel, body)
    assert fit_one(tmp_path, panel, body.replace(BY_UNIT, BY_PARENT)).inference.override is None


def test_the_reason_for_less_is_kept(tmp_path: Path, panel: Panel) -> None:
    how = '{ kind = "cluster", by = ["unit"], override = "a comparison" }'
    results = fit_all(tmp_path, panel, instrumented('["money"]', how))
    assert results.models[0].inference.override == "a comparison"
    said = override_text(results.panel, results.models[0])
    assert "below the level at which the instruments are recorded" in said


def test_regional_instruments_are_evidence_of_regions(tmp_path: Path, panel: Panel) -> None:
    for instruments in ('["own"]', '["own", "money"]'):
        result = fit_one(tmp_path, panel, instrumented(instruments, BY_UNIT))
        assert not any("national" in text for text in result.warnings)


def test_a_trace_of_regional_variation_in_instruments_is_warned_of(
    tmp_path: Path, panel: Panel
) -> None:
    body = '[variables]\nnoisy = "money + own / 50"\n' + instrumented('["noisy"]', BY_UNIT)
    warnings = fit_one(tmp_path, panel, body).warnings
    assert any("what the instruments tell of x is nearly national" in text for text in warnings)


def test_a_national_control_is_no_finding_of_regions(tmp_path: Path, panel: Panel) -> None:
    body = model_text("within", "y", "own", ("money", "z"), ("unit", "time"), inference=BY_UNIT)
    warnings = fit_one(tmp_path, panel, body).warnings
    assert any(text.startswith("national controls (money)") for text in warnings)
    by_parent = fit_one(tmp_path, panel, body.replace(BY_UNIT, BY_PARENT)).warnings
    assert not any("national controls" in text for text in by_parent)


@pytest.mark.parametrize("name", ["geo", "year", "country"])
def test_no_variable_takes_the_place_of_the_index(
    tmp_path: Path, panel: Panel, name: str
) -> None:
    """Else country = "geo" would make each region a country, and national money regional."""
    body = model_text("within", "y", "money", (), ("unit", "time"), inference=BY_UNIT)
    with pytest.raises(BadInput, match="tells the panel's rows apart") as caught:
        fit_one(tmp_path, panel, f'[variables]\n{name} = "geo"\n{body}')
    assert caught.value.where.endswith(f"study.toml:6 {name}")
