"""A second process beside this one, for what a curve has no need of before its end.

It is started before anything else is, loads the engine while this process does and reads the data,
and then computes the main model's audit while this one computes the curve (`models.engine.beside`).
It is a help and no more: should it fail, for whatever reason, the same is computed here.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from models.threads import processors

if TYPE_CHECKING:  # it loads the engine
    from models.engine.beside import Answer

# how memory is kept is settled before the engine is loaded
PROGRAM = """
from models.engine.memory import collect_rarely, keep_freed
keep_freed()
collect_rarely()
from models.engine.beside import main
main()
"""


class SecondProcess:
    """Runs while its context lasts, if there is a processor for it; takes one question."""

    def __init__(self) -> None:
        self._process = _started() if processors() > 1 else None
        self._talk: Answer = Future()
        self._talk.set_result(None)

    def __enter__(self) -> SecondProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._talk.exception()  # it holds the pipes until then
        with self._process:
            pass

    def ask(self, question: bytes) -> Answer:
        """Send what the process reads; what it writes will come, None if nothing comes of it."""
        if self._process is not None:
            line = ThreadPoolExecutor(1)
            with suppress(RuntimeError):  # the system has no thread to give
                self._talk = line.submit(_talked, self._process, question)
            line.shutdown(wait=False)
        return self._talk


def _talked(process: subprocess.Popen[bytes], question: bytes) -> bytes | None:
    """What the process answers, None if it failed.

    Written and read whole: `communicate` does it page by page, and after each of a thousand pages
    would wait until the thread that computes lets it run.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin as pipe:
            pipe.write(question)
    except OSError:  # it is gone, which its return code says
        pass
    answer = process.stdout.read()
    return answer if process.wait() == 0 else None


def _started() -> subprocess.Popen[bytes] | None:
    # without the current folder on its path, where the user may have a `models` of her own
    command = [sys.executable, "-P", "-c", PROGRAM]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:  # the system has none to give
        return None
