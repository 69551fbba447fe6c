"""Putting names into SQL safely: identifiers quoted, strings quoted, values bound elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SLOT = re.compile(r"\{([a-z_]+)\}")
# the flags of several rows as those of one, sorted letters; one text a group, not a list of lists,
# which is taken apart only where it has letters to sort
ALL_FLAGS = (
    "CASE WHEN strlen(coalesce(string_agg(flags, ''), '')) < 2"
    " THEN coalesce(string_agg(flags, ''), '') ELSE array_to_string("
    "list_sort(list_distinct(string_split(string_agg(flags, ''), ''))), '') END"
)


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL string, where a statement takes no parameter."""
    return "'" + text.replace("'", "''") + "'"


def listed(names: Iterable[str], of: str = "") -> str:
    """Identifiers, comma-separated; `of` is the table alias before each."""
    return ", ".join(f"{of}.{quoted(name)}" if of else quoted(name) for name in names)


def condition(where: Mapping[str, str]) -> str:
    """The rows whose columns hold the given codes, as an SQL condition."""
    tests = [f"{quoted(name)} = {literal(code)}" for name, code in where.items()]
    return " AND ".join(tests) or "true"


def statement(template: str, **parts: str) -> str:
    """`template` with each {slot} replaced by a part already in SQL; a missing part is an error."""
    return SLOT.sub(lambda slot: parts[slot.group(1)], template)
