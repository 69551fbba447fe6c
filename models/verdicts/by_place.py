"""R1 and R2: does place matter, and do countries differ inside as well as from each other?"""

from __future__ import annotations

from models.engine.results import Curve
from models.results import ModelResult
from models.study.results import StudyResults
from models.verdicts.by_slopes import Answer, read_slopes
from models.verdicts.claim import Claim, Ruling, Verdict, not_run, not_testable
from models.verdicts.evidence import counted

Interval = tuple[float, float, float]  # estimate, low, high


def by_region(claim: Claim, results: StudyResults, _curve: Curve | None) -> Verdict:
    """Three answers, apart, none of which implies another: is at least `share` of the variance
    between units of one parent; do slopes differ; do units' own slopes predict years held out
    better than one slope for all? Supported if all say yes, not supported if all say no.
    """
    share, gain = _figure(results, "share unit"), _figure(results, "prediction_gain")
    slopes = read_slopes(claim, results)
    missing = [
        name
        for name, lacks in (
            ("shares of variance", share is None),
            ("a test of equal slopes", slopes.answer == "not run"),
            ("a prediction of years held out", gain is None),
        )
        if lacks
    ]
    if len(missing) == 3:
        return not_run(claim)
    if share is None or gain is None or missing:
        return not_testable(
            claim, f"This study lacks {' and '.join(missing)}, and all three are needed. "
            f"{claim.way_out}",
        )  # fmt: skip
    level, better = beyond(share, claim.parameters["share"]), beyond(gain, 0.0)
    reason = (
        f"Three questions, apart. Does the level differ inside countries ({level})? "
        f"{_per_cent(share)} of the variation lies between regions of one country. Do slopes "
        f"differ ({slopes.answer})? {slopes.reason} Do regions' own slopes predict years held out "
        f"better than one slope for all ({better})? They leave a squared error {_smaller(gain)}."
    )
    return Verdict(claim, _in_common({level, slopes.answer, better}), "association", reason)


def _in_common(answers: set[str]) -> Ruling:
    """What answers that agree say together; of answers that differ, nothing."""
    if answers == {"yes"}:
        return "supported"
    return "not supported" if answers == {"no"} else "inconclusive"


def inside(claim: Claim, results: StudyResults, _curve: Curve | None) -> Verdict:
    """Supported if the interval of the within-country share of lasting differences leaves at least
    `share` on either side; not supported if it leaves one side less than that.
    """
    found = _figure(results, "share inside parent")
    if found is None:
        if any("share inside parent" in model.fit for model in counted(results)):
            reason = "A level has an estimated variance of zero, so the share has no interval."
            return Verdict(claim, "inconclusive", "description", reason)
        return not_run(claim)
    _, low, high = found
    least = claim.parameters["share"]
    reason = f"Of the lasting differences between regions, {_per_cent(found)} lies inside countries"
    if low > least and high < 1 - least:
        said: tuple[Ruling, str] = "supported", "so neither side is small"
    elif high < least or low > 1 - least:
        side = "inside them" if high < least else "between them"
        said = "not supported", f"so next to nothing lies {side}"
    else:
        said = "inconclusive", f"so a share below {100 * least:.0f} % on one side is not ruled out"
    return Verdict(claim, said[0], "description", f"{reason}, {said[1]}.")


def beyond(interval: Interval, limit: float) -> Answer:
    """Whether an interval lies above a limit, below it, or around it."""
    _, low, high = interval
    return "yes" if low > limit else "no" if high <= limit else "open"


def _figure(results: StudyResults, name: str) -> Interval | None:
    """An estimate with its interval among the fit statistics of the first model that has it."""
    for model in counted(results):
        found = _values(model, name)
        if found is not None:
            return found
    return None


def _values(model: ModelResult, name: str) -> Interval | None:
    values = [model.fit.get(key) for key in (name, f"{name} low", f"{name} high")]
    known = [value for value in values if value is not None]
    return (known[0], known[1], known[2]) if len(known) == 3 else None


def _per_cent(interval: Interval) -> str:
    middle, low, high = (f"{100 * v:.1f}".replace("-", "\N{MINUS SIGN}") for v in interval)
    return f"{middle} % (95 % interval {low} to {high} %)"


def _smaller(gain: Interval) -> str:
    """'2.8 % larger (95 % interval 30.5 % larger to 25.0 % smaller)'."""
    middle, low, high = (
        f"{100 * abs(v):.1f} % {'smaller' if v > 0 else 'larger'}" for v in gain
    )
    return f"{middle} (95 % interval {low} to {high})"
