"""Every test that an estimator or a diagnostic emits has a name in words."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from reports.tables.named_tests import LABELS, known_name

ROOT = Path(__file__).parents[2] / "models"
TREES = [ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))]
FUNCTIONS = [node for tree in TREES for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def texts(node: ast.AST) -> list[str]:
    """The text in a name's place; what an f-string fills in stands as 1, which suits a number too.
    """
    if isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else "1" for p in node.values]
        return ["".join(map(str, parts))]
    if isinstance(node, ast.IfExp):
        return [*texts(node.body), *texts(node.orelse)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def assigned(function: ast.FunctionDef, name: str) -> list[str]:
    """What a function's own variable may hold: by assignment or unpacking, else, as a loop's
    variable, the keys of a dictionary or the first place of a table's rows.
    """
    found: list[str] = []
    for node in (node for node in ast.walk(function) if isinstance(node, ast.Assign)):
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id == name:
                found += texts(node.value)
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for one, value in zip(target.elts, node.value.elts, strict=True):
                    found += texts(value) if isinstance(one, ast.Name) and one.id == name else []
    return found or [text for node in ast.walk(function) for text in first_places(node)]


def first_places(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Dict):
        return [text for key in node.keys if key for text in texts(key)]
    rows = node.elts if isinstance(node, ast.Tuple) else []
    firsts = [row.elts[0] for row in rows if isinstance(row, ast.Tuple) and row.elts]
    return [text for first in firsts for text in texts(first)]


def handed_on(function: ast.FunctionDef, name: str) -> Iterable[str]:
    """What callers give a function's parameter, and its default."""
    place = [argument.arg for argument in function.args.args].index(name)
    for default in function.args.defaults:
        yield from texts(default)
    for caller in FUNCTIONS:
        for call in (node for node in ast.walk(caller) if isinstance(node, ast.Call)):
            if called(call) == function.name and len(call.args) > place:
                given = call.args[place]
                yield from texts(given)
                if isinstance(given, ast.Name) and given.id == name:
                    yield from assigned(caller, given.id)


def emitted() -> set[str]:
    found: set[str] = set()
    for function in FUNCTIONS:
        parameters = [argument.arg for argument in function.args.args]
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            if called(call) == "Test":
                first = call.args[0]
                found.update(texts(first))
                if isinstance(first, ast.Name) and first.id in parameters:
                    found.update(handed_on(function, first.id))
                elif isinstance(first, ast.Name):
                    found.update(assigned(function, first.id))
            for keyword in call.keywords:
                if keyword.arg == "test" and called(call) == "replace":
                    found.update(texts(keyword.value))
    return found


NAMES = sorted(emitted())


@pytest.mark.parametrize("name", NAMES)
def test_a_test_is_named_in_words(name: str) -> None:
    assert known_name(name), name


def test_the_search_finds_names_wherever_they_are_made() -> None:
    assert {
        "hansen_j",  # in the call
        "sargan",  # by a caller
        "scaled_lm",  # a variable of the function
        "lm_sarma",  # a dictionary's key
        "ar1",  # an f-string
        "pesaran_yamagata_treatment",  # a copy under another name
    } <= set(NAMES)


def test_no_words_are_kept_for_tests_that_are_gone() -> None:
    assert set(LABELS) <= set(NAMES)
