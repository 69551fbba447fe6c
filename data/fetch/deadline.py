"""The end of an answer that takes too long: whatever it drips, its connection is cut."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from threading import Timer
from typing import Any, Self

import httpx


class OverdueError(Exception):
    """An answer was not done in its time."""


class Deadline:
    """Within this block a request may take so many seconds; then it ends in OverdueError.

    A timeout of the socket begins anew with each byte, in headers as in the body. `trace` is the
    request's extension of this name, which is how the connection becomes known.
    """

    def __init__(self, seconds: float) -> None:
        self._passed = False
        self._socket: socket.socket | None = None
        self._timer = Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, _kind: object, fault: BaseException | None, _trace: object) -> None:
        """A cut body may look like one that ended: no answer counts that was cut."""
        self._timer.cancel()
        if self._passed and (fault is None or isinstance(fault, httpx.HTTPError)):
            raise OverdueError from None

    def trace(self, _event: str, info: Mapping[str, Any]) -> None:
        """Keeps the socket of the stream that a step of connecting made: plain, then with TLS."""
        stream: Any = info.get("return_value")
        if hasattr(stream, "get_extra_info"):
            self._socket = stream.get_extra_info("socket")
            if self._passed:
                self._cut()

    def _cut(self) -> None:
        self._passed = True
        if self._socket is not None:
            with suppress(OSError):  # it may be closed by now
                # not the method of a socket with TLS, which takes the ground from under a reader
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
