"""Effects that cut across clusters, such as periods: what resampling whole clusters must respect.

Effects nested in clusters vanish with their cluster and never tie one to another. The others are
shared: when a cluster's outcome is resampled they are estimated anew, and move every other
cluster's residual. Their part of a projection is carried by a few columns per cluster.
"""

from __future__ import annotations

import numpy as np

from models.absorb import absorb, dense_codes, group_sums, is_nested
from models.design import Codes, Floats
from models.engine.projection import Projected
from models.schur import tabulate


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
    basis = _inverse_root(_gram(projected, nested, crossing))
    return np.einsum("glp,lr->gpr", np.concatenate(sums, axis=1), basis, optimize=True)


def crossing_columns(projected: Projected, cluster: Codes) -> Floats:
    """Orthonormal columns (n, r) that span what the crossing effects add to the nested ones."""
    nested, crossing = _apart(projected, cluster)
    if not crossing:
        return np.zeros((projected.n_obs, 0))
    dummies = [codes[:, None] == np.arange(int(codes.max()) + 1) for codes in crossing]
    absorption = absorb(nested, projected.weights, projected.n_obs)
    rest = absorption.residual(np.hstack(dummies).astype(np.float64))
    return rest @ _inverse_root(rest.T @ (rest * projected.weights[:, None]))


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


def _inverse_root(gram: Floats) -> Floats:
    """R (L, r) with R R' the pseudo-inverse of a positive semi-definite gram (L, L)."""
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    kept = values > 1e-10 * values.max(initial=0.0)
    return vectors[:, kept] / np.sqrt(values[kept])
