"""out-of-core: two-way within straight from a Parquet file that would not fit into the memory.

22 periods, a tenth of the cells missing, errors clustered by unit, DuckDB held to 2.5 GB. At 10
million rows the in-memory engine stands beside it, and must find the same.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

NAME = "out-of-core"
SIZES = {"10M rows": 10_000_000, "100M rows": 100_000_000}
LEFT_OUT = {("in-memory", "100M rows"): "would need more than the 4 GiB that are the point here"}
PERIODS = 22
MEMORY = "2500MB"
ROWS = """
    SELECT unit::INTEGER AS unit, time::SMALLINT AS time, 0.3 * u + a AS x1,
    b + 0.01 * time * a AS x2, a - 0.5 * b + u + 0.05 * time + e AS y
    FROM (SELECT r // {periods} AS unit, r % {periods} AS time, sin(r // {periods} * 12.9898) AS u,
    hash(r) / 5e18 - 1.8 AS a, hash(r * 3 + 1) / 5e18 - 1.8 AS b, hash(r * 7 + 5) / 5e18 - 1.8 AS e,
    hash(r * 11 + 2) % 10 AS k FROM range({cells}) t(r)) WHERE k > 0
"""
Answer = NDArray[np.float64]  # estimates and errors


def prepare(rows: int, folder: Path) -> Path:
    """Writes the Parquet file."""
    path = folder / "panel.parquet"
    query = ROWS.format(periods=PERIODS, cells=int(rows / 0.9))
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(folder)}) as con:
        con.execute("SET preserve_insertion_order = false")
        con.execute(f"COPY ({query}) TO '{path}' (ROW_GROUP_SIZE 1000000)")
    return path


def regsi(path: Path, work: Path) -> Answer:
    """Sufficient statistics by SQL."""
    from models.engine.out_of_core import Limits, PanelColumns, within_out_of_core

    columns = PanelColumns("y", ("x1", "x2"), "unit", "time", "unit")
    fit = within_out_of_core(path, columns, Limits(MEMORY, 2, work))
    return np.array([fit.beta, fit.std_error])


def in_memory(path: Path, _: Path) -> Answer:
    """All columns read, then the in-memory engine."""
    from models.engine.large_panel import LargePanel, within_large

    data = pq.read_table(path)
    unit, time = (np.asarray(data[name], dtype=np.int64) for name in ("unit", "time"))
    columns = [np.asarray(data[name], dtype=np.float64) for name in ("y", "x1", "x2")]
    fit = within_large(LargePanel(columns, unit, time, unit), ("x1", "x2"))
    return np.array([fit.beta, fit.std_error])


CONTESTANTS = {"regsi": regsi, "in-memory": in_memory}


def agree(ours: Answer, theirs: Answer) -> bool:
    """Sums of so many numbers in another order agree to nine digits."""
    return bool(np.allclose(ours, theirs, rtol=1e-9, atol=0))
