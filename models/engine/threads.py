"""Long array operations side by side.

NumPy leaves the interpreter to other threads while it works on arrays. Short operations gain
nothing from that and lose time to each other's waits: only what takes milliseconds is shared out,
in parts whose sizes do not depend on the machine, so that results keep their bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


def side_by_side(compute: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """What `compute` gives for each part, in order, on as many threads as there are processors."""
    shares = list(parts)
    if len(shares) < 2:
        return [compute(part) for part in shares]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(compute, shares))
