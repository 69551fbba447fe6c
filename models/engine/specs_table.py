"""A sample group's estimates as rows of the curve's table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.engine.curve import critical_value, two_sided_p
from models.engine.estimation import GroupEstimates
from models.engine.samples import SampleGroup
from models.engine.setting import Setting, is_main_sample

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
    pairs = [group.stratum.pairs[i] for i in group.pair[usable]]
    outcomes, treatments = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    declared = group.declared[usable]
    unit = _spread(setting, treatments) / _spread(setting, outcomes)
    half = critical_value(found.df) * error
    table = pd.DataFrame(
        {
            "outcome": outcomes,
            "treatment": treatments,
            "controls": [_controls(setting, subset) for subset in declared],
            "effects": " + ".join(group.stratum.effects) or "none",
            "sample": group.stratum.sample,
            "weights": group.stratum.weights or "none",
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
