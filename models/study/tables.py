"""Reading one table of a study file: typed values, and refusals that name file and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from data.errors import BadInput
from data.suggestions import near
from models.study.text import StudyText


@dataclass(frozen=True)
class Table:
    """The index-th table called `name` in a study file; every reader raises BadInput."""

    values: Mapping[str, Any]
    name: str
    source: StudyText
    index: int = 0

    def error(self, key: str | None, what: str, todo: str) -> BadInput:
        """A message placed at one of this table's keys, or at its header."""
        return BadInput(self.source.place(self.name, key, self.index), what, todo)

    def allow(self, keys: Iterable[str]) -> None:
        """Refuse the first key that is not among `keys`, with the nearest that is."""
        known = sorted(keys)
        for key in self.values:
            if key not in known:
                raise self.error(key, f"unknown key {key!r} in [{self.name}]", near(key, known))

    def text(self, key: str, default: str | None = None) -> str | None:
        """A piece of text, or `default` where the key is absent."""
        value = self.values.get(key, default)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.error(key, f"{key} is {value!r}", "write it as text in quotes")
        return value

    def required(self, key: str) -> str:
        """A piece of text that must be there."""
        value = self.text(key)
        if value is None:
            raise self.error(None, f"[{self.name}] has no {key}", f'add {key} = "..."')
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts; a single text counts as a list of one."""
        value = self.values.get(key)
        if value is None:
            return default
        entries = [value] if isinstance(value, str) else value
        if not isinstance(entries, list) or not all(isinstance(one, str) for one in entries):
            raise self.error(key, f"{key} is {value!r}", 'write a list such as ["a", "b"]')
        if len(set(entries)) < len(entries):
            raise self.error(key, f"{key} names something twice", "name it once")
        return tuple(entries)

    def whole(
        self, key: str, least: int = 0, default: int | None = None, most: int | None = None
    ) -> int | None:
        """A whole number of at least `least`, and at most `most`."""
        value = self.values.get(key, default)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < least
        ):
            raise self.error(key, f"{key} is {value!r}", f"write a whole number from {least}")
        if value is not None and most is not None and value > most:
            raise self.error(key, f"{key} is {value:,}", f"{most:,} are the most there are")
        return value

    def positive(self, key: str) -> float | None:
        """A number above zero."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e300:
            raise self.error(key, f"{key} is {value!r}", "write a number above zero")
        return float(value)

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> str | None:
        """One of a few words."""
        value = self.text(key, default)
        known = sorted(choices)
        if value is not None and value not in known:
            raise self.error(key, f"unknown {key} {value!r}", near(value, known))
        return value

    def inner(self, key: str) -> Table:
        """The table under `key`; empty where the key is absent."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, f"{key} is {value!r}", f"write {key} = {{ ... }}")
        return Table(value, f"{self.name}.{key}", self.source, self.index)
