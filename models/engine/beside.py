"""The main model's part of a multiverse, computed by a process beside the one that draws the curve.

This module is both ends of it: the workplace here, and the program of the other side, which takes a
study and its panel from standard input and answers with the main model on standard output.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from threading import Thread

from threadpoolctl import threadpool_limits

from models.engine.chunks import Here
from models.engine.main_model import MainModel
from models.engine.setting import Setting, lay_out
from models.threads import processors

SILENT = 1.0  # seconds that may pass without a word
Answer = Future[bytes | None]  # None if nothing came of it
Ask = Callable[[bytes], Answer]  # sends what is to be computed


class Beside(Here):
    """This process, with the main model left to another one.

    That one was sent the study and its panel; what it does not answer is computed here. As long
    as it has not answered, one processor is left to it.
    """

    def __init__(self, setting: Setting, answer: Answer) -> None:
        super().__init__(setting, lambda: processors() if answer.done() else _all_but_one())
        self._answer = answer

    def main_model(self, say: Callable[[str], None]) -> Callable[[], MainModel]:
        """The main model's audit and influence analysis, as the other process computes them."""
        here = super().main_model(say)

        def wait() -> MainModel:
            if not futures.wait([self._answer], SILENT).done:
                say(self.trial.doing)
            try:
                found: MainModel = pickle.loads(self._answer.result() or b"")
            except Exception:  # it may fail, and other programs write between, in any way
                return here()
            return found

        return wait


def main() -> None:
    """The other process: a study and its panel come in, the main model goes out."""
    Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()
    study, panel = pickle.load(sys.stdin.buffer)
    with threadpool_limits(limits=1, user_api="blas"):
        here = Here(lay_out(study, panel), _all_but_one)
        found = here.main_model(lambda _: None)()
    sys.stdout.buffer.write(pickle.dumps(found))
    sys.stdout.buffer.flush()
    os._exit(0)  # the answer is read to its end, and taking all modules down takes a while


def _all_but_one() -> int:
    """How many threads either process may use while both compute."""
    return max(1, processors() - 1)


def _leave_with_parent(parent: int) -> None:
    """End this process once its parent is gone, whatever ended that."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
