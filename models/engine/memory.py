"""Memory in processes that end with their work: how long it is kept, how often looked through."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # their numbers in glibc's malloc.h
LARGEST = 2**25  # array that is kept: older versions refuse more
KEPT = 2**30
CONTAINERS = 200_000  # made between two searches for unreachable cycles


def keep_freed() -> None:
    """Have the C library keep freed memory until the process ends.

    glibc hands large arrays back to the system one by one, and the next one of the same size is
    fetched anew, page by page: a quarter of the time of thousands of arrays of a few megabytes.
    Other C libraries have no such switch and stay as they are.
    """
    with suppress(AttributeError, OSError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, LARGEST)
        libc.mallopt(TRIM_THRESHOLD, KEPT)


def collect_rarely() -> None:
    """Have Python look for unreachable cycles once in 200,000 new containers instead of 700.

    Importing the libraries makes three quarters as many, hardly any of them unreachable; two
    hundred searches among these take 0.08 s, three take 0.05.
    """
    gc.set_threshold(CONTAINERS)
