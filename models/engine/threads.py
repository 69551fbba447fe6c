"""Long array operations side by side.

NumPy leaves the interpreter to other threads while it works on arrays. Short operations gain
nothing from that and lose time to each other's waits: only what takes milliseconds is shared out,
in parts whose sizes do not depend on the machine, so that results keep their bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


def side_by_side(
    compute: Callable[[Part], Result], parts: Iterable[Part], most: int = 64
) -> Iterator[Result]:
    """What `compute` gives for each part, in order, on the processors that this process may use.

    `most` bounds the parts at work at a time, where each of them needs much memory.
    """
    shares = list(parts)
    at_once = min(most, processors(), len(shares))
    if at_once < 2:
        yield from map(compute, shares)
        return
    with ThreadPoolExecutor(at_once) as threads:
        yield from threads.map(compute, shares)


def slices(length: int, most: int) -> Iterator[slice]:
    """Slices of about one size that cover `length` places, of at most `most` each (or of one)."""
    count = -(-length // max(1, most))
    return (slice(length * k // count, length * (k + 1) // count) for k in range(count))


def processors() -> int:
    """How many this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
