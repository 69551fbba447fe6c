"""Q1 to Q3: claims that little moves, which only an interval inside a margin can bear out."""

from __future__ import annotations

from collections.abc import Mapping

from models.engine.results import Curve
from models.results import ModelResult, Term
from models.study import ModelSpec
from models.study.results import StudyResults
from models.verdicts.by_sign import OVERRIDDEN
from models.verdicts.claim import Claim, Ruling, Verdict, not_run, not_testable
from models.verdicts.evidence import deciding, found_test, in_words, interval_words

Found = tuple[ModelResult, ModelSpec, Term]


def slow(claim: Claim, results: StudyResults, _curve: Curve | None) -> Verdict:
    """Two kinds of models decide: trends in spending, all in the first one's units, and those in
    outcomes whose names the claim's `better` knows as a spread between countries. Supported where
    each trend's interval lies between `slowest` and `fastest`, units a period, and each spread's
    below zero; not supported where a trend's lies wholly outside, or a spread's above zero.
    """
    found = _found(claim, results)
    spreads = [t for m, _, t in found if claim.improvement(m.outcome) == -1]
    others = [one for one in found if claim.improvement(one[0].outcome) is None]
    trends = [one for one in others if one[0].outcome == others[0][0].outcome]
    if not (trends and spreads):
        return not_run(claim)
    low, high = claim.parameters["slowest"], claim.parameters["fastest"]
    inside = all(low <= t.conf_low and t.conf_high <= high for _, _, t in trends)
    outside = any(t.conf_high < low or t.conf_low > high for _, _, t in trends)
    apart = any(t.conf_low > 0 for t in spreads)
    nearer = all(t.conf_high < 0 for t in spreads)
    reason = (
        f"{_intervals(trends)}; slow was declared to be {interval_words(low, high, 2)} a year. "
        f"The spread between countries {_moves(apart, nearer)}: {_slopes(spreads)} a year."
    )
    return _decided(claim, found, inside and nearer, outside or apart, reason)


def _moves(apart: bool, nearer: bool) -> str:
    return "grows" if apart else "shrinks" if nearer else "may grow or shrink"


def _slopes(terms: list[Term]) -> str:
    return ", ".join(
        f"{in_words(t.estimate, 3)} ({interval_words(t.conf_low, t.conf_high, 3)})" for t in terms
    )


def within_margin(claim: Claim, results: StudyResults, _curve: Curve | None) -> Verdict:
    """Supported where each deciding coefficient's 95 % interval, the one that is published, lies
    inside the margin that its model declares, which two one-sided tests then bear out at 2.5 %
    each; not supported where an interval lies wholly outside its margin.
    """
    found = _found(claim, results)
    if not found:
        return not_run(claim)
    bounded = [(m, s, t) for m, s, t in found if found_test(m, ("equivalence",))]
    if not bounded:
        return not_testable(claim, f"No deciding model declares a margin. {claim.way_out}")
    inside = [max(-t.conf_low, t.conf_high) <= margin(s) for _, s, t in bounded]
    outside = [abs(_nearest(t)) > margin(s) for _, s, t in bounded]
    margins = ", ".join(f"±{margin(spec):g}" for _, spec, _ in bounded)
    label = "declared margin" if len(bounded) == 1 else "declared margins, in this order:"
    parts = (f"{_intervals(bounded)}; {label} {margins}.", _rising(found))
    reason = " ".join(filter(None, parts))
    return _decided(claim, bounded, all(inside), any(outside), reason)


def margin(spec: ModelSpec) -> float:
    """The margin that a model's `sensitivity` declares."""
    asked: Mapping[str, float] = spec.options["sensitivity"]
    return float(asked["margin"])


def _found(claim: Claim, results: StudyResults) -> list[Found]:
    return [
        (model, spec, model.term(model.treatment[0]))
        for model, spec in deciding(results, claim.id)
        if model.treatment
    ]


def _decided(claim: Claim, found: list[Found], inside: bool, outside: bool, why: str) -> Verdict:
    ruling: Ruling = "supported" if inside else "not supported" if outside else "inconclusive"
    cautions = dict.fromkeys(warning for model, _, _ in found for warning in model.warnings)
    why = f"{why} To be read with it: {'; '.join(cautions)}." if cautions else why
    if any(model.inference.override for model, _, _ in found):
        ruling, why = "inconclusive", OVERRIDDEN
    return Verdict(claim, ruling, "description", why, leaves_open=claim.leaves_open)


def _nearest(term: Term) -> float:
    """The end of the interval nearest to zero; zero where the interval holds it."""
    if term.conf_low <= 0 <= term.conf_high:
        return 0.0
    return min(term.conf_low, term.conf_high, key=abs)


def _intervals(found: list[Found]) -> str:
    if len(found) == 1:
        model, _, term = found[0]
        interval = interval_words(term.conf_low, term.conf_high, 3)
        middle = in_words(term.estimate, 3)
        return f"The coefficient is {middle} (95 % interval {interval}; model “{model.id}”)"
    said = (
        f"“{model.id}” {in_words(t.estimate, 3)} ({interval_words(t.conf_low, t.conf_high, 3)})"
        for model, _, t in found
    )
    return f"Coefficients with 95 % intervals: {'; '.join(said)}"


def _rising(found: list[Found]) -> str:
    """The share of units whose own trend rises, where a model has trends of their own."""
    for model, _, term in found:
        share = model.fit.get(f"share_positive {term.term}")
        if share is not None:
            return f"It rises in {100 * share:.0f} % of {model.n_units} countries."
    return ""
