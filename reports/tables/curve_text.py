"""A multiverse on one screen of the terminal. Imports nothing heavy."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from models.engine.results import Curve, Summary
from models.results import failing
from reports.numbers import decimals_for, fixed, p_value, per_cent
from reports.tables.notes import curve_override_text, sentence
from reports.tables.parts import GAP

WIDTH = 100
SIMULATED = "SIMULATED DATA: these numbers say nothing about the world."


def curve_summary(curve: Curve) -> str:
    """Sizes, signs, the joint test, what moves the estimate, and the placebo audit."""
    rule = "─" * WIDTH
    lines = [curve.study.title, rule, *([SIMULATED] if curve.simulated else [])]
    lines += _wrapped(sentence(curve_override_text(curve))) if curve.override else []
    lines += _counts(curve)
    lines += ["", *_pairs(curve.by_pair or (curve.summary,))]
    paragraphs = [_joint(curve), _variance(curve), _leave_out(curve)]
    lines += ["", *(line for text in paragraphs for line in _wrapped(text))]
    audit = f"{curve.placebo_audit.sentence} {_audit(curve)}"
    paragraphs = [audit, _placebos(curve), *map(sentence, curve.warnings)]
    paragraphs.append(f"Rows: {curve.inference}.")
    lines += ["", *(line for text in paragraphs for line in _wrapped(text))]
    return "\n".join([*lines, rule]) + "\n"


def _wrapped(text: str) -> list[str]:
    """Lines of WIDTH, with no percentage torn from its sign."""
    lines = textwrap.wrap(text.replace(" %", "\N{NO-BREAK SPACE}%"), WIDTH)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _counts(curve: Curve) -> Iterable[str]:
    rows = curve.specs["n_obs"]
    yield (
        f"{len(curve.specs):,} of {curve.declared:,} declared specifications of the model "
        f"{_varied(curve)}, on {rows.min():,} to {rows.max():,} rows"
    )
    for dropped in curve.dropped:
        yield f"  {dropped.cells:,} {dropped.kind}: {dropped.reason}"


def _varied(curve: Curve) -> str:
    return f"“{curve.study.multiverse.model}”" if curve.study.multiverse else "that is varied"


def _pairs(summaries: Iterable[Summary]) -> Iterable[str]:
    heads = ("specs", "median", "middle 95 %", "above 0", "and p < .05", "below, p < .05")
    some = list(summaries)
    figures = [_figures(one) for one in some]
    sizes = [max(map(len, column)) for column in zip(heads, *figures, strict=True)]
    left = WIDTH - sum(sizes) - len(GAP) * len(sizes)
    yield _line("", heads, left, sizes)
    for one, texts in zip(some, figures, strict=True):
        name = " on ".join(filter(None, (one.treatment, one.outcome)))
        *before, last = textwrap.wrap(name, left, subsequent_indent=" ") or [""]
        yield from before
        yield _line(last, texts, left, sizes)
    yield "Slopes in the study's own units; p < .05 by the clustered t-test and the bootstrap both."


def _line(name: str, texts: Iterable[str], left: int, sizes: Iterable[int]) -> str:
    """A name and what stands to the right of it, each column as wide as its widest text."""
    cells = (text.rjust(size) for text, size in zip(texts, sizes, strict=True))
    return GAP.join([name.ljust(left), *cells])


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


def _joint(curve: Curve) -> str:
    joint, adjusted = curve.joint, float((curve.specs["adjusted_p"] < 0.05).mean())
    return (
        f"Joint test (no association in any; {joint.test.replace('_', ' ')}): "
        f"p {_in_words(joint.p_value)}, {joint.draws:,} draws over {joint.n_clusters} clusters by "
        f"{joint.cluster}, seed {joint.seed}. Corrected for looking at all of them (Romano-Wolf), "
        f"{per_cent(adjusted)} keep p < .05."
    )


def _variance(curve: Curve) -> str:
    """What moves the estimate, measured in standard deviations; what no choice explains last."""
    moved = sorted(curve.variance, key=lambda c: (c.choice == "interactions", -c.share))
    named = [
        f"{'no single one' if c.choice == 'interactions' else c.choice} {per_cent(c.share)}"
        for c in moved
        if c.levels != 1
    ]
    return f"Choices that move the standardised estimate: {', '.join(named)}." if named else ""


def _leave_out(curve: Curve) -> str:
    """The main model's range without each group; nothing where none was asked for."""
    table = curve.leave_out.dropna(subset=["estimate"]) if len(curve.leave_out) else curve.leave_out
    if table.empty:
        return ""
    least, most = (table.loc[getattr(table["estimate"], which)()] for which in ("idxmin", "idxmax"))
    places = decimals_for(table["std_error"])
    return (
        f"Main model without one {curve.leave_out_by or 'group'} at a time: between "
        f"{fixed(least['estimate'], places)} (without {least['left_out']}) and "
        f"{fixed(most['estimate'], places)} (without {most['left_out']})."
    )


def _placebos(curve: Curve) -> str:
    """How the study's own placebos came out; nothing without any."""
    known = [(each.what, each.p_value) for each in curve.placebos if each.p_value is not None]
    found = sum(failing([p for _, p in known]))
    named = "; ".join(f"{what} (p {_in_words(p)})" for what, p in known)
    result = f"{found} of {len(known)} do" if found else "none does"
    said = f"Placebos of the study, which should show nothing: {result}"
    return f"{said} at 5 %, corrected for their number: {named}." if known else ""


def _in_words(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _audit(curve: Curve) -> str:
    """The other kinds of inference, from the one that rejects most to the one that does least."""
    others = [rate for rate in curve.placebo_audit.rates if not rate.chosen]
    others.sort(key=lambda rate: -rate.rejection_rate)
    named = "; ".join(f"{rate.name} {100 * rate.rejection_rate:.1f} %" for rate in others)
    return f"Other tests at 5 %: {named}." if named else ""

