"""The placebo audit as a record: rates, the sentence under the headline, and the warning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.absorb import is_nested
from models.design import Codes, Floats
from models.engine.audit import BLOCK, AuditSample, Judge, quick_judges, rejections
from models.engine.audit_costly import costly_judges
from models.engine.placebo import PlaceboProcess, describe
from models.engine.results import PlaceboAudit, RejectionRate
from models.results import InferenceUsed

PLACEBOS = 2000
BLOCKS = PLACEBOS // BLOCK
NUMBERS = 2**28  # in the arrays of all blocks that are judged at a time
CAUTIOUS = 0.03  # a 5 % test that rejects less often than this errs on the safe side
WIDE_OF_IT = 0.075  # one that rejects more often than this leaves intervals a little too narrow
UNFIT = 0.10  # a 5 % test that rejects more often than this misleads


@dataclass(frozen=True)
class Audited:
    """The study's main model, for the audit: treatment x (n,) of the rows of `sample`.

    unit (n,) and parent (n,) or None are codes; `national` says that x is the same for all units
    of a parent in a period; `chosen` is the inference that the study uses; drawn_for names what
    the placebos are independent of each other in.
    """

    sample: AuditSample
    x: Floats
    unit: Codes
    parent: Codes | None
    national: bool
    outcome: str
    treatment: str
    chosen: InferenceUsed
    drawn_for: str = "unit"


@dataclass(frozen=True)
class Trial:
    """An audit ready to be held: block by block, each with random numbers of its own."""

    audited: Audited
    process: PlaceboProcess
    judges: tuple[Judge, ...]
    seed: int

    @property
    def most_at_once(self) -> int:
        """Blocks that may be judged at a time: a cluster's products with each placebo are held."""
        n, columns = self.audited.sample.projected.Z.shape
        groups = max(len(np.unique(codes)) for codes in self.audited.sample.clusters.values())
        return max(1, NUMBERS // (BLOCK * (n + groups * (columns + groups))))

    def rejections(self, block: int) -> NDArray[np.int64]:
        """Rejected and judged placebos (2, judges) of one of the blocks 0 to BLOCKS - 1."""
        treatments = self.process.draw(BLOCK, np.random.default_rng([self.seed, block]))
        return rejections(self.audited.sample, self.judges, treatments)


def prepared(audited: Audited, seed: int) -> Trial:
    """The treatment described, and every kind of inference ready to judge its placebos."""
    unit_effects = any(is_nested(c, audited.unit) for c in audited.sample.projected.effects)
    process = describe(
        audited.x,
        audited.unit,
        audited.sample.period,
        audited.parent,
        audited.national,
        unit_effects,
    )
    quick = quick_judges(audited.sample, audited.chosen.by)
    judges = *quick, *costly_judges(audited.sample, seed)
    return Trial(audited, process, judges, seed)


def placebo_audit(trial: Trial, rejected: Sequence[NDArray[np.int64]]) -> PlaceboAudit:
    """Rejection rates at 5 % of each inference, over placebos that are alike the treatment.

    `rejected` holds what `trial.rejections` gives for each of the BLOCKS, in order.
    """
    audited, process = trial.audited, trial.process
    rates = _rates(audited, trial.judges, np.sum(rejected, axis=0))
    own = next((rate for rate in rates if rate.chosen), None)
    return PlaceboAudit(
        outcome=audited.outcome,
        treatment=audited.treatment,
        level="national" if audited.national else "regional",
        persistence=process.persistence,
        parent_share=_parent_share(process, audited),
        placebos=PLACEBOS,
        seed=trial.seed,
        rates=tuple(rates),
        sentence=_sentence(own, audited.chosen, audited.drawn_for),
        warning=_warning(own, rates),
    )


def _rates(
    audited: Audited, judges: Sequence[Judge], rejected: NDArray[np.int64]
) -> list[RejectionRate]:
    found = []
    for judge, (count, known) in zip(judges, rejected.T, strict=True):
        if known == 0:
            continue
        rate = float(count / known)
        error = float(np.sqrt(rate * (1.0 - rate) / known))
        kind = judge.kind, judge.by, judge.correction
        chosen = _is_chosen(judge, audited.chosen)
        found.append(RejectionRate(*kind, rate, error, judge.n_clusters, int(known), chosen))
    return found


def _is_chosen(judge: Judge, chosen: InferenceUsed) -> bool:
    same = judge.kind == chosen.kind and set(judge.by) == set(chosen.by)
    return same and (judge.correction is None or judge.correction == chosen.correction)


def _parent_share(process: PlaceboProcess, audited: Audited) -> float:
    """The share of the treatment's movement that units of one parent have in common."""
    if audited.parent is None:
        return 0.0
    total = sum(part.variance for part in process.components)
    return process.components[0].variance / total if total > 0 else 0.0


def _sentence(own: RejectionRate | None, chosen: InferenceUsed, drawn_for: str) -> str:
    if own is None:
        name = chosen.correction or chosen.kind
        return f"The study's own test ({name}) is not among those that the audit tries."
    return (
        f"On this panel, the chosen test at 5 % ({own.name}) rejects a true null "
        f"{100 * own.rejection_rate:.1f} % of the time ({own.placebos:,} placebo treatments, drawn "
        f"apart for each {drawn_for}): {_conclusion(own.rejection_rate)}."
    )


def _conclusion(rate: float) -> str:
    if rate > UNFIT:
        return "its intervals are too narrow"
    if rate > WIDE_OF_IT:
        return "somewhat too often, so its intervals are a little too narrow"
    return "about as often as it says" if rate >= CAUTIOUS else "it errs on the side of caution"


def _warning(own: RejectionRate | None, rates: list[RejectionRate]) -> str | None:
    if own is None or own.rejection_rate <= UNFIT:
        return None
    best = min(rates, key=lambda rate: abs(rate.rejection_rate - 0.05))
    return (
        f"the chosen inference ({own.name}) rejects a true null {100 * own.rejection_rate:.0f} % "
        f"of the time on this panel, at a nominal 5 %: its error bars are too small; nearest to "
        f"its promise is {best.name} ({100 * best.rejection_rate:.0f} %)"
    )
