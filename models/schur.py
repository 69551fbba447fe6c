"""What several effects share: their cross-tabulations, and the Schur complement of the largest.

Eliminating the effect with most levels leaves a system in the levels of the others. Small tables
are dense arrays, so that a panel of a few hundred units costs a few matrix products; larger ones
are sparse, and beyond a few thousand levels conjugate gradients replace the dense factor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from models.components import components
from models.design import Codes, Floats

# Beyond this many levels outside the largest effect, conjugate gradients replace the dense factor.
DENSE_LEVELS = 6000
ITERATIONS = 3000
# A pivot below this share of its level's weight is round-off: the level adds nothing to the rank.
PIVOT = 1e-10
DENSE_CELLS = 2**17  # of a cross-tabulation that still pays as a dense array: a megabyte
Solver = Callable[[Floats], Floats]
Table = Floats | sp.csr_array


@dataclass(frozen=True)
class Tables:
    """Weighted cross-tabulations of effects, all dense or all sparse.

    cross (a, r) is that of the first effect with the stacked levels of the others; within (r, r)
    that of the others with one another, their totals on its diagonal; ends (others,) are where
    each one's levels end.
    """

    cross: Table
    within: Table
    ends: Codes


def tables_of(
    effects: tuple[Codes, ...], totals: tuple[Floats, ...], weights: Floats | None
) -> Tables:
    """Cross-tabulate effects (n,) without gaps in their codes, the largest first."""
    first, *others = effects
    ends = np.cumsum([len(total) for total in totals[1:]])
    if len(totals[0]) * ends[-1] <= DENSE_CELLS:
        cross = [tabulate(first, other, weights) for other in others]
        within = [[tabulate(one, two, weights) for two in others] for one in others]
        return Tables(np.hstack(cross), np.block(within), ends)
    tabs = [cross_tabulate(first, other, weights) for other in others]
    blocks = [
        [
            sp.diags_array(totals[1 + i]) if i == j else cross_tabulate(one, two, weights)
            for j, two in enumerate(others)
        ]
        for i, one in enumerate(others)
    ]
    return Tables(sp.csr_array(sp.hstack(tabs)), sp.csr_array(sp.block_array(blocks)), ends)


def tabulate(rows: Codes, columns: Codes, weights: Floats | None) -> Floats:
    """Weighted cross-tabulation of two code arrays (n,), dense."""
    shape = int(rows.max()) + 1, int(columns.max()) + 1
    cells = np.bincount(rows * shape[1] + columns, weights, minlength=shape[0] * shape[1])
    return cells.reshape(shape).astype(np.float64, copy=False)


def cross_tabulate(rows: Codes, columns: Codes, weights: Floats | None) -> sp.csr_array:
    """Weighted cross-tabulation of two code arrays (n,), sparse."""
    values = np.ones(len(rows)) if weights is None else weights
    shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    return sp.csr_array(sp.coo_array((values, (rows, columns)), shape=shape))


def dense(table: Table) -> Floats:
    """A table as an array."""
    return table if isinstance(table, np.ndarray) else table.toarray()


def solver(first: Floats, tables: Tables) -> tuple[Solver, int]:
    """Generalised inverse and rank of within - cross' first^-1 cross; first (a,) are totals."""
    scale = 1.0 / np.sqrt(tables.within.diagonal())
    if isinstance(tables.cross, np.ndarray) and isinstance(tables.within, np.ndarray):
        half = tables.cross * scale / np.sqrt(first)[:, None]
        return _dense_solver(tables.within * scale * scale[:, None] - half.T @ half, scale)
    across = sp.csr_array(tables.cross)
    shared = sp.csr_array(sp.diags_array(1.0 / np.sqrt(first)) @ across @ sp.diags_array(scale))
    own = sp.csr_array(sp.diags_array(scale) @ tables.within @ sp.diags_array(scale))
    if len(scale) <= DENSE_LEVELS:
        return _dense_solver((own - shared.T @ shared).toarray(), scale)
    starts = np.append(0, tables.ends[:-1])
    tabs = [across[:, start:end] for start, end in zip(starts, tables.ends, strict=True)]
    parts = (components(sp.csr_array(tab)).count for tab in tabs)
    return _gradient_solver(own, shared, scale), len(scale) - sum(parts)


def _dense_solver(schur: Floats, scale: Floats) -> tuple[Solver, int]:
    """By pivoted Cholesky, which finds the rank on its way."""
    factor, pivots, rank, _ = lapack.dpstrf(schur, tol=PIVOT, lower=1)
    kept = pivots[:rank] - 1
    lower = np.asfortranarray(factor[:rank, :rank])  # potrs reads its lower triangle alone
    own = scale[kept, None]

    def solve(sums: Floats) -> Floats:
        out = np.zeros_like(sums)
        if rank:
            out[kept] = lapack.dpotrs(lower, sums[kept] * own, lower=1)[0] * own
        return out

    return solve, int(rank)


def _gradient_solver(own: sp.csr_array, shared: sp.csr_array, scale: Floats) -> Solver:
    """By conjugate gradients on the scaled system, column by column."""
    from scipy.sparse.linalg import LinearOperator, cg  # rare, and it loads slowly

    size = len(scale)

    def multiply(v: Floats) -> Floats:
        return own @ v - shared.T @ (shared @ v)

    operator = LinearOperator((size, size), matvec=multiply, dtype=np.float64)

    def solve(sums: Floats) -> Floats:
        # Round-off in the sums may leave the range of the system: the caller checks the result.
        scaled = (sums * scale[:, None]).T
        columns = [cg(operator, b, rtol=1e-13, maxiter=ITERATIONS)[0] for b in scaled]
        return np.column_stack(columns) * scale[:, None]

    return solve
