"""Projecting a sample's candidate columns on its effects, once for all specifications."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.absorb import Absorption, absorb, dense_codes, is_nested, joint_rank
from models.design import Codes, Floats
from models.engine.crossproducts import CrossProducts, Grouping, cross_products


@dataclass(frozen=True)
class Projected:
    """Columns Z (n, p) less their projection on the effects; weights (n,) are ones if none.

    before (p,) holds the columns' lengths, about their means, before the projection.
    """

    Z: Floats
    weights: Floats
    before: Floats
    effects: tuple[Codes, ...]
    absorption: Absorption

    @property
    def n_obs(self) -> int:
        """Rows in the sample."""
        return len(self.Z)


def project(columns: Floats, weights: Floats | None, effects: tuple[Codes, ...]) -> Projected:
    """Project columns (n, p) on the joint span of the effects' code arrays (n,).

    Without effects the constant is projected out, as it is in every model. Raises BadInput for
    weights that are not positive and finite.
    """
    n = len(columns)
    effects = effects or (np.zeros(n, dtype=np.int64),)
    absorption = absorb(effects, weights, n)
    w = np.ones(n) if weights is None else weights * (n / weights.sum())
    centred = columns - (w @ columns) / n
    before = np.sqrt(np.einsum("i,ij,ij->j", w, centred, centred))
    return Projected(absorption.residual(centred), w, before, effects, absorption)


def groupings(projected: Projected, clusters: tuple[Codes, ...]) -> tuple[Grouping, ...]:
    """How scores are summed: by one cluster, or by two and, subtracted, by their intersection.

    No cluster at all means that every row is its own (robust variances).
    """
    n = projected.n_obs
    if not clusters:
        return (_grouping(projected, np.arange(n, dtype=np.int64), 1.0),)
    if len(clusters) == 1:
        return (_grouping(projected, clusters[0], 1.0),)
    first, second = (dense_codes(codes) for codes in clusters)
    both = dense_codes(first * (int(second.max()) + 1) + second)
    return (
        _grouping(projected, first, 1.0),
        _grouping(projected, second, 1.0),
        _grouping(projected, both, -1.0),
    )


def _grouping(projected: Projected, codes: Codes, sign: float) -> Grouping:
    codes = dense_codes(codes)
    return Grouping(codes, int(codes.max()) + 1, effects_counted(projected, codes), sign)


def effects_counted(projected: Projected, cluster: Codes) -> int:
    """Rank that the effects add beyond those nested in the clusters (n,)."""
    nested = tuple(codes for codes in projected.effects if is_nested(codes, cluster))
    return projected.absorption.rank - joint_rank(nested, projected.n_obs)


def condense(projected: Projected, clusters: tuple[Codes, ...]) -> CrossProducts:
    """Cross-products of the projected columns by the clusters' groupings."""
    return cross_products(
        projected.Z, projected.weights, projected.before, groupings(projected, clusters)
    )
