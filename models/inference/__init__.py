"""From a fit to its uncertainty: one record, whichever way it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.design import Floats


@dataclass(frozen=True)
class Uncertainty:
    """Uncertainty of k coefficients. All arrays (k,) but vcov (k, k), None for resampling methods.

    df is infinite where the reference distribution is normal. n_clusters maps the name of each
    cluster column to the number of clusters. `convention` is the sentence printed with a table,
    `correction` the small-sample correction that was used, chosen or by default.
    """

    std_error: Floats
    df: Floats
    statistic: Floats
    p_value: Floats
    conf_low: Floats
    conf_high: Floats
    vcov: Floats | None
    n_clusters: Mapping[str, int] = field(default_factory=dict)
    convention: str = ""
    warnings: tuple[str, ...] = ()
    correction: str | None = None
