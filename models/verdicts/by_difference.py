"""Y2: is the difference between two groups' coefficients itself clear of zero?"""

from __future__ import annotations

from models.engine.results import Curve
from models.results import ModelResult, Term
from models.study.results import StudyResults
from models.verdicts.by_sign import own_interval
from models.verdicts.claim import Claim, Ruling, Verdict, not_run, not_testable
from models.verdicts.evidence import (
    deciding,
    decimals_of,
    headline,
    in_words,
    interval_words,
)


def by_difference(claim: Claim, results: StudyResults, _curve: Curve | None) -> Verdict:
    """On models whose outcome is one group's less the other's, which makes the coefficient the
    difference of the two groups' coefficients.

    Supported needs as many such models as the claim's `models`, each with an interval wholly on the
    first group's side, and a headline of the group itself that does not point to worse outcomes.
    Not supported is a first model whose interval lies on the second group's side.
    """
    found = [(m, m.term(m.treatment[0])) for m, _ in deciding(results, claim.id) if m.treatment]
    if not found:
        return not_run(claim)
    better = claim.improvement(found[0][0].outcome)
    if better is None:
        outcome = found[0][0].outcome
        return not_testable(claim, f"Nobody has declared which direction of {outcome} is better.")
    ruling, reason = _ruling(claim, found, better, headline(results)[1])
    return Verdict(claim, ruling, "association", f"{_numbers(*found[0])} {reason}")


def _ruling(
    claim: Claim, found: list[tuple[ModelResult, Term]], better: int, own: Term
) -> tuple[Ruling, str]:
    model, term = found[0]
    undecided = own_interval(model, term)
    if undecided:
        return "inconclusive", undecided
    if term.estimate * better < 0:
        return "not supported", "It lies wholly on the side of those compared with them."
    if own.estimate * better < 0:
        return "inconclusive", "The gap closes, but the young themselves do no better."
    clear = sum(
        min(t.conf_low * better, t.conf_high * better) > 0 and not m.inference.override
        for m, t in found
    )
    wanted = int(claim.parameters["models"])
    if clear < max(wanted, len(found)):
        return "inconclusive", (
            f"It lies wholly on the side of the young in {clear} of {max(wanted, len(found))} "
            "models that are needed, error bars against the rule not counted."
        )
    return "supported", f"It lies wholly on the side of the young, in all {len(found)} models."


def _numbers(model: ModelResult, term: Term) -> str:
    decimals = decimals_of(term)
    interval = interval_words(term.conf_low, term.conf_high, decimals)
    value = in_words(term.estimate, decimals)
    return (
        f"The coefficient of the young less that of those compared with them is {value} "
        f"(95 % interval {interval}; model “{model.id}”)."
    )
