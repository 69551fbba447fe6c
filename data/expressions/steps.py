"""How each step of an expression is computed, on whole columns.

A value is an (n,) array: floats with NaN for missing, or objects (text) with None. Conditions are
floats 1, 0 or NaN. A step that would turn known values into missing or infinite ones (the log of
zero, a division by zero) is an error that counts them, because a sample that shrinks in silence
is a wrong sample.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import BadInput
from data.expressions.calendar_lags import CalendarIndex
from data.expressions.columns import Floats, Text, column_values
from data.expressions.functions import FUNCTIONS
from data.suggestions import near

Mask = NDArray[np.bool_]

_ARITHMETIC: dict[type[ast.operator], Callable[[Floats, Floats], Floats]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[..., NDArray[np.bool_]]] = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_ZERO_DIVISION = "use where(y != 0, x / y) to leave those rows missing"
_OVERFLOW = "use where(condition, ...) to leave those rows missing, or rescale"

_REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "the dot after something that is no name",
    ast.Subscript: "square brackets after a name",
    ast.Lambda: "lambda",
    ast.IfExp: "if ... else (use where(condition, a, b))",
    ast.JoinedStr: "f-strings",
    ast.Starred: "the star",
    ast.Dict: "a dictionary",
    ast.List: "a list outside in [...]",
    ast.Tuple: "a list outside in (...)",
    ast.Set: "a set",
    ast.NamedExpr: ":=",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.MatMult: "@",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitAnd: "& (use and)",
    ast.BitOr: "| (use or)",
    ast.BitXor: "^ (use ** for powers)",
    ast.Invert: "~ (use not)",
    ast.Is: "is (use ==)",
    ast.IsNot: "is not (use !=)",
}
_LANGUAGE = f"expressions have + - * / **, comparisons, and, or, not, in, {', '.join(FUNCTIONS)}"


def dotted_name(node: ast.AST) -> str | None:
    """`x` or `first.treat` (statistical files have dots in column names); None for the rest."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        stem = dotted_name(node.value)
        return None if stem is None else f"{stem}.{node.attr}"
    return None


class Evaluation:
    """One expression's walk over one table. `value` and `truth` are its two questions."""

    def __init__(self, frame: pd.DataFrame, unit: str, time: str, where: str) -> None:
        self._frame, self._unit, self._time, self._where = frame, unit, time, where
        # rows whose value matters: a branch of where() is not answerable for the other rows
        self._active = np.ones(len(frame), dtype=bool)

    def value(self, node: ast.expr) -> Floats | Text:
        """The value of a node in each row. Raises BadInput."""
        if isinstance(node, ast.Constant):
            return self._constant(node)
        name = dotted_name(node)
        if name is not None:
            return self._column(name)
        if isinstance(node, ast.BinOp):
            return self._arithmetic(node)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.BoolOp):
            return self._logic(node)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        raise self._refusal(node)

    def truth(self, node: ast.expr) -> Floats:
        """A condition: 1, 0 or NaN in each row. Raises BadInput if it is anything else."""
        values = self.number(node)
        if not np.isin(values[~np.isnan(values)], (0.0, 1.0)).all():
            raise self.error(f"{text_of(node)} is no condition", "compare it with something")
        return values

    # -- leaves ------------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> Floats | Text:
        if isinstance(node.value, str):
            return np.full(len(self._frame), node.value, dtype=object)
        if not isinstance(node.value, (int, float)):
            raise self.error(f"{text_of(node)} is neither a number nor text", _LANGUAGE)
        if abs(node.value) > sys.float_info.max:
            raise self.error("a number too large to compute with", "rescale the column")
        return np.full(len(self._frame), float(node.value))

    def _column(self, name: str) -> Floats | Text:
        if name in self._frame.columns:
            return column_values(self._frame, name, self._where)
        if name in ("true", "false"):
            return np.full(len(self._frame), float(name == "true"))
        raise self.error(f"no column {name!r}", near(name, map(str, self._frame.columns)))

    def number(self, node: ast.expr) -> Floats:
        """The value of `node` where text has no place. Raises BadInput for text."""
        values = self.value(node)
        if values.dtype == object:
            raise self.error(f"{text_of(node)} is text where a number belongs", "compare it first")
        return values.astype(np.float64, copy=False)

    # -- operators ---------------------------------------------------------------------------

    def _arithmetic(self, node: ast.BinOp) -> Floats:
        if type(node.op) not in _ARITHMETIC:
            raise self._refusal(node.op)
        left, right = self.number(node.left), self.number(node.right)
        with np.errstate(all="ignore"):
            result = _ARITHMETIC[type(node.op)](left, right)
        todo = _ZERO_DIVISION if isinstance(node.op, ast.Div) else _OVERFLOW
        return self.lossless(node, result, (left, right), todo)

    def _unary(self, node: ast.UnaryOp) -> Floats:
        if isinstance(node.op, ast.Not):
            return 1.0 - self.truth(node.operand)
        if isinstance(node.op, ast.Invert):
            raise self._refusal(node.op)
        values = self.number(node.operand)
        return -values if isinstance(node.op, ast.USub) else values

    def _logic(self, node: ast.BoolOp) -> Floats:
        # a false part settles "and", a true part settles "or", whatever is missing beside it
        parts = np.vstack([self.truth(part) for part in node.values])
        settled, otherwise = (0.0, 1.0) if isinstance(node.op, ast.And) else (1.0, 0.0)
        open_answer = np.where(np.isnan(parts).any(axis=0), np.nan, otherwise)
        return np.where((parts == settled).any(axis=0), settled, open_answer)

    def _compare(self, node: ast.Compare) -> Floats:
        result = np.ones(len(self._frame))
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)):
                answer = self._member(left, right, negated=isinstance(operator, ast.NotIn))
            else:
                answer = self._pair(left, operator, right)
            result = np.where(answer == 0.0, 0.0, np.where(result == 0.0, 0.0, result * answer))
            left = right
        return result

    def _pair(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Floats:
        if type(operator) not in _COMPARISONS:
            raise self._refusal(operator)
        a, b = self.value(left), self.value(right)
        if (a.dtype == object) != (b.dtype == object):
            raise self.error(
                f"{text_of(left)} against {text_of(right)} compares text with a number",
                "put quotes around text, and none around numbers",
            )
        if a.dtype == object and not isinstance(operator, (ast.Eq, ast.NotEq)):
            raise self.error(f"{text_of(left)} is text, which has no order", "use == or in [...]")
        missing = pd.isna(a) | pd.isna(b)
        return np.where(missing, np.nan, _COMPARISONS[type(operator)](a, b).astype(np.float64))

    def _member(self, left: ast.expr, right: ast.expr, *, negated: bool) -> Floats:
        if not isinstance(right, (ast.List, ast.Tuple, ast.Set)):
            return self._part(left, right, negated=negated)
        values = self.value(left)
        members = [self.literal(element) for element in right.elts]
        if any(isinstance(member, str) != (values.dtype == object) for member in members):
            raise self.error(
                f"{text_of(left)} in {text_of(right)} compares text with numbers",
                "put quotes around text, and none around numbers",
            )
        inside = pd.Series(values).isin(members).to_numpy(dtype=np.float64)
        return np.where(pd.isna(values), np.nan, 1.0 - inside if negated else inside)

    def _part(self, left: ast.expr, right: ast.expr, *, negated: bool) -> Floats:
        """Whether a text is part of another: a letter among the flags of a cell."""
        texts = self.value(right)
        if not (isinstance(left, ast.Constant) and isinstance(left.value, str)) or (
            texts.dtype != object
        ):
            todo = "write x in ['a', 'b'], or 'u' in x_flag"
            raise self.error("'in' without a list or a column of text behind it", todo)
        found = pd.Series(texts, dtype="string").str.contains(left.value, regex=False)
        inside = np.asarray(found.to_numpy(dtype=np.float64, na_value=np.nan), np.float64)
        return 1.0 - inside if negated else inside

    # -- functions ---------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Floats:
        name = dotted_name(node.func) or text_of(node.func)
        if name not in FUNCTIONS:
            raise self.error(f"expressions have no function {name!r}", near(name, FUNCTIONS))
        if node.keywords:
            raise self.error(f"{name}() with a named argument", "give its arguments in order")
        fewest, most = FUNCTIONS[name].arguments
        if not fewest <= len(node.args) <= most:
            raise self.error(
                f"{name}() with {len(node.args)} arguments", f"write {FUNCTIONS[name].usage}"
            )
        return FUNCTIONS[name].compute(self, node)

    def literal(self, node: ast.expr) -> float | str:
        """A number or a text written out. Raises BadInput for anything that is computed."""
        sign = 1.0
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, node = -1.0, node.operand
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return sign * float(node.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and sign > 0:
            return node.value
        raise self.error(f"{text_of(node)} where a plain number or text belongs", "write it out")

    @cached_property
    def calendar(self) -> CalendarIndex:
        """Where each unit's other periods are. Raises BadInput for a unit and time twice."""
        return CalendarIndex(self._frame[self._unit], self._frame[self._time], self._where)

    @contextmanager
    def rows(self, active: Mask | None) -> Iterator[None]:
        """Within this block, hold only `active` rows to account (None: every row again)."""
        before = self._active
        self._active = np.ones_like(before) if active is None else before & active
        try:
            yield
        finally:
            self._active = before

    def lossless(
        self, node: ast.expr, result: Floats, inputs: tuple[Floats, ...], todo: str
    ) -> Floats:
        """`result`, unless it is missing or infinite where all inputs are known: BadInput."""
        lost = ~np.isfinite(result) & self._active
        for values in inputs:
            lost &= np.isfinite(values)
        if not lost.any():
            return result
        row = int(np.flatnonzero(lost)[0])
        first = f"{self._frame[self._unit].iloc[row]}, {self._frame[self._time].iloc[row]}"
        given = " and ".join(f"{values[row]:g}" for values in inputs)
        raise self.error(
            f"{text_of(node)} has no value in {int(lost.sum())} rows "
            f"(first: {first}, from {given})",
            todo,
        )

    def error(self, what: str, todo: str) -> BadInput:
        """The error to raise, in the place this expression was written."""
        return BadInput(self._where, what, todo)

    def _refusal(self, node: ast.AST) -> BadInput:
        name = _REFUSED.get(type(node), type(node).__name__)
        return self.error(f"expressions do not have {name}", _LANGUAGE)


def text_of(node: ast.AST) -> str:
    """A node as the user would have written it, cut to a readable length."""
    text = ast.unparse(node)
    return text if len(text) <= 60 else text[:57] + "..."
