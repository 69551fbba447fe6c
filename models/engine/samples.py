"""Cells grouped by the rows they rest on: one projection serves all that share a sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import BadInput
from data.expressions.columns import column_values
from data.panel import Panel
from data.suggestions import near
from models.absorb import dense_codes
from models.design import Codes, Floats
from models.engine.declared import Declared, Stratum
from models.engine.subsets import Flags, Indices


@dataclass(frozen=True)
class Columns:
    """What a multiverse needs of a panel's N rows, sorted by unit and time.

    numbers holds float columns with NaN; keys holds code columns (effects, clusters) with -1
    where missing; samples holds flags by name; required names the keys every row must have.
    """

    numbers: Mapping[str, Floats]
    keys: Mapping[str, Codes]
    samples: Mapping[str, Flags]
    required: tuple[str, ...]

    @cached_property
    def spread(self) -> Mapping[str, float]:
        """The standard deviation of each number over all rows that know it; zero if none does."""
        known = {name: values[~np.isnan(values)] for name, values in self.numbers.items()}
        return {name: float(values.std()) if len(values) else 0.0 for name, values in known.items()}


@dataclass(frozen=True, eq=False)
class SampleGroup:
    """Specifications on the same n rows of a panel, with the effects and weights of a stratum.

    rows (n,) index `columns`; subsets (m, U) are over the controls. outcome and treatment (S,) are
    positions among the targets, subset (S,) among the subsets; pair (S,) and declared (S,) say
    which declared pair and subset each cell is; by names the columns that scores are summed by.
    """

    columns: Columns
    stratum: Stratum
    by: tuple[str, ...]
    rows: Indices
    targets: tuple[str, ...]
    controls: tuple[str, ...]
    subsets: Flags
    outcome: Indices
    treatment: Indices
    subset: Indices
    pair: Indices
    declared: Indices

    @property
    def names(self) -> tuple[str, ...]:
        """The p columns: targets, then controls."""
        return self.targets + self.controls

    @property
    def candidates(self) -> Floats:
        """Targets, then controls (n, p), put together each time: they are most of a sample."""
        return np.column_stack([self.columns.numbers[name][self.rows] for name in self.names])

    @cached_property
    def weights(self) -> Floats | None:
        """The stratum's weights (n,)."""
        name = self.stratum.weights
        return None if name is None else self.columns.numbers[name][self.rows]

    @cached_property
    def effects(self) -> tuple[Codes, ...]:
        """Codes (n,) without gaps."""
        keys = self.columns.keys
        return tuple(dense_codes(keys[name][self.rows]) for name in self.stratum.effects)

    @cached_property
    def clusters(self) -> tuple[Codes, ...]:
        """Codes (n,) among those of the whole panel."""
        return tuple(self.columns.keys[name][self.rows] for name in self.by)


def numbers(frame: pd.DataFrame, names: tuple[str, ...], where: str) -> dict[str, Floats]:
    """Float columns by name. Raises BadInput for one that is not there, text or infinite."""
    found: dict[str, Floats] = {}
    for name in dict.fromkeys(names):
        if name not in frame.columns:
            raise BadInput(where, f"no column {name!r}", near(name, map(str, frame.columns)))
        values = column_values(frame, name, where)
        if values.dtype == object:
            raise BadInput(where, f"{name!r} is text", "use a number, such as x == 'a'")
        found[name] = values.astype(np.float64)
    return found


def key_codes(frame: pd.DataFrame, panel: Panel, name: str, where: str) -> Codes:
    """Codes (N,) of an effect or cluster, -1 where missing: one column, or several joined by *.

    Raises BadInput for a column that is not there.
    """
    index = {"unit": panel.unit, "time": panel.time, "parent": panel.parent}
    codes = np.zeros(len(frame), dtype=np.int64)
    for part in name.split("*"):
        column = index.get(part.strip()) or part.strip()
        if column not in frame.columns:
            known = [*index, *map(str, frame.columns)]
            raise BadInput(where, f"no column {column!r}", near(column, known))
        one = pd.factorize(frame[column], sort=True)[0]
        missing = (codes < 0) | (one < 0)
        codes = np.where(missing, -1, codes * (int(one.max()) + 1) + one)
    return codes


def sample_groups(
    columns: Columns, declared: Declared, stratum: Stratum, clusters: tuple[str, ...]
) -> Iterator[SampleGroup]:
    """The wanted cells of a stratum, by the rows that are complete for them."""
    rows = _base_rows(columns, stratum)
    names = (*declared.controls, *dict.fromkeys(name for pair in stratum.pairs for name in pair))
    missing = np.array([np.isnan(columns.numbers[name][rows]) for name in names])
    first, which = distinct(missing)
    patterns = missing[first]
    uses = _pattern_use(declared, stratum, dict(zip(names, which, strict=True)), len(patterns))
    keys = np.packbits(uses, axis=0)  # (bytes, pairs, U)
    flat = keys.reshape(len(keys), -1)[:, stratum.wanted.ravel()]
    pair, subset = np.nonzero(stratum.wanted)
    found, member = distinct(flat.T)
    used = np.unpackbits(flat[:, found], axis=0, count=len(patterns)).astype(bool)
    # different patterns may leave the same rows: one projection serves them
    complete = np.array([~patterns[some].any(axis=0) for some in used.T])
    samples, sample = distinct(complete)
    for k, kept in enumerate(complete[samples]):
        cells = np.flatnonzero(sample[member] == k)
        yield _group(columns, declared, stratum, clusters, rows[kept], pair[cells], subset[cells])


def distinct(rows: NDArray[Any]) -> tuple[Indices, Indices]:
    """Where each distinct one of k rows comes first (U,), and which of these each row is (k,)."""
    places: dict[bytes, int] = {}
    which = [places.setdefault(row.tobytes(), len(places)) for row in rows]
    return np.unique(which, return_index=True)[1], np.array(which, dtype=np.int64)


def _base_rows(columns: Columns, stratum: Stratum) -> Indices:
    """Rows of the sample whose keys and weights are known."""
    known = columns.samples[stratum.sample].copy()
    for name in (*stratum.effects, *columns.required):
        known &= columns.keys[name] >= 0
    if stratum.weights is not None:
        known &= ~np.isnan(columns.numbers[stratum.weights])
    return np.flatnonzero(known)


def _pattern_use(
    declared: Declared, stratum: Stratum, pattern: Mapping[str, int], n_patterns: int
) -> Flags:
    """Which patterns of missing rows each cell runs into: (patterns, pairs, U)."""
    by_subset = np.zeros((n_patterns, declared.subsets.shape[1]), dtype=bool)
    for i, name in enumerate(declared.controls):
        by_subset[pattern[name]] |= declared.subsets[i]
    by_pair = np.zeros((n_patterns, len(stratum.pairs)), dtype=bool)
    for i, pair in enumerate(stratum.pairs):
        by_pair[[pattern[name] for name in pair], i] = True
    return by_pair[:, :, None] | by_subset[:, None, :]


def _group(
    columns: Columns,
    declared: Declared,
    stratum: Stratum,
    clusters: tuple[str, ...],
    rows: Indices,
    pair: Indices,
    subset: Indices,
) -> SampleGroup:
    """Cells (pair, subset) (S,) on their common rows, with the columns they use."""
    used, position = np.unique(subset, return_inverse=True)
    held = declared.subsets[:, used]
    kept = np.flatnonzero(held.any(axis=1))
    controls = tuple(declared.controls[i] for i in kept)
    names = [stratum.pairs[i] for i in pair]
    targets = tuple(dict.fromkeys(name for both in names for name in both))
    place = {name: i for i, name in enumerate(targets)}
    return SampleGroup(
        columns=columns,
        stratum=stratum,
        by=clusters,
        rows=rows,
        targets=targets,
        controls=controls,
        subsets=held[kept],
        outcome=np.array([place[outcome] for outcome, _ in names], dtype=np.int64),
        treatment=np.array([place[treatment] for _, treatment in names], dtype=np.int64),
        subset=position.astype(np.int64),
        pair=pair,
        declared=subset,
    )
