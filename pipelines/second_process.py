"""A second process beside this one, for what a curve has no need of before its end.

It is started before there is a panel, loads the engine while this process reads the data, and then
computes the main model's audit while this one computes the curve. It is a help and no more: should
it fail, for whatever reason, the same is computed here.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from threadpoolctl import threadpool_limits

from models.engine.chunks import Here
from models.engine.main_model import MainModel
from models.engine.multiverse import Say
from models.engine.setting import Setting


class SecondProcess:
    """Runs while its context lasts; takes one question."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # without the current folder on its path, where the user may have a `models` of her own
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._talk: Future[tuple[bytes, bytes]] | None = None

    def __enter__(self) -> SecondProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        if self._talk is not None:
            self._talk.exception()  # it holds the pipes until then
        with self._process:
            pass

    def workplace(self, setting: Setting) -> Here:
        """Where `run_curve` computes: in this process, but for the main model."""
        return _Beside(setting, self)

    def ask(self, setting: Setting) -> Callable[[], MainModel | None]:
        """Begin with a setting's main model; the call waits for it, None if nothing came of it."""
        line = ThreadPoolExecutor(1)
        talk = self._talk = line.submit(self._process.communicate, pickle.dumps(setting))
        line.shutdown(wait=False)

        def wait() -> MainModel | None:
            answer, _ = talk.result()
            found: MainModel | None = None
            if self._process.returncode == 0:
                found = pickle.loads(answer)
            return found

        return wait


class _Beside(Here):
    """This process, with the main model left to the second one."""

    def __init__(self, setting: Setting, second: SecondProcess) -> None:
        super().__init__(setting)
        self._second = second

    def main_model(self, say: Say) -> Callable[[], MainModel]:
        """The main model's audit and influence analysis, begun by the second process."""
        asked, here = self._second.ask(self.setting), super().main_model(say)
        return lambda: asked() or here()


def main() -> None:
    """What the second process does: a setting comes in, its main model goes out."""
    setting: Setting = pickle.load(sys.stdin.buffer)
    with threadpool_limits(limits=1, user_api="blas"):
        found = Here(setting).main_model(lambda _: None)()
    sys.stdout.buffer.write(pickle.dumps(found))


if __name__ == "__main__":
    main()
