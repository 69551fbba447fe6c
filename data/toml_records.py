"""TOML files as frozen records: an unknown, missing or misshapen key is an error that names it."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from datetime import date
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from data.errors import BadInput
from data.suggestions import near

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")
WORDS: Mapping[object, str] = {
    str: "a text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    date: "a date such as 2026-01-31",
}


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file. Raises BadInput, with the line, if it is not TOML."""
    return parsed(path.read_bytes(), str(path))


def parsed(text: bytes, where: str) -> dict[str, Any]:
    """The tables of a file's bytes. Raises BadInput, with the line, if they are not TOML."""
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise BadInput(where, f"is not valid TOML: {fault}", "mend the file") from None


def record(kind: type[R], raw: Mapping[str, Any], where: str) -> R:
    """Builds the frozen record `kind`, lists as tuples.

    Raises BadInput naming the first key that is unknown, missing, or not of its field's type.
    """
    values = checked(raw, _hints(kind), where)
    for spec in fields(kind):
        if spec.name not in raw and spec.default is MISSING and spec.default_factory is MISSING:
            raise BadInput(where, f"key {spec.name!r} is missing", "add it")
    return kind(**values)


def checked(raw: Mapping[str, Any], hints: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of a table, lists as tuples; `hints` are the types of the keys it may have.

    Raises BadInput naming the first key that is unknown or not of its type.
    """
    only_known(raw, hints, where)
    shaped = {key: _shaped(value) for key, value in raw.items()}
    for key, value in shaped.items():
        if not _fits(value, hints[key]):
            shown = repr(raw[key]) if isinstance(raw[key], str) else str(raw[key])
            raise BadInput(where, f"{key} is {shown[:60]}", f"say {_words(hints[key])}")
    return shaped


def table_of(raw: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    """The table [key], empty where it is left out. Raises BadInput if it is something else."""
    value = raw.get(key, {})
    if not isinstance(value, Mapping):
        raise BadInput(where, f"{key} is {str(value)[:60]}", f"make it a table, headed [{key}]")
    return dict(value)


def tables_of(raw: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    """All tables [[key]]. Raises BadInput if there is something else of that name."""
    value = raw.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise BadInput(where, f"{key} is no list of tables", f"head each of them [[{key}]]")
    return value


def only_known(raw: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Raises BadInput naming the first key that is not known, and the nearest that are."""
    for key in raw:
        if key not in known:
            raise BadInput(where, f"unknown key {key!r}", near(key, known))


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _shaped(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_shaped(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _shaped(item) for key, item in value.items()}
    return value


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value read from TOML is of the type that a field declares."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return value in inner
    if origin in (Union, UnionType):
        return any(_fits(value, option) for option in inner)
    if origin is tuple:
        many = inner[-1] is Ellipsis
        kinds = inner[:1] * len(value) if many and isinstance(value, tuple) else inner
        return (
            isinstance(value, tuple)
            and len(kinds) == len(value)
            and all(map(_fits, value, kinds))
        )
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(_fits(v, inner[1]) for v in value.values())
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and isinstance(value, bool) == (hint is bool)


def _words(hint: Any) -> str:
    """What a field wants, as an error says it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(inner)
    if origin in (Union, UnionType):
        return " or ".join(_words(option) for option in inner if option is not NoneType)
    if origin is tuple:
        return f"a list, each {_words(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a table, each entry {_words(inner[1])}"
    return WORDS.get(hint, "a table of its keys")
