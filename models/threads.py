"""Long array operations side by side.

NumPy leaves the interpreter to other threads while it works on arrays. Short operations gain
nothing from that and lose time to each other's waits: only what takes milliseconds is shared out,
in parts whose sizes do not depend on the machine, so that results keep their bits.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


def side_by_side(
    compute: Callable[[Part], Result], parts: Iterable[Part], most: Callable[[], int]
) -> Iterator[Result]:
    """What `compute` gives for each part, in order, `most` of them at a time.

    As long as that is one, it is asked anew before each part: more processors may become free.
    """
    left = deque(parts)
    while left and (at_once := min(most(), len(left))) < 2:
        yield compute(left.popleft())
    if left:
        with ThreadPoolExecutor(at_once) as threads:
            yield from threads.map(compute, left)


def one_thread() -> int:
    """For what is too little to share out, and for one of many tasks side by side."""
    return 1


def slices(length: int, most: int) -> Iterator[slice]:
    """Slices of about one size that cover `length` places, of at most `most` each (or of one)."""
    count = -(-length // max(1, most))
    return (slice(length * k // count, length * (k + 1) // count) for k in range(count))


def processors() -> int:
    """How many this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
