"""A publisher on this machine, and a client whose pauses are written down, not waited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.fetch.client import Client
from tests.scripted_publisher import Hours, Publisher, make_client, scripted_publisher


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with scripted_publisher() as publisher:
        yield publisher


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def client(tmp_path: Path, hours: Hours) -> Client:
    return make_client(tmp_path, hours)
