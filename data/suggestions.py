"""What to do about a misspelt name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near(name: str, known: Iterable[str]) -> str:
    """The last part of an error: the nearest known names, or all of them."""
    choices = sorted(known)
    close = get_close_matches(name, choices, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    return "there are: " + ", ".join(choices[:40]) + (", ..." if len(choices) > 40 else "")
