"""When each unit adopted: the cohorts of an event study, read from a column of the panel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import BadInput
from models.design import Design, Floats
from models.estimators.linear import take_rows
from models.study import ModelSpec

BASE = -1  # event time that the others are compared with: the period before adoption


@dataclass(frozen=True)
class Adoption:
    """The rows of an event study and when their units adopted.

    cohort (n,) is the first treated period, infinite where a unit never adopts in the sample;
    event (n,) counts periods from adoption (0 in the first treated one), NaN for the never
    treated. cohorts (C,) are the adoption periods that occur, in order.
    """

    design: Design
    cohort: Floats
    event: Floats
    cohorts: Floats
    warnings: tuple[str, ...] = ()

    @property
    def adopts(self) -> NDArray[np.bool_]:
        """Rows (n,) of units that adopt in the sample."""
        return np.isfinite(self.cohort)

    @property
    def treated(self) -> NDArray[np.bool_]:
        """Rows (n,) at or after adoption."""
        return self.adopts & (self.event >= 0)

    @property
    def events(self) -> list[int]:
        """Event times that occur, the base left out, in order."""
        return [int(e) for e in np.unique(self.event[self.adopts]) if e != BASE]

    def unit_cohorts(self) -> Floats:
        """The cohort of each unit (N,); NaN for a label without rows."""
        cohorts = np.full(len(self.design.units), np.nan)
        cohorts[self.design.unit] = self.cohort
        return cohorts

    @property
    def n_adopters(self) -> float:
        """How many units adopt in the sample."""
        return float(np.isfinite(self.unit_cohorts()).sum())


def read_adoption(design: Design, spec: ModelSpec) -> Adoption:
    """Cohorts from the column that option `cohort` names; missing, 0 or inf means never.

    Units adopted before their first row cannot be compared with themselves and are left out; those
    that adopt after the last period count as never treated here. Raises BadInput for a column that
    is text, changes within a unit, or holds no adoption inside the sample.
    """
    cohort = _cohort_column(design, spec)
    calendar = design.times[design.time].astype(np.float64)
    late = np.isfinite(cohort) & (cohort > calendar.max())
    cohort = np.where(late, np.inf, cohort)
    first = np.full(len(design.units), np.inf)
    np.minimum.at(first, design.unit, calendar)
    early = cohort <= first[design.unit]
    if not np.any(np.isfinite(cohort) & ~early):
        what = "no unit adopts between its first and its last period in the sample"
        raise BadInput("cohort", what, "widen the sample, or check that the column holds periods")
    unknown = np.isnan(np.asarray(design.columns[spec.options["cohort"]], dtype=np.float64))
    warnings = (
        *_noted(design, unknown, "have no period and count as never treated; write 0 if so"),
        *_noted(design, early, "left out: adopted at or before their first row, nothing before it"),
        *_noted(design, late, "adopt after the last period and count as never treated here"),
    )
    rows = np.flatnonzero(~early)
    kept, cohort = take_rows(design, rows), cohort[rows]
    event = np.where(np.isfinite(cohort), calendar[rows] - cohort, np.nan)
    cohorts = np.unique(cohort[np.isfinite(cohort)])
    return Adoption(kept, cohort, event, cohorts, warnings)


def _cohort_column(design: Design, spec: ModelSpec) -> Floats:
    """First treated periods (n,), infinite for never, the same in all rows of a unit."""
    name = spec.options.get("cohort")
    if name is None:
        todo = 'add cohort = "the column with first treated periods"'
        raise BadInput("cohort", "not given", todo)
    if name not in design.columns:
        raise BadInput("cohort", f"no column {name!r}", "check its name")
    values = design.columns[name]
    if values.dtype != np.float64:
        raise BadInput("cohort", f"{name!r} is text", "use the first treated period as a number")
    cohort = values.astype(np.float64)
    cohort = np.where(np.isnan(cohort) | (cohort == 0.0), np.inf, cohort)
    known = cohort[np.isfinite(cohort)]
    if np.any(known != np.round(known)):
        raise BadInput("cohort", f"{name!r} holds parts of periods", "use whole periods")
    lowest = np.full(len(design.units), np.inf)
    np.minimum.at(lowest, design.unit, cohort)
    changed = cohort != lowest[design.unit]
    if changed.any():
        unit = design.units[design.unit[np.argmax(changed)]]
        what = f"{name!r} changes within {unit}"
        raise BadInput("cohort", what, "give each unit one first treated period, kept in all rows")
    return cohort


def _noted(design: Design, rows: NDArray[np.bool_], what: str) -> tuple[str, ...]:
    units = np.unique(design.unit[rows])
    if len(units) == 0:
        return ()
    names = ", ".join(str(label) for label in design.units[units[:5]])
    return (f"{len(units)} units ({names}{', ...' if len(units) > 5 else ''}) {what}",)
