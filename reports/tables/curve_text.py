"""A multiverse on one screen of the terminal. Imports nothing heavy."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from models.engine.results import Curve, Summary
from reports.numbers import decimals_for, fixed, p_value, per_cent

WIDTH = 100
SIMULATED = "SIMULATED DATA: these numbers say nothing about the world."


def curve_summary(curve: Curve) -> str:
    """Sizes, signs, the joint test, what moves the estimate, and the placebo audit."""
    rule = "─" * WIDTH
    lines = [curve.study.title, rule, *([SIMULATED] if curve.simulated else [])]
    lines += _counts(curve)
    lines += ["", *_pairs(curve.by_pair or (curve.summary,))]
    lines += ["", *_joint(curve), *_variance(curve)]
    said = (curve.placebo_audit.sentence, _audit(curve), _placebos(curve))
    lines += ["", *(line for text in (*said, *_warnings(curve)) for line in _wrapped(text))]
    return "\n".join([*lines, rule]) + "\n"


def _wrapped(text: str) -> list[str]:
    """Lines of WIDTH, with no percentage torn from its sign."""
    lines = textwrap.wrap(text.replace(" %", "\N{NO-BREAK SPACE}%"), WIDTH)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _counts(curve: Curve) -> Iterable[str]:
    counts = f"{len(curve.specs):,} of {curve.declared:,} declared specifications"
    yield from _wrapped(f"{counts}; {curve.inference}")
    for dropped in curve.dropped:
        yield f"  {dropped.cells:,} {dropped.kind}: {dropped.reason}"


def _pairs(summaries: Iterable[Summary]) -> Iterable[str]:
    names = ("specs", "median", "middle 95 %", "above 0", "p < .05", "below, p < .05")
    yield f"{'':34}" + "".join(name.rjust(size) for name, size in zip(names, SIZES, strict=True))
    for summary in summaries:
        name = " on ".join(filter(None, (summary.treatment, summary.outcome)))
        texts = zip(_figures(summary), SIZES, strict=True)
        yield f"{name[:33]:34}" + "".join(text.rjust(size) for text, size in texts)
    yield "p < .05: by the clustered t-test and by the wild cluster bootstrap alike"


SIZES = (7, 10, 21, 9, 9, 15)


def _figures(summary: Summary) -> tuple[str, ...]:
    low, high = summary.low, summary.high
    spread = abs(high - low) / 4 if low is not None and high is not None else 0.0
    places = decimals_for([spread])
    return (
        f"{summary.specs:,}",
        fixed(summary.median, places),
        f"[{fixed(low, places)}, {fixed(high, places)}]",
        per_cent(summary.share_positive),
        per_cent(summary.share_positive_significant),
        per_cent(summary.share_negative_significant),
    )


def _joint(curve: Curve) -> Iterable[str]:
    joint = curve.joint
    yield (
        f"Joint test ({joint.test.replace('_', ' ')}): p = {p_value(joint.p_value)}, "
        f"{joint.draws:,} draws over {joint.n_clusters} clusters by {joint.cluster}, "
        f"seed {joint.seed}"
    )


def _variance(curve: Curve) -> Iterable[str]:
    moved = sorted(curve.variance, key=lambda choice: -choice.share)
    shares = ", ".join(f"{c.choice} {per_cent(c.share)}" for c in moved if c.levels != 1)
    if shares:
        yield from _wrapped(f"What moves the estimate: {shares}")


def _placebos(curve: Curve) -> str:
    """How the study's own placebos came out; nothing without any."""
    known = [placebo for placebo in curve.placebos if placebo.p_value is not None]
    found = sum((placebo.p_value or 0.0) * len(known) < 0.05 for placebo in known)
    named = "; ".join(f"{each.what} (p {_in_words(each.p_value)})" for each in known)
    result = f"{found} of {len(known)} do" if found else "none does"
    said = f"Placebos of the study, which should show nothing: {result}"
    return f"{said} at 5 %, corrected for their number: {named}." if known else ""


def _in_words(p: float | None) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _audit(curve: Curve) -> str:
    """The other kinds of inference, from the one that rejects most to the one that does least."""
    others = [rate for rate in curve.placebo_audit.rates if not rate.chosen]
    others.sort(key=lambda rate: -rate.rejection_rate)
    named = "; ".join(f"{rate.name} {100 * rate.rejection_rate:.1f} %" for rate in others)
    return f"Other tests at 5 %: {named}." if named else ""


def _warnings(curve: Curve) -> Iterable[str]:
    yield from ([curve.placebo_audit.warning] if curve.placebo_audit.warning else [])
    yield from curve.warnings
