"""Fetches one file from a publisher, whatever publishers do.

Only over TLS, only from the hosts of the recipes, with a limit on everything: time, attempts,
bytes, and what the bytes unpack to. A file arrives whole and checked under its name, or not at
all; what arrived of it so far is kept and continued, if the publisher allows.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from data.errors import BadInput, RegsiError, SourceOutOfReach
from data.fetch.answers import OPENING, CutShort, Fault, Oversized, Ticket, judge, judge_text
from data.fetch.deadline import Deadline, OverdueError
from data.fetch.pace import Pace
from data.fetch.partial import Partial

LOOPBACK = ("127.0.0.1", "::1", "localhost")
REFUSALS = frozenset({401, 403, 407, 451})
PATIENCE = frozenset({408, 425, 429})
ASK_LESS = "ask for fewer codes or periods in the dataset's recipe, or for a bulk file"
ASK_RIGHT = "correct the url or the codes wanted in the dataset's recipe"
WAIT = "try again later, or read the files from a folder with --from"


@dataclass(frozen=True)
class Limits:
    """When to stop trying. Seconds and bytes."""

    connect: float = 15.0
    silence: float = 60.0  # between two pieces of an answer
    transfer: float = 1800.0  # for one answer
    attempts: int = 5
    first_pause: float = 1.0  # doubled after each attempt, with jitter
    longest_pause: float = 120.0  # nor is a longer Retry-After waited for
    poll: float = 5.0
    queue: float = 1800.0
    redirects: int = 5
    size: int = 4 << 30
    unpacked: int = 32 << 30


@dataclass(frozen=True)
class Known:
    """The validators of the edition at hand, as the publisher sent them."""

    etag: str | None = None
    last_modified: str | None = None

    def request_headers(self) -> dict[str, str]:
        """Asks for an answer only if there is a newer edition."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True)
class Fetched:
    """What came. `path` is None where the publisher says that `known` is still the newest."""

    url: str
    path: Path | None
    etag: str | None
    last_modified: str | None
    retrieved: datetime
    size: int = 0
    sha256: str = ""


class _Transient(Exception):
    """Worth another attempt, not before `pause` seconds."""

    def __init__(self, what: str, pause: float = 0.0) -> None:
        super().__init__(what)
        self.pause = pause


@dataclass(frozen=True)
class Client:
    """`hosts` are those named in the recipes; `pace` keeps the publishers' rate limits.

    `plain_loopback` allows plain http to this machine itself, and nothing else, for tests.
    """

    hosts: Collection[str]
    pace: Pace
    limits: Limits = field(default_factory=Limits)
    plain_loopback: bool = False

    def fetch(self, url: str, into: Path, known: Known | None = None) -> Fetched:
        """Downloads `url` to the file `into`, unless `known` is still the newest edition.

        Raises SourceOutOfReach if the publisher did not deliver after all attempts, BadInput if
        he says that the question is wrong or asks for too much.
        """
        into.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):  # a ticket may expire once
            answer = self._persist(url, into, known or Known())
            if isinstance(answer, Ticket):
                data_url = self._queue(url, answer, into)
                answer = self._persist(data_url, into, Known()) if data_url else answer
            if isinstance(answer, Fetched):
                return replace(answer, url=url)
        raise SourceOutOfReach(url, "the publisher queued the request and let it expire", WAIT)

    def _persist(self, url: str, into: Path, known: Known) -> Fetched | Ticket:
        """Attempts until the answer is sound, with growing pauses between."""
        clock, limits = self.pace.clock, self.limits
        for attempt in range(1, limits.attempts + 1):
            try:
                return self._attempt(url, Partial(into, url), known)
            except _Transient as fault:
                if attempt == limits.attempts or fault.pause > limits.longest_pause:
                    tries = "once" if attempt == 1 else f"{attempt} times"
                    raise SourceOutOfReach(url, f"{fault} (asked {tries})", WAIT) from None
                pause = limits.first_pause * 2 ** (attempt - 1) * (0.5 + clock.draw())
                clock.sleep(max(fault.pause, min(pause, limits.longest_pause)))
        raise ValueError("limits.attempts must be at least 1")

    def _attempt(self, url: str, part: Partial, known: Known) -> Fetched | Ticket:
        asked = part.request_headers() or known.request_headers()
        try:
            with self._open(url, asked) as answer:
                etag, modified = answer.headers.get("etag"), answer.headers.get("last-modified")
                if answer.status_code == 304 and known.request_headers():
                    return Fetched(url, None, known.etag, known.last_modified, datetime.now(UTC))
                self._check_status(url, answer, part)
                part.receive(answer.status_code, answer.headers, self._pieces(url, answer))
        except OverdueError:
            raise _Transient(f"was not done after {self.limits.transfer:g} s") from None
        except httpx.TimeoutException:
            raise _Transient("the publisher fell silent") from None
        except httpx.HTTPError as error:
            raise _Transient(f"the connection failed ({error})") from None
        ticket = self._judge(url, part)
        if ticket is not None:
            return ticket
        size, sha256 = part.finish()
        return Fetched(url, part.into, etag, modified, datetime.now(UTC), size, sha256)

    @contextmanager
    def _open(self, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """The answer to a request, after redirects within the hosts of the recipes."""
        timeout = httpx.Timeout(self.limits.silence, connect=self.limits.connect)
        headers = {**headers, "Accept-Encoding": "identity", "User-Agent": "regsi"}
        direct = self.plain_loopback  # a proxy cannot reach this machine's loopback
        with httpx.Client(verify=_trust(), timeout=timeout, trust_env=not direct) as session:
            target = url
            for _ in range(self.limits.redirects + 1):
                self._check_host(url, target)
                self._keep_pace(url, target)
                with (
                    Deadline(self.limits.transfer) as deadline,
                    session.stream(
                        "GET", target, headers=headers, extensions={"trace": deadline.trace}
                    ) as answer,
                ):
                    if not answer.has_redirect_location:
                        yield answer
                        return
                    target = urljoin(target, answer.headers["location"])
        raise SourceOutOfReach(url, "redirects in a circle", ASK_RIGHT)

    def _check_host(self, url: str, target: str) -> None:
        parts = urlsplit(target)
        plain = self.plain_loopback and parts.scheme == "http" and parts.hostname in LOOPBACK
        if (parts.scheme == "https" or plain) and parts.hostname in self.hosts:
            return
        place = f"{parts.scheme}://{parts.hostname}"
        if target == url:
            raise BadInput(url, f"{place} is not a place to fetch from", ASK_RIGHT)
        todo = "if the publisher moved, change the url in the dataset's recipe"
        raise SourceOutOfReach(url, f"redirects to {place}, which no recipe names", todo)

    def _keep_pace(self, url: str, target: str) -> None:
        wait = self.pace.reserve(urlsplit(target).hostname or "")
        if wait > self.limits.longest_pause:
            what = f"the publisher asked to be left alone for another {wait:.0f} s"
            raise SourceOutOfReach(url, what, WAIT)
        if wait > 0:
            self.pace.clock.sleep(wait)

    def _check_status(self, url: str, answer: httpx.Response, part: Partial) -> None:
        """Returns if the answer carries data, or an error that only its body can tell."""
        status = answer.status_code
        if status == 200 or (status == 206 and part.continued_by(answer.headers)):
            return
        if status in (206, 416):  # what is here is not a beginning of what is there
            part.drop()
            raise _Transient("the download could not be continued")
        found = judge_text(_opening(answer))
        told = f"answers {status}" + (f": {found.text}" if isinstance(found, Fault) else "")
        if status in PATIENCE or status >= 500:
            pause = _retry_after(answer.headers.get("retry-after", ""), self.pace.clock.now())
            if pause:
                self.pace.rest(answer.url.host, pause)
            raise _Transient(told, pause)
        if status in REFUSALS:
            raise SourceOutOfReach(url, told, "see whether the publisher still offers this openly")
        if isinstance(found, Fault) and found.kind == "try later" and "XML" not in found.text:
            raise _Transient(told)
        raise BadInput(url, told, ASK_LESS if status == 413 else ASK_RIGHT)

    def _pieces(self, url: str, answer: httpx.Response) -> Iterator[bytes]:
        """The body as sent, within the limit of size."""
        received = 0
        for piece in answer.iter_raw():
            received += len(piece)
            if received > self.limits.size:
                raise SourceOutOfReach(url, f"sends more than {self.limits.size:,} bytes", ASK_LESS)
            yield piece

    def _judge(self, url: str, part: Partial) -> Ticket | None:
        """None for data, a ticket for a place in the queue; whatever else is no file to keep."""
        try:
            found = judge(part.file, self.limits.unpacked)
        except CutShort as fault:
            part.drop()
            raise _Transient(f"sent a body cut short: {fault}") from None
        except Oversized as fault:
            part.drop()
            raise SourceOutOfReach(url, f"the file {fault}", "do not use this file") from None
        if found is not None:
            part.drop()
        if isinstance(found, Fault):
            raise _as_error(url, found)
        return found

    def _queue(self, url: str, ticket: Ticket, into: Path) -> str | None:
        """Waits in Eurostat's queue: where the data are, or None if the ticket expired."""
        service = re.match(r"https?://[^/]+/.*?/dissemination(?=/)", url)
        if service is None or not re.fullmatch(r"[0-9A-Za-z-]{8,64}", ticket.id):
            raise SourceOutOfReach(url, "sends a ticket for a queue in place of data", ASK_LESS)
        slip = into.with_name(f"{into.name}.ticket")
        number, pause = ticket.id, self.limits.poll
        until = self.pace.clock.now() + self.limits.queue
        while ticket.status in ("SUBMITTED", "PROCESSING"):
            if self.pace.clock.now() + pause > until:
                raise SourceOutOfReach(url, f"still queued after {self.limits.queue:.0f} s", WAIT)
            self.pace.clock.sleep(pause)
            pause = min(1.5 * pause, 60.0)
            answer = self._persist(f"{service[0]}/1.0/async/status/{number}", slip, Known())
            if isinstance(answer, Fetched):
                slip.unlink()
                raise SourceOutOfReach(url, "the queue answers with something else", WAIT)
            ticket = answer
        return f"{service[0]}/1.0/async/data/{number}" if ticket.status == "AVAILABLE" else None


@cache
def _trust() -> ssl.SSLContext:
    """The authorities that certificates are checked against; slow to read, so read once."""
    return httpx.create_ssl_context()


def _as_error(url: str, fault: Fault) -> RegsiError | _Transient:
    if fault.kind == "try later":
        return _Transient(f"sent {fault.text}")
    return BadInput(url, fault.text, ASK_LESS if fault.kind == "too large" else ASK_RIGHT)


def _opening(answer: httpx.Response) -> bytes:
    opening = b""
    for piece in answer.iter_raw():
        opening += piece
        if len(opening) >= OPENING:
            break
    return opening[:OPENING]


def _retry_after(wish: str, now: float) -> float:
    """Seconds that a Retry-After header asks for, given as a number or a date; 0 if neither."""
    if wish.isascii() and wish.isdigit():
        return float(wish)
    try:
        return max(0.0, parsedate_to_datetime(wish).timestamp() - now)
    except ValueError:
        return 0.0
