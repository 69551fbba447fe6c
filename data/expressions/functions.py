"""The functions of the expression language: what each takes, and what it computes.

Functions that look at other rows (lags, group means, ranks) see the whole table, not only the
sample of a model: the sample is drawn afterwards.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from data.expressions.steps import Evaluation

Floats = NDArray[np.float64]
MANY = 99


@dataclass(frozen=True)
class Function:
    """`arguments` are the fewest and the most; `usage` is shown when a call has another number."""

    compute: Callable[[Evaluation, ast.Call], Floats]
    arguments: tuple[int, int]
    usage: str


def _elementwise(
    function: Callable[[Floats], Floats], todo: str
) -> Callable[[Evaluation, ast.Call], Floats]:
    def compute(evaluation: Evaluation, call: ast.Call) -> Floats:
        values = evaluation.number(call.args[0])
        with np.errstate(all="ignore"):
            result = function(values)
        return evaluation.lossless(call, result, (values,), todo)

    return compute


def _everywhere(evaluation: Evaluation, node: ast.expr) -> Floats:
    with evaluation.rows(None):
        return evaluation.number(node)


def _periods(evaluation: Evaluation, call: ast.Call) -> int:
    if len(call.args) == 1:
        return 1
    periods = evaluation.literal(call.args[1])
    if isinstance(periods, str) or periods != round(periods) or not 0 < periods < 1000:
        raise evaluation.error(
            f"{ast.unparse(call)} with {periods} periods",
            "count periods with a whole number from 1; the other direction is lag or lead",
        )
    return int(periods)


def _lag(evaluation: Evaluation, call: ast.Call) -> Floats:
    values = _everywhere(evaluation, call.args[0])
    return evaluation.calendar.shifted(values, _periods(evaluation, call))


def _lead(evaluation: Evaluation, call: ast.Call) -> Floats:
    values = _everywhere(evaluation, call.args[0])
    return evaluation.calendar.shifted(values, -_periods(evaluation, call))


def _diff(evaluation: Evaluation, call: ast.Call) -> Floats:
    values = _everywhere(evaluation, call.args[0])
    return values - evaluation.calendar.shifted(values, _periods(evaluation, call))


def _plain_number(evaluation: Evaluation, node: ast.expr) -> float:
    value = evaluation.literal(node)
    if isinstance(value, str):
        raise evaluation.error(f"{value!r} where a number belongs", "write a number")
    return value


def _clip(evaluation: Evaluation, call: ast.Call) -> Floats:
    low = _plain_number(evaluation, call.args[1])
    high = _plain_number(evaluation, call.args[2])
    if low > high:
        raise evaluation.error(f"{ast.unparse(call)} clips to nothing", "give the lower end first")
    return np.clip(evaluation.number(call.args[0]), low, high)


def _winsor(evaluation: Evaluation, call: ast.Call) -> Floats:
    values = _everywhere(evaluation, call.args[0])
    tail = _plain_number(evaluation, call.args[1])
    if not 0.0 < tail < 0.5:
        raise evaluation.error(
            f"{ast.unparse(call)} cuts a tail of {tail:g}", "give a share between 0 and 0.5"
        )
    known = values[~np.isnan(values)]
    if not len(known):
        return values
    low, high = np.quantile(known, [tail, 1.0 - tail])
    return np.clip(values, low, high)


def _zscore(evaluation: Evaluation, call: ast.Call) -> Floats:
    values = _everywhere(evaluation, call.args[0])
    known = values[~np.isnan(values)]
    if len(known) < 2 or np.ptp(known) == 0.0:
        raise evaluation.error(
            f"{ast.unparse(call)}: the column does not vary", "leave it out, or check the column"
        )
    return (values - known.mean()) / known.std(ddof=1)


def _groups(evaluation: Evaluation, call: ast.Call) -> NDArray[np.int64]:
    with evaluation.rows(None):
        keys = {str(i): evaluation.value(node) for i, node in enumerate(call.args[1:])}
    numbers = pd.DataFrame(keys).groupby(list(keys), dropna=True).ngroup()
    return np.asarray(numbers.fillna(-1), dtype=np.int64)  # -1: a row whose group is missing


def _group_sums(values: Floats, groups: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Per row: the sum over its group's known values, how many they are, how many rows it has."""
    known = ~np.isnan(values) & (groups >= 0)
    size = int(groups.max(initial=-1)) + 1
    sums = np.bincount(groups[known], weights=values[known], minlength=size)
    counts = np.bincount(groups[known], minlength=size).astype(np.float64)
    rows = np.bincount(groups[groups >= 0], minlength=size).astype(np.float64)
    belongs = groups >= 0
    spread = [np.full(len(values), np.nan) for _ in range(3)]
    for target, source in zip(spread, (sums, counts, rows), strict=True):
        target[belongs] = source[groups[belongs]]
    return spread[0], spread[1], spread[2]


def _mean_by(evaluation: Evaluation, call: ast.Call) -> Floats:
    values = _everywhere(evaluation, call.args[0])
    sums, counts, _ = _group_sums(values, _groups(evaluation, call))
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)


def _sum_by(evaluation: Evaluation, call: ast.Call) -> Floats:
    # a total with a member missing would be too small: it is missing instead
    values = _everywhere(evaluation, call.args[0])
    sums, counts, rows = _group_sums(values, _groups(evaluation, call))
    return np.where(counts == rows, sums, np.nan)


def _share(evaluation: Evaluation, call: ast.Call) -> Floats:
    values = _everywhere(evaluation, call.args[0])
    totals = _sum_by(evaluation, call)
    with np.errstate(all="ignore"):
        result = values / totals
    return evaluation.lossless(call, result, (values, totals), "a group's total is zero")


def _where(evaluation: Evaluation, call: ast.Call) -> Floats:
    truth = evaluation.truth(call.args[0])
    with evaluation.rows(truth == 1.0):
        yes = evaluation.number(call.args[1])
    no = np.full(len(truth), np.nan)
    if len(call.args) == 3:
        with evaluation.rows(truth == 0.0):
            no = evaluation.number(call.args[2])
    return np.where(np.isnan(truth), np.nan, np.where(truth == 1.0, yes, no))


def _isna(evaluation: Evaluation, call: ast.Call) -> Floats:
    return pd.isna(evaluation.value(call.args[0])).astype(np.float64)


_LOG = "use log1p(x), or where(x > 0, log(x)) to leave those rows missing"
_LOG1P = "use where(x > -1, log1p(x)) to leave those rows missing"
_SQRT = "use where(x >= 0, sqrt(x)) to leave those rows missing"
FUNCTIONS = {
    "lag": Function(_lag, (1, 2), "lag(x) or lag(x, periods)"),
    "lead": Function(_lead, (1, 2), "lead(x) or lead(x, periods)"),
    "diff": Function(_diff, (1, 2), "diff(x) or diff(x, periods)"),
    "log": Function(_elementwise(np.log, _LOG), (1, 1), "log(x)"),
    "log1p": Function(_elementwise(np.log1p, _LOG1P), (1, 1), "log1p(x)"),
    "exp": Function(_elementwise(np.exp, "rescale the column first"), (1, 1), "exp(x)"),
    "sqrt": Function(_elementwise(np.sqrt, _SQRT), (1, 1), "sqrt(x)"),
    "abs": Function(_elementwise(np.abs, ""), (1, 1), "abs(x)"),
    "clip": Function(_clip, (3, 3), "clip(x, lowest, highest)"),
    "winsor": Function(_winsor, (2, 2), "winsor(x, share of each tail)"),
    "zscore": Function(_zscore, (1, 1), "zscore(x)"),
    "share": Function(_share, (2, MANY), "share(x, group, ...): x over its group's total"),
    "mean_by": Function(_mean_by, (2, MANY), "mean_by(x, group, ...)"),
    "sum_by": Function(_sum_by, (2, MANY), "sum_by(x, group, ...)"),
    "where": Function(_where, (2, 3), "where(condition, a) or where(condition, a, b)"),
    "isna": Function(_isna, (1, 1), "isna(x)"),
}
