"""Projecting many samples at once: one under the other, each on effects of its own.

Samples of a curve differ in which rows are missing. One by one, most of their time would go into
the calls; stacked, with levels that no two samples share, they are one projection whose parts
nothing links (see `models.components`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from models.absorb import Absorption, absorb_stacked, group_sums, group_totals
from models.components import BlockInverse
from models.design import Codes, Floats
from models.engine.projection import Projected, project
from models.engine.samples import SampleGroup

NUMBERS = 2**18  # in the stacked columns: beyond the cache, stacking more gains nothing


def in_stacks(groups: Iterable[SampleGroup]) -> Iterator[list[SampleGroup]]:
    """Samples in lists that are small enough to be projected together."""
    stack: list[SampleGroup] = []
    rows, width = 0, 0
    for group in groups:
        rows, width = rows + len(group.rows), max(width, len(group.names))
        if stack and rows * width > NUMBERS:
            yield stack
            stack, rows, width = [], len(group.rows), len(group.names)
        stack.append(group)
    if stack:
        yield stack


def project_together(groups: Sequence[SampleGroup]) -> list[Projected]:
    """Each sample's columns, projected on its own effects; all have weights or none has.

    As `project` for each of them, but for round-off. Raises BadInput as it does.
    """
    if len(groups) < 2:
        return [project(group.candidates, group.weights, group.effects) for group in groups]
    sizes = np.array([len(group.rows) for group in groups])
    sample = np.repeat(np.arange(len(groups)), sizes)
    weights = _weights(groups)
    absorption = absorb_stacked(_stacked_effects(groups, sample), weights, len(sample))
    if absorption is None:
        return [project(group.candidates, group.weights, group.effects) for group in groups]
    starts = np.cumsum(sizes) - sizes
    columns, before = _of_unit_length(groups, weights, starts, sample)
    left = absorption.residual(columns)
    left *= before.take(sample, axis=0)
    w = np.ones(len(sample)) if weights is None else weights
    ranks = _ranks(absorption, sample, len(groups))
    return [
        Projected(
            left[start : start + size, : len(group.names)],
            w[start : start + size],
            before[k, : len(group.names)],
            group.effects or (np.zeros(size, dtype=np.int64),),
            int(ranks[k]),
        )
        for k, (group, start, size) in enumerate(zip(groups, starts, sizes, strict=True))
    ]


def _weights(groups: Sequence[SampleGroup]) -> Floats | None:
    """All samples' weights (n,), those of each adding up to its rows; None where there are none."""
    parts = [group.weights for group in groups if group.weights is not None]
    if not parts:
        return None
    return np.concatenate([part * (len(part) / part.sum()) for part in parts])


def _stacked_effects(groups: Sequence[SampleGroup], sample: Codes) -> tuple[Codes, ...]:
    """The effects' codes (n,), no level in two samples; a constant for each where none is asked."""
    stacked = []
    for effect in zip(*(group.effects for group in groups), strict=True):
        ends = np.cumsum([int(codes.max()) + 1 for codes in effect])
        starts = np.append(0, ends[:-1])
        stacked.append(np.concatenate([c + s for c, s in zip(effect, starts, strict=True)]))
    return tuple(stacked) or (sample,)


def _of_unit_length(
    groups: Sequence[SampleGroup], weights: Floats | None, starts: Codes, sample: Codes
) -> tuple[Floats, Floats]:
    """Columns (n, p) about each sample's means, of length one, and what it was (samples, p).

    A sample of fewer columns than the widest is filled up with zeros.
    """
    count = len(groups)
    Z = np.zeros((len(sample), max(len(group.names) for group in groups)))
    for group, start in zip(groups, starts, strict=True):
        Z[start : start + len(group.rows), : len(group.names)] = group.candidates
    means = group_sums(sample, Z, weights, count) / group_totals(sample, weights)[:, None]
    Z -= means.take(sample, axis=0)
    before = np.sqrt(group_sums(sample, Z * Z, weights, count))
    unit = np.divide(1.0, before, out=np.zeros_like(before), where=before > 0)
    Z *= unit.take(sample, axis=0)
    return Z, before


def _ranks(absorption: Absorption, sample: Codes, count: int) -> Codes:
    """The joint rank of each sample's effects: their levels, less what links them twice."""
    homes = []
    for codes, total in zip(absorption.effects, absorption.totals, strict=True):
        home = np.empty(len(total), dtype=np.int64)
        home[codes] = sample
        homes.append(home)
    levels = sum(np.bincount(home, minlength=count) for home in homes)
    if not isinstance(absorption.solve, BlockInverse):  # one effect
        return np.asarray(levels)
    parts = absorption.solve.parts
    part_home = np.empty(parts.count, dtype=np.int64)
    part_home[parts.first] = homes[0]
    return np.asarray(levels - np.bincount(part_home, minlength=count))
