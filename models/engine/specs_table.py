"""A sample group's estimates as rows of the curve's table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from models.engine.curve import critical_value, two_sided_p
from models.engine.estimation import GroupEstimates
from models.engine.samples import SampleGroup
from models.engine.setting import Setting, is_main_sample
from models.engine.subsets import Flags

# columns that joint inference needs, dropped from the published table: the t-statistic by the
# resampled cluster alone, its 5 % threshold, standard deviations per unit, the declared order
WORKING = ("one_way", "critical", "unit", "order")


def group_table(
    setting: Setting, group: SampleGroup, found: GroupEstimates, position: int
) -> pd.DataFrame:
    """One row for each estimated cell, as `Curve.specs` describes them, and the WORKING columns.

    position is that of the group's stratum among the declared ones.
    """
    usable = found.usable
    estimate, error = found.estimate[usable], found.std_error[usable]
    choices = _choices(setting, group, usable)
    unit = _spread(setting, choices["treatment"]) / _spread(setting, choices["outcome"])
    half = critical_value(found.df) * error
    table = pd.DataFrame(
        {
            **choices,
            "estimate": estimate,
            "std_error": error,
            "statistic": estimate / error,
            "df": found.df,
            "p_value": two_sided_p(estimate / error, found.df),
            "conf_low": estimate - half,
            "conf_high": estimate + half,
            "n_obs": found.n_obs,
            "n_clusters": min(found.n_clusters),
            "standardised": estimate * unit,
            "one_way": estimate / found.one_way_error[usable],
            "critical": critical_value(found.n_clusters[0] - 1.0),
            "unit": unit,
            "order": _order(group, position)[usable],
        }
    )
    return table.assign(main=_is_main(setting, group, table))


def _choices(setting: Setting, group: SampleGroup, usable: Flags) -> dict[str, Any]:
    """What each usable cell chose, in the words of the study file."""
    stratum = group.stratum
    pairs = [stratum.pairs[i] for i in group.pair[usable]]
    return {
        "outcome": [outcome for outcome, _ in pairs],
        "treatment": [treatment for _, treatment in pairs],
        "controls": [_controls(setting, subset) for subset in group.declared[usable]],
        "effects": " + ".join(stratum.effects) or "none",
        "sample": stratum.sample,
        "weights": stratum.weights or "none",
    }


def _controls(setting: Setting, subset: int) -> str:
    held = setting.declared.subsets[:, subset]
    return " + ".join(np.array(setting.declared.controls, dtype=object)[held])


def _spread(setting: Setting, names: list[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Standard deviations (S,) of columns over all rows that the study keeps."""
    spread = {name: float(np.nanstd(setting.columns.numbers[name])) for name in set(names)}
    return np.array([spread[name] for name in names])


def _order(group: SampleGroup, position: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The cells' places (S,) in the order of declaration."""
    pairs, subsets = group.stratum.wanted.shape
    return (position * pairs + group.pair) * subsets + group.declared


def _is_main(setting: Setting, group: SampleGroup, table: pd.DataFrame) -> pd.Series:
    """Which rows are the study's main model."""
    spec, stratum = setting.spec, group.stratum
    same = set(stratum.effects) == set(spec.effects) and stratum.weights == spec.weights
    same = same and is_main_sample(setting, stratum.sample)
    wanted = {*spec.treatment[1:], *spec.controls}
    controls = table["controls"].map(lambda held: set(held.split(" + ")) - {""} == wanted)
    pair = (table["outcome"] == spec.outcome) & (table["treatment"] == spec.treatment[0])
    return pair & controls & same
