"""What an event study refuses: comparisons that the data cannot carry, whatever the estimator.

The limits are conventions of this program, chosen low: above them a study is possible, not good.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtr

from data.errors import BadInput
from models.absorb import is_nested
from models.design import Floats
from models.estimators.events.adoption import BASE, Adoption
from models.inference.cluster import find_clusters
from models.results import Test
from models.study import ModelSpec

FEWEST = 5  # treated units, treated clusters and comparison units: below, errors are guesses
PERIODS_BEFORE = 2  # one to compare with and one to see a trend by, for at least FEWEST units
SMALLEST_SHARE = 0.25  # of a region that the treated place makes up: below, its change drowns
FOLLOWS = 0.95  # chance that an adopter ranks above (below) a comparison unit: adoption by outcome
YEARS_OF_RULE = 3  # periods before adoption in which the outcome may have decided it
READINGS = ("causal", "descriptive")
NO_CAUSAL_READING = "no causal reading"


def check_adoption(adoption: Adoption, spec: ModelSpec) -> tuple[tuple[Test, ...], tuple[str, ...]]:
    """Tests and cautions of an event study that can be done. Raises BadInput for one that cannot.

    With `reading = "descriptive"` adoption that follows the outcome is shown, not refused; the
    result then carries a caution that withdraws the causal reading.
    """
    reading = spec.options.get("reading", "causal")
    if reading not in READINGS:
        raise BadInput("reading", f"is {reading!r}", 'write "causal" or "descriptive"')
    if spec.treatment:
        what = f"{spec.estimator} compares before and after adoption, not {spec.treatment[0]!r}"
        raise BadInput("treatment", what, "drop it; cohort names who adopted when")
    _enough_units(adoption)
    _enough_clusters(adoption, spec)
    _enough_before(adoption)
    _large_enough(adoption, spec)
    return _not_by_outcome(adoption, reading)


def _enough_units(adoption: Adoption) -> None:
    cohorts = adoption.unit_cohorts()
    treated = int(np.isfinite(cohorts).sum())
    never = int(np.isinf(cohorts).sum())
    if treated < FEWEST:
        what = f"{treated} treated units: too few to tell their change from chance"
        raise BadInput("cohort", what, f"{FEWEST} are the least; describe them one by one instead")
    if never < FEWEST:
        what = f"{never} units are untreated throughout: nothing shows what would have happened"
        todo = "end the sample before the last cohort adopts, and its units serve as comparison"
        raise BadInput("cohort", what, todo)


def _enough_clusters(adoption: Adoption, spec: ModelSpec) -> None:
    design = adoption.design
    if spec.inference.kind not in ("cluster", "wild-cluster"):
        return
    for name in spec.inference.by:
        codes = find_clusters(design, name).codes
        treated = len(np.unique(codes[adoption.adopts]))
        if treated < FEWEST:
            what = f"treated units lie in {treated} cluster(s) of {name!r}"
            todo = f"{FEWEST} are the least for clustered errors; widen the sample"
            raise BadInput("inference", what, todo)
    if design.parent is None or spec.inference.override is not None:
        return
    by = [find_clusters(design, name).codes for name in spec.inference.by]
    finite = np.where(adoption.adopts, adoption.cohort, 0.0).astype(np.int64)
    coarse = any(is_nested(design.parent, codes) for codes in by)
    if is_nested(design.parent, finite - finite.min()) and not coarse:
        what = "all units of a parent adopt together, so adoption is national"
        todo = 'cluster by "parent", or add override = "your reason" to inference'
        raise BadInput("inference", what, todo)


def _enough_before(adoption: Adoption) -> None:
    design = adoption.design
    before = np.bincount(
        design.unit, adoption.adopts & (adoption.event < 0), minlength=len(design.units)
    )
    seen = int((before >= PERIODS_BEFORE).sum())
    if seen < FEWEST:
        what = f"{seen} treated units have {PERIODS_BEFORE} periods before they adopt"
        raise BadInput("cohort", what, f"{FEWEST} are the least, to see whether trends were alike")
    for cohort in adoption.cohorts:
        if not np.any((adoption.cohort == cohort) & (adoption.event == BASE)):
            what = f"no row in {cohort - 1:.0f}, the period before cohort {cohort:.0f} adopts"
            raise BadInput("cohort", what, "the base period must be in the sample")


def _large_enough(adoption: Adoption, spec: ModelSpec) -> None:
    given = spec.options.get("treated_share")
    if given is None:
        return
    if isinstance(given, str):
        if given not in adoption.design.columns:
            raise BadInput("treated_share", f"no column {given!r}", "check its name")
        column = adoption.design.columns[given].astype(np.float64)[adoption.treated]
        share = float(np.nanmedian(column)) if np.isfinite(column).any() else float("nan")
    elif isinstance(given, (int, float)):
        share = float(given)
    else:
        raise BadInput("treated_share", f"is {given!r}", "give a share, or a column of them")
    if not 0.0 < share <= 1.0:
        raise BadInput("treated_share", f"is {share:g}", "give a share above 0, at most 1")
    if share < SMALLEST_SHARE:
        what = f"the treated place is {share:.0%} of its region: a change there drowns in it"
        todo = f"use units of the size of what is treated (at least {SMALLEST_SHARE:.0%})"
        raise BadInput("treated_share", what, todo)


def _not_by_outcome(
    adoption: Adoption, reading: str
) -> tuple[tuple[Test, ...], tuple[str, ...]]:
    test, lead = adoption_by_outcome(adoption)
    declared = (f"{NO_CAUSAL_READING}: the study asks for a description only",)
    if max(test.statistic, 1.0 - test.statistic) < FOLLOWS:
        return (test,), declared if reading == "descriptive" else ()
    side = "above" if test.statistic > 0.5 else "below"
    share = max(test.statistic, 1.0 - test.statistic)
    pairs = "over 99 %" if 0.995 <= share < 1.0 else f"{100 * share:.0f} %"
    when = f"{-lead} {'period' if lead == BASE else 'periods'} before"
    what = (
        f"adoption follows the outcome: {when}, adopters lie {side} comparison units in {pairs} "
        "of pairs"
    )
    if reading == "causal":
        todo = (
            "what follows may be recovery or drift of any place in that state; use a discontinuity "
            'design, or reading = "descriptive" to see the differences without causal words'
        )
        raise BadInput("cohort", what, todo)
    return (test,), (f"{NO_CAUSAL_READING}: {what}",)


def adoption_by_outcome(adoption: Adoption) -> tuple[Test, int]:
    """How well the outcome before adoption tells adopters from the others, and when best.

    For each of the last three periods before adoption: the share of pairs of an adopter and a unit
    never treated in the sample, in one calendar period, in which the adopter's outcome is the
    larger (ties half): the area under the ROC curve, 0.5 if unrelated. The period farthest from
    0.5 is reported, with a rank-sum test stratified by period (van Elteren's with equal weights of
    pairs), units taken as independent and not corrected for the choice of period.
    """
    found = [(_ranking(adoption, -lead), -lead) for lead in range(1, YEARS_OF_RULE + 1)]
    (share, z), lead = max(found, key=lambda one: abs(one[0][0] - 0.5))
    p_value = float(2.0 * ndtr(-abs(z)))
    note = f"share of pairs in which adopters had the larger outcome, event time {lead}"
    return Test("adoption_follows_outcome", share, None, p_value, note), lead


def _ranking(adoption: Adoption, event: int) -> tuple[float, float]:
    """Share of pairs in which the adopter ranks higher at an event time, and its z statistic."""
    design = adoption.design
    wins = pairs = variance = 0.0
    for period in np.unique(design.time[adoption.event == event]):
        here = design.time == period
        ours = design.y[here & (adoption.event == event)]
        others = design.y[here & ~adoption.adopts]
        if len(others):
            wins += _rank_sum(ours, others)
            pairs += len(ours) * len(others)
            variance += len(ours) * len(others) * (len(ours) + len(others) + 1) / 12.0
    if pairs == 0.0:
        return 0.5, 0.0
    return wins / pairs, (wins - pairs / 2.0) / np.sqrt(variance)


def _rank_sum(ours: Floats, others: Floats) -> float:
    """Mann and Whitney's U of the first sample."""
    ranks = pd.Series(np.concatenate([ours, others])).rank().to_numpy()[: len(ours)]
    return float(ranks.sum() - len(ours) * (len(ours) + 1) / 2.0)


def needs_effects(spec: ModelSpec) -> tuple[str, ...]:
    """The effects of an event study, unit and time where none are named. Raises BadInput."""
    if spec.effects and "unit" not in spec.effects:
        what = f"effects {list(spec.effects)} without unit: before and after are not compared"
        raise BadInput("effects", what, 'use effects = ["unit", "time"]')
    return spec.effects or ("unit", "time")
