"""The main model without each group in turn, effects and all estimated anew on what remains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.absorb import dense_codes
from models.design import Codes
from models.engine.audit import AuditSample, fit_projected
from models.engine.audit_costly import cluster_sums, leverage_of
from models.engine.bias_reduced import bias_reduced
from models.engine.curve import critical_value, two_sided_p
from models.engine.estimation import GroupEstimates, estimate_group, estimate_groups
from models.engine.many_samples import in_stacks, project_together
from models.engine.projection import Projected
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
    names = iter(labels[np.unique(groups)])
    rests = (without(main, groups != group) for group in np.unique(groups))
    rows = []
    for stack in in_stacks(rests):
        estimates = [found for _, found in estimate_groups(stack, resampling=False)]
        errors = (_bias_reduced_errors if able else _own_errors)(stack, estimates)
        for found, error in zip(estimates, errors, strict=True):
            row = _row(found, full, error, "CR2" if able else "CR1")
            rows.append({"left_out": next(names), **row})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _own_errors(
    _: Sequence[SampleGroup], estimates: Sequence[GroupEstimates]
) -> list[tuple[float, float]]:
    """The CR1 errors of single cells, and their degrees of freedom."""
    return [(float(one.std_error[0]), one.df) for one in estimates]


def _bias_reduced_errors(
    rests: Sequence[SampleGroup], estimates: Sequence[GroupEstimates]
) -> list[tuple[float, float]]:
    """The CR2 errors of single, unweighted cells that have an estimate, and their df."""
    errors = _own_errors(rests, estimates)
    usable = [k for k, one in enumerate(estimates) if not one.reason[0]]
    some = [rests[k] for k in usable]
    for k, rest, projected in zip(usable, some, project_together(some), strict=True):
        errors[k] = small_sample_error(rest, projected)
    return errors


def _row(
    found: GroupEstimates, full: float, error: tuple[float, float], correction: str
) -> dict[str, object]:
    """The row of one group left out, but for its name."""
    reason, estimate = found.reason[0], found.estimate[0]
    std_error, df = error
    half = critical_value(df) * std_error if not reason else np.nan
    return {
        "estimate": estimate,
        "std_error": std_error,
        "conf_low": estimate - half,
        "conf_high": estimate + half,
        "p_value": float(two_sided_p(estimate / std_error, df)),
        "df": df,
        "correction": correction,
        "n_obs": found.n_obs,
        "change": estimate - full,
        "reason": reason,
    }


def small_sample_error(main: SampleGroup, projected: Projected) -> tuple[float, float]:
    """CR2 error of the single, unweighted cell of `main`, and its Satterthwaite df."""
    cluster, treatment = dense_codes(main.clusters[0]), main.treatment[0]
    rest, before = (np.delete(of, treatment, axis=-1) for of in (projected.Z, projected.before))
    remaining = replace(projected, Z=rest, before=before)
    sample = AuditSample(remaining, {"cluster": cluster}, cluster, cluster)
    length = projected.before[[treatment]]
    fits = fit_projected(sample, sample.basis, projected.Z[:, [treatment]], length**2)
    variance, df = bias_reduced(leverage_of(cluster_sums(sample, cluster), fits))
    return float(np.sqrt(variance[0] / fits.information[0])), float(df[0])


def without(group: SampleGroup, kept: NDArray[np.bool_]) -> SampleGroup:
    """The same cells on the rows that `kept` (n,) flags."""
    return replace(group, rows=group.rows[kept])
