"""Numbers as print: how many decimals an estimate deserves, and how counts and p-values read."""

from __future__ import annotations

import math
from collections.abc import Iterable

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"  # stands where a figure does not exist
MOST_DECIMALS = 6


def decimals_for(std_errors: Iterable[float], digits: int = 3) -> int:
    """Decimals that show the smallest standard error with `digits` significant digits.

    More would be noise, fewer would hide how precise the most precise column is. Between 0 and
    MOST_DECIMALS + 1; the last means that fixed notation would not do.
    """
    known = [error for error in std_errors if math.isfinite(error) and error > 0]
    if not known:
        return 3
    # rounding first: 0.09996 prints as 0.100, with three decimals and not four
    magnitude = math.floor(math.log10(float(f"{min(known):.{digits - 1}e}")))
    return min(max(digits - 1 - magnitude, 0), MOST_DECIMALS + 1)


def fixed(value: float | None, decimals: int) -> str:
    """`value` with thousands separators, an ASCII minus, and never a negative zero."""
    if value is None or not math.isfinite(value):
        return NONE
    if decimals > MOST_DECIMALS:
        return f"{value:.2e}"
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def typographic(text: str) -> str:
    """A formatted number with a real minus sign, for every output but plain text."""
    return text.replace("-", MINUS)


def p_value(value: float | None) -> str:
    """Three decimals, as the journals print it."""
    if value is None or not math.isfinite(value):
        return NONE
    return "<0.001" if value < 0.0005 else f"{value:.3f}"


def per_cent(share: float) -> str:
    """A share between 0 and 1 as a percentage that is 0 or 100 only where the share is exact."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"


def split_at_point(text: str) -> tuple[str, str]:
    """What stands before the decimal point, and the rest with it: for aligning a column."""
    head, point, tail = text.partition(".")
    if point:
        return head, point + tail
    # a closing parenthesis hangs to the right of the digits
    return (head[:-1], ")") if head.endswith(")") else (head, "")


# stand in an id where a model's would; no model can be called so
PANEL, MISSING, CURVE = "(panel)", "(missing)", "(curve)"


def result_id(study: str, model: str, *figure: str) -> str:
    """The id under which a number is published: study/model/term, or study/model/fit/r2_within."""
    return "/".join((study, model, *figure))
