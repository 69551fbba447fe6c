"""within-large: two-way within with errors clustered by unit, a tenth of the cells missing.

Two regressors, 20 periods. Contestants get columns in memory (regsi arrays, its peers a frame);
seconds do not count reading them, `peak_mib` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

NAME = "within-large"
SIZES = {"1M rows": 55_600, "10M rows": 556_000}  # units
LEFT_OUT = {("linearmodels", "10M rows"): "takes minutes, and more memory than is common"}
PERIODS = 20
COLUMNS = ("y", "x1", "x2", "unit", "time")
Answer = NDArray[np.float64]  # estimates and errors


def prepare(n_units: int, folder: Path) -> Path:
    """Writes one array a column, drawn column by column."""
    rng = np.random.default_rng(1)
    cell = np.flatnonzero(rng.random(n_units * PERIODS) > 0.1)
    unit, time = np.divmod(cell, PERIODS)
    lasting = rng.normal(size=n_units)[unit]
    x1, x2 = (rng.normal(size=len(cell)) + lasting for _ in range(2))
    y = x1 + 0.5 * x2 + lasting + 0.1 * time + rng.normal(size=len(cell))
    for name, values in zip(COLUMNS, (y, x1, x2, unit, time), strict=True):
        np.save(folder / f"{name}.npy", values)
    return folder


def load(folder: Path) -> dict[str, NDArray[Any]]:
    """The columns."""
    return {name: np.load(folder / f"{name}.npy") for name in COLUMNS}


def regsi(data: dict[str, NDArray[Any]], _: Path) -> Answer:
    """Two passes over the arrays."""
    from models.engine.large_panel import LargePanel, within_large

    columns = [data[name] for name in ("y", "x1", "x2")]
    panel = LargePanel(columns, data["unit"], data["time"], data["unit"])
    fit = within_large(panel, ("x1", "x2"))
    return np.array([fit.beta, fit.std_error])


def with_pyfixest(data: dict[str, NDArray[Any]], _: Path) -> Answer:
    """feols on a frame."""
    import pyfixest as pf

    fit = pf.feols("y ~ x1 + x2 | unit + time", _frame(data), vcov={"CRV1": "unit"})
    return np.array([fit.coef(), fit.se()])


def with_linearmodels(data: dict[str, NDArray[Any]], _: Path) -> Answer:
    """PanelOLS on a frame; its factor brought to ours."""
    from linearmodels.panel import PanelOLS

    frame = _frame(data).set_index(["unit", "time"])
    model = PanelOLS(frame["y"], frame[["x1", "x2"]], entity_effects=True, time_effects=True)
    fit = model.fit(
        cov_type="clustered",
        cluster_entity=True,
        group_debias=True,
        debiased=False,
        auto_df=False,
        count_effects=False,
    )
    factor = len(frame) / (len(frame) - 2 - PERIODS)
    return np.array([fit.params, fit.std_errors * np.sqrt(factor)])


def _frame(data: dict[str, NDArray[Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(data, copy=False)


CONTESTANTS = {"regsi": regsi, "pyfixest": with_pyfixest, "linearmodels": with_linearmodels}


def agree(ours: Answer, theirs: Answer) -> bool:
    """To the tolerance at which the peers stop by default."""
    return bool(np.allclose(ours, theirs, rtol=1e-6, atol=0))
