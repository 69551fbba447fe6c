"""How often a publisher may be asked: one file under the home, so that runs share the memory."""

from __future__ import annotations

import fcntl
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LONGEST_REST = 3600.0  # seconds; a stored time further away is a clock set back, not a wish


@dataclass(frozen=True)
class Clock:
    """Time and chance, so that tests need not wait."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random


@dataclass(frozen=True)
class Pace:
    """Keeps requests to one host at least `interval` seconds apart, across threads and runs.

    `intervals` are those of hosts that want another.
    """

    file: Path
    interval: float = 1.0
    intervals: Mapping[str, float] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)

    def reserve(self, host: str) -> float:
        """Books the next free moment for a request to `host`; returns the seconds until then."""
        return self._update(host, rest=0.0)

    def rest(self, host: str, seconds: float) -> None:
        """Remembers that `host` asked to be left alone for so long (its Retry-After)."""
        self._update(host, rest=min(seconds, LONGEST_REST))

    def _update(self, host: str, rest: float) -> float:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a+", encoding="utf-8") as shared:
            fcntl.flock(shared, fcntl.LOCK_EX)
            shared.seek(0)
            free = _moments(shared.read())
            now = self.clock.now()
            moment = free.get(host, now)
            if not now <= moment <= now + LONGEST_REST:
                moment = now
            apart = self.intervals.get(host, self.interval)
            free[host] = max(moment, now + rest) if rest else moment + apart
            shared.truncate(0)
            shared.write(json.dumps(free, sort_keys=True))
        return moment - now


def _moments(text: str) -> dict[str, float]:
    """The hosts' next free moments; a file spoilt by a crash is no reason to stop."""
    try:
        stored = json.loads(text or "{}")
        return {str(host): float(moment) for host, moment in stored.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
