"""Streams that are closed, or whose reader leaves early, are no fault of the command's."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from data.warehouse import Warehouse

REGSI = shlex.join([sys.executable, "-m", "pipelines.cli"])


def shell(line: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A shell's command line, in which REGSI stands for the program."""
    command = ["bash", "-c", "set -o pipefail; " + line.replace("REGSI", REGSI)]
    return subprocess.run(command, capture_output=True, text=True, cwd=home, timeout=60)


@pytest.mark.parametrize("line", ["REGSI list studies 2>&-", "REGSI list studies <&-"])
def test_a_closed_stream_changes_nothing(line: str, tmp_path: Path) -> None:
    found = shell(line, tmp_path)
    assert found.returncode == 0, found.stderr
    assert "us-children" in found.stdout


def test_nothing_to_print_to_is_no_error(tmp_path: Path) -> None:
    found = shell("REGSI list studies >&-", tmp_path)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_an_error_keeps_its_code_where_it_cannot_be_told(tmp_path: Path) -> None:
    found = shell("REGSI fit nothing 2>&-", tmp_path)
    assert (found.returncode, found.stdout) == (2, "")


def test_a_reader_that_leaves_early_is_no_fault(tmp_path: Path) -> None:
    found = shell("REGSI list sources | head -1", tmp_path)
    assert found.returncode == 0
    assert found.stderr == ""
    assert found.stdout.startswith("dataset")


@pytest.mark.parametrize("redirected", ["2>&1 | head -1", "2>/dev/full"])
def test_a_reader_of_progress_who_leaves_early_does_not_stop_the_work(
    redirected: str, tmp_path: Path
) -> None:
    found = shell(f"REGSI ingest simulated {redirected}", tmp_path)
    assert found.returncode == 0, found.stderr
    with Warehouse(tmp_path / "var") as warehouse:
        assert len(warehouse.datasets()) == 7


def test_an_error_keeps_its_code_where_its_reader_has_gone(tmp_path: Path) -> None:
    found = shell("REGSI fit nothing --debug 2>/dev/full", tmp_path)
    assert (found.returncode, found.stdout, found.stderr) == (2, "", "")


def test_results_that_cannot_be_written_are_an_error_of_their_own(tmp_path: Path) -> None:
    found = shell("REGSI list sources >/dev/full", tmp_path)
    assert found.returncode == 1
    assert found.stderr.startswith("error: standard output: the system says: No space left")
