"""Prefect's own server, inside the home, for as long as this process lives and no longer.

Prefect would start it in the terminal's process group, where Ctrl-C takes it away from under the
flow that still reports to it, and would leave it running when this process is killed.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
from typing import Any

import httpx
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, get_current_settings

from data.errors import RegsiError

# it leaves when its standard input ends, which is when the process that holds the other end does
PROGRAM = """
import os, sys, threading
def leave():
    os.read(0, 1)
    os._exit(0)
threading.Thread(target=leave, daemon=True).start()
import uvicorn
uvicorn.run(
    "prefect.server.api.server:create_app", factory=True, lifespan="on",
    host="127.0.0.1", port=int(sys.argv[1]), log_level="error",
)
"""
LOG = "server.log"


def start_where_none_is_set() -> None:
    """Starts a server in Prefect's home, unless the user has set another."""
    if PREFECT_API_URL.value() is None and get_current_settings().server.ephemeral.enabled:
        Server().start()


class Server(SubprocessASGIServer):
    """The first one made is what Prefect finds wherever it would start its own."""

    def start(self, timeout: int | None = None) -> None:
        """Starts it and waits until it answers. Raises RegsiError if it ends before that."""
        if self.running:
            return
        self.running, self.port = True, self.find_available_port()
        self.server_process = self._run_uvicorn_command()
        atexit.register(self.stop)
        settings = get_current_settings()
        patience = timeout or settings.server.ephemeral.startup_timeout_seconds
        deadline = time.monotonic() + patience
        with httpx.Client(trust_env=False) as client:
            while not self._answers(client):
                if self.server_process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    what, todo = "Prefect's server does not start there", f"{LOG} in it says why"
                    raise RegsiError(str(settings.home), what, todo)
                time.sleep(0.1)

    def _answers(self, client: httpx.Client) -> bool:
        try:
            return client.get(f"{self.api_url}/health").is_success
        except httpx.TransportError:
            return False

    def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
        settings = get_current_settings()
        environment = {
            # in the folder it starts in: not all that a folder may be called can stand in a URL
            "PREFECT_SERVER_DATABASE_DRIVER": "sqlite+aiosqlite",
            "PREFECT_SERVER_DATABASE_NAME": "prefect.db",
            **os.environ,
            "PREFECT_UI_ENABLED": "0",
            "PREFECT__SERVER_EPHEMERAL": "1",
            "PREFECT__SERVER_FINAL": "1",
            **settings.to_environment_variables(exclude_unset=True),
        }
        with (settings.home / LOG).open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM, str(self.port)],
                cwd=settings.home,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
