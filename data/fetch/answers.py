"""What a publisher's answer really is: data, a place in a queue, or an error dressed as data.

Eurostat sends SOAP faults and queue tickets with status 200; others send JSON errors or a web
page. A body is judged by its first bytes, never by its name or its declared type.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

OPENING = 65_536  # bytes of an answer that are looked at; errors and tickets are far shorter
CHUNK = 1 << 20

# SDMX 2.1 error codes: 1xx the client's doing, 5xx the server's; 413 and 510 are too large
TOO_LARGE = {"413", "130", "510"}
SERVERS_OWN = {"500", "503"}


class CutShort(Exception):
    """The body ends before its end."""


class Oversized(Exception):
    """The body unpacks to more than anyone agreed to."""


@dataclass(frozen=True)
class Ticket:
    """A place in Eurostat's queue: fetch the data under `id` once its status is AVAILABLE."""

    id: str
    status: str


@dataclass(frozen=True)
class Fault:
    """An error in words. `kind` says whose move it is: to ask less, to ask right, to wait."""

    kind: Literal["too large", "wrong question", "try later"]
    text: str


def judge(path: Path, max_unpacked: int) -> Ticket | Fault | None:
    """What the file at `path` is; None means data. Unpacks gzip and zip only to check them.

    Raises CutShort where a packed body ends early, Oversized beyond `max_unpacked` bytes.
    """
    with path.open("rb") as body:
        magic = body.read(4)
    if not magic:
        raise CutShort("the body is empty")
    if magic[:2] == b"\x1f\x8b":
        return judge_text(_checked_gzip(path, max_unpacked))
    if magic == b"PK\x03\x04":
        _check_zip(path, max_unpacked)
        return None
    with path.open("rb") as body:
        return judge_text(body.read(OPENING))


def judge_text(opening: bytes) -> Ticket | Fault | None:
    """What a text with these first bytes is; None means data."""
    text = opening.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if text.startswith("<"):
        return _xml(text)
    if text.startswith("{"):
        return _json(text)
    return None


def _xml(text: str) -> Ticket | Fault:
    """XML in place of data. No dataset is asked for as XML, so it is never data."""
    if re.match(r"<!doctype html|<html", text, re.IGNORECASE):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        return Fault("try later", f"a web page{f' ({title[1].strip()[:80]})' if title else ''}")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # nothing honest needs them here
        return Fault("try later", "an XML document with declarations of its own")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return Fault("try later", "XML that is broken or not an error message")
    words = _words(root)
    if "faultstring" in words:
        return _soap_fault(words.get("faultcode", ""), words["faultstring"])
    if "status" in words:
        return Ticket(words.get("id") or words.get("key", ""), words["status"].upper())
    note = words.get("Text") or "no explanation"
    return Fault("try later", f"XML in place of data ({note[:200]})")


def _words(root: ElementTree.Element) -> dict[str, str]:
    """The first text of each element name, name spaces set aside."""
    words: dict[str, str] = {}
    for element in root.iter():
        if element.text and element.text.strip():
            words.setdefault(element.tag.rpartition("}")[2], element.text.strip())
    return words


def _soap_fault(code: str, text: str) -> Fault:
    told = f"{text[:300].rstrip('.')} (fault {code})" if code else text[:300]
    if code in TOO_LARGE or "TOO_BIG" in text or "ASYNCHRONOUS_RESPONSE" in text:
        return Fault("too large", told)
    if code in SERVERS_OWN or "NOT_YET_AVAILABLE" in text:
        return Fault("try later", told)
    return Fault("wrong question", told)


def _json(text: str) -> Fault | None:
    """An error in JSON: Eurostat's {"error": [...]} and Socrata's {"error": true, "message"}."""
    if not re.match(r'\{\s*"(error|code|message|status)"', text):
        return None
    try:
        answer = json.loads(text)
    except ValueError:
        return None  # longer than any error message
    error = answer.get("error")
    first = error[0] if isinstance(error, list) and error else answer if error else None
    if not isinstance(first, dict):
        return None
    told = str(first.get("label") or first.get("message") or first)
    return _soap_fault(str(first.get("status") or first.get("code") or ""), told)


def _checked_gzip(path: Path, max_unpacked: int) -> bytes:
    """The first bytes of a gzip file that unpacks to its end, checksum included."""
    opening, size = b"", 0
    for piece in _unpacked(path):
        size += len(piece)
        if size > max_unpacked:
            raise Oversized(f"unpacks to more than {max_unpacked:,} bytes")
        opening += piece[: OPENING - len(opening)]
    return opening


def _unpacked(path: Path) -> Iterator[bytes]:
    """The content of a gzip file of one or more members, at most CHUNK bytes at a time."""
    with path.open("rb") as body:
        rest = body.read(CHUNK)
        while rest.startswith(b"\x1f\x8b"):  # anything else after a member is padding
            unpack = zlib.decompressobj(wbits=31)
            while not unpack.eof:
                try:
                    piece = unpack.decompress(rest, CHUNK)
                except zlib.error as error:
                    raise CutShort(f"the gzip data are damaged ({error})") from None
                rest = unpack.unconsumed_tail or (b"" if unpack.eof else body.read(CHUNK))
                if not piece and not rest and not unpack.eof:
                    raise CutShort("the gzip data end before their end")
                yield piece
            rest = unpack.unused_data or body.read(CHUNK)


def _check_zip(path: Path, max_unpacked: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise CutShort(f"the zip file is damaged ({error})") from None
    if size > max_unpacked:
        raise Oversized(f"unpacks to more than {max_unpacked:,} bytes")
