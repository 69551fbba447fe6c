"""A multiverse in chunks of a few hundred cells, each of which can be computed anywhere.

A chunk is computed in the same way and in the same sizes wherever it is, so that a curve has the
same bits on one machine and on many.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.engine.declared import Stratum
from models.engine.estimation import estimate_groups
from models.engine.joint import Drawn, NullCurves, ObservedCurve, described
from models.engine.main_model import MainModel, declared_placebos, leave_out, trial
from models.engine.placebo_audit import BLOCKS, Trial, placebo_audit
from models.engine.resampling import Resampler
from models.engine.samples import SampleGroup, sample_groups
from models.engine.setting import Setting
from models.engine.specs_table import chunk_columns
from models.engine.stacked import statistics_of
from models.engine.subsets import Indices
from models.inference.sign_draws import SignDraws
from models.threads import processors, side_by_side, slices

CELLS = 768  # at most in a chunk: enough to fill matrix products, few enough to share out
Chunk = tuple[tuple[int, Stratum], ...]  # strata of the same effects and weights, and their places


@dataclass(frozen=True)
class ChunkTable:
    """One chunk's estimates: columns of the curve's table, failures by reason, clusters present.

    columns are those of each stratum in turn, but for strata of which nothing was estimated.
    """

    columns: Sequence[Mapping[str, NDArray[Any]]]
    failed: Mapping[str, int]
    cells: int
    present: Indices


class Workplace(Protocol):
    """Where a multiverse is computed; tables and draws come in the order of the chunks."""

    def main_model(self, say: Callable[[str], None]) -> Callable[[], MainModel]:
        """Begin the main model's audit and influence analysis; the call waits for them."""
        ...

    def tables(self, count: int) -> Iterable[ChunkTable]:
        """The estimates of chunks 0 to count - 1."""
        ...

    def resampled(
        self, chunks: Sequence[int], present: Indices, draws: SignDraws, observed: ObservedCurve
    ) -> Iterable[NullCurves]:
        """Curves of these chunks for draws of all clusters, described beside the observed one."""
        ...


class Here:
    """This process: every chunk in turn, its cross-products kept for resampling.

    It is pickled without what it has computed.
    """

    def __init__(self, setting: Setting, threads: Callable[[], int] = processors) -> None:
        self.setting = setting
        self.threads = threads  # how many may be used
        self.parts = parts(setting)
        self._resamplers: dict[int, list[Resampler]] = {}

    def __reduce__(self) -> tuple[type[Here], tuple[Setting, Callable[[], int]]]:
        return Here, (self.setting, self.threads)

    def main_model(self, say: Callable[[str], None]) -> Callable[[], MainModel]:
        """The main model's audit and influence analysis, when they are asked for."""

        def compute() -> MainModel:
            say(self.trial.doing)  # described here once, before threads share it
            judged = list(side_by_side(self.rejections, range(BLOCKS), self._at_once))
            audit = placebo_audit(self.trial, judged)
            return MainModel(audit, leave_out(self.setting), declared_placebos(self.setting))

        return compute

    def _at_once(self) -> int:
        """Blocks of the audit that may be judged at a time."""
        return min(self.threads(), self.trial.most_at_once)

    @cached_property
    def trial(self) -> Trial:
        """The main model's audit."""
        return trial(self.setting)

    def rejections(self, block: int) -> Indices:
        """Rejected and judged placebos (2, judges) of one of the audit's blocks."""
        return self.trial.rejections(block)

    def table(self, chunk: int) -> ChunkTable:
        """The estimates of one chunk."""
        setting, strata = self.setting, self.parts[chunk]
        groups = [list(_groups(setting, stratum)) for _, stratum in strata]
        estimated = estimate_groups([group for some in groups for group in some])
        by_stratum = [list(islice(estimated, len(some))) for some in groups]
        every = [found for some in by_stratum for _, found in some]
        resamplers = [found.resampler for found in every if found.resampler is not None]
        self._resamplers[chunk] = resamplers
        present = [resampler.cluster for resampler in resamplers]
        columns = (
            chunk_columns(setting, position, stratum, some)
            for (position, stratum), some in zip(strata, by_stratum, strict=True)
        )
        return ChunkTable(
            [of_stratum for of_stratum in columns if of_stratum],
            Counter(reason for found in every for reason in found.reason if reason),
            sum(int(stratum.wanted.sum()) for _, stratum in strata),
            np.unique(np.concatenate(present)) if present else np.empty(0, dtype=np.int64),
        )

    def tables(self, count: int) -> Iterator[ChunkTable]:
        """The estimates of the first `count` chunks."""
        return map(self.table, range(count))

    def statistics(self, chunk: int, present: Indices, draws: SignDraws) -> Drawn:
        """Slopes and t-statistics (S, D) of one chunk under the null."""
        if chunk not in self._resamplers:
            self.table(chunk)
        return statistics_of(self._resamplers[chunk], present, draws, self.threads)

    def resampled(
        self, chunks: Sequence[int], present: Indices, draws: SignDraws, observed: ObservedCurve
    ) -> Iterator[NullCurves]:
        """Curves of these chunks, some draws at a time."""
        drawn = [self.statistics(chunk, present, draws) for chunk in chunks]
        return described(observed, drawn, self.threads)


def parts(setting: Setting) -> tuple[Chunk, ...]:
    """The declared cells in chunks of at most CELLS.

    Strata of the same effects and weights are computed together: their samples have much in common.
    """
    alike = defaultdict[object, list[tuple[int, Stratum]]](list)
    for position, stratum in enumerate(setting.declared.strata):
        alike[stratum.effects, stratum.weights] += [(position, one) for one in _cut(stratum)]
    return tuple(chunk for strata in alike.values() for chunk in _filled(strata))


def _cut(stratum: Stratum) -> Iterator[Stratum]:
    """A stratum in parts of about one size that are no larger than a chunk."""
    cells = np.flatnonzero(stratum.wanted)
    for some in slices(len(cells), CELLS):
        wanted = np.zeros(stratum.wanted.size, dtype=bool)
        wanted[cells[some]] = True
        yield replace(stratum, wanted=wanted.reshape(stratum.wanted.shape))


def _filled(strata: Sequence[tuple[int, Stratum]]) -> Iterator[Chunk]:
    """Strata one after the other, as many to a chunk as it holds."""
    chunk: Chunk = ()
    cells = 0
    for position, stratum in strata:
        own = int(stratum.wanted.sum())
        if chunk and cells + own > CELLS:
            yield chunk
            chunk, cells = (), 0
        chunk, cells = (*chunk, (position, stratum)), cells + own
    if chunk:
        yield chunk


def _groups(setting: Setting, stratum: Stratum) -> Iterator[SampleGroup]:
    return sample_groups(setting.columns, setting.declared, stratum, setting.clusters)
