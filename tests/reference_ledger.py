"""The stored reference collection, what tests claim of it, and what is passed over and why.

The collection lies beside the publishers' files (`shared/reference`): entries of R and gretl in
`r_reference.json`, cases in print in `published.toml`. A test claims an entry by
`@pytest.mark.case("A.us.pooling")`. Values are copied into the tests, so that these say what they
expect without the collection; where it is there, `tests/reference/test_ledger.py` holds claims and
copies against it.
"""

from __future__ import annotations

import ast
import json
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
TESTS = Path(__file__).parent / "reference"
CLOSE = 1e-12  # relative: copies keep the fifteen digits stored
PRINTED = ("id", "data", "model", "source", "note", "tol")  # of a case in print, not its values


@dataclass(frozen=True)
class Entry:
    """One entry of the collection: its numbers by path, and how closely a copy has to agree."""

    numbers: dict[str, float]
    tolerance: float  # absolute, 0 for entries of full precision

    def matches(self, value: float) -> frozenset[str]:
        """The paths of the numbers that a value is a copy of, its sign apart."""
        return frozenset(
            path
            for path, number in self.numbers.items()
            if abs(abs(value) - abs(number)) <= max(self.tolerance, CLOSE * abs(number))
        )


@cache
def entries() -> dict[str, Entry]:
    """All entries by id; none where the collection is not on this machine."""
    beside = Path(os.environ.get("REGSI_REALDATA", PROJECT.parent / "shared" / "realdata"))
    folder = beside.parent / "reference"
    if not folder.is_dir():
        return {}
    computed = json.loads((folder / "r_reference.json").read_text("utf-8"))["entries"]
    printed = tomllib.loads((folder / "published.toml").read_text("utf-8"))["case"]
    found = {one["id"]: Entry(dict(numbers(one["results"])), 0.0) for one in computed}
    for case in printed:
        values = {key: value for key, value in case.items() if key not in PRINTED}
        found[case["id"]] = Entry(dict(numbers(values)), case["tol"])
    return found


def numbers(tree: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Each number in nested tables and lists, with its path."""
    if isinstance(tree, dict):
        branches = tree.items()
    elif isinstance(tree, list):
        branches = dict(enumerate(tree)).items()
    else:
        if isinstance(tree, int | float) and not isinstance(tree, bool):
            yield path, float(tree)
        return
    for name, branch in branches:
        yield from numbers(branch, f"{path}.{name}" if path else str(name))


@dataclass(frozen=True)
class Copies:
    """What one test module claims, and the numbers written in it and in its tables of values."""

    claims: frozenset[str]
    literals: frozenset[float]


@cache
def copies() -> dict[str, Copies]:
    """Claims and literals by module of `tests/reference`."""
    return {path.name: copies_in(path) for path in sorted(TESTS.glob("test_*.py"))}


def copies_in(path: Path) -> Copies:
    """The claims and literals of one module."""
    tree = ast.parse(path.read_text("utf-8"))
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    claims = {
        argument.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.case"
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    literals = [value for _, value in numbers(constants)]
    for name in {str(value) for value in constants if str(value).endswith(".toml")}:
        if (table := path.with_name(name)).exists():
            values = tomllib.loads(table.read_text("utf-8"))
            literals += [value for _, value in numbers(values)]
            claims |= set(_names(values))
    return Copies(frozenset(claims), frozenset(literals))


def _names(values: dict[str, Any]) -> Iterator[str]:
    """Entries that a table of values is of: its keys, or the `entries` of each of its cases."""
    yield from (name for name in values if name[:2] in ("A.", "B.", "C.", "D."))
    yield from (name for case in values.get("case", []) for name in case.get("entries", []))


def claimants(entry: str) -> list[str]:
    """The modules that claim an entry."""
    return [name for name, module in copies().items() if entry in module.claims]


@dataclass(frozen=True)
class Ledger:
    """What no test compares: whole entries, and paths within entries, each with its reason."""

    not_targeted: dict[str, str]
    not_covered: dict[str, str]
    derived: dict[str, str]  # patterns of paths of any entry
    passed_over: dict[str, dict[str, str]]  # patterns of paths by entry

    def reason(self, entry: str, path: str) -> str | None:
        """Why a number is passed over, or None if it has to be compared."""
        for pattern, why in (self.passed_over.get(entry, {}) | self.derived).items():
            if re.search(pattern, path):
                return why
        return None

    def wanted(self, entry: str) -> dict[str, float]:
        """The numbers of an entry that tests have to compare, by path."""
        stored = entries()[entry].numbers
        return {path: value for path, value in stored.items() if not self.reason(entry, path)}


@cache
def ledger() -> Ledger:
    """The ledger beside the tests."""
    return Ledger(**tomllib.loads((TESTS / "ledger.toml").read_text("utf-8")))
