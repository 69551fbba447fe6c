"""From a model in levels to its GMM estimate, on arrays alone, or a refusal that says why not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import norm as sparse_norm

from data.errors import BadInput
from models.absorb import dense_codes
from models.design import Codes, Floats
from models.estimators.gmm.equations import (
    Equations,
    Levels,
    stack,
    transformed_rows,
    with_time_effects,
)
from models.estimators.gmm.estimation import GmmFit, collect_moments, estimate
from models.estimators.gmm.instruments import GmmBlock, Instruments, build_instruments
from models.estimators.gmm.options import GmmChoices
from models.least_squares import collinear_columns

TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class DynamicFit:
    """A GMM fit with the model it belongs to; vcov (k, k) is of the kind asked for."""

    fit: GmmFit
    levels: Levels
    instruments: Instruments
    vcov: Floats


def dynamic_gmm(
    levels: Levels,
    blocks: tuple[GmmBlock, ...],
    plain: Floats,
    cluster: Codes,
    choices: GmmChoices,
    first: int,
) -> DynamicFit:
    """The estimate from arrays: levels without time effects yet, GMM-style blocks, plain
    instruments (N, S, m) and cluster codes (N,); period 0 is the year `first`.

    Raises BadInput where the data cannot identify the model.
    """
    levels = add_time_effects(levels, choices, first) if choices.time_effects else levels
    rows = stack(levels, choices.transform, choices.system, choices.h_matrix)
    refuse_unusable(rows, levels, choices)
    start = levels.X.shape[2] - levels.n_time_effects
    common = levels.X[:, :, start - 1 if choices.system else start :]
    nothing = common[:, :, :0]
    everywhere = plain if choices.system else np.concatenate([plain, common], axis=2)
    only_levels = common if choices.system else nothing
    built = build_instruments(rows, blocks, everywhere, only_levels, choices.collapse)
    cluster = used_clusters(cluster, rows)
    refuse_unidentified(rows, built, cluster, choices)
    estimated = estimate(collect_moments(rows, built.Z, cluster))
    return DynamicFit(estimated, levels, built, chosen_vcov(estimated, choices))


def add_time_effects(levels: Levels, choices: GmmChoices, first: int) -> Levels:
    """Dummies for every period that the rows tell apart, the earliest being the base."""
    used = np.asarray(levels.usable.any(axis=0))
    if choices.transform == "fd" and not choices.system:
        used[0] = False
        used[1:] = (levels.usable[:, 1:] & levels.usable[:, :-1]).any(axis=0)
    elif used.any():
        used[np.flatnonzero(used)[0]] = False
    return with_time_effects(levels, used, first)


def chosen_vcov(fit: GmmFit, choices: GmmChoices) -> Floats:
    """The covariance matrix that the study asks for."""
    if choices.steps == 1:
        return fit.robust1 if choices.robust else fit.classical1
    return fit.windmeijer2 if choices.windmeijer else fit.asymptotic2


def used_clusters(cluster: Codes, rows: Equations) -> Codes:
    """Cluster codes renumbered so that each has a row; units without one join the first."""
    out = np.zeros_like(cluster)
    out[rows.unit] = dense_codes(cluster[rows.unit])
    return out


def refuse_unusable(rows: Equations, levels: Levels, choices: GmmChoices) -> None:
    """Raises BadInput where nothing is left after the transformation, or a regressor is."""
    if len(transformed_rows(levels.usable, choices.transform)[0]) == 0:
        need = max(choices.lags) + 2
        what = f"too few periods: no unit has {need} consecutive ones with all variables known"
        raise BadInput("sample", what, "use fewer lags, or a longer panel without gaps")
    # time effects and the constant first: what they absorb is the fault of the regressor
    order = np.roll(np.arange(rows.X.shape[1]), levels.n_time_effects + int(choices.system))
    spare = collinear_columns(rows.X[:, order], None)
    if spare:
        names = ", ".join(levels.terms[order[column]] for column in spare)
        what = f"{names}: absorbed by the effects, or a combination of other regressors"
        raise BadInput("regressors", what, "drop it")


def refuse_unidentified(
    rows: Equations, built: Instruments, cluster: Codes, choices: GmmChoices
) -> None:
    """Raises BadInput where there are more instruments than the data carry, or too few."""
    count, parameters = built.Z.shape[1], rows.X.shape[1]
    if count > len(rows.y):
        what = f"more instruments ({count}) than observations ({len(rows.y)})"
        raise BadInput("instruments", what, "set collapse = true or shorten the lag windows")
    scale = np.maximum(sparse_norm(built.Z, axis=0), TINY)[:, None] * np.linalg.norm(rows.X, axis=0)
    if np.linalg.matrix_rank(built.Z.T @ rows.X / scale) < parameters:
        what = f"{count} instruments do not identify {parameters} coefficients"
        raise BadInput("instruments", what, "name an instrument for every regressor, or more lags")
    n_clusters = int(cluster.max()) + 1
    if choices.steps == 2 and count > n_clusters:
        what = f"{count} instruments for {n_clusters} clusters leave no two-step weights"
        raise BadInput("instruments", what, "set collapse = true, shorten lags, or use steps = 1")
