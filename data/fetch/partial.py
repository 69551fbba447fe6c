"""A download that is not complete yet: kept beside its goal, and continued if still valid."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path


class Partial:
    """`into`.part holds the first bytes of `url`, `into`.part.json whose and which edition's."""

    def __init__(self, into: Path, url: str) -> None:
        self.into, self.url = into, url
        self.file = into.with_name(f"{into.name}.part")
        self.note = into.with_name(f"{into.name}.part.json")

    def request_headers(self) -> dict[str, str]:
        """Asks for the rest, if what is here can be matched to an edition; else nothing."""
        validator = self._validator()
        if validator is None or not self.file.is_file() or not self.file.stat().st_size:
            return {}
        return {"Range": f"bytes={self.file.stat().st_size}-", "If-Range": validator}

    def continued_by(self, headers: Mapping[str, str]) -> bool:
        """Whether an answer with these headers starts where this file ends."""
        start = re.match(r"bytes (\d+)-", headers.get("content-range", ""))
        return (
            start is not None
            and self.file.is_file()
            and int(start[1]) == self.file.stat().st_size
        )

    def receive(self, status: int, headers: Mapping[str, str], pieces: Iterable[bytes]) -> None:
        """Writes the pieces of an answer: 206 is the rest of what is here, 200 the whole."""
        mode = "ab" if status == 206 else "wb"
        etag = headers.get("etag", "")
        validator = etag if etag.startswith('"') else headers.get("last-modified")
        self.note.write_text(json.dumps({"url": self.url, "validator": validator}))
        with self.file.open(mode) as file:
            for piece in pieces:
                file.write(piece)

    def finish(self) -> tuple[int, str]:
        """Moves the complete file to its goal; returns its size and sha256."""
        with self.file.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = self.file.stat().st_size
        self.file.replace(self.into)
        self.note.unlink(missing_ok=True)
        return size, sha256

    def drop(self) -> None:
        """Forgets what is here: the next attempt starts afresh."""
        self.file.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _validator(self) -> str | None:
        """What proves the edition: weak etags may not be used with ranges (RFC 9110, 13.1.5)."""
        try:
            note = json.loads(self.note.read_text())
            return str(note["validator"]) if note["url"] == self.url and note["validator"] else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
