"""Whether a single period, cluster or place tells a treatment: no sum over such groups measures it.

The scores of a least-squares fit sum to zero over the sample. Where one group holds all that tells
a treatment from the rest of the model, its own summed score is then (nearly) zero too, however much
the group's errors vary: standard errors come out several times too small.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.errors import BadInput
from models.absorb import absorb, dense_codes, group_sums
from models.design import Floats
from models.inference.cluster import Clusters, effective_clusters
from models.least_squares import LinearFit

LITTLE = 1e-8  # share of a treatment's information outside a group below which there is none
# A group that tells a treatment alone holds at least (G - 1) / G of its variation beside effects
# that each group shares in: half with two groups. Others need not be looked at.
LARGE = 0.2
# Effective groups. With two periods of treatment of 16, half of 24 parents treated, a true null of
# 5 % is rejected in 24 (both ways) and 34 % of draws (Driscoll-Kraay), with three in 15 and 20 %.
FEW = 5.0


def told_by_several(
    fit: LinearFit, clusters: Clusters, what: str, n_treatments: int, todo: str
) -> tuple[str, ...]:
    """A warning if one of the first `n_treatments` regressors rests on few of the groups.

    `what` the groups are called in the plural, such as "periods". Raises BadInput, with the way out
    in `todo`, for a regressor that rests on one of them alone.
    """
    influence = group_sums(clusters.codes, fit.X**2 * fit.weights[:, None], None, clusters.size)
    shares = influence / influence.sum(axis=0)
    for j in range(n_treatments):
        for g in np.flatnonzero(shares[:, j] > LARGE):
            if _left_elsewhere(fit, clusters.codes != g, j) < LITTLE:
                raise BadInput(
                    "inference",
                    f"'{fit.terms[j]}' rests on {clusters.labels[g]} alone among {what}: its "
                    "coefficient absorbs the very errors that would tell how far off it is",
                    todo,
                )
    effective = effective_clusters(fit, clusters.codes)[:n_treatments]
    if not len(effective) or effective.min() >= min(FEW, clusters.size / 2):
        return ()  # few groups to begin with are in the degrees of freedom
    term = fit.terms[int(effective.argmin())]
    return (
        f"{term} rests on only {effective.min():.1f} effective {what}: errors from sums over them "
        "are often too small; compare with clusters of units or parents",
    )


def _left_elsewhere(fit: LinearFit, rows: NDArray[np.bool_], j: int) -> float:
    """The share of regressor j's information that the flagged rows (n,) hold without the others."""
    effects = tuple(dense_codes(codes[rows]) for codes in fit.effects)
    weights: Floats = fit.weights[rows]
    X = fit.X[rows]
    left = absorb(effects, weights, len(X)).residual(X) if effects else X
    scaled = left * np.sqrt(weights)[:, None]
    others = np.delete(scaled, j, axis=1)
    own = scaled[:, j] - others @ np.linalg.lstsq(others, scaled[:, j], rcond=None)[0]
    return float(own @ own) * float(fit.bread[j, j])
