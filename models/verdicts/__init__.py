"""What a fitted study lets one say about the claims it lists: a rule for each kind of claim.

A rule is a function of the claim, the results and the multiverse (None if none was run) in a
module of its own; a claim's file names its rule and the rule's parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from models.engine.results import Curve
from models.study.results import StudyResults
from models.verdicts.by_difference import by_difference
from models.verdicts.by_margin import slow, within_margin
from models.verdicts.by_place import by_region, inside
from models.verdicts.by_sign import by_sign
from models.verdicts.by_slopes import by_slopes
from models.verdicts.claim import CLAIMS, Claim, Verdict, not_testable, read_claim
from models.verdicts.evidence import (
    Placebo,
    comparable,
    deciding,
    failed_placebos,
    headline,
    multiverse_share,
    p_words,
    placebos,
)

__all__ = [
    "CLAIMS",
    "RULED",
    "Claim",
    "Placebo",
    "Verdict",
    "comparable",
    "deciding",
    "failed_placebos",
    "headline",
    "judge",
    "multiverse_share",
    "p_words",
    "placebos",
    "read_claim",
]

Rule = Callable[[Claim, StudyResults, Curve | None], Verdict]


def untestable(claim: Claim, _results: StudyResults, _curve: Curve | None) -> Verdict:
    """The verdict on what no data set at hand can decide."""
    return not_testable(claim, f"No data set at hand could decide it. {claim.way_out}")


RULED: Mapping[str, Rule] = {
    "sign": by_sign,
    "difference": by_difference,
    "slopes": by_slopes,
    "regional": by_region,
    "inside": inside,
    "slow": slow,
    "margin": within_margin,
    "untestable": untestable,
}


def judge(claim: Claim, results: StudyResults, curve: Curve | None = None) -> Verdict:
    """What `results` say about `claim`; of simulated data nothing, unless nothing ever could."""
    if results.panel.simulated and claim.rule != "untestable":
        reason = "The data are simulated: they test the program and say nothing about the world."
        return not_testable(claim, reason)
    return RULED[claim.rule](claim, results, curve)
