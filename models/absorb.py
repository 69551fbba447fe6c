"""Absorbing fixed effects: exact projections, any number of effects, linear in the rows.

One effect, that with most levels, is eliminated by (weighted) group means. What the other effects
add is a small system, the Schur complement of the weighted cross-tabulations, factorised once; of
two effects in parts that nothing links, a system a part, where "most" is meant within a part. No
matrix of rows by dummies is ever formed. Singletons are kept: their residual is zero, and their
level counts in the rank like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from data.errors import BadInput
from models import schur
from models.components import block_inverse, linked
from models.design import Codes, Floats
from models.schur import Solver, Table, tables_of

# A projection is repeated until the group means of its residual fall below this share of the
# largest one: by the dense factor, and by conjugate gradients. Above the last, it has failed.
CLEAN, CLEAN_ITERATIVE, FAILED = 1e-14, 1e-12, 1e-9
FEW_CELLS = 2**13  # of a cross-tabulation that is not worth looking through for unlinked parts
LINKS = 2**20  # rows that are
SIDE = 64  # rows looked at side by side
ROWS = 2**14  # rows handled at a time where an intermediate as long as the panel would not pay


@dataclass(frozen=True)
class Absorption:
    """The projection off the joint span of some effects.

    effects holds code arrays (n,) without gaps, the eliminated one first, those spanned by another
    left out; totals the weight of each level; cross (a, r) the weighted cross-tabulation of the
    first effect with the stacked levels of the others; `solve` applies a generalised inverse of the
    Schur complement to (r, p). `rank` is the joint rank of the effects: exact up to
    `schur.DENSE_LEVELS` remaining levels and always with two effects, else an upper bound.
    """

    effects: tuple[Codes, ...]
    totals: tuple[Floats, ...]
    weights: Floats | None
    cross: Table
    solve: Solver
    rank: int

    def residual(self, Z: Floats) -> Floats:
        """Z (n, p) less its weighted projection on the effects, (n, p).

        Raises BadInput where levels are too weakly linked for the projection to converge.
        """
        out = np.array(Z, dtype=np.float64, order="C")
        if not self.effects:
            return out
        iterative = self.cross.shape[1] > schur.DENSE_LEVELS
        for _ in range(4):
            sums = self._sums(out)
            if self._within(CLEAN_ITERATIVE if iterative else CLEAN, sums, out):
                return out
            for codes, values in zip(self.effects, self.coefficients(sums), strict=True):
                for start in range(0, len(out), ROWS):
                    out[start : start + ROWS] -= values.take(codes[start : start + ROWS], axis=0)
        if not self._within(FAILED, self._sums(out), Z):
            what = "their levels are too weakly linked to be told apart"
            raise BadInput("effects", what, "use fewer or coarser effects")
        return out

    def inverse(self) -> Floats:
        """A generalised inverse (L, L) of D'WD for the stacked levels of `effects`, dense."""
        if not self.effects:
            return np.zeros((0, 0))
        shared = schur.dense(self.cross) / self.totals[0][:, None]
        remaining = self.solve(np.eye(shared.shape[1]))
        corner = -shared @ remaining
        block = np.diag(1.0 / self.totals[0]) - corner @ shared.T
        return np.block([[block, corner], [corner.T, remaining]])

    def _sums(self, Z: Floats) -> list[Floats]:
        levels = zip(self.effects, self.totals, strict=True)
        return [group_sums(codes, Z, self.weights, len(total)) for codes, total in levels]

    def _within(self, share: float, sums: list[Floats], Z: Floats) -> bool:
        """Whether all group means are within that share of their column's largest value."""
        size = share * _largest(Z)
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
    effects = _to_absorb(codes, weights, n)
    if len(effects) < 2:
        return _alone(effects, weights)
    levels = [int(effect.max(initial=-1)) + 1 for effect in effects]
    if len(effects) == 2 and n <= LINKS and np.prod(levels) > FEW_CELLS:
        by_parts = _by_parts(effects, weights)
        if by_parts is not None:
            return by_parts
    totals = tuple(group_totals(c, weights) for c in effects)
    tables = tables_of(effects, totals, weights)
    solve, rank = schur.solver(totals[0], tables)
    return Absorption(effects, totals, weights, tables.cross, solve, len(totals[0]) + rank)


def absorb_stacked(
    codes: tuple[Codes, ...], weights: Floats | None, n: int
) -> Absorption | None:
    """`absorb` for samples one under the other, which share no level; None if it would not pay.

    It does where each sample is small parts: as one dense system they would cost far more.
    """
    effects = _to_absorb(codes, weights, n)
    if len(effects) < 2:
        return _alone(effects, weights)
    return _by_parts(effects, weights) if len(effects) == 2 else None


def _to_absorb(codes: tuple[Codes, ...], weights: Floats | None, n: int) -> tuple[Codes, ...]:
    """The effects as `Absorption` holds them. Raises BadInput for unfit weights."""
    if weights is not None and not (np.all(np.isfinite(weights)) and np.all(weights > 0)):
        raise BadInput("weights", "not all are positive numbers", "drop or correct those rows")
    effects = _without_spanned([dense_codes(np.asarray(c)) for c in codes])
    if any(len(c) != n for c in effects):
        raise ValueError(f"an effect does not have {n} rows")
    return effects


def _alone(effects: tuple[Codes, ...], weights: Floats | None) -> Absorption:
    """One effect, or none."""
    totals = tuple(group_totals(c, weights) for c in effects)
    empty = np.zeros((len(totals[0]) if totals else 0, 0))
    return Absorption(effects, totals, weights, empty, _nothing, sum(map(len, totals)))


def _by_parts(effects: tuple[Codes, ...], weights: Floats | None) -> Absorption | None:
    """Two effects absorbed part by part; None where a part is too large or hangs by a thread."""
    found = linked(effects[0], effects[1], weights)
    totals = tuple(group_totals(c, weights) for c in found.effects)
    solve = block_inverse(found, totals[0], totals[1])
    if solve is None:
        return None
    rank = sum(map(len, totals)) - found.parts.count
    return Absorption(found.effects, totals, weights, found.cross, solve, rank)


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


def joint_rank(codes: tuple[Codes, ...], n: int) -> int:
    """Rank of the stacked dummies of the effects: what they cost in degrees of freedom."""
    return absorb(codes, None, n).rank


def _largest(Z: Floats) -> Floats:
    """The largest absolute value (p,) of each column of Z (n, p)."""
    size, p = np.abs(Z), Z.shape[1]
    whole = len(Z) // SIDE * SIDE  # a maximum over long rows is many times faster than over short
    wide = size[:whole].reshape(whole // SIDE, SIDE * p).max(axis=0, initial=0.0)
    rest: Floats = size[whole:].max(axis=0, initial=0.0)
    return np.maximum(wide.reshape(SIDE, p).max(axis=0), rest)


def _without_spanned(effects: list[Codes]) -> tuple[Codes, ...]:
    """The effects, largest first, without those that a larger one already spans."""
    kept: list[Codes] = []
    for codes in sorted(effects, key=lambda c: -int(c.max(initial=0))):
        if not any(is_nested(finer, codes) for finer in kept):
            kept.append(codes)
    return tuple(kept)


def _nothing(sums: Floats) -> Floats:
    return sums
