"""The placebo audit as a record: rates, the sentence under the headline, and the warning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.absorb import is_nested
from models.design import Codes, Design, Floats
from models.engine.audit import BLOCK, AuditSample, Judge, Tried, counted, quick_judges, rejections
from models.engine.audit_costly import costly_judges
from models.engine.audit_dependence import dependence_judges
from models.engine.audit_own import OwnTest, own_test
from models.engine.placebo import PlaceboProcess, describe
from models.engine.results import PlaceboAudit, RejectionRate
from models.inference.draws import kind_of_weights
from models.study import Inference, ModelSpec

PLACEBOS = 2000
BLOCKS = PLACEBOS // BLOCK
REFITTED = 2  # blocks in which a test without a short way is tried
MOST_ROWS = 2**20  # in all of its refits
NUMBERS = 2**28  # in the arrays of all blocks that are judged at a time
CAUTIOUS = 0.03  # a 5 % test that rejects less often than this errs on the safe side
WIDE_OF_IT = 0.075  # one that rejects more often than this leaves intervals a little too narrow
UNFIT = 0.10  # a 5 % test that rejects more often than this misleads


@dataclass(frozen=True)
class Audited:
    """The study's main model, for the audit: treatment x (n,) of the rows of `sample`.

    spec is the model, its inference with the correction that was used and `n_clusters`; `design`
    lays its rows out, those of the sample. parent (n,) are codes or None; `national` says that x
    is the same for all units of a parent in a period; drawn_for names what the placebos are
    independent of each other in.
    """

    sample: AuditSample
    x: Floats
    parent: Codes | None
    national: bool
    spec: ModelSpec
    design: Callable[[], Design]
    n_clusters: int | None = None
    drawn_for: str = "unit"


@dataclass(frozen=True)
class Trial:
    """An audit ready to be held: block by block, each with random numbers of its own.

    `own` is the study's test where none of the `judges` is.
    """

    audited: Audited
    process: PlaceboProcess
    judges: tuple[Judge, ...]
    own: OwnTest | None
    seed: int

    @property
    def tests(self) -> tuple[Tried, ...]:
        """Every kind of inference that is tried, in the order of its counts."""
        return self.judges if self.own is None else (*self.judges, self.own)

    @property
    def doing(self) -> str:
        """What the audit and the influence analysis beside it will do, in words."""
        again = f", {BLOCK * REFITTED} of them in the model fitted again" if self.own else ""
        return f"main model: {PLACEBOS:,} placebo treatments{again}; then without each group"

    @property
    def most_at_once(self) -> int:
        """Blocks that may be judged at a time: a cluster's products with each placebo are held."""
        n, columns = self.audited.sample.projected.Z.shape
        groups = max(len(np.unique(codes)) for codes in self.audited.sample.clusters.values())
        return max(1, NUMBERS // (BLOCK * (n + groups * (columns + groups))))

    def rejections(self, block: int) -> NDArray[np.int64]:
        """Rejected and judged placebos (2, tests) of one of the blocks 0 to BLOCKS - 1."""
        treatments = self.process.draw(BLOCK, np.random.default_rng([self.seed, block]))
        found = rejections(self.audited.sample, self.judges, treatments)
        if self.own is None:
            return found
        some = treatments[:, : BLOCK if block < REFITTED else 0]
        return np.column_stack([found, counted(self.own.p_values(some))])


def prepared(audited: Audited, seed: int) -> Trial:
    """The treatment described, and every kind of inference ready to judge its placebos."""
    sample = audited.sample
    unit_effects = any(is_nested(c, sample.unit) for c in sample.projected.effects)
    process = describe(
        audited.x,
        sample.unit,
        sample.period,
        audited.parent,
        audited.national,
        unit_effects,
    )
    chosen = audited.spec.inference
    judges: list[Judge] = [
        *quick_judges(sample, chosen.by),
        *dependence_judges(sample, chosen),
        *costly_judges(sample, seed),
    ]
    if any(_is_chosen(judge, chosen) and _has_its_weights(judge, chosen) for judge in judges):
        return Trial(audited, process, tuple(judges), None, seed)
    others = tuple(judge for judge in judges if not _is_chosen(judge, chosen))
    return Trial(audited, process, others, _own(audited), seed)


def _own(audited: Audited) -> OwnTest | None:
    """The study's own test, unless the sample is too large to fit its model again and again."""
    if len(audited.x) * BLOCK * REFITTED > MOST_ROWS:
        return None
    return own_test(audited.design(), audited.spec, audited.n_clusters)


def placebo_audit(trial: Trial, rejected: Sequence[NDArray[np.int64]]) -> PlaceboAudit:
    """Rejection rates at 5 % of each inference, over placebos that are alike the treatment.

    `rejected` holds what `trial.rejections` gives for each of the BLOCKS, in order.
    """
    audited, process = trial.audited, trial.process
    chosen = audited.spec.inference
    rates = _rates(trial.tests, np.sum(rejected, axis=0), chosen)
    own = next((rate for rate in rates if rate.chosen), None)
    return PlaceboAudit(
        outcome=audited.spec.outcome,
        treatment=audited.spec.treatment[0],
        level="national" if audited.national else "regional",
        persistence=process.persistence,
        parent_share=_parent_share(process, audited),
        placebos=PLACEBOS,
        seed=trial.seed,
        rates=tuple(rates),
        sentence=_sentence(own, trial),
        warning=_warning(own, rates),
    )


def _rates(
    tests: Sequence[Tried], rejected: NDArray[np.int64], chosen: Inference
) -> list[RejectionRate]:
    found = []
    for test, (count, known) in zip(tests, rejected.T, strict=True):
        if known == 0:
            continue
        rate = float(count / known)
        error = float(np.sqrt(rate * (1.0 - rate) / known))
        figures = rate, error, test.n_clusters, int(known), _is_chosen(test, chosen)
        found.append(RejectionRate(test.kind, test.by, test.correction, *figures))
    return found


def _is_chosen(test: Tried, chosen: Inference) -> bool:
    same = test.kind == chosen.kind and set(test.by) == set(chosen.by)
    return same and (test.correction is None or test.correction == chosen.correction)


def _has_its_weights(judge: Judge, chosen: Inference) -> bool:
    """Whether a bootstrap draws the study's weights: the audit's own are Rademacher's."""
    if judge.kind != "wild-cluster" or judge.n_clusters is None:
        return True
    return kind_of_weights(chosen, judge.n_clusters) == "rademacher"


def _parent_share(process: PlaceboProcess, audited: Audited) -> float:
    """The share of the treatment's movement that units of one parent have in common."""
    if audited.parent is None:
        return 0.0
    total = sum(part.variance for part in process.components)
    return process.components[0].variance / total if total > 0 else 0.0


def _sentence(own: RejectionRate | None, trial: Trial) -> str:
    chosen, drawn_for = trial.audited.spec.inference, trial.audited.drawn_for
    if own is None:
        name = chosen.correction or chosen.kind
        if any(_is_chosen(test, chosen) for test in trial.tests):
            return f"The study's own test ({name}) gave no p-value for any placebo treatment."
        return (
            f"The study's own test ({name}) is not tried: it has no short way, and the rows are "
            "too many to fit it again and again."
        )
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
