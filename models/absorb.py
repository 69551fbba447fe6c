"""Absorbing fixed effects: exact projections, any number of effects, linear in the rows.

The effect with most levels is eliminated by (weighted) group means. What the other effects add is
a small system, the Schur complement of the weighted cross-tabulations, factorised once. No matrix
of rows by dummies is ever formed. Singletons are kept: their residual is zero, and their level
counts in the rank like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_solve, lapack
from scipy.sparse.csgraph import connected_components

from data.errors import BadInput
from models.design import Codes, Floats

# Beyond this many levels outside the largest effect, conjugate gradients replace the dense factor.
DENSE_LEVELS = 6000
ITERATIONS = 3000
# A pivot below this share of its level's weight is round-off: the level adds nothing to the rank.
PIVOT = 1e-10
# A projection is repeated until the group means of its residual fall below this share of the
# largest one: by the dense factor, and by conjugate gradients. Above the last, it has failed.
CLEAN, CLEAN_ITERATIVE, FAILED = 1e-14, 1e-12, 1e-9
ROWS = 2**14  # rows handled at a time where an intermediate as long as the panel would not pay
Solver = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Absorption:
    """The projection off the joint span of some effects.

    effects holds code arrays (n,) without gaps, largest first, those spanned by another one left
    out; totals the weight of each level; cross (a, r) the weighted cross-tabulation of the first
    effect with the stacked levels of the others; `solve` applies a generalised inverse of the
    Schur complement to (r, p). `rank` is the joint rank of the effects: exact up to DENSE_LEVELS
    remaining levels and always with two effects, else an upper bound.
    """

    effects: tuple[Codes, ...]
    totals: tuple[Floats, ...]
    weights: Floats | None
    cross: sp.csr_array
    solve: Solver
    rank: int

    def residual(self, Z: Floats) -> Floats:
        """Z (n, p) less its weighted projection on the effects, (n, p)."""
        out = np.array(Z, dtype=np.float64, order="C")
        if not self.effects:
            return out
        iterative = self.cross.shape[1] > DENSE_LEVELS
        for _ in range(4):
            sums = self._sums(out)
            if self._within(CLEAN_ITERATIVE if iterative else CLEAN, sums, out):
                return out
            for codes, values in zip(self.effects, self.coefficients(sums), strict=True):
                for start in range(0, len(out), ROWS):
                    out[start : start + ROWS] -= values[codes[start : start + ROWS]]
        if iterative and not self._within(FAILED, self._sums(out), Z):
            what = "their levels are too weakly linked to be told apart"
            raise BadInput("effects", what, "use fewer or coarser effects")
        return out

    def inverse(self) -> Floats:
        """A generalised inverse (L, L) of D'WD for the stacked levels of `effects`, dense."""
        if not self.effects:
            return np.zeros((0, 0))
        shared = self.cross.toarray() / self.totals[0][:, None]
        schur = self.solve(np.eye(shared.shape[1]))
        corner = -shared @ schur
        block = np.diag(1.0 / self.totals[0]) - corner @ shared.T
        return np.block([[block, corner], [corner.T, schur]])

    def _sums(self, Z: Floats) -> list[Floats]:
        levels = zip(self.effects, self.totals, strict=True)
        return [group_sums(codes, Z, self.weights, len(total)) for codes, total in levels]

    def _within(self, share: float, sums: list[Floats], Z: Floats) -> bool:
        """Whether all group means are within that share of their column's largest value."""
        size = share * np.abs(Z).max(axis=0, initial=0.0)
        means = [np.abs(s / t[:, None]) for s, t in zip(sums, self.totals, strict=True)]
        return all(bool(np.all(mean <= size)) for mean in means)

    def coefficients(self, sums: list[Floats]) -> list[Floats]:
        """The effects' values (levels, p) for columns with these weighted sums by level."""
        first = sums[0] / self.totals[0][:, None]
        if len(self.effects) == 1:
            return [first]
        others = self.solve(np.vstack(sums[1:]) - self.cross.T @ first)
        first = first - (self.cross @ others) / self.totals[0][:, None]
        ends = np.cumsum([len(total) for total in self.totals[1:]])
        return [first, *np.split(others, ends[:-1])]


def absorb(codes: tuple[Codes, ...], weights: Floats | None, n: int) -> Absorption:
    """Prepare the projection off the effects given by code arrays (n,), with weights (n,) or None.

    Raises BadInput for weights that are not positive and finite.
    """
    if weights is not None and not (np.all(np.isfinite(weights)) and np.all(weights > 0)):
        raise BadInput("weights", "not all are positive numbers", "drop or correct those rows")
    effects = _without_spanned([dense_codes(np.asarray(c)) for c in codes])
    if any(len(c) != n for c in effects):
        raise ValueError(f"an effect does not have {n} rows")
    totals = tuple(group_totals(c, weights) for c in effects)
    if len(effects) < 2:
        empty = sp.csr_array((len(totals[0]) if totals else 0, 0))
        return Absorption(effects, totals, weights, empty, _nothing, sum(map(len, totals)))
    tabs = [cross_tabulate(effects[0], other, weights) for other in effects[1:]]
    cross = sp.csr_array(sp.hstack(tabs))
    within = _cross_products(effects[1:], totals[1:], weights)
    solve, rank = _schur_solver(totals[0], cross, within, tabs)
    return Absorption(effects, totals, weights, cross, solve, len(totals[0]) + rank)


def dense_codes(codes: Codes) -> Codes:
    """Codes (n,) renumbered 0..L-1 so that each level occurs."""
    present = np.bincount(codes) > 0
    return codes if present.all() else (np.cumsum(present) - 1)[codes]


def is_nested(codes: Codes, within: Codes) -> bool:
    """Whether each level of `codes` (n,) lies inside one level of `within` (n,)."""
    home = np.zeros(int(codes.max(initial=0)) + 1, dtype=within.dtype)
    home[codes] = within
    return bool(np.array_equal(home[codes], within))


def group_totals(codes: Codes, weights: Floats | None) -> Floats:
    """Weight (or number of rows) of each level."""
    return np.bincount(codes, weights).astype(np.float64)


def group_sums(codes: Codes, Z: Floats, weights: Floats | None, n_groups: int) -> Floats:
    """Weighted sums (n_groups, p) of the columns of Z (n, p)."""
    n = len(codes)
    values = np.ones(n) if weights is None else weights
    # the rows' dummies, transposed: one pass over Z in the order in which it is stored
    dummies = sp.csc_array((values, codes, np.arange(n + 1)), shape=(n_groups, n))
    return np.asarray(dummies @ Z)


def cross_tabulate(rows: Codes, columns: Codes, weights: Floats | None) -> sp.csr_array:
    """Weighted cross-tabulation of two code arrays (n,)."""
    values = np.ones(len(rows)) if weights is None else weights
    shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    return sp.csr_array(sp.coo_array((values, (rows, columns)), shape=shape))


def joint_rank(codes: tuple[Codes, ...], n: int) -> int:
    """Rank of the stacked dummies of the effects: what they cost in degrees of freedom."""
    return absorb(codes, None, n).rank


def _without_spanned(effects: list[Codes]) -> tuple[Codes, ...]:
    """The effects, largest first, without those that a larger one already spans."""
    kept: list[Codes] = []
    for codes in sorted(effects, key=lambda c: -int(c.max(initial=0))):
        if not any(is_nested(finer, codes) for finer in kept):
            kept.append(codes)
    return tuple(kept)


def _cross_products(
    effects: tuple[Codes, ...], totals: tuple[Floats, ...], weights: Floats | None
) -> sp.csr_array:
    """D'WD of the stacked levels of some effects."""
    tabs = {
        (i, j): cross_tabulate(effects[i], effects[j], weights)
        for i in range(len(effects))
        for j in range(i + 1, len(effects))
    }
    rows = [
        [
            sp.diags_array(totals[i]) if i == j else tabs[i, j] if i < j else tabs[j, i].T
            for j in range(len(effects))
        ]
        for i in range(len(effects))
    ]
    return sp.csr_array(sp.block_array(rows))


def _schur_solver(
    first: Floats, cross: sp.csr_array, within: sp.csr_array, tabs: list[sp.csr_array]
) -> tuple[Solver, int]:
    """Generalised inverse and rank of within - cross' first^-1 cross."""
    scale = 1.0 / np.sqrt(within.diagonal())
    shared = sp.csr_array(sp.diags_array(1.0 / np.sqrt(first)) @ cross @ sp.diags_array(scale))
    own = sp.csr_array(sp.diags_array(scale) @ within @ sp.diags_array(scale))
    if len(scale) <= DENSE_LEVELS:
        return _dense_solver((own - shared.T @ shared).toarray(), scale)
    components = [int(connected_components(_bipartite(tab), directed=False)[0]) for tab in tabs]
    return _gradient_solver(own, shared, scale), len(scale) - sum(components)


def _dense_solver(schur: Floats, scale: Floats) -> tuple[Solver, int]:
    """By pivoted Cholesky, which finds the rank on its way."""
    factor, pivots, rank, _ = lapack.dpstrf(schur, tol=PIVOT, lower=1)
    kept = pivots[:rank] - 1
    lower = np.asfortranarray(np.tril(factor[:rank, :rank]))

    def solve(sums: Floats) -> Floats:
        out = np.zeros_like(sums)
        if rank:
            out[kept] = cho_solve((lower, True), sums[kept] * scale[kept, None]) * scale[kept, None]
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


def _bipartite(tab: sp.csr_array) -> sp.csr_array:
    """The graph that links the levels of two effects."""
    rows, columns = tab.nonzero()
    size = sum(tab.shape)
    return sp.csr_array((np.ones(len(rows)), (rows, columns + tab.shape[0])), shape=(size, size))


def _nothing(sums: Floats) -> Floats:
    return sums
