"""An entry of the reference collection may only be claimed by a test that compares its values."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.reference_ledger import entries
from tests.reference_record import claiming


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test with its claims known, and fail it if it passed without earning one of them."""
    claims = tuple(name for mark in item.iter_markers("case") for name in mark.args)
    with claiming(claims) as found:
        result = yield
    if entries():
        idle = [name for name in claims if not found[name]]
        assert not idle, f"claims {', '.join(idle)} without comparing any of its values"
    return result
