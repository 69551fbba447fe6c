"""Shared by all tests: where the publishers' real files are, when they are there at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of publishers' files, or a skip where a machine does not have it."""
    folder = Path(os.environ.get("REGSI_REALDATA", PROJECT.parent / "shared" / "realdata"))
    if not folder.is_dir():
        pytest.skip("the folder of publishers' files is not on this machine")
    return folder
