"""Ctrl-C and SIGTERM, whatever the command is at: one message, soon, and nothing left running."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from pipelines.cli import main

INTERRUPTED = "error: regsi: interrupted; what was finished is kept\n"
# a command that is sent the signal while it is at its work
COMMAND = """
import os, signal, sys, threading, time
import pipelines.cli, pipelines.commands.list
def work(*_):
    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
    time.sleep(60)
pipelines.commands.list.run = work
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
number = int(sys.argv.pop())
pipelines.cli.entry()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_with_one_message(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMAND, "list", "runs", str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", INTERRUPTED)


def test_ctrl_c_while_duckdb_works_is_no_other_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> NoReturn:
        raise RuntimeError("Query interrupted")  # what it makes of the signal

    monkeypatch.setattr("pipelines.commands.list.run", stopped)
    assert main(["list", "runs"]) == 1
    assert capsys.readouterr().err == INTERRUPTED
