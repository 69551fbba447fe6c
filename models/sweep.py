"""The sweep operator on many symmetric matrices at once: regression, one pivot at a time.

The matrices (p, p, U) stand side by side on the last axis, which makes every step a long
contiguous loop, however small they are (Goodnight 1979).
"""

from __future__ import annotations

import numpy as np

from models.design import Floats

CACHED = 2**14  # numbers that stay in the processor's cache


def sweep(stack: Floats, pivot: int, out: Floats) -> None:
    """Symmetric sweep of matrices (p, p, U) on one pivot: the regression on that column.

    Afterwards entry (i, pivot) is the coefficient of i on the pivot, entries away from the pivot
    are residual cross-products, and (pivot, pivot) is minus the inverse: swept on all pivots, a
    matrix is minus its own inverse.
    """
    row = stack[pivot]
    scaled = row / row[pivot]
    step = max(1, CACHED // max(1, row.size))
    for start in range(0, len(row), step):  # some rows of all matrices at a time
        some = slice(start, start + step)
        np.multiply(scaled, row[some, None], out=out[some])
        np.subtract(stack[some], out[some], out=out[some])
    out[pivot] = scaled
    out[:, pivot] = scaled
    out[pivot, pivot] = -1.0 / row[pivot]
