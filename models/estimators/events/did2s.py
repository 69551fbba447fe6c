"""Two-stage differences in differences (Gardner 2021).

Effects and controls are estimated on untreated rows alone; what they leave of the outcome is then
averaged by event time. Errors are those of the two stages together, from each unit's scores.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import SuperLU, splu

from data.errors import BadInput
from models.absorb import absorb, dense_codes, group_sums
from models.design import Codes, Design, Floats
from models.estimators.events.adoption import Adoption, read_adoption
from models.estimators.events.event_study import AVERAGE
from models.estimators.events.group_time import OVERALL
from models.estimators.events.influence import Influence, influence_result
from models.estimators.events.rules import check_adoption, needs_effects
from models.estimators.linear import refuse_weights, take_rows
from models.least_squares import collinear_columns
from models.results import ModelResult
from models.study import ModelSpec


def fit_did2s(design: Design, spec: ModelSpec) -> ModelResult:
    """Gaps between treated rows and what untreated rows predict: overall and by event time.

    effects are unit and one more (time, where none are named). Event times before adoption are
    gaps within the first stage's own sample, not differences from the base period, so no
    breakdown value is given. Raises BadInput for weights and for what `rules` refuses.
    """
    refuse_weights(design, spec)
    adoption = read_adoption(design, spec)
    tests, cautions = check_adoption(adoption, spec)
    effects = needs_effects(spec)
    if len(effects) != 2:
        raise BadInput("effects", f"{len(effects)} for did2s", "name unit and one more")
    first, lost = first_stage(adoption)
    return influence_result(
        _second_stage(first), first.adoption, replace(spec, effects=effects), tests,
        (*cautions, *lost),
    )  # fmt: skip


@dataclass(frozen=True)
class FirstStage:
    """Gaps (n,) of the rows that untreated ones can predict, and how to pass their errors on.

    X (n, p) is the first stage's design, `factor` solves its normal equations on untreated rows.
    """

    adoption: Adoption
    gap: Floats
    X: sp.csr_array
    factor: SuperLU


def first_stage(adoption: Adoption) -> tuple[FirstStage, tuple[str, ...]]:
    """Controls and effects on untreated rows; rows that these cannot predict are dropped.

    Raises BadInput for a control without variation among untreated rows.
    """
    adoption, component, lost = _predictable(adoption)
    X = _design_matrix(adoption, component)
    untreated = ~adoption.treated
    X0 = X[untreated]
    factor = splu(sp.csc_matrix(X0.T @ X0))
    fitted = X @ factor.solve(X0.T @ adoption.design.y[untreated])
    return FirstStage(adoption, adoption.design.y - fitted, X, factor), lost


def _other_effect(design: Design) -> Codes:
    """Codes (n,) of the effect beside the units'."""
    if not design.effects:
        return design.time
    return design.effects[1 - design.effect_names.index("unit")]


def _predictable(adoption: Adoption) -> tuple[Adoption, Codes, tuple[str, ...]]:
    """The rows whose unit and period untreated rows link, and the linked set of each row (n,)."""
    design, untreated = adoption.design, ~adoption.treated
    other = _other_effect(design)
    units = int(design.unit.max()) + 1
    size = units + int(other.max()) + 1
    links = (np.ones(untreated.sum()), (design.unit[untreated], units + other[untreated]))
    _, linked = connected_components(sp.csr_array(links, shape=(size, size)), directed=False)
    kept = linked[design.unit] == linked[units + other]
    rows = np.flatnonzero(kept)
    lost = len(kept) - len(rows)
    warnings = (f"{lost} treated rows left out: no untreated row tells their prediction",)
    return (
        replace(
            adoption,
            design=take_rows(design, rows),
            cohort=adoption.cohort[rows],
            event=adoption.event[rows],
        ),
        linked[design.unit[rows]].astype(np.int64),
        warnings if lost else (),
    )


def _design_matrix(adoption: Adoption, component: Codes) -> sp.csr_array:
    """Controls and dummies (n, p), one level of the second effect left out per linked set."""
    design = adoption.design
    other = dense_codes(_other_effect(design))
    home = np.zeros(int(other.max()) + 1, dtype=np.int64)
    home[other] = component
    _, references = np.unique(home, return_index=True)
    _refuse_spanned(adoption, other)
    levels = np.delete(np.arange(len(home)), references)
    units = _dummies(dense_codes(design.unit))
    return sp.csr_array(sp.hstack([sp.csr_array(design.X), units, _dummies(other)[:, levels]]))


def _refuse_spanned(adoption: Adoption, other: Codes) -> None:
    design, rows = adoption.design, np.flatnonzero(~adoption.treated)
    X = design.X[rows]
    left = absorb((design.unit[rows], other[rows]), None, len(rows)).residual(X)
    spare = collinear_columns(left, None, X)
    if spare:
        what = f"{design.terms[spare[0]]!r} has no variation of its own among untreated rows"
        raise BadInput("controls", what, "drop it")


def _dummies(codes: Codes) -> sp.csr_array:
    n = len(codes)
    return sp.csr_array((np.ones(n), codes, np.arange(n + 1)), shape=(n, int(codes.max()) + 1))


def _second_stage(first: FirstStage) -> Influence:
    """Mean gaps overall and by event time, with both stages' influences of each unit."""
    adoption = first.adoption
    events = adoption.events
    after = [j for j, e in enumerate(events) if e >= 0]
    chosen = [adoption.treated, *(adoption.event == e for e in events)]
    estimate, influence = _mean_gaps(first, np.column_stack(chosen).astype(np.float64))
    mean, spread = estimate[1:][after].mean(), influence[:, 1:][:, after].mean(axis=1)
    return Influence(
        terms=(OVERALL, AVERAGE, *(f"event {e}" for e in events)),
        estimate=np.concatenate([estimate[:1], [mean], estimate[1:]]),
        influence=np.column_stack([influence[:, 0], spread, influence[:, 1:]]),
        events=events,
        method="scores of both stages",
        base=False,
    )


def _mean_gaps(first: FirstStage, groups: Floats) -> tuple[Floats, Floats]:
    """Mean gaps (m,) of groups of rows (n, m), and the influence of each unit (N, m)."""
    adoption = first.adoption
    design = adoption.design
    counts = groups.sum(axis=0)
    estimate = first.gap @ groups / counts
    own = groups * (first.gap[:, None] - estimate)
    predicted = first.X @ first.factor.solve(first.X.T @ groups)
    passed_on = predicted * np.where(adoption.treated, 0.0, first.gap)[:, None]
    sums = group_sums(design.unit, own - passed_on, None, len(design.units))
    return estimate, sums / counts
