"""Where in a study file something was written, so that a message can name file and line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_HEADER = re.compile(r"^\s*\[\[?\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]\]?\s*(#.*)?$")


@dataclass(frozen=True)
class StudyText:
    """The text of a study file. Lines are numbered from 1, repeated tables from 0."""

    path: Path
    text: str

    @classmethod
    def of(cls, path: Path) -> StudyText:
        """The text of the file at `path`; empty if it cannot be read any more."""
        try:
            return cls(path, path.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError):
            return cls(path, "")

    def place(self, table: str, key: str | None = None, index: int = 0) -> str:
        """`file:line` of a key in the index-th `[table]` or `[[table]]`, or of its header.

        A dotted `table` ("model.inference") is a table of its own or an inline one.
        """
        line = self._line(table, key, index)
        return f"{self.path}:{line}" if line else str(self.path)

    def _line(self, table: str, key: str | None, index: int) -> int | None:
        start, lines = self._section(table, index)
        if start is not None:
            return start if key is None else _first(key, start, lines, anchored=True) or start
        parent, _, inner = table.rpartition(".")
        if not parent:
            return None
        start, lines = self._section(parent, index)
        if start is None:
            return None
        opened = _first(inner, start, lines, anchored=True)
        if opened is None or key is None:
            return opened or start
        return _first(key, opened, lines[opened - start :], anchored=False) or opened

    def _section(self, table: str, index: int) -> tuple[int | None, list[str]]:
        """The first line of a table and its lines, header included."""
        for start, name, count, lines in self._sections:
            if name == table and count == index:
                return start, lines
        return None, []

    @cached_property
    def _sections(self) -> list[tuple[int, str, int, list[str]]]:
        found: list[tuple[int, str, int, list[str]]] = []
        seen: dict[str, int] = {}
        for number, line in enumerate(self.text.splitlines(), start=1):
            header = _HEADER.match(line)
            if header:
                name = re.sub(r"[\"' ]", "", header.group(1))
                seen[name] = seen.get(name, -1) + 1
                # [model.inference] belongs to the [[model]] above it, whichever number that has
                count = seen.get(name.split(".")[0], seen[name]) if "." in name else seen[name]
                found.append((number, name, count, [line]))
            elif found:
                found[-1][3].append(line)
        return found


def _first(key: str, start: int, lines: list[str], *, anchored: bool) -> int | None:
    before = r"^\s*" if anchored else r"(?:^|[{,\s])"
    pattern = re.compile(before + rf"[\"']?{re.escape(key)}[\"']?\s*[=.]")
    for offset, line in enumerate(lines):
        if pattern.search(line):
            return start + offset
    return None
