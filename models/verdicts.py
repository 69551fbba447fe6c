"""Claims of the source report, and what a fitted study lets one say about them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from data.errors import BadInput
from models.engine.results import Curve
from models.results import ModelResult, Term
from models.study.results import StudyResults

CLAIMS = Path(__file__).parent / "claims"
CLAIM_KEYS = frozenset({"id", "claim", "test", "decided_by", "rule", "change_our_mind"})
OPTIONAL_KEYS = frozenset({"leaves_open"})
RULES = ("sign", "other", "untestable")

Ruling = Literal["supported", "not supported", "inconclusive", "not testable here"]
# nothing a study can run today earns more: fixed effects with lags are association
Grade = Literal["association", "none"]


@dataclass(frozen=True)
class Claim:
    """One claim, in short. `better` maps 'lower' and 'higher' to patterns of outcome names.

    `leaves_open` is what a verdict by the rule at hand does not decide.
    """

    id: str
    claim: str
    test: str
    decided_by: str
    rule: str
    change_our_mind: str
    leaves_open: str = ""
    better: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def improvement(self, outcome: str) -> int | None:
        """-1 where a lower `outcome` is better, 1 where a higher one is, None if undeclared."""
        for word, sign in (("lower", -1), ("higher", 1)):
            if any(fnmatchcase(outcome.lower(), pattern) for pattern in self.better.get(word, ())):
                return sign
        return None


@dataclass(frozen=True)
class Verdict:
    """A ruling on one claim, why, and on what grade of evidence.

    `multiverse_share` is the share of specifications with the headline's sign, None where no
    multiverse was run.
    """

    claim: Claim
    ruling: Ruling
    grade: Grade
    reason: str
    multiverse_share: float | None = None


def read_claim(identifier: str, folder: Path = CLAIMS) -> Claim:
    """The claim called `identifier`. Raises BadInput where there is none, or its file is broken."""
    known = sorted(path.stem for path in folder.glob("*.toml"))
    if identifier not in known:
        raise BadInput(
            f"study.claims: {identifier!r}",
            "there is no such claim",
            f"use one of {', '.join(known)}, or add {folder.name}/{identifier}.toml",
        )
    path = folder / f"{identifier}.toml"
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(str(path), f"this is not valid TOML ({error})", "correct the file") from None
    return _claim(record, path)


def _claim(record: dict[str, Any], path: Path) -> Claim:
    better = record.pop("better", {})
    complete = set(record) - OPTIONAL_KEYS == CLAIM_KEYS
    if not complete or record["id"] != path.stem or record["rule"] not in RULES:
        raise BadInput(
            str(path),
            "a claim needs exactly its keys, its file's name as id, and a rule that exists",
            f"give {', '.join(sorted(CLAIM_KEYS))}; rule is one of {', '.join(RULES)}",
        )
    return Claim(**record, better={word: tuple(names) for word, names in better.items()})


def headline(results: StudyResults) -> tuple[ModelResult, Term]:
    """The model that speaks for the study, and its coefficient of the first treatment.

    The model is the multiverse's main one, else the first that has its treatment among its terms,
    else the first with any term. Raises BadInput where no model has a coefficient.
    """
    chosen = results.study.multiverse.model if results.study.multiverse else None
    models = sorted(results.models, key=lambda model: model.id != chosen)
    for model in models:
        for term in model.terms:
            if term.term == next(iter(model.treatment), None):
                return model, term
    for model in models:
        for term in model.terms:
            return model, term
    raise BadInput(
        f"study {results.study.id}", "no model has a coefficient", "add a model with a treatment"
    )


def judge(claim: Claim, results: StudyResults, curve: Curve | None = None) -> Verdict:
    """What `results` say about `claim`.

    Supported needs all of: an interval that excludes zero on the side the claim names, in the
    headline and in more than half of the study's comparable models; the same sign in all of them
    and in at least four in five specifications of a multiverse whose joint test rejects at 5 %;
    and inference that the placebo audit finds fit. Not supported is a headline whose interval lies
    on the other side. An interval that holds zero decides nothing, whatever its p-value: that is
    inconclusive.
    """
    if claim.rule == "untestable":
        return Verdict(claim, "not testable here", "none", "No data set at hand could decide it.")
    if results.panel.simulated:
        reason = "The data are simulated: they test the program and say nothing about the world."
        return Verdict(claim, "not testable here", "none", reason)
    if claim.rule == "other":
        reason = f"This study does not run what decides it: {claim.decided_by}."
        return Verdict(claim, "not testable here", "none", reason)
    return _by_sign(claim, results, curve)


AGREEMENT = 0.8  # of a multiverse's specifications
JOINT_LEVEL = 0.05


def multiverse_share(curve: Curve, term: Term, outcome: str) -> float:
    """The share of the specifications of `outcome` whose estimate has the sign of `term`'s."""
    same = curve.specs.loc[curve.specs["outcome"] == outcome, "estimate"]
    return float((same * term.estimate > 0).mean())


def _by_sign(claim: Claim, results: StudyResults, curve: Curve | None) -> Verdict:
    model, term = headline(results)
    better = claim.improvement(model.outcome)
    if better is None:
        reason = f"Nobody has declared which direction of {model.outcome} is an improvement."
        return Verdict(claim, "not testable here", "none", reason)
    others = [found for _, found in comparable(results, model, term)]
    share = None if curve is None else multiverse_share(curve, term, model.outcome)
    ruling, reason = _ruling(model, term, better, others)
    if ruling == "supported":
        ruling, reason = _in_multiverse(curve, share)
    return Verdict(claim, ruling, "association", reason, share)


def comparable(
    results: StudyResults, model: ModelResult, term: Term
) -> list[tuple[ModelResult, Term]]:
    """The models of the same outcome that have `term` as a treatment, `model` among them."""
    return [
        (other, found)
        for other in results.models
        if other.outcome == model.outcome
        and (term.term in other.treatment or other.id == model.id)
        for found in other.terms
        if found.term == term.term
    ]


def _ruling(
    model: ModelResult, term: Term, better: int, others: list[Term]
) -> tuple[Ruling, str]:
    """The ruling as far as the study's own models go."""
    if model.inference.override:
        return "inconclusive", (
            "The rule on error bars was overridden, so the interval may be too narrow to decide."
        )
    if not (math.isfinite(term.conf_low) and math.isfinite(term.conf_high)):
        return "inconclusive", "The headline estimate has no interval."
    if term.conf_low <= 0 <= term.conf_high:
        return "inconclusive", (
            "The 95 % interval holds zero: the data fit an improvement, a worsening and no "
            "difference."
        )
    if (term.estimate > 0) != (better > 0):
        return "not supported", "The 95 % interval lies wholly on the side of worse outcomes."
    if any(other.estimate * better <= 0 for other in others):
        turned = sum(other.estimate * better <= 0 for other in others)
        return "inconclusive", (
            f"Of the study's {len(others)} models of this outcome, {turned} "
            f"{'points' if turned == 1 else 'point'} the other way."
        )
    clear = sum(other.conf_low > 0 or other.conf_high < 0 for other in others)
    if 2 * clear <= len(others):
        return "inconclusive", (
            f"The interval excludes zero in only {clear} of the study's {len(others)} "
            "models of this outcome."
        )
    return "supported", ""


def _in_multiverse(curve: Curve | None, share: float | None) -> tuple[Ruling, str]:
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
    if share < AGREEMENT or curve.joint.p_value >= JOINT_LEVEL:
        return "inconclusive", (
            "The headline points to better outcomes, but the other defensible specifications taken "
            "together do not bear it out."
        )
    return "supported", (
        "The 95 % interval lies wholly on the side of better outcomes, and the other defensible "
        "specifications bear it out."
    )
