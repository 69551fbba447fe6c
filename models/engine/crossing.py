"""Effects that cut across clusters, such as periods: what resampling whole clusters must respect.

Effects nested in clusters vanish with their cluster and never tie one to another. The others are
shared: when a cluster's outcome is resampled they are estimated anew, and move every other
cluster's residual. Their part of a projection is carried by a few columns per cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.absorb import absorb, dense_codes, group_sums, is_nested
from models.design import Codes, Floats
from models.engine.crossproducts import CrossProducts
from models.engine.projection import Projected
from models.schur import tabulate


@dataclass(frozen=True)
class Condensed:
    """All that a sample's specifications need: cross-products, and `crossing_sums` when asked."""

    products: CrossProducts
    crossing: Callable[[], Floats]


def crossing_sums(projected: Projected, cluster: Codes, n_clusters: int) -> Floats:
    """Sums F (G, p, r) such that z_g' P z_h = F_g[i] . F_h[j] for columns i, j of W^(1/2) Z.

    P projects on what the crossing effects add to the nested ones, and Z is in the scale of the
    cross-products, where all columns have unit length; r is the rank that the crossing effects add.
    """
    nested, crossing = _apart(projected, cluster)
    unit, root = projected.unit_length[0], np.sqrt(projected.weights)
    sums = []
    for codes in crossing:
        n_levels = int(codes.max()) + 1
        cells = group_sums(cluster * n_levels + codes, unit, root, n_clusters * n_levels)
        sums.append(cells.reshape(n_clusters, n_levels, -1))
    if not sums:
        return np.zeros((n_clusters, unit.shape[1], 0))
    gram = _gram(projected, nested, crossing)
    basis = _inverse_root(gram, _heaviest(projected, crossing))
    return np.concatenate(sums, axis=1).transpose(0, 2, 1) @ basis


def crossing_columns(projected: Projected, cluster: Codes) -> Floats:
    """Orthonormal columns (n, r) that span what the crossing effects add to the nested ones."""
    nested, crossing = _apart(projected, cluster)
    if not crossing:
        return np.zeros((projected.n_obs, 0))
    dummies = [codes[:, None] == np.arange(int(codes.max()) + 1) for codes in crossing]
    absorption = absorb(nested, projected.weights, projected.n_obs)
    rest = absorption.residual(np.hstack(dummies).astype(np.float64))
    gram = rest.T @ (rest * projected.weights[:, None])
    return rest @ _inverse_root(gram, _heaviest(projected, crossing))


def _apart(projected: Projected, cluster: Codes) -> tuple[tuple[Codes, ...], list[Codes]]:
    """Effects nested in the clusters (n,), and the others without gaps in their codes."""
    nested = [is_nested(codes, cluster) for codes in projected.effects]
    inside = tuple(c for c, yes in zip(projected.effects, nested, strict=True) if yes)
    across = [dense_codes(c) for c, yes in zip(projected.effects, nested, strict=True) if not yes]
    return inside, across


def _gram(projected: Projected, nested: tuple[Codes, ...], crossing: list[Codes]) -> Floats:
    """D'W M D (L, L): the crossing dummies D, residualised on the nested effects by M."""
    w = projected.weights
    gram = np.block([[tabulate(one, two, w) for two in crossing] for one in crossing])
    absorption = absorb(nested, w, projected.n_obs)
    if absorption.effects:
        tabs = [
            np.hstack([tabulate(own, other, w) for other in crossing])
            for own in absorption.effects
        ]
        for tab, values in zip(tabs, absorption.coefficients(tabs), strict=True):
            gram -= tab.T @ values
    return gram


def _heaviest(projected: Projected, crossing: list[Codes]) -> float:
    """The largest weight of a crossing level: the square of its dummy's length."""
    return max(float(np.bincount(codes, projected.weights).max()) for codes in crossing)


def _inverse_root(gram: Floats, size: float) -> Floats:
    """R (L, r) with R R' the pseudo-inverse of a positive semi-definite gram (L, L).

    What is left of dummies of this size, squared, may be round-off alone: that is of no rank.
    """
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    kept = values > 1e-10 * size
    return vectors[:, kept] / np.sqrt(values[kept])
