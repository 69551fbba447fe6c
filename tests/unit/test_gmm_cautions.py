"""Instruments that contradict each other are said to, beside the estimate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.study_case import fit_one, model_text, panel_of

INSTRUMENTS = "[{gmm = 'y', lags = [2, 3]}, {iv = 'x'}, {iv = 'w'}]"
OWN = f"lags = 1\ncollapse = true\ninstruments = {INSTRUMENTS}"


@pytest.mark.parametrize(("share", "contradicts"), [(0.0, False), (1.0, True)])
def test_hansens_rejection_is_a_warning(
    tmp_path: Path, share: float, contradicts: bool
) -> None:
    """w tells x, and holds `share` of the outcome's own error, which no instrument may."""
    random = np.random.default_rng(4)
    n_units, rows, y = 200, [], np.zeros(200)
    level = random.normal(size=n_units)
    for year in range(2000, 2009):
        x, error, w = random.normal(size=(3, n_units))
        y = 0.5 * y + 0.5 * x + level + error
        w = w + 0.5 * x + share * error
        rows.append(pd.DataFrame({"geo": range(n_units), "year": year, "y": y, "x": x, "w": w}))
    panel = panel_of(pd.concat(rows), "geo", "year")
    how = '{ kind = "cluster", by = ["unit"] }'
    text = model_text("difference-gmm", "y", "x", (), ("unit", "time"), how, OWN)
    result = fit_one(tmp_path, panel, text)
    hansen = next(test for test in result.tests if test.test == "hansen_j")
    assert hansen.p_value is not None
    assert (hansen.p_value < 0.05) == contradicts
    assert any(text.startswith("Hansen's J (p = ") for text in result.warnings) == contradicts
