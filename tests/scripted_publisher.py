"""A publisher on this machine's loopback who answers by script, for tests of whoever asks him."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from data.fetch.client import Client, Limits
from data.fetch.pace import Clock, Pace

NOW = 1_767_355_200.0  # 2 January 2026, noon
TABLE = b"unit,geo\\time\t2001 \t2000 \nTHS,XA11\t2.5 b\t: u\n" * 40
PACKED = gzip.compress(TABLE, mtime=0)
DATASET = "/eurostat/api/dissemination/sdmx/2.1/data/made_up?format=TSV&compressed=true"
EDITION = {"ETag": '"edition-1"', "Last-Modified": "Fri, 02 Jan 2026 12:00:00 GMT"}


@dataclass
class Reply:
    """One answer of the server; `cut` sends so many bytes of the body and drops the line,
    `unframed` leaves the body's length unsaid, `drip` sends `lines` more headers and then the body
    byte by byte, one in so many seconds."""

    status: int = 200
    body: bytes = PACKED
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    silence: float = 0.0
    reset: bool = False
    unframed: bool = False
    drip: float = 0.0
    lines: int = 0


@dataclass
class Publisher:
    """Answers each path with the next of its replies, the last one for ever."""

    address: str
    script: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str = DATASET) -> str:
        return f"http://{self.address}{path}"

    def will(self, *replies: Reply, path: str = DATASET) -> None:
        self.script[path] = list(replies)

    def headers_asked(self, name: str) -> list[str | None]:
        return [headers.get(name) for _, headers in self.asked]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    publisher: Publisher

    def answer(self) -> None:
        publisher = self.publisher
        publisher.asked.append((self.path, dict(self.headers.items())))
        replies = publisher.script.get(self.path, [Reply(404)])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        self.close_connection = True
        if reply.reset:
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self.connection.close()
            return
        time.sleep(reply.silence)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if not reply.unframed:
            self.send_header("Content-Length", str(len(reply.body)))
        if reply.drip:
            self.drip(reply)
            return
        self.end_headers()
        self.wfile.write(reply.body[: reply.cut])

    def drip(self, reply: Reply) -> None:
        """As long as somebody listens."""
        with suppress(OSError):
            for number in range(reply.lines):
                self.send_header(f"X-{number}", "more")
                self.flush_headers()
                time.sleep(reply.drip)
            self.end_headers()
            for byte in reply.body[: reply.cut]:
                self.wfile.write(bytes([byte]))
                time.sleep(reply.drip)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def scripted_publisher() -> Iterator[Publisher]:
    """A publisher at work, on a port of his own."""
    publisher = Publisher("")
    handler = type("Bound", (Handler,), {"publisher": publisher, "do_GET": Handler.answer})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        publisher.address = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield publisher
        server.shutdown()
        thread.join()


@dataclass
class Hours:
    """A clock that stands still, but for the pauses, which it remembers."""

    pauses: list[float] = field(default_factory=list)

    def now(self) -> float:
        return NOW + sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


SHORT = Limits(silence=0.25, connect=1.0)


def make_client(home: Path, hours: Hours, limits: Limits = SHORT) -> Client:
    """A client that may speak to the loopback only, with little patience and no jitter."""
    clock = Clock(now=hours.now, sleep=hours.sleep, draw=lambda: 0.5)
    pace = Pace(home / "pace.json", interval=0.0, clock=clock)
    return Client(("127.0.0.1",), pace, limits, plain_loopback=True)
