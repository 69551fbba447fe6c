"""The instrument matrix of difference and system GMM.

A GMM-style block holds one column per period and lag (Holtz-Eakin, Newey and Rosen 1988;
Arellano and Bond 1991), or one per lag when collapsed (Roodman 2009); in a system the same
variable's lagged difference instruments the levels (Blundell and Bond 1998). A plain instrument
is one column, transformed as the rows are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array, hstack

from models.design import Codes, Floats
from models.estimators.gmm.equations import Equations, flat


@dataclass(frozen=True)
class GmmBlock:
    """Lags `first` to `last` of the levels `values` (N, S) of the variable `name`."""

    name: str
    values: Floats
    first: int
    last: int

    @property
    def label(self) -> str:
        """Variable and lags: "gmm y 2-4", or "gmm y 2+" for all that the panel holds."""
        open_ended = self.last >= self.values.shape[1]
        return f"gmm {self.name} {self.first}{'+' if open_ended else f'-{self.last}'}"


@dataclass(frozen=True)
class Instruments:
    """Z (r, l) and where its columns came from: `groups` maps a label to column numbers."""

    Z: csr_array
    groups: dict[str, Codes]


def build_instruments(
    rows: Equations,
    blocks: tuple[GmmBlock, ...],
    plain: Floats,
    level_only: Floats,
    collapse: bool,
) -> Instruments:
    """Z for `rows`: the blocks, then plain (N, S, m) instruments, which serve in every row, and
    level_only (N, S, m') ones, which serve in the level equations of a system alone.

    Groups: one per block, "levels" for all columns of the level equations, "plain" for the rest.
    """
    everywhere = rows.combination @ flat(plain)
    in_levels = (rows.combination @ flat(level_only)) * rows.in_levels[:, None]
    pieces = [(block.label, piece) for block in blocks for piece in pair(rows, block, collapse)]
    pieces.append(("plain", csr_array(np.concatenate([everywhere, in_levels], axis=1))))
    ends = np.cumsum([piece.shape[1] for _, piece in pieces])
    spans = np.split(np.arange(ends[-1]), ends[:-1])
    labels = [label for label, _ in pieces]
    groups = {
        label: np.concatenate([s for name, s in zip(labels, spans, strict=True) if name == label])
        for label in labels
    }
    if rows.n_levels and blocks:
        groups["levels"] = np.concatenate(spans[1:-1:2])
    used = {label: columns for label, columns in groups.items() if len(columns)}
    return Instruments(csr_array(hstack([piece for _, piece in pieces], format="csr")), used)


def pair(rows: Equations, block: GmmBlock, collapse: bool) -> list[csr_array]:
    """A block's columns for the transformed rows and, in a system, for the level rows."""
    found = [lagged_levels(rows, block, collapse)]
    return [*found, lagged_difference(rows, block, collapse)] if rows.n_levels else found


def lagged_levels(rows: Equations, block: GmmBlock, collapse: bool) -> csr_array:
    """Levels `first` to `last` periods back, for the transformed rows; absent ones are zero."""
    chosen = np.flatnonzero(~rows.in_levels)
    lags = np.arange(block.first, min(block.last, block.values.shape[1] - 1) + 1)
    period = rows.period[chosen]
    source = period[:, None] - lags
    value = block.values[rows.unit[chosen][:, None], np.maximum(source, 0)]
    present = (source >= 0) & np.isfinite(value)
    row, which = np.nonzero(present)
    key = lags[which] if collapse else period[row] * block.values.shape[1] + lags[which]
    return columns(chosen[row], key, value[present], len(rows.unit))


def lagged_difference(rows: Equations, block: GmmBlock, collapse: bool) -> csr_array:
    """The difference `first` - 1 periods back, for the level rows; absent ones are zero."""
    chosen = np.flatnonzero(rows.in_levels)
    unit, period = rows.unit[chosen], rows.period[chosen]
    back = period - block.first
    value = (
        block.values[unit, np.maximum(back + 1, 0)] - block.values[unit, np.maximum(back, 0)]
    )
    present = (back >= 0) & np.isfinite(value)
    key = np.zeros(int(present.sum()), dtype=np.int64) if collapse else period[present]
    return columns(chosen[present], key, value[present], len(rows.unit))


def columns(row: Codes, key: Codes, value: Floats, n_rows: int) -> csr_array:
    """A sparse matrix with one column per distinct key, in the keys' order."""
    found, column = np.unique(key, return_inverse=True)
    return csr_array(coo_array((value, (row, column)), shape=(n_rows, len(found))))
