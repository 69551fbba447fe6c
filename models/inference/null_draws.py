"""The draws of a coefficient's test, as functions of the value that is held to be true.

A draw v (one weight a cluster) has a numerator that is linear in v and a squared error that is a
quadratic form in it. For signs that form a code, and as many clusters as have pairs worth adding
up, both are Walsh transforms; other weights are multiplied out, block by block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from models.design import Floats
from models.inference.draws import WildWeights
from models.inference.walsh import SignedSums

MOST_CLUSTERS = 256  # whose pairs are worth a transform: 120 MB of places for 99,999 draws
NO_ERROR = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class Draws:
    """All draws of one coefficient's test.

    With d the estimate less the null value: numerators are n_e + d n_r, squared errors
    q_ee + 2 d q_er + d^2 q_rr; every array is (draws,).
    """

    n_e: Floats
    n_r: Floats
    q_ee: Floats
    q_er: Floats
    q_rr: Floats

    def statistics(self, distance: float) -> Floats:
        """|t*| of every draw (draws,), without small-sample factor; boundless without error."""
        error = self.q_ee + 2.0 * distance * self.q_er + distance**2 * self.q_rr
        error = np.sqrt(np.maximum(error, NO_ERROR))
        return np.abs(self.n_e + distance * self.n_r) / error


Drawing = Callable[[Floats, Floats], Draws]


def drawing(weights: WildWeights) -> Drawing:
    """What makes draws of sums (2, G) and couplings (2, G, G), each of e and r.

    A draw's numerators are the sums times its weights v, its cluster scores the couplings times v.
    """
    if weights.signs is None or weights.n_clusters > MOST_CLUSTERS:
        return partial(_multiplied, weights)
    return partial(_transformed, SignedSums(weights.signs), SignedSums(weights.signs.pairs()))


def _multiplied(weights: WildWeights, sums: Floats, couplings: Floats) -> Draws:
    parts: list[tuple[Floats, ...]] = []
    for v in weights.blocks(weights.n_clusters):
        e, r = (coupling @ v for coupling in couplings)
        squares = (np.einsum("gb,gb->b", a, b) for a, b in ((e, e), (e, r), (r, r)))
        parts.append((sums[0] @ v, sums[1] @ v, *squares))
    return Draws(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _transformed(signed: SignedSums, paired: SignedSums, sums: Floats, couplings: Floats) -> Draws:
    e, r = couplings
    forms = np.stack([e.T @ e, e.T @ r, r.T @ r])
    return Draws(*signed.of(sums), *paired.of(forms.reshape(3, -1)))
