"""The language of study files and panel recipes: expressions over columns, never Python code.

An expression is parsed into a syntax tree, held against limits of size, and evaluated on whole
columns by `steps`. Anything outside the language is refused by its name.
"""

from __future__ import annotations

import ast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import BadInput
from data.expressions.steps import Evaluation, dotted_name

LONGEST = 4000  # characters
DEEPEST = 100  # levels of nesting; a sum of n columns nests n levels


def evaluate(
    expression: str, frame: pd.DataFrame, unit: str, time: str, where: str = "expression"
) -> pd.Series:
    """The expression's value in each row of `frame`: floats, or text for a plain text column.

    `unit` and `time` name the index columns that lags follow; a gap in time gives missing.
    Conditions are 1, 0 or missing, and missing values propagate. Raises BadInput, with `where` as
    its place, for anything the language does not have, a column that does not exist, or a step
    that would turn known values into missing or infinite ones.
    """
    tree = parse(expression, where)
    return pd.Series(Evaluation(frame, unit, time, where).value(tree), index=frame.index)


def condition(
    expression: str, frame: pd.DataFrame, unit: str, time: str, where: str = "condition"
) -> NDArray[np.bool_]:
    """Where the expression holds, (n,): a missing answer counts as no. Raises BadInput."""
    tree = parse(expression, where)
    return Evaluation(frame, unit, time, where).truth(tree) == 1.0


def columns_of(expression: str) -> tuple[str, ...]:
    """The columns that an expression names, in order of appearance. Raises BadInput."""
    found: dict[str, None] = {}
    _collect(parse(expression, "expression"), found)
    return tuple(found)


def parse(expression: str, where: str) -> ast.expr:
    """The syntax tree of an expression that stays inside the limits. Raises BadInput."""
    if len(expression) > LONGEST:
        raise BadInput(
            where,
            f"an expression of {len(expression)} characters",
            f"keep it under {LONGEST}, with intermediate variables",
        )
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        reason = fault.msg if isinstance(fault, SyntaxError) else "not readable as an expression"
        raise BadInput(
            where, f"{_short(expression)}: {reason}", "check names, brackets and operators"
        ) from None
    if _depth(tree) > DEEPEST:
        raise BadInput(
            where,
            f"{_short(expression)} is nested more than {DEEPEST} levels deep",
            "split it into intermediate variables",
        )
    return tree


def _depth(tree: ast.expr) -> int:
    level: list[ast.AST] = [tree]
    depth = 0
    while level and depth <= DEEPEST:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _collect(node: ast.AST, found: dict[str, None]) -> None:
    name = dotted_name(node)
    if name is not None:
        if name not in ("true", "false"):
            found[name] = None
        return
    children = node.args if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))
    for child in children:
        _collect(child, found)
