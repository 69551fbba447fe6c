"""The main model's part of a multiverse, computed by a process beside the one that draws the curve.

This module is both ends of it: the workplace here, and as a program (`python -m`) the other side,
which takes a setting from standard input and answers with its main model on standard output.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable
from threading import Thread

from threadpoolctl import threadpool_limits

from models.engine.chunks import Here
from models.engine.main_model import MainModel
from models.engine.memory import keep_freed
from models.engine.setting import Setting
from models.engine.threads import processors

Ask = Callable[[bytes], Callable[[], bytes | None]]


class Beside(Here):
    """This process, with the main model left to another one.

    `ask` sends that one a setting; the call that it returns waits for the answer, None if nothing
    came of it. Then the same is computed here.
    """

    def __init__(self, setting: Setting, ask: Ask) -> None:
        super().__init__(setting)
        self._ask = ask

    def main_model(self, say: Callable[[str], None]) -> Callable[[], MainModel]:
        """The main model's audit and influence analysis, begun by the other process."""
        asked, here = self._ask(pickle.dumps(self.setting)), super().main_model(say)

        def wait() -> MainModel:
            answer = asked()
            if answer is None:
                return here()
            try:
                found: MainModel = pickle.loads(answer)
            except Exception:  # something else wrote between, and then anything may be raised
                return here()
            return found

        return wait


def main() -> None:
    """The other process: a setting comes in, its main model goes out."""
    keep_freed()
    Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()
    setting: Setting = pickle.load(sys.stdin.buffer)
    with threadpool_limits(limits=1, user_api="blas"):
        # one processor is for the process that draws the curve
        found = Here(setting, max(1, processors() - 1)).main_model(lambda _: None)()
    sys.stdout.buffer.write(pickle.dumps(found))
    sys.stdout.buffer.flush()
    os._exit(0)  # the answer is read to its end, and taking all modules down takes a while


def _leave_with_parent(parent: int) -> None:
    """End this process once its parent is gone, whatever ended that."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
