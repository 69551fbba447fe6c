"""Y1: does more of the treatment go with better outcomes, whichever defensible way one looks?"""

from __future__ import annotations

import math

from models.contrasts import contrast_of
from models.engine.results import Curve
from models.results import ModelResult, Term
from models.study.results import StudyResults
from models.verdicts.claim import Claim, Ruling, Verdict, not_testable
from models.verdicts.evidence import (
    comparable,
    failed_placebos,
    headline,
    multiverse_share,
    without_causal_reading,
)

OVERRIDDEN = "The rule on error bars was overridden, so the interval may be too narrow to decide."
FAILED = (
    "A placebo that should show nothing shows an association, so that something else may have "
    "moved both."
)
HOLDS_ZERO = (
    "The 95 % interval holds zero: the data fit an improvement, a worsening and no difference."
)


def by_sign(claim: Claim, results: StudyResults, curve: Curve | None) -> Verdict:
    """Supported needs all of: an interval that excludes zero on the side the claim names, in the
    headline and in more than half of the study's comparable models; the same sign in all of them
    and in at least the claim's `agreement` of a multiverse whose joint test rejects at its
    `joint_level`; placebos that show nothing; inference that the placebo audit finds fit; and,
    where the model sets investment against compensation, a difference on investment's side. Not
    supported is a headline whose interval lies on the other side. An interval that holds zero
    decides nothing, whatever its p-value; nor does an event study without a causal reading.
    """
    model, term = headline(results)
    better = claim.improvement(model.outcome)
    if better is None:
        reason = f"Nobody has declared which direction of {model.outcome} is an improvement."
        return not_testable(claim, reason)
    others = comparable(results, model, term)
    share = None if curve is None else multiverse_share(curve, term, model.outcome)
    ruling, reason = _ruling(model, term, better, others)
    if ruling == "supported":
        ruling, reason = _in_multiverse(claim, curve, share)
    if ruling == "supported":
        ruling, reason = _against_compensation(model, better, reason)
    if ruling != "not supported" and failed_placebos(results):
        ruling, reason = "inconclusive", f"{reason} {FAILED}"
    open_still = "" if contrast_of(model) else claim.leaves_open
    return Verdict(claim, ruling, "association", reason, share, open_still)


def _ruling(
    model: ModelResult, term: Term, better: int, others: list[tuple[ModelResult, Term]]
) -> tuple[Ruling, str]:
    """The ruling as far as the study's own models go."""
    if without_causal_reading(model):
        return "inconclusive", (
            "Those that adopted had moved differently before they did, or were chosen by the "
            "outcome, so what followed speaks neither for the claim nor against it."
        )
    undecided = own_interval(model, term)
    if undecided:
        return "inconclusive", undecided
    if (term.estimate > 0) != (better > 0):
        return "not supported", "The 95 % interval lies wholly on the side of worse outcomes."
    turned = sum(other.estimate * better <= 0 for _, other in others)
    if turned:
        return "inconclusive", (
            f"Of the study's {len(others)} models of this outcome, {turned} "
            f"{'points' if turned == 1 else 'point'} the other way."
        )
    clear = sum(
        (other.conf_low > 0 or other.conf_high < 0) and not its.inference.override
        for its, other in others
    )
    if 2 * clear <= len(others):
        return "inconclusive", (
            f"The interval excludes zero in only {clear} of the study's {len(others)} "
            "models of this outcome."
        )
    return "supported", ""


def own_interval(model: ModelResult, term: Term) -> str:
    """Why one coefficient's interval decides nothing; empty if it excludes zero and counts."""
    if model.inference.override:
        return OVERRIDDEN
    if not (math.isfinite(term.conf_low) and math.isfinite(term.conf_high)):
        return "The headline estimate has no interval."
    return HOLDS_ZERO if term.conf_low <= 0 <= term.conf_high else ""


def _in_multiverse(claim: Claim, curve: Curve | None, share: float | None) -> tuple[Ruling, str]:
    """Whether a finding outlives the other defensible specifications."""
    if curve is None or share is None:
        return "inconclusive", (
            "The headline points to better outcomes, but other defensible specifications have not "
            "been run."
        )
    if curve.placebo_audit.warning:
        return "inconclusive", (
            "On this panel the chosen inference rejects true nulls too often to be relied on."
        )
    agreement, level = claim.parameters["agreement"], claim.parameters["joint_level"]
    if share < agreement or curve.joint.p_value >= level:
        return "inconclusive", (
            "The headline points to better outcomes, but the other defensible specifications taken "
            "together do not bear it out."
        )
    return "supported", (
        "The 95 % interval lies wholly on the side of better outcomes, and the other defensible "
        "specifications bear it out."
    )


def _against_compensation(model: ModelResult, better: int, reason: str) -> tuple[Ruling, str]:
    """The second half of the claim: that investment does more than compensation."""
    gap = contrast_of(model)
    if gap is None or min(gap.conf_low * better, gap.conf_high * better) > 0:
        return "supported", reason
    return "inconclusive", (
        "The headline points to better outcomes, but investment is not clearly ahead of "
        "compensation: the interval of their difference holds zero or lies on the other side."
    )
