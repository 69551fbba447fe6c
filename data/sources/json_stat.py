"""JSON-stat 2.0, as Eurostat's statistics API answers: a cube of values with its dimensions.

Positions without a value are absent, unless a status says why they are empty. Older answers, whose
datasets stand under a name of their own, are read as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from data.errors import BadInput
from data.sources.staged import Load, SourceFile, file_dimensions
from data.sources.texts import Spelling, finish

TIMES = ("time", "time_period", "year")
LARGEST = 200_000_000  # positions; a cube beyond is not an answer of an API


@dataclass(frozen=True)
class Cube:
    """Names and codes of the dimensions, in the order of the values."""

    names: tuple[str, ...]
    codes: tuple[tuple[str, ...], ...]
    values: Mapping[int, Any]
    status: Mapping[int, Any]

    @property
    def size(self) -> int:
        """Number of positions."""
        return math.prod(len(codes) for codes in self.codes)


def read(load: Load) -> None:
    """Fills the staging tables; raises BadInput naming file and dimension or position."""
    cube = taken_apart(load.file)
    names = [name for name in cube.names if name != "time"]
    file_dimensions(load, names, f"{load.file.name}, dimension")
    positions = sorted({*cube.values, *cube.status})
    if not positions:
        raise BadInput(f"{load.file.name}, value", "is empty", "fetch the file again")
    at = np.unravel_index(np.array(positions), tuple(len(codes) for codes in cube.codes))
    columns = {
        name: pa.array(np.array(codes, dtype=object)[index], pa.string())
        for name, codes, index in zip(cube.names, cube.codes, at, strict=True)
    }
    texts = {
        "text": [number(load, cube.values.get(p), p) for p in positions],
        "flags": [flags(load, cube.status.get(p), p) for p in positions],
        "place": [f"position {p}" for p in positions],
    }
    columns |= {name: pa.array(found, pa.string()) for name, found in texts.items()}
    load.con.register("cube", pa.table(columns))
    load.con.execute("CREATE TABLE texts AS SELECT * FROM cube")
    load.con.unregister("cube")
    finish(load, names, Spelling())


def stated(file: SourceFile) -> date | None:
    """The day in `updated`."""
    try:
        updated = str(dataset(file).get("updated", ""))
        return datetime.strptime(updated[:10], "%Y-%m-%d").date()
    except ValueError:
        return None


def dataset(file: SourceFile) -> dict[str, Any]:
    """The dataset in a file; raises BadInput if there is none, or the JSON is damaged."""
    todo = "fetch the file again, as JSON-stat 2.0"
    try:
        document = json.loads(
            file.path.read_text(encoding="utf-8-sig"),
            parse_constant=refuse_constant,
            object_pairs_hook=without_doubles,
        )
    except json.JSONDecodeError as fault:
        where = f"{file.name}, line {fault.lineno}, column {fault.colno}"
        raise BadInput(where, "is not JSON", todo) from None
    except UnicodeDecodeError as fault:
        raise BadInput(f"{file.name}, byte {fault.start}", "is not UTF-8 text", todo) from None
    except (ValueError, RecursionError) as fault:
        raise BadInput(f"{file.name}, document", f"is not sound JSON: {fault}", todo) from None
    if isinstance(document, dict) and document.get("class") == "dataset":
        return document
    inner = list(document.values()) if isinstance(document, dict) else []
    if len(inner) == 1 and isinstance(inner[0], dict) and "dimension" in inner[0]:
        found = inner[0]
        dimension = found["dimension"]
        if isinstance(dimension, dict):
            return {"id": dimension.get("id"), "size": dimension.get("size"), **found}
    raise BadInput(f"{file.name}, document", "holds no dataset of JSON-stat", todo)


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, unless a name is there twice: which of the two would be meant?"""
    if len({name for name, _ in pairs}) < len(pairs):
        doubles = sorted({name for name, _ in pairs if [n for n, _ in pairs].count(name) > 1})
        raise ValueError(f"{doubles[0]!r} is there twice")
    return dict(pairs)


def refuse_constant(name: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError(f"{name} is no number")


def taken_apart(file: SourceFile) -> Cube:
    """The cube in a file; raises BadInput where its parts do not fit each other."""
    found = dataset(file)
    names, sizes, dimension = found.get("id"), found.get("size"), found.get("dimension")
    if not (isinstance(names, list) and isinstance(sizes, list) and isinstance(dimension, dict)):
        raise damaged(file, "id, size or dimension", "is missing")
    if len(names) != len(sizes) or len({str(name) for name in names}) != len(names) or not names:
        raise damaged(file, "id", "does not fit size")
    codes = []
    for name, size in zip(names, sizes, strict=True):
        listed = category(file, dimension.get(name), str(name))
        if type(size) is not int or len(listed) != size:
            what = f"has {len(listed)} codes where size is {size!r}"
            raise damaged(file, f"dimension {name}", what)
        codes.append(listed)
    cube_size = math.prod(sizes)
    if not 0 < cube_size <= LARGEST:
        raise damaged(file, "size", f"is {cube_size} positions")
    plain = tuple("time" if str(n).lower() in TIMES else str(n).lower() for n in names)
    values = positions(file, found.get("value"), cube_size, "value")
    status = positions(file, found.get("status", {}), cube_size, "status")
    return Cube(plain, tuple(codes), values, status)


def category(file: SourceFile, dimension: object, name: str) -> tuple[str, ...]:
    """The codes of a dimension, in order."""
    inner = dimension.get("category") if isinstance(dimension, dict) else None
    index = inner.get("index") if isinstance(inner, dict) else None
    if index is None and isinstance(inner, dict) and isinstance(inner.get("label"), dict):
        index = list(inner["label"])  # a dimension of one code needs no index
        if len(index) != 1:
            raise damaged(file, f"dimension {name}", "has no index")
    if isinstance(index, list) and len(set(map(str, index))) == len(index):
        return tuple(str(code) for code in index)
    if not isinstance(index, dict):
        raise damaged(file, f"dimension {name}", "has no index")
    if sorted(index.values(), key=repr) != sorted(range(len(index)), key=repr):
        raise damaged(file, f"dimension {name}", "has an index with gaps")
    return tuple(sorted(index, key=lambda code: int(index[code])))


def positions(file: SourceFile, given: object, size: int, what: str) -> Mapping[int, Any]:
    """Values by position, from a list of all or an object of some; empty ones are left out."""
    if isinstance(given, str):
        return dict.fromkeys(range(size), given)
    if isinstance(given, list):
        if len(given) != size:
            raise damaged(file, what, f"has {len(given)} entries where the dimensions make {size}")
        return {i: value for i, value in enumerate(given) if value is not None}
    if not isinstance(given, dict):
        raise damaged(file, what, "is neither a list nor an object")
    found = {}
    for key, value in given.items():
        if not key.isdecimal() or not key.isascii() or int(key) >= size:
            raise damaged(file, what, f"has a position {key!r}")
        found[int(key)] = value
    return {i: value for i, value in found.items() if value is not None}


def number(load: Load, value: object, position: int) -> str | None:
    """A value as text with all its digits; raises BadInput if it is no number."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise damaged(load.file, f"position {position}", f"holds {value!r}, not a number")
    return repr(value)


def flags(load: Load, status: object, position: int) -> str:
    """A status as letters; a bare `:` says no more than that the value is missing."""
    if status is None:
        return ""
    if not isinstance(status, str) or not status.replace(":", "").strip(" ").isalpha() | (
        status.strip(" :") == ""
    ):
        raise damaged(load.file, f"position {position}", f"has the status {status!r}")
    return status.replace(":", "").replace(" ", "").lower()


def damaged(file: SourceFile, part: str, what: str) -> BadInput:
    """A fault inside the file."""
    return BadInput(f"{file.name}, {part}", what, "fetch the file again, as JSON-stat 2.0")

