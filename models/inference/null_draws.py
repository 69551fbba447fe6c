"""The draws of a coefficient's test, as functions of the value that is held to be true.

A draw v (one weight a cluster) has a numerator that is linear in v and a squared error that is a
quadratic form in it. For signs that form a code both are Walsh transforms, as long as the clusters
have not too many pairs; other weights are multiplied out, block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from models.design import Floats
from models.inference.draws import DRAWS, WildWeights
from models.inference.walsh import SignedSums

NEAR = 100.0  # standard errors; beyond, round-off of transforms hides that draws repeat the sample
MOST_PLACES = 2**33  # pairs of clusters times draws: 293 clusters, with 99,999 draws or fewer
TRANSFORMED = 1e-14  # of a typical squared error, what a transform may leave where there is none


@dataclass(frozen=True)
class Draws:
    """All draws of one coefficient's test.

    With d the estimate less the null value: numerators are n_e + d n_r, squared errors
    q_ee + 2 d q_er + d^2 q_rr; every array is (draws,). `round_off` is the share of a typical
    squared error below which there is none: 1e-30 for squares of scores.
    """

    n_e: Floats
    n_r: Floats
    q_ee: Floats
    q_er: Floats
    q_rr: Floats
    round_off: float = field(default=1e-30, kw_only=True)

    def statistics(self, distance: float) -> Floats:
        """|t*| of every draw (draws,), without small-sample factor.

        A draw may be fitted without error: |t*| is then very large, or nothing without a slope.
        """
        squares = self.q_ee + 2.0 * distance * self.q_er + distance**2 * self.q_rr
        least = self.round_off * squares.mean() + np.finfo(float).tiny
        error = np.sqrt(np.maximum(squares, least))
        return np.abs(self.n_e + distance * self.n_r) / error


Statistics = Callable[[float], Floats]  # of a distance, as `Draws.statistics`
Drawing = Callable[[Floats, Sequence[Floats], float], Statistics]


def drawing(weights: WildWeights) -> Drawing:
    """What makes statistics of sums (2, G) and two couplings (G, G), of e and r, and an error.

    A draw's numerators are the sums times its weights v, its cluster scores the couplings times v.
    Where both are transforms, distances of more than NEAR errors are multiplied out all the same.
    """
    places = weights.n_clusters**2 * max(weights.count, DRAWS)
    if weights.signs is None or places > MOST_PLACES:
        return lambda sums, couplings, _: multiplied(weights, sums, couplings).statistics
    signed, paired = SignedSums(weights.signs), SignedSums(weights.signs.pairs())

    def draw(sums: Floats, couplings: Sequence[Floats], error: float) -> Statistics:
        near = transformed(signed, paired, sums, couplings)
        far = cache(lambda: multiplied(weights, sums, couplings))

        def statistics(distance: float) -> Floats:
            draws = near if abs(distance) <= NEAR * error else far()
            return draws.statistics(distance)

        return statistics

    return draw


def multiplied(weights: WildWeights, sums: Floats, couplings: Sequence[Floats]) -> Draws:
    """The draws by matrix products, block by block."""
    parts: list[tuple[Floats, ...]] = []
    for v in weights.blocks(weights.n_clusters):
        e, r = (coupling @ v for coupling in couplings)
        squares = (np.einsum("gb,gb->b", a, b) for a, b in ((e, e), (e, r), (r, r)))
        parts.append((sums[0] @ v, sums[1] @ v, *squares))
    return Draws(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def transformed(
    signed: SignedSums, paired: SignedSums, sums: Floats, couplings: Sequence[Floats]
) -> Draws:
    """The draws by transforms: of signs, and of signs of pairs."""
    e, r = couplings
    forms = np.stack([e.T @ e, e.T @ r, r.T @ r])
    return Draws(*signed.of(sums), *paired.of(forms.reshape(3, -1)), round_off=TRANSFORMED)
