"""What is missing from a panel, and whether it is missing where the outcome is high or low.

Small cells are suppressed where youth unemployment is low, so complete cases are a selected sample;
this is the picture of that selection.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.panel import Panel
from models.study.results import Missingness, MissingShare

QUINTILES = 5


def missingness(
    panel: Panel, frame: pd.DataFrame, columns: tuple[str, ...], outcome: str
) -> tuple[Missingness, ...]:
    """One record for each of `columns` in the panel's rows `frame`.

    Rows are grouped by period, and by quintile of their unit's mean outcome over time: that mean
    is known even in the periods where the outcome itself is missing.
    """
    periods = frame[panel.time].to_numpy(dtype=np.int64)
    every = np.ones(len(frame), dtype=bool)
    quintiles = outcome_quintiles(frame[outcome], frame[panel.unit])
    return tuple(
        Missingness(
            column=name,
            rows=len(frame),
            missing=int(frame[name].isna().sum()),
            by_period=_shares(frame[name], periods, every),
            by_quintile=_shares(frame[name], quintiles, quintiles > 0),
            ranked_by=f"mean of {outcome} over time, by {panel.unit}",
            flags=_flags(frame.get(f"{name}_flag")),
        )
        for name in columns
        if name not in (panel.unit, panel.time, panel.parent)
    )


def outcome_quintiles(outcome: pd.Series, unit: pd.Series) -> NDArray[np.int64]:
    """The quintile (1 lowest to 5) of each row's unit by mean outcome, (n,); 0 if unknown.

    All are 0 where there are fewer than five units with a known outcome.
    """
    means = outcome.astype("float64").groupby(unit).mean().dropna()
    if len(means) < QUINTILES:
        return np.zeros(len(outcome), dtype=np.int64)
    ranks = means.rank(method="first").to_numpy()
    quintile = pd.Series(np.ceil(ranks * QUINTILES / len(means)), index=means.index)
    return np.asarray(unit.map(quintile).fillna(0), dtype=np.int64)


def _shares(
    column: pd.Series, groups: NDArray[np.int64], among: NDArray[np.bool_]
) -> tuple[MissingShare, ...]:
    labels, codes = np.unique(groups[among], return_inverse=True)
    rows = np.bincount(codes, minlength=len(labels))
    missing = np.bincount(codes, weights=column.isna().to_numpy()[among], minlength=len(labels))
    return tuple(
        MissingShare(int(label), int(size), float(count / size))
        for label, size, count in zip(labels, rows, missing, strict=True)
    )


def _flags(flags: pd.Series | None) -> tuple[tuple[str, int], ...]:
    if flags is None:
        return ()
    letters = pd.Series(list("".join(flags.dropna().astype(str))), dtype=object).value_counts()
    return tuple((str(letter), int(count)) for letter, count in letters.sort_index().items())
