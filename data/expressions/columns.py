"""A table's column as the expression language sees it: floats with NaN, or text with None."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import BadInput

Floats = NDArray[np.float64]
Text = NDArray[np.object_]

_NUMERIC_KINDS = {"integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty"}
_TEXT_KINDS = {"string", "categorical"}


def column_values(frame: pd.DataFrame, name: str, where: str) -> Floats | Text:
    """A column as floats with NaN, or as text with None. Raises BadInput for infinite values."""
    series = frame[name]
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind in _NUMERIC_KINDS:
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        infinite = np.flatnonzero(np.isinf(values))
        if len(infinite):
            raise BadInput(
                where,
                f"column {name!r} is infinite in {len(infinite)} rows (first: row "
                f"{infinite[0] + 1})",
                "correct the data, or leave those cells empty",
            )
        return values
    if kind not in _TEXT_KINDS:
        raise BadInput(
            where, f"column {name!r} holds {kind} values", "give it numbers or text throughout"
        )
    text = series.to_numpy(dtype=object, copy=True)
    text[pd.isna(text)] = None
    return text
