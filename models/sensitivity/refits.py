"""The model fitted again: without each parent, with the treatment's future, on another outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from data.errors import BadInput
from models.design import Codes, Design, Floats
from models.estimators.linear import take_rows
from models.results import ModelResult, Term, Test
from models.study import Inference, ModelSpec

Fit = Callable[[Design, ModelSpec], ModelResult]


def leave_each_out(design: Design, spec: ModelSpec, fit: Fit, term: Term) -> tuple[Test, ...]:
    """The estimate without each parent (unit, if there is none) in turn: its range.

    Effects are estimated anew. The largest influence is the exact change in the estimate over its
    standard error (a cluster's dfbeta). A group without which there is no estimate is counted.
    """
    groups = design.unit if design.parent is None else design.parent
    labels = group_labels(design, groups)
    plain = replace(spec, inference=Inference(kind="classical"))
    found = {
        label: _estimate(take_rows(design, np.flatnonzero(groups != g)), plain, fit, term.term)
        for g, label in labels.items()
    }
    known = {label: value for label, value in found.items() if value is not None}
    if not known:
        return (Test("leave_out_range", float("nan"), None, None, "no group can be left out"),)
    low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    most = max(known, key=lambda label: abs(known[label] - term.estimate))
    failed = len(found) - len(known)
    without = f"; no estimate without {failed} of them" if failed else ""
    of = f"of {len(found)} groups left out in turn{without}"
    return (
        Test("leave_out_lowest", known[low], None, None, f"estimate without {low}, {of}"),
        Test("leave_out_highest", known[high], None, None, f"estimate without {high}, {of}"),
        Test(
            "largest_influence", (term.estimate - known[most]) / term.std_error, None, None,
            f"change that {most} makes, in standard errors",
        ),
    )  # fmt: skip


def placebo_lead(design: Design, spec: ModelSpec, fit: Fit, ahead: int) -> Test:
    """The treatment `ahead` periods later, added to the model: it should have no coefficient.

    Rows whose unit has no row then are left out. Raises BadInput if none is left.
    """
    name = design.terms[0]
    future = _ahead(design, design.X[:, 0], ahead)
    rows = np.flatnonzero(np.isfinite(future))
    if len(rows) == 0:
        raise BadInput("sensitivity.lead", "no unit has a row that far ahead", "use a smaller lead")
    lead = f"{name}, {ahead} ahead"
    wide = replace(
        design,
        X=np.column_stack([future, design.X]),
        terms=(lead, *design.terms),
        n_treatments=design.n_treatments + 1,
    )
    result = fit(take_rows(wide, rows), replace(spec, treatment=(lead, *spec.treatment)))
    return _as_test("placebo_lead", result.term(lead), f"coefficient of {lead}")


def placebo_outcome(design: Design, spec: ModelSpec, fit: Fit, column: str) -> Test:
    """The same model on an outcome that the treatment should leave alone.

    Rows without that outcome are left out. Raises BadInput if it is text or nowhere known.
    """
    if column not in design.columns or design.columns[column].dtype != np.float64:
        what = f"no column of numbers {column!r}"
        raise BadInput("sensitivity.placebo_outcome", what, "check its name")
    y = design.columns[column].astype(np.float64)
    rows = np.flatnonzero(np.isfinite(y))
    if len(rows) == 0:
        raise BadInput("sensitivity.placebo_outcome", f"{column!r} is empty", "use another")
    result = fit(take_rows(replace(design, y=y), rows), replace(spec, outcome=column))
    term = result.term(design.terms[0])
    return _as_test("placebo_outcome", term, f"coefficient of {term.term} on {column}")


def _as_test(name: str, term: Term, what: str) -> Test:
    note = f"{what}: {term.estimate:.4g} (s.e. {term.std_error:.3g})"
    return Test(name, term.statistic, term.df, term.p_value, note)


def _estimate(design: Design, spec: ModelSpec, fit: Fit, term: str) -> float | None:
    try:
        return fit(design, spec).term(term).estimate
    except BadInput:
        return None


def group_labels(design: Design, groups: Codes) -> dict[int, str]:
    """A name for each group: the unit's, the parent's where the design holds it, or a member's."""
    present, first = np.unique(groups, return_index=True)
    if design.parent is None:
        return {int(g): str(design.units[g]) for g in present}
    for values in design.columns.values():
        home = values[first]
        apart = len(set(map(str, home))) == len(present) and values.dtype == np.object_
        if apart and np.array_equal(values, home[np.searchsorted(present, groups)]):
            return {int(g): str(value) for g, value in zip(present, home, strict=True)}
    return {
        int(g): f"the parent of {design.units[design.unit[row]]}"
        for g, row in zip(present, first, strict=True)
    }


def _ahead(design: Design, values: Floats, ahead: int) -> Floats:
    """Values (n,) of the same unit so many calendar periods later; NaN where there is no row."""
    calendar = design.times[design.time]
    span = int(calendar.max() - calendar.min()) + 2 * ahead + 1
    key = design.unit * span + (calendar - calendar.min())
    place = np.searchsorted(key, key + ahead)
    place = np.minimum(place, len(key) - 1)
    return np.where(key[place] == key + ahead, values[place], np.nan)
