"""Ctrl-C, SIGTERM and SIGKILL, whatever a command is at: one message, soon, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest

from pipelines.cli import main

INTERRUPTED = "error: regsi: interrupted; what was finished is kept\n"
# what is sent the signal while it is at its work
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
SLOW_FIT = """
import signal, time
import pipelines.cli, pipelines.steps
pipelines.steps.fit = lambda *_: time.sleep(60)
signal.signal(signal.SIGINT, signal.default_int_handler)
pipelines.cli.entry()
"""
SERVER = """
import os, sys, time
import pipelines.cli, pipelines.server
os.environ["PYTHONPATH"] = sys.argv.pop() + ":" + os.environ["PYTHONPATH"]
"""
# stands for the web server that Prefect's runs in, which takes seconds to start
UVICORN = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
def run(*_, host, port, **__):
    HTTPServer((host, port), Healthy).serve_forever()
"""


def started(program: str, *arguments: str, home: Path) -> subprocess.Popen[str]:
    """A process in a group of its own, like a command in a terminal."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "REGSI"))}
    environment = {**kept, "PYTHONPATH": os.pathsep.join(sys.path), "PREFECT_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def child(process: subprocess.Popen[str]) -> int:
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return int(found.stdout)


def gone(process: int, within: float) -> bool:
    """Whether a process ends within so many seconds; one that is not yet buried has."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True)
        if state.stdout.strip()[:1] in (b"", b"Z"):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_with_one_message(number: signal.Signals, tmp_path: Path) -> None:
    with started(COMMAND, "list", "runs", str(int(number)), home=tmp_path) as process:
        assert process.communicate(timeout=20) == ("", INTERRUPTED)
    assert process.returncode == 1


def test_ctrl_c_while_duckdb_works_is_no_other_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> NoReturn:
        raise RuntimeError("Query interrupted")  # what it makes of the signal

    monkeypatch.setattr("pipelines.commands.list.run", stopped)
    assert main(["list", "runs"]) == 1
    assert capsys.readouterr().err == INTERRUPTED


def test_ctrl_c_in_a_terminal_ends_a_run_and_then_its_server(tmp_path: Path) -> None:
    """The signal goes to all of the group, while the flow still has to report to the server."""
    home = tmp_path / "a home at 100 %"  # which in a URL would stand for something else
    (home / "prefect").mkdir(parents=True)
    command = ["run", "us-public-capital", "--home", str(home)]
    with started(SLOW_FIT, *command, home=home / "prefect") as process:
        assert process.stderr is not None
        assert any(line.startswith("building panel") for line in process.stderr)
        server = child(process)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=20)
    assert (process.returncode, error) == (1, INTERRUPTED)
    assert gone(server, within=1)


def test_a_killed_process_leaves_no_server(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text(UVICORN)
    told = f"{SERVER}pipelines.server.Server().start()\nprint('ready', flush=True)\ntime.sleep(60)"
    with started(told, str(tmp_path), home=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        server = child(process)
        assert not gone(server, within=0.1)
        process.kill()
    assert gone(server, within=5)


def test_a_server_that_does_not_start_is_told_with_its_home(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise SystemExit('no such database')")
    command = ["run", "us-public-capital", "--quiet", "--home", str(tmp_path), str(tmp_path)]
    with started(f"{SERVER}pipelines.cli.entry()", *command, home=tmp_path) as process:
        out, error = process.communicate(timeout=20)
    what = "Prefect's server does not start there; server.log in it says why"
    assert (process.returncode, out, error) == (1, "", f"error: {tmp_path}: {what}\n")
    assert (tmp_path / "server.log").read_text() == "no such database\n"
