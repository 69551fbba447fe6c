"""The main model without each group in turn, effects and all estimated anew on what remains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.absorb import dense_codes
from models.design import Codes
from models.engine.audit import AuditSample, fit_placebos
from models.engine.audit_costly import cluster_sums, leverage_of
from models.engine.bias_reduced import bias_reduced
from models.engine.curve import critical_value, two_sided_p
from models.engine.estimation import estimate_group
from models.engine.projection import project
from models.engine.samples import SampleGroup

COLUMNS = (
    "left_out",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "p_value",
    "df",
    "correction",
    "n_obs",
    "change",
    "reason",
)


def leave_each_out(
    main: SampleGroup, groups: Codes, labels: NDArray[np.object_], correction: str
) -> pd.DataFrame:
    """One row per group: the single cell of `main` without it; groups (n,) are codes into labels.

    `change` is the estimate less that of all rows (the group's influence); `reason` says why there
    is no estimate, and is empty otherwise. Errors are CR2 where `correction` asks for it, rows have
    no weights and one cluster column is named, else CR1.
    """
    full = estimate_group(main).estimate[0]
    able = correction == "CR2" and main.weights is None and len(main.clusters) == 1
    rows = [
        {"left_out": labels[group], **_without(without(main, groups != group), full, able)}
        for group in np.unique(groups)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _without(rest: SampleGroup, full: float, bias_reduced_error: bool) -> dict[str, object]:
    """The row of one group left out, but for its name."""
    found = estimate_group(rest)
    reason, estimate = found.reason[0], found.estimate[0]
    error, df = found.std_error[0], found.df
    if bias_reduced_error and not reason:
        error, df = small_sample_error(rest)
    half = critical_value(df) * error if not reason else np.nan
    return {
        "estimate": estimate,
        "std_error": error,
        "conf_low": estimate - half,
        "conf_high": estimate + half,
        "p_value": float(two_sided_p(estimate / error, df)),
        "df": df,
        "correction": "CR2" if bias_reduced_error else "CR1",
        "n_obs": found.n_obs,
        "change": estimate - full,
        "reason": reason,
    }


def small_sample_error(main: SampleGroup) -> tuple[float, float]:
    """CR2 error of the single, unweighted cell of `main`, and its Satterthwaite df."""
    cluster = dense_codes(main.clusters[0])
    rest = np.delete(main.Z, main.treatment[0], axis=1)
    sample = AuditSample(project(rest, None, main.effects), {"cluster": cluster}, cluster)
    fits = fit_placebos(sample, sample.basis, main.Z[:, main.treatment])
    variance, df = bias_reduced(leverage_of(cluster_sums(sample, cluster), fits))
    return float(np.sqrt(variance[0] / fits.information[0])), float(df[0])


def without(group: SampleGroup, kept: NDArray[np.bool_]) -> SampleGroup:
    """The same cells on the rows that `kept` (n,) flags."""
    return replace(
        group,
        rows=group.rows[kept],
        Z=group.Z[kept],
        weights=None if group.weights is None else group.weights[kept],
        effects=tuple(dense_codes(codes[kept]) for codes in group.effects),
        clusters=tuple(codes[kept] for codes in group.clusters),
    )
