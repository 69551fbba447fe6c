"""Group-time averages (Callaway and Sant'Anna 2021), without covariates.

Each cohort g in each period t: the mean change of its units since g - 1, less that of units not
treated by then. Averages over cohorts weigh by their numbers of units; these shares are estimated
and count in the errors. Errors come from influence functions summed by cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import BadInput
from models.design import Design, Floats
from models.estimators.events.adoption import BASE, Adoption, read_adoption
from models.estimators.events.event_study import AVERAGE
from models.estimators.events.influence import Influence, influence_result
from models.estimators.events.rules import check_adoption
from models.estimators.linear import refuse_effects, refuse_weights
from models.results import ModelResult
from models.study import ModelSpec

COMPARISONS = ("never", "not-yet")
OVERALL = "overall"


@dataclass(frozen=True)
class Cells:
    """m cells: cohort and period (m,), the estimate (m,), influence of units (N, m), and the
    number of units in the cell's cohort (m,). `home` (N,) is each unit's cohort."""

    cohort: Floats
    period: Floats
    estimate: Floats
    influence: Floats
    size: Floats
    home: Floats

    @property
    def event(self) -> Floats:
        """Periods since adoption (m,)."""
        return self.period - self.cohort


def fit_group_time(design: Design, spec: ModelSpec) -> ModelResult:
    """Group-time averages, by event time and overall; base period g - 1 throughout.

    Option `comparison` is "never" (default: units untreated throughout) or "not-yet" (also those
    that adopt later than both periods compared). "overall" is the mean over all treated cells by
    cohort size, "event average" the plain mean over event times from 0 on. A cell of an unbalanced
    panel uses the units seen in both its periods. Raises BadInput for controls, weights, and what
    `rules` refuses.
    """
    comparison = spec.options.get("comparison", "never")
    if comparison not in COMPARISONS:
        choices = " or ".join(COMPARISONS)
        raise BadInput("comparison", f"is {comparison!r}", f"choose {choices}")
    if spec.controls:
        raise BadInput("controls", "group-time takes none", 'drop them, or use "event-study"')
    refuse_weights(design, spec)
    refuse_effects(spec, ((), ("unit", "time")))
    adoption = read_adoption(design, spec)
    tests, cautions = check_adoption(adoption, spec)
    cells = group_time_cells(adoption, comparison == "not-yet")
    influence = _aggregated(cells)
    return influence_result(influence, adoption, spec, tests, cautions)


def group_time_cells(adoption: Adoption, not_yet: bool) -> Cells:
    """All cells of cohort and period but the bases, where both groups are observed."""
    design, home = adoption.design, adoption.unit_cohorts()
    outcome = np.full((len(design.units), len(design.times)), np.nan)
    outcome[design.unit, design.time] = design.y
    parts = [_cohort_cells(outcome, home, design, g, not_yet) for g in adoption.cohorts]
    period, estimate, influence = (
        np.concatenate([part[j] for part in parts], axis=-1) for j in range(3)
    )
    cohort = np.repeat(adoption.cohorts, [len(part[0]) for part in parts])
    size = np.array([(home == g).sum() for g in cohort], dtype=np.float64)
    return Cells(cohort, period, estimate, influence, size, home)


def _cohort_cells(
    outcome: Floats, home: Floats, design: Design, g: float, not_yet: bool
) -> tuple[Floats, Floats, Floats]:
    """Periods (p,), estimates (p,) and influences (N, p) of one cohort, all periods at once."""
    years = design.times.astype(np.float64)
    base = int(np.searchsorted(years, g + BASE))
    change = outcome - outcome[:, [base]]
    seen = np.isfinite(change)
    ours = seen & (home == g)[:, None]
    others = np.isinf(home)[:, None] & seen
    if not_yet:
        later = home[:, None] > np.maximum(years, years[base])[None, :]
        others = seen & later & (home != g)[:, None]
    used = np.flatnonzero(ours.any(axis=0) & others.any(axis=0) & (np.arange(len(years)) != base))
    filled = np.where(seen, change, 0.0)
    gap, spread = np.zeros(len(used)), np.zeros((len(home), len(used)))
    for sign, group in ((1.0, ours[:, used]), (-1.0, others[:, used])):
        count = group.sum(axis=0)
        mean = (filled[:, used] * group).sum(axis=0) / count
        gap += sign * mean
        spread += sign * group * (filled[:, used] - mean) / count
    return years[used], gap, spread


def _aggregated(cells: Cells) -> Influence:
    """Overall, event average, event times and cells, each with its influences."""
    after = cells.event >= 0
    events = [int(e) for e in np.unique(cells.event)]
    named: dict[str, tuple[float, Floats]] = {OVERALL: _averaged(cells, after)}
    by_event = {e: _averaged(cells, cells.event == e) for e in events}
    later = [by_event[e] for e in events if e >= 0]
    named[AVERAGE] = (
        float(np.mean([value for value, _ in later])),
        np.mean([influence for _, influence in later], axis=0),
    )
    named |= {f"event {e}": found for e, found in by_event.items()}
    named |= _named_cells(cells)
    return Influence(
        terms=tuple(named),
        estimate=np.array([value for value, _ in named.values()]),
        influence=np.column_stack([influence for _, influence in named.values()]),
        events=events,
        method="influence functions",
    )


def _averaged(cells: Cells, chosen: NDArray[np.bool_]) -> tuple[float, Floats]:
    """The mean of some cells by cohort size, and its influences (N,), shares being estimated."""
    size, estimate = cells.size[chosen], cells.estimate[chosen]
    mean = float(size @ estimate / size.sum())
    influence = cells.influence[:, chosen] @ (size / size.sum())
    members = cells.home[:, None] == cells.cohort[chosen][None, :]
    return mean, influence + members @ (estimate - mean) / size.sum()


def _named_cells(cells: Cells) -> Mapping[str, tuple[float, Floats]]:
    return {
        f"cohort {g:.0f}, {t:.0f}": (float(cells.estimate[j]), cells.influence[:, j])
        for j, (g, t) in enumerate(zip(cells.cohort, cells.period, strict=True))
    }
