"""Singletons: rows alone in a level of an effect, which say nothing once it is absorbed.

Their residual is zero whatever the coefficients are. They are counted, as in R and Stata, and a
cluster that consists of them counts too, which makes CR1 intervals a little short (Correia 2015):
with CR1 = G/(G-1) and t with G - 1 df, G is too large. Models and curves say so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from models.design import Codes


def linked(effects: Sequence[Codes], n: int) -> NDArray[np.bool_]:
    """Which of n rows share every level with another row that does; effects are codes (n,).

    A row that goes may leave another one alone: rows go until none does.
    """
    kept, before = np.ones(n, dtype=bool), n + 1
    while (left := int(np.count_nonzero(kept))) < before:
        before = left
        for codes in effects:
            some = codes[kept]
            alone = np.bincount(some) == 1
            if alone.any():
                kept[kept] = ~alone[some]
    return kept


def silent(clusters: Codes, kept: NDArray[np.bool_]) -> Codes:
    """The clusters, codes (n,), of which no row is `kept` (n,): all are singletons."""
    rows = np.bincount(clusters)
    return np.flatnonzero((rows > 0) & (np.bincount(clusters[kept], minlength=len(rows)) == 0))


def shortfall(n_clusters: int, n_silent: int) -> float:
    """By how much longer, in shares of one, CR1 intervals were without the silent clusters."""
    n_heard = n_clusters - n_silent
    with_all, without = (
        float(np.sqrt(g / (g - 1)) * stdtrit(g - 1, 0.975)) for g in (n_clusters, n_heard)
    )
    return without / with_all - 1.0
