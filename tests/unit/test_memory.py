"""Freed memory is kept by the process that asks for it, and only there."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from models.engine import memory

HELD = """
import os
import numpy as np
from models.engine.memory import keep_freed
if {keep}:
    keep_freed()
def held():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before = held()
array = np.ones(2**21)
del array
print(held() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="glibc's malloc alone")
@pytest.mark.parametrize("keep", [True, False])
def test_a_large_array_leaves_its_memory_behind(keep: bool) -> None:
    command = [sys.executable, "-c", HELD.format(keep=keep)]
    left = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert (left > 2**23) == keep


def test_another_c_library_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []

    def without_switch(name: None) -> object:
        asked.append(name)
        return object()

    monkeypatch.setattr(ctypes, "CDLL", without_switch)
    memory.keep_freed()
    assert asked == [None]


def test_cycles_are_looked_for_rarely_and_still_found() -> None:
    program = "import gc\nfrom models.engine.memory import collect_rarely\ncollect_rarely()\n"
    program += "before = gc.get_stats()[0]['collections']\n"
    program += "for _ in range(240_000):\n    cycle = []\n    cycle.append(cycle)\n"
    program += "print(gc.get_stats()[0]['collections'] - before)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert int(done.stdout) == 1
