"""Claims of the source report: small files that name the rule by which results decide them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from data.errors import BadInput

CLAIMS = Path(__file__).parents[1] / "claims"
CLAIM_KEYS = frozenset({"id", "claim", "test", "decided_by", "rule", "way_out", "change_our_mind"})
OPTIONAL_KEYS = frozenset({"leaves_open"})
# what each rule reads from a claim's [parameters]
RULES: Mapping[str, frozenset[str]] = {
    "sign": frozenset({"agreement", "joint_level"}),
    "difference": frozenset({"models"}),
    "slopes": frozenset({"level", "periods", "swamy_periods"}),
    "regional": frozenset({"share", "level", "periods", "swamy_periods"}),
    "inside": frozenset({"share"}),
    "slow": frozenset({"slowest", "fastest"}),
    "margin": frozenset(),
    "untestable": frozenset(),
}

Ruling = Literal["supported", "not supported", "inconclusive", "not testable here"]
# fixed effects with lags are association; shares and trends describe; nothing here earns more
Grade = Literal["association", "description", "none"]


@dataclass(frozen=True)
class Claim:
    """One claim, in short. `better` maps 'neither', 'lower' and 'higher' to patterns of names.

    `way_out` says what a study would have to hold for the rule to decide; `leaves_open` is what a
    verdict by the rule at hand does not decide.
    """

    id: str
    claim: str
    test: str
    decided_by: str
    rule: str
    way_out: str
    change_our_mind: str
    leaves_open: str = ""
    better: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)

    def improvement(self, outcome: str) -> int | None:
        """-1 where a lower `outcome` is better, 1 where a higher one is, None if undeclared."""
        for word, sign in (("neither", None), ("lower", -1), ("higher", 1)):
            if any(fnmatchcase(outcome.lower(), pattern) for pattern in self.better.get(word, ())):
                return sign
        return None


@dataclass(frozen=True)
class Verdict:
    """A ruling on one claim, why, and on what grade of evidence.

    `multiverse_share` is the share of specifications with the headline's sign, None where no
    multiverse bears on the claim; `leaves_open` is what these results leave open.
    """

    claim: Claim
    ruling: Ruling
    grade: Grade
    reason: str
    multiverse_share: float | None = None
    leaves_open: str = ""


def not_testable(claim: Claim, reason: str) -> Verdict:
    """The verdict where nothing was decided, and no evidence graded."""
    return Verdict(claim, "not testable here", "none", reason)


def not_run(claim: Claim) -> Verdict:
    """The verdict of a study that lists the claim and lacks what decides it."""
    return not_testable(
        claim, f"This study does not run what decides it: {claim.decided_by}. {claim.way_out}"
    )


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
    better, parameters = record.pop("better", {}), record.pop("parameters", {})
    complete = set(record) - OPTIONAL_KEYS == CLAIM_KEYS
    if not complete or record["id"] != path.stem or record["rule"] not in RULES:
        raise BadInput(
            str(path),
            "a claim needs exactly its keys, its file's name as id, and a rule that exists",
            f"give {', '.join(sorted(CLAIM_KEYS))}; rule is one of {', '.join(RULES)}",
        )
    wanted = RULES[record["rule"]]
    if set(parameters) != wanted:
        names = ", ".join(sorted(wanted)) or "none"
        what = f"rule {record['rule']!r} takes other parameters"
        raise BadInput(f"{path}, [parameters]", what, f"give {names}")
    return Claim(
        **record,
        better={word: tuple(names) for word, names in better.items()},
        parameters=parameters,
    )
