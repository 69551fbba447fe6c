"""Sample groups' estimates as columns, and the columns of all chunks as the curve's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.design import Floats
from models.engine.curve import critical_value, two_sided_p
from models.engine.declared import Stratum
from models.engine.estimation import GroupEstimates
from models.engine.samples import SampleGroup
from models.engine.setting import Setting, is_main_sample
from models.engine.subsets import Flags, Indices
from models.singletons import linked, silent

# columns that joint inference needs, dropped from the published table: the t-statistic by the
# resampled cluster alone, its 5 % threshold, standard deviations per unit, the declared order; and
# the clusters of which all rows are singletons
WORKING = ("one_way", "critical", "unit", "order", "n_silent")


def chunk_columns(
    setting: Setting,
    position: int,
    stratum: Stratum,
    estimated: Sequence[tuple[SampleGroup, GroupEstimates]],
) -> Mapping[str, NDArray[Any]]:
    """Columns (S,) over estimated cells, as `Curve.specs` describes them, and the WORKING ones.

    position is that of the stratum among the declared ones; no columns where nothing was estimated.
    """
    parts = [_cells(group, found) for group, found in estimated if any(found.usable)]
    if not parts:
        return {}
    cells = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    pair, subset = cells["pair"], cells["declared"]
    chosen = _choices(setting, stratum, pair, subset)
    unit = _units(setting, stratum)[pair]
    n_pairs, n_subsets = stratum.wanted.shape
    return {
        **chosen,
        **_figures(cells),
        "standardised": cells["estimate"] * unit,
        "unit": unit,
        "order": (position * n_pairs + pair) * n_subsets + subset,
        "main": _is_main(setting, stratum, pair, subset),
    }


def specs_table(parts: Sequence[Mapping[str, NDArray[Any]]]) -> pd.DataFrame:
    """One row for each estimated cell of all strata."""
    names = parts[0] if parts else ()
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in names})


def _cells(group: SampleGroup, found: GroupEstimates) -> Mapping[str, NDArray[Any]]:
    """A group's usable cells: which pair and subset each of them is, and its estimates."""
    usable = found.usable
    cells = np.count_nonzero(usable)
    return {
        "pair": group.pair[usable],
        "declared": group.declared[usable],
        "estimate": found.estimate[usable],
        "std_error": found.std_error[usable],
        "one_way_error": found.one_way_error[usable],
        "df": np.full(cells, found.df),
        "one_way_df": np.full(cells, found.n_clusters[0] - 1.0),
        "n_obs": np.full(cells, found.n_obs),
        "n_clusters": np.full(cells, min(found.n_clusters)),
        "n_silent": np.full(cells, _silent_clusters(group, found)),
    }


def _silent_clusters(group: SampleGroup, found: GroupEstimates) -> int:
    """How many of the clusters, of the kind with the fewest, consist of singletons."""
    keys, rows = group.columns.keys, group.rows
    kept = linked([keys[name][rows] for name in group.stratum.effects], len(rows))
    if kept.all():
        return 0
    return len(silent(group.clusters[int(np.argmin(found.n_clusters))], kept))


def _figures(cells: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """The published numbers of all cells, and those of the WORKING columns that are estimates."""
    estimate, error, df = cells["estimate"], cells["std_error"], cells["df"]
    half = critical_value(df) * error
    return {
        "estimate": estimate,
        "std_error": error,
        "statistic": estimate / error,
        "df": df,
        "p_value": two_sided_p(estimate / error, df),
        "conf_low": estimate - half,
        "conf_high": estimate + half,
        "n_obs": cells["n_obs"],
        "n_clusters": cells["n_clusters"],
        "n_silent": cells["n_silent"],
        "one_way": estimate / cells["one_way_error"],
        "critical": critical_value(cells["one_way_df"]),
    }


def _choices(
    setting: Setting, stratum: Stratum, pair: Indices, subset: Indices
) -> Mapping[str, Any]:
    """What each cell chose, in the words of the study file."""
    pairs = np.array(stratum.pairs, dtype=object)[pair]
    same = {
        "effects": " + ".join(stratum.effects) or "none",
        "sample": stratum.sample,
        "weights": stratum.weights or "none",
    }
    return {
        "outcome": pairs[:, 0],
        "treatment": pairs[:, 1],
        "controls": setting.declared.labels[subset],
        **{name: np.full(len(pair), text, dtype=object) for name, text in same.items()},
    }


def _units(setting: Setting, stratum: Stratum) -> Floats:
    """What makes each pair's slope one between standard deviations over the study's rows.

    NaN for an outcome that is constant there, which no cell estimates.
    """
    spread = setting.columns.spread
    over = np.array([spread[treatment] for _, treatment in stratum.pairs])
    under = np.array([spread[outcome] for outcome, _ in stratum.pairs])
    return np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)


def _is_main(setting: Setting, stratum: Stratum, pair: Indices, subset: Indices) -> Flags:
    """Which cells are the study's main model."""
    spec, declared = setting.spec, setting.declared
    same = set(stratum.effects) == set(spec.effects) and stratum.weights == spec.weights
    same = same and is_main_sample(setting, stratum.sample)
    wanted = {*spec.treatment[1:], *spec.controls}
    held = np.array([name in wanted for name in declared.controls], dtype=bool)
    controls = (declared.subsets == held[:, None]).all(axis=0) & wanted.issubset(declared.controls)
    pairs = np.array([one == (spec.outcome, spec.treatment[0]) for one in stratum.pairs])
    found: Flags = controls[subset] & pairs[pair] & same
    return found
