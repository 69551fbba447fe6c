"""Who borders on whom: spatial weights from a file of pairs of neighbours, and their means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import BadInput
from models.calendar_grid import calendar_grid
from models.design import Design, Floats


def spatial_weights(design: Design, file: str | None) -> Floats:
    """Weights (N, N) of the design's units, in their order; each row sums to one, or to zero.

    The file is a CSV whose first two columns name a unit and its neighbour, as in the panel; a
    third, if any, holds positive weights. Pairs with units outside the sample are left out. Raises
    BadInput for a file that cannot be read, or if no pair is in the sample.
    """
    if file is None:
        raise BadInput("neighbours", "no file of neighbours", 'add neighbours = "pairs.csv"')
    pairs = _read(file)
    place = {str(label): index for index, label in enumerate(design.units)}
    ends = [pairs.iloc[:, j].map(place) for j in (0, 1)]
    known = (ends[0].notna() & ends[1].notna() & (ends[0] != ends[1])).to_numpy()
    if not known.any():
        raise BadInput(file, "none of its pairs joins two units of the sample", "check its codes")
    rows, columns = (end[known].to_numpy(dtype=np.int64) for end in ends)
    W = np.zeros((len(place), len(place)))
    W[rows, columns] = _values(pairs, file)[known]
    sums = W.sum(axis=1, keepdims=True)
    return W / np.where(sums > 0, sums, 1.0)


def neighbour_means(design: Design, W: Floats, values: Floats) -> Floats:
    """Of values (n, k), each row's mean over the neighbours that are there in its period (n, k).

    NaN where there are none; a neighbour whose values are missing counts as not there.
    """
    grid = calendar_grid(design)
    spread = grid.spread(values)
    known = np.asarray(np.isfinite(spread).all(axis=2))
    kept: Floats = np.where(known[:, :, None], spread, 0.0)
    total = np.einsum("ij,jsk->isk", W, kept)
    reach: Floats = (W @ known.astype(np.float64))[:, :, None]
    return grid.gather(np.divide(total, reach, out=np.full_like(total, np.nan), where=reach > 0))


def _read(file: str) -> pd.DataFrame:
    try:
        pairs = pd.read_csv(Path(file), dtype=str, keep_default_na=False)
    except (OSError, ValueError) as fault:
        raise BadInput(file, f"cannot read neighbours ({fault})", "check the path") from None
    if pairs.shape[1] < 2:
        raise BadInput(file, "one column only", "give each row a unit and its neighbour")
    return pairs


def _values(pairs: pd.DataFrame, file: str) -> Floats:
    if pairs.shape[1] < 3:
        return np.ones(len(pairs))
    values = pd.to_numeric(pairs.iloc[:, 2], errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if len(wrong):
        place = f"{file}:{wrong[0] + 2}"
        raise BadInput(place, "a weight that is no positive number", "correct that line")
    return values
