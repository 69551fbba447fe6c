"""Parts computed side by side: in order, and on processors that become free on the way."""

from __future__ import annotations

from threading import Barrier

import pytest

from models.threads import one_thread, side_by_side


def test_processors_that_become_free_are_taken() -> None:
    """The first two parts one by one, as only then a second processor is free; the rest by twos."""
    free, pairs = iter([1, 1, 2]), Barrier(2)

    def compute(part: int) -> int:
        if part >= 2:
            pairs.wait(timeout=20)  # for another part at the same time
        return part * part

    assert list(side_by_side(compute, range(6), lambda: next(free))) == [0, 1, 4, 9, 16, 25]


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_a_fault_of_a_part_is_told_and_no_part_is_none(threads: int) -> None:
    assert list(side_by_side(abs, [], one_thread)) == []
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda part: 1 // part, [2, 1, 0, 3], lambda: threads))
