"""Two effects whose levels fall into parts that nothing links: each part solved by itself.

Units and years within countries are one part a country; several samples, one under the other, are
at least one part each. The Schur complement (see `models.schur`) is then many small blocks, which
are inverted together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from models.design import Codes, Floats
from models.sweep import sweep

LEVELS = 64  # of the second effect in a part: larger blocks are better factorised one by one
PIVOT = 1e-8  # below which a level hangs on the others by a thread, and pivoting is needed
NUMBERS = 2**22  # in the blocks, each as large as the largest


@dataclass(frozen=True)
class Components:
    """The connected parts of the graph that links the levels of two effects.

    first (a,) and second (r,) say which of the `count` parts a level of either belongs to.
    """

    count: int
    first: Codes
    second: Codes


def components(table: sp.csr_array) -> Components:
    """The parts of a cross-tabulation (a, r)."""
    size = sum(table.shape)
    indptr = np.append(table.indptr, np.full(table.shape[1], table.indptr[-1]))
    links = (table.data, table.indices + table.shape[0], indptr)
    count, part = connected_components(sp.csr_array(links, shape=(size, size)), directed=False)
    own, other = np.split(part.astype(np.int64), [table.shape[0]])
    return Components(int(count), own, other)


@dataclass(frozen=True)
class BlockInverse:
    """A generalised inverse of a Schur complement (r, r) of unconnected blocks.

    One level of each of the `parts` is left out, which leaves blocks of full rank: inverse
    (parts, b, b). kept lists the other levels, part and place where each of them stands; scale (r,)
    is what the system was scaled by.
    """

    inverse: Floats
    kept: Codes
    part: Codes
    place: Codes
    scale: Floats
    parts: Components

    def __call__(self, sums: Floats) -> Floats:
        """Applied to columns (r, p)."""
        blocks = np.zeros((*self.inverse.shape[:2], sums.shape[1]))
        own = self.scale[self.kept, None]
        blocks[self.part, self.place] = sums[self.kept] * own
        out = np.zeros_like(sums)
        out[self.kept] = (self.inverse @ blocks)[self.part, self.place] * own
        return out


@dataclass(frozen=True)
class Linked:
    """Two effects (n,), the one that is eliminated first, and what links their levels.

    cross (a, r) is their weighted cross-tabulation.
    """

    effects: tuple[Codes, Codes]
    cross: sp.csr_array
    parts: Components


def linked(first: Codes, second: Codes, weights: Floats | None) -> Linked:
    """The parts of two effects, the one with more levels within a part first.

    Country-years may be more than regions, and yet be fewer than these in each country.
    """
    values = np.ones(len(first)) if weights is None else weights
    cross = sp.csr_array(sp.coo_array((values, (first, second))))
    parts = components(cross)
    widest = [np.bincount(levels).max() for levels in (parts.first, parts.second)]
    if widest[0] >= widest[1]:
        return Linked((first, second), cross, parts)
    turned = Components(parts.count, parts.second, parts.first)
    return Linked((second, first), sp.csr_array(cross.T), turned)


def block_inverse(found: Linked, first: Floats, second: Floats) -> BlockInverse | None:
    """The inverse of second - cross' first^-1 cross, of totals (a,) and (r,); None if it won't pay.

    Its rank is r less the number of parts.
    """
    cross, parts = found.cross, found.parts
    rows, columns = _places(parts.first, parts.count), _places(parts.second, parts.count)
    shape = parts.count, int(rows.max()) + 1, int(columns.max()) + 1
    if shape[2] > LEVELS or np.prod(shape, dtype=float) > NUMBERS:
        return None
    table = np.zeros(shape)
    own, other = np.repeat(np.arange(len(first)), np.diff(cross.indptr)), cross.indices
    scale = 1.0 / np.sqrt(second)
    scaled = cross.data * scale[other] / np.sqrt(first)[own]
    table[parts.first[own], rows[own], columns[other]] = scaled
    inverse = _inverses(table[:, :, 1:])  # the first level of each part is the one left out
    if inverse is None:
        return None
    kept = np.flatnonzero(columns > 0)
    return BlockInverse(inverse, kept, parts.second[kept], columns[kept] - 1, scale, parts)


def _inverses(table: Floats) -> Floats | None:
    """The inverse of each 1 - table_k'table_k (parts, b, b); None if one is all but singular."""
    stack = -np.ascontiguousarray((table.transpose(0, 2, 1) @ table).transpose(1, 2, 0))
    np.einsum("bbk->bk", stack)[...] += 1.0  # also where a part has fewer levels than the largest
    swept = np.empty_like(stack)
    for pivot in range(len(stack)):
        if stack[pivot, pivot].min() < PIVOT:
            return None
        sweep(stack, pivot, swept)
        stack, swept = swept, stack
    return -np.ascontiguousarray(stack.transpose(2, 0, 1))


def _places(part: Codes, count: int) -> Codes:
    """Each level's place (L,) among those of its part."""
    order = np.argsort(part, kind="stable")
    starts = np.cumsum(np.bincount(part, minlength=count)) - np.bincount(part, minlength=count)
    places = np.empty(len(part), dtype=np.int64)
    places[order] = np.arange(len(part)) - starts[part[order]]
    return places
