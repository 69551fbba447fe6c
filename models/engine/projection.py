"""Projecting a sample's candidate columns on its effects, once for all specifications."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.absorb import absorb, dense_codes, is_nested, joint_rank
from models.design import Codes, Floats
from models.engine.crossproducts import NO_VARIATION, CrossProducts, Grouping, cross_products


@dataclass(frozen=True)
class Projected:
    """Columns Z (n, p) less their projection on the effects; weights (n,) are ones if none.

    before (p,) holds the columns' lengths, about their means, before the projection; rank is that
    of the effects together.
    """

    Z: Floats
    weights: Floats
    before: Floats
    effects: tuple[Codes, ...]
    rank: int

    @property
    def n_obs(self) -> int:
        """Rows in the sample."""
        return len(self.Z)

    @cached_property
    def unit_length(self) -> tuple[Floats, Floats]:
        """W^(1/2) Z with columns of unit length (n, p), and their lengths (p,).

        A column of which the projection leaves nothing becomes zero, with length zero.
        """
        rooted = self.Z * np.sqrt(self.weights)[:, None]
        scale = np.sqrt(np.einsum("ij,ij->j", rooted, rooted))
        scale[scale**2 <= NO_VARIATION * self.before**2] = 0.0
        rooted *= np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        return rooted, scale


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
    return Projected(absorption.residual(centred), w, before, effects, absorption.rank)


def groupings(projected: Projected, clusters: tuple[Codes, ...]) -> tuple[Grouping, ...]:
    """How scores are summed: by one cluster, or by two and, subtracted, by their intersection.

    No cluster at all means that every row is its own (robust variances).
    """
    counted = effects_counted(projected, clusters)
    if not clusters:
        rows = np.arange(projected.n_obs, dtype=np.int64)
        return (Grouping(rows, len(rows), counted),)
    codes = [dense_codes(c) for c in clusters]
    signs = [1.0] * len(codes)
    if len(codes) == 2:
        codes.append(dense_codes(codes[0] * (int(codes[1].max()) + 1) + codes[1]))
        signs.append(-1.0)
    return tuple(
        Grouping(c, int(c.max()) + 1, counted, sign) for c, sign in zip(codes, signs, strict=True)
    )


def effects_counted(projected: Projected, clusters: tuple[Codes, ...]) -> int:
    """What the effects add to K: their rank, with those nested in a cluster as one constant."""
    nested = tuple(
        codes for codes in projected.effects if any(is_nested(codes, c) for c in clusters)
    )
    if len(nested) == len(projected.effects):
        return 1
    return projected.rank - joint_rank(nested, projected.n_obs) + 1 if nested else projected.rank


def condense(projected: Projected, clusters: tuple[Codes, ...]) -> CrossProducts:
    """Cross-products of the projected columns by the clusters' groupings."""
    return cross_products(*projected.unit_length, groupings(projected, clusters))
