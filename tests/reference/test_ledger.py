"""Each entry of the reference collection is compared by a test, or the ledger says why not."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.reference_ledger import CLOSE, claimants, copies, entries, ledger

# what may be left without a test: this list only ever gets shorter
NOT_COVERED_AT_MOST: frozenset[str] = frozenset()
pytestmark = pytest.mark.skipif(not entries(), reason="the collection is not on this machine")


def test_every_entry_has_a_test_or_a_reason() -> None:
    claimed = frozenset().union(*(module.claims for module in copies().values()))
    excused = ledger().not_targeted.keys() | ledger().not_covered.keys()
    assert claimed <= entries().keys(), "claims of entries that do not exist"
    assert not claimed & excused, "excused, but tests claim them"
    assert sorted(entries().keys() - claimed - excused) == [], "no test claims these"
    assert ledger().not_covered.keys() <= NOT_COVERED_AT_MOST


@pytest.mark.parametrize("entry", sorted(entries()))
def test_every_number_is_copied_into_a_test(entry: str) -> None:
    """Of an entry that tests claim, each number that the ledger does not pass over by its path."""
    modules = [copies()[name] for name in claimants(entry)]
    literals = np.sort([abs(value) for module in modules for value in module.literals])
    tolerance = entries()[entry].tolerance
    missing = []
    for path, value in ledger().wanted(entry).items() if modules else ():
        allowed = max(tolerance, CLOSE * abs(value))
        place = int(np.searchsorted(literals, abs(value) - allowed))
        if place == len(literals) or literals[place] > abs(value) + allowed:
            missing.append(path)
    assert missing == []


@pytest.mark.parametrize("entry", sorted(ledger().passed_over))
def test_nothing_is_excused_in_vain(entry: str) -> None:
    paths = entries()[entry].numbers
    for pattern in ledger().passed_over[entry]:
        assert any(re.search(pattern, path) for path in paths), f"{pattern} is no path of {entry}"
