"""F1: do units answer the treatment alike?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.engine.results import Curve
from models.results import ModelResult
from models.study.results import StudyResults
from models.verdicts.claim import Claim, Ruling, Verdict, not_run
from models.verdicts.evidence import counted, found_test, p_words

# the treatment's slopes alone where a model tests them, else all slopes, controls' included
EQUAL_SLOPES = ("pesaran_yamagata_treatment", "pesaran_yamagata_delta_adj")
Answer = Literal["yes", "no", "open", "not run"]


@dataclass(frozen=True)
class SlopesRead:
    """Whether slopes differ, and why one says so."""

    answer: Answer
    reason: str


def by_slopes(claim: Claim, results: StudyResults, _curve: Curve | None) -> Verdict:
    """Supported where Pesaran and Yamagata's test rejects equal slopes in each model whose units
    have `periods` rows on average (and Swamy's with it, from `swamy_periods` on); otherwise
    inconclusive, since slopes that no test tells apart may differ all the same.
    """
    read = read_slopes(claim, results)
    if read.answer == "not run":
        return not_run(claim)
    ruling: Ruling = "supported" if read.answer == "yes" else "inconclusive"
    return Verdict(claim, ruling, "association", read.reason)


def read_slopes(claim: Claim, results: StudyResults) -> SlopesRead:
    """The tests of equal slopes that the study's models carry, by the claim's parameters."""
    tested = [model for model in counted(results) if found_test(model, EQUAL_SLOPES)]
    if not tested:
        return SlopesRead("not run", "")
    least = claim.parameters["periods"]
    long = [model for model in tested if rows_per_unit(model) >= least]
    if not long:
        rows = max(rows_per_unit(model) for model in tested)
        return SlopesRead(
            "open",
            f"The test of equal slopes rests on {rows:.0f} rows a unit; below {least:.0f} it "
            "takes chance for difference too often to decide.",
        )
    differing = [differ(model, claim) for model in long]
    answer: Answer = "yes" if all(differing) else "open" if any(differing) else "no"
    return SlopesRead(answer, " ".join(filter(None, (_said(long, differing), _signs(long)))))


def rows_per_unit(model: ModelResult) -> float:
    """The average length of the units' own series."""
    return model.n_obs / model.n_units


def differ(model: ModelResult, claim: Claim) -> bool:
    """Whether the model's tests reject equal slopes at the claim's level.

    Slopes more alike than chance would have them, a statistic below zero, are not unequal.
    """
    level = claim.parameters["level"]
    names: list[tuple[str, ...]] = [EQUAL_SLOPES]
    if rows_per_unit(model) >= claim.parameters["swamy_periods"]:
        names.append(("swamy_homogeneity",))
    tests = [found_test(model, name) for name in names]
    return all((t.p_value or 0.0) < level and t.statistic > 0 for t in tests if t is not None)


def _said(long: list[ModelResult], differing: list[bool]) -> str:
    ps = [found_test(model, EQUAL_SLOPES) for model in long]
    figures = "; ".join(
        f"“{model.id}”: p {p_words(test.p_value)}"
        for model, test in zip(long, ps, strict=True)
        if test is not None
    )
    verb = "reject" if all(differing) else "disagree on" if any(differing) else "do not reject"
    subject = "The tests"
    if len(long) == 1:
        subject, verb = "The test", "rejects" if differing[0] else "does not reject"
    caution = "errors of different years count as unrelated"
    return f"{subject} {verb} equal slopes ({figures}); {caution}."


def _signs(long: list[ModelResult]) -> str:
    """The share of units clearly on either side, corrected for looking at each of them."""
    for model in long:
        name = next(iter(model.treatment), "")
        up, down = (model.fit.get(f"share_{side}_bh {name}") for side in ("positive", "negative"))
        if up is not None and down is not None:
            return (
                f"Corrected for looking {model.n_units} times (Benjamini and Hochberg), "
                f"{100 * up:.0f} % of units have a clearly positive slope and {100 * down:.0f} % a "
                "clearly negative one."
            )
    return ""
