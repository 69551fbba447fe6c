"""The placebo audit as a record: rates, the sentence under the headline, and the warning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.absorb import is_nested
from models.design import Codes, Floats
from models.engine.audit import AuditSample, Judge, quick_judges, rejection_rates
from models.engine.audit_costly import costly_judges
from models.engine.placebo import PlaceboProcess, describe
from models.engine.results import PlaceboAudit, RejectionRate
from models.results import InferenceUsed

PLACEBOS = 2000
COSTLY_PLACEBOS = 400
UNFIT = 0.10  # a 5 % test that rejects more often than this misleads


@dataclass(frozen=True)
class Audited:
    """The study's main model, for the audit: treatment x (n,) of the rows of `sample`.

    unit (n,) and parent (n,) or None are codes; `national` says that x is the same for all units
    of a parent in a period; `chosen` is the inference that the study uses.
    """

    sample: AuditSample
    x: Floats
    unit: Codes
    parent: Codes | None
    national: bool
    outcome: str
    treatment: str
    chosen: InferenceUsed


def placebo_audit(audited: Audited, seed: int, say: Callable[[str], None]) -> PlaceboAudit:
    """Rejection rates at 5 % of each inference, over placebos that are alike the treatment."""
    period = audited.sample.period
    unit_effects = any(is_nested(c, audited.unit) for c in audited.sample.projected.effects)
    process = describe(
        audited.x, audited.unit, period, audited.parent, audited.national, unit_effects
    )
    say(f"placebo audit: {PLACEBOS} placebo treatments")
    quick, costly = quick_judges(audited.sample), costly_judges(audited.sample, seed)
    rng = np.random.default_rng(seed)
    rates = [
        *_rates(audited, quick, process, PLACEBOS, rng),
        *_rates(audited, costly, process, COSTLY_PLACEBOS, rng),
    ]
    own = next((rate for rate in rates if rate.chosen), None)
    return PlaceboAudit(
        outcome=audited.outcome,
        treatment=audited.treatment,
        level="national" if audited.national else "regional",
        persistence=process.persistence,
        parent_share=_parent_share(process, audited),
        placebos=PLACEBOS,
        seed=seed,
        rates=tuple(rates),
        sentence=_sentence(own, audited.chosen),
        warning=_warning(own, rates),
    )


def _rates(
    audited: Audited,
    judges: list[Judge],
    process: PlaceboProcess,
    placebos: int,
    rng: np.random.Generator,
) -> list[RejectionRate]:
    rates = rejection_rates(audited.sample, judges, process, placebos, rng)
    return [
        RejectionRate(
            kind=judge.kind,
            by=judge.by,
            correction=judge.correction,
            rejection_rate=rate,
            simulation_error=float(np.sqrt(rate * (1.0 - rate) / placebos)),
            n_clusters=judge.n_clusters,
            placebos=placebos,
            chosen=_is_chosen(judge, audited.chosen),
        )
        for judge, rate in zip(judges, rates, strict=True)
    ]


def _is_chosen(judge: Judge, chosen: InferenceUsed) -> bool:
    same = judge.kind == chosen.kind and set(judge.by) == set(chosen.by)
    return same and (judge.correction is None or judge.correction == chosen.correction)


def _parent_share(process: PlaceboProcess, audited: Audited) -> float:
    """The share of the treatment's movement that units of one parent have in common."""
    if audited.parent is None:
        return 0.0
    total = sum(part.variance for part in process.components)
    return process.components[0].variance / total if total > 0 else 0.0


def _sentence(own: RejectionRate | None, chosen: InferenceUsed) -> str:
    if own is None:
        return f"The chosen inference ({chosen.kind}) was not audited on this panel."
    return (
        f"On this panel, the chosen test at 5 % ({_name(own)}) rejects a true null "
        f"{100 * own.rejection_rate:.1f} % of the time ({own.placebos:,} placebo treatments)."
    )


def _warning(own: RejectionRate | None, rates: list[RejectionRate]) -> str | None:
    if own is None or own.rejection_rate <= UNFIT:
        return None
    best = min(rates, key=lambda rate: abs(rate.rejection_rate - 0.05))
    return (
        f"the chosen inference ({_name(own)}) rejects a true null {100 * own.rejection_rate:.0f} % "
        f"of the time on this panel, at a nominal 5 %: its error bars are too small; nearest to "
        f"its promise is {_name(best)} ({100 * best.rejection_rate:.0f} %)"
    )


def _name(rate: RejectionRate) -> str:
    by = f" by {' and '.join(rate.by)}" if rate.by else ""
    return f"{rate.kind}{by}{f', {rate.correction}' if rate.correction else ''}"
