"""From grouped cells to estimates: project, condense, solve; and say why a cell has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.absorb import dense_codes
from models.design import Floats
from models.engine.crossing import Condensed, crossing_sums
from models.engine.crossproducts import CrossProducts
from models.engine.curve import Cells, Estimates, estimate_curve
from models.engine.many_samples import in_stacks, project_together
from models.engine.projection import Projected, condense
from models.engine.resampling import Resampler
from models.engine.samples import SampleGroup
from models.engine.shared_clusters import condense_shared
from models.engine.subsets import Flags, Problem, Residualised, residualise_together

FEW_ROWS = "fewer than three complete rows"
ONE_CLUSTER = "all complete rows are in one cluster"
NO_OUTCOME = "the effects leave no variation in the outcome"
NO_TREATMENT = "effects and controls leave no variation in the treatment"
NO_ROOM = "as many coefficients and effects as rows"
NO_ERROR = "no standard error: the residuals leave nothing"
ROUND_OFF = 1e-9  # of an estimate: an error that is smaller is none, for columns of unit length
NO_TWO_WAY_ERROR = f"{NO_ERROR}, or the two-way variance is negative"


@dataclass(frozen=True)
class GroupEstimates:
    """A sample group's cells (S,), in their order: figures, NaN where `reason` is not empty.

    one_way_error clusters by the first column alone, which is the one that is resampled.
    n_clusters counts by cluster column. resampler holds the cells without a reason, in order.
    """

    estimate: Floats
    std_error: Floats
    one_way_error: Floats
    reason: tuple[str, ...]
    n_obs: int
    n_clusters: tuple[int, ...]
    resampler: Resampler | None

    @property
    def usable(self) -> Flags:
        """The cells that were estimated (S,)."""
        return np.array([not reason for reason in self.reason], dtype=bool)

    @property
    def df(self) -> float:
        """Degrees of freedom of the t distribution that the statistics are compared with."""
        return min(self.n_clusters) - 1.0


def estimate_group(group: SampleGroup) -> GroupEstimates:
    """Estimate all cells of a sample group with CR1 errors."""
    return next(estimate_groups([group], resampling=False))[1]


def estimate_groups(
    groups: Iterable[SampleGroup], resampling: bool = True
) -> Iterator[tuple[SampleGroup, GroupEstimates]]:
    """Estimate all cells of samples of the same effects and weights; resamplers if wanted."""
    hopeless = [(group, _hopeless(group)) for group in groups]
    solved = _solved([group for group, reason in hopeless if not reason])
    for group, reason in hopeless:
        yield group, (
            _nothing(group, reason) if reason else _estimated(group, *next(solved), resampling)
        )


def _solved(groups: Sequence[SampleGroup]) -> Iterator[tuple[Condensed, Residualised]]:
    """The work that samples share: projected, condensed and solved for all of their cells."""
    pairs = list(zip(groups, condense_shared(groups), strict=True))
    others = _solved_from_rows([group for group, found in pairs if found is None])
    known = [(group, found) for group, found in pairs if found is not None]
    solved = iter(residualise_together(_problems(known)) if known else ())
    for _, found in pairs:
        yield next(others) if found is None else (found, next(solved))


def _solved_from_rows(
    groups: Sequence[SampleGroup],
) -> Iterator[tuple[Condensed, Residualised]]:
    """The same for samples that have too little in common to share more than the calls."""
    for stack in in_stacks(groups):
        projected = zip(stack, project_together(stack), strict=True)
        known = [(group, _from_rows(group, one)) for group, one in projected]
        condensed = [found for _, found in known]
        yield from zip(condensed, residualise_together(_problems(known)), strict=True)


def _problems(known: Sequence[tuple[SampleGroup, Condensed]]) -> list[Problem]:
    return [
        (
            found.products.root,
            np.arange(len(group.targets), len(group.names)),
            np.arange(len(group.targets)),
            group.subsets,
        )
        for group, found in known
    ]


def _from_rows(group: SampleGroup, projected: Projected) -> Condensed:
    """A sample condensed from its own rows."""

    def crossing() -> Floats:
        codes = dense_codes(group.clusters[0])
        return crossing_sums(projected, codes, int(codes.max()) + 1)

    return Condensed(condense(projected, group.clusters), crossing)


def _cluster_counts(group: SampleGroup) -> tuple[int, ...]:
    return tuple(int(np.count_nonzero(np.bincount(codes))) for codes in group.clusters)


def _hopeless(group: SampleGroup) -> str:
    """Why nothing can be estimated on these rows, empty if something might."""
    if len(group.rows) < 3:
        return FEW_ROWS
    return ONE_CLUSTER if min(_cluster_counts(group)) < 2 else ""


def _estimated(
    group: SampleGroup, condensed: Condensed, solved: Residualised, resampling: bool
) -> GroupEstimates:
    products = condensed.products
    cells = Cells(group.outcome, group.treatment, group.subset)
    found = estimate_curve(products, solved, cells)
    first = found
    if len(group.clusters) > 1:
        alone = replace(products, groups=products.groups[:1])
        first = estimate_curve(alone, solved, cells)
    reasons = _reasons(products, found, first.std_error, cells)
    usable = np.array([not reason for reason in reasons], dtype=bool)
    resampler = None
    if resampling and usable.any():
        present = np.flatnonzero(np.bincount(group.clusters[0]))
        resampler = Resampler(products, condensed.crossing(), solved, cells[usable], present)
    return GroupEstimates(
        np.where(usable, found.estimate, np.nan),
        np.where(usable, found.std_error, np.nan),
        np.where(usable, first.std_error, np.nan),
        reasons,
        len(group.rows),
        _cluster_counts(group),
        resampler,
    )


def _nothing(group: SampleGroup, reason: str) -> GroupEstimates:
    """No cell of the group can be estimated, all for one reason."""
    empty, reasons = np.full(len(group.pair), np.nan), (reason,) * len(group.pair)
    return GroupEstimates(
        empty, empty, empty, reasons, len(group.rows), _cluster_counts(group), None
    )


def _reasons(
    products: CrossProducts, found: Estimates, one_way_error: Floats, cells: Cells
) -> tuple[str, ...]:
    """Why each cell (S,) has no estimate; empty where it has one."""
    spare = products.n_obs - found.n_regressors - products.groups[0].effects_counted
    unit = products.scale[cells.treatment] / np.where(
        products.scale[cells.outcome] > 0, products.scale[cells.outcome], 1.0
    )
    estimate = np.abs(found.estimate * unit)
    error = np.minimum(found.std_error, one_way_error) * unit
    no_error = NO_ERROR if len(products.groups) == 1 else NO_TWO_WAY_ERROR
    conditions = {
        NO_OUTCOME: products.scale[cells.outcome] == 0,
        NO_TREATMENT: np.isnan(estimate),
        NO_ROOM: spare <= 0,
        # in units of unit-length columns, an error of this size is round-off
        no_error: ~(error > ROUND_OFF * np.maximum(estimate, 1.0)),
    }
    # the first that holds is given
    every = np.stack([*conditions.values(), np.ones(len(cells), dtype=bool)])
    names = (*conditions, "")
    return tuple(names[k] for k in every.argmax(axis=0))
