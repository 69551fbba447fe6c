"""Words for derived variables that are more than one column's level, log, change or lag."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.variables import Measure

Take = Callable[[ast.expr], "Measure | None"]
LOGS = {"log": "log", "log1p": "log of 1 + x"}


@dataclass(frozen=True)
class Index:
    """The panel's index columns, and their words: one step of time, and one unit."""

    time: str
    period: str
    unit: str
    unit_word: str


def described(node: ast.expr, take: Take, index: Index) -> str:
    """An expression in words, with a capital; empty where these words do not reach."""
    match node:
        case ast.BinOp(ast.Name(id=name), ast.Sub(), ast.Constant(value=int(zero))) if (
            name == index.time
        ):
            return f"{index.period.capitalize()}s since {zero}"
        case ast.BinOp(ast.BinOp(inner, ast.Sub(), mean), ast.Pow(), ast.Constant(value=2)):
            return _distance(inner, mean, take, index)
        case ast.Call(func=ast.Name(id="mean_by"), args=[inner, ast.Name(id=group)]):
            taken, word = take(inner), _group(group, index)
            return f"{taken.label}, mean of the {word}" if taken and _plain(taken, word) else ""
        case ast.Call(func=ast.Name(id=log), args=[inner]) if log in LOGS:
            return _mean_of_lags(inner, take, index, log)
    return _mean_of_lags(node, take, index, "")


def _plain(taken: Measure, group: str) -> bool:
    return taken.column is not None and taken.change == "level" and bool(group)


def _group(name: str, index: Index) -> str:
    return {index.time: index.period, index.unit: index.unit_word}.get(name, "")


def _distance(inner: ast.expr, mean: ast.expr, take: Take, index: Index) -> str:
    match mean:
        case ast.Call(func=ast.Name(id="mean_by"), args=[same, ast.Name(id=group)]):
            taken, word = take(inner), _group(group, index)
            if taken and _plain(taken, word) and ast.dump(same) == ast.dump(inner):
                return f"Squared distance from the {word}'s mean of: {taken.label}"
    return ""


def _mean_of_lags(node: ast.expr, take: Take, index: Index, log: str) -> str:
    """(lag(x, 1) + lag(x, 2)) / 2, or lag(x + lag(x, 1), 1) / 2: a mean over successive periods."""
    match node:
        case ast.BinOp(summed, ast.Div(), ast.Constant(value=int(number))):
            found = _summands(summed, take, 0)
        case _:
            return ""
    if found is None or len(found) != number or number < 2:
        return ""
    lags = sorted(one.lag for one in found)
    alike = {replace(one, lag=0, name="", expression="") for one in found}
    successive = lags == list(range(lags[0], lags[0] + number)) and lags[0] >= 0
    first = next(iter(alike))
    if len(alike) != 1 or not successive or first.column is None or first.factor != 1.0:
        return ""
    if first.change not in {"level", *LOGS} or (log and first.change != "level"):
        return ""
    done = LOGS.get(log or first.change)
    when = f"mean of {lags[0]} to {lags[-1]} {index.period}s earlier"
    return f"{first.label} ({', '.join(filter(None, (done, when)))})"


def _summands(node: ast.expr, take: Take, shift: int) -> list[Measure] | None:
    """What is added up, lagged by `shift` more; None where one of it is no measure."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            first, second = _summands(left, take, shift), _summands(right, take, shift)
            return None if first is None or second is None else first + second
        case ast.Call(
            func=ast.Name(id="lag"), args=[ast.BinOp() as inner, ast.Constant(value=int(steps))]
        ):
            return _summands(inner, take, shift + steps)
    taken = take(node)
    return None if taken is None else [replace(taken, lag=taken.lag + shift)]
