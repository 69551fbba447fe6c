"""The random weights of a wild cluster bootstrap, and what is read off its draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from data.errors import BadInput
from models.design import Floats
from models.study import Inference

ENUMERATED = 12  # up to this many clusters, all sign vectors are listed rather than drawn
DRAWS, DRAWS_IV, SEED = 99_999, 9_999, 20260101
BLOCK_NUMBERS = 4_000_000  # of one block's largest array: 32 MB
_WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))
_SIX = np.concatenate([-_WEBB, _WEBB])
_ROOT5 = float(np.sqrt(5.0))


@dataclass(frozen=True)
class WildWeights:
    """`count` draws of one weight for each of n_clusters clusters, the same at every call."""

    kind: str
    n_clusters: int
    count: int
    seed: int

    @property
    def enumerated(self) -> bool:
        """Whether the draws are all sign vectors instead of random ones."""
        return self.kind == "rademacher" and self.n_clusters <= ENUMERATED

    def blocks(self, numbers_per_draw: int) -> Iterator[Floats]:
        """Weights (G, b) in blocks that keep numbers_per_draw x b within bounds."""
        width = max(1, BLOCK_NUMBERS // max(numbers_per_draw, self.n_clusters))
        rng = np.random.default_rng(self.seed)
        for start in range(0, self.count, width):
            yield self._block(rng, start, min(start + width, self.count))

    def p_value(self, at_least: int) -> float:
        """Share of draws at least as extreme; random draws count the sample itself as one."""
        extra = 0 if self.enumerated else 1
        return (at_least + extra) / (self.count + extra)

    @property
    def label(self) -> str:
        """How the draws were made, for the convention."""
        if self.enumerated:
            return f"all {self.count:,} sign vectors"
        return f"{self.count:,} draws of {self.kind} weights, seed {self.seed}"

    def _block(self, rng: np.random.Generator, start: int, stop: int) -> Floats:
        shape = (self.n_clusters, stop - start)
        if self.enumerated:
            bits = (np.arange(start, stop) >> np.arange(self.n_clusters)[:, None]) & 1
            return 1.0 - 2.0 * bits.astype(np.float64)
        if self.kind == "rademacher":
            return 2.0 * rng.integers(0, 2, shape, dtype=np.int8).astype(np.float64) - 1.0
        if self.kind == "webb":
            return _SIX[rng.integers(0, 6, shape, dtype=np.int8)]
        low = rng.random(shape) < (_ROOT5 + 1) / (2 * _ROOT5)  # Mammen's two points
        return np.where(low, (1 - _ROOT5) / 2, (1 + _ROOT5) / 2)


def wild_weights(how: Inference, n_clusters: int, default_draws: int) -> WildWeights:
    """What the study asks for: Webb under 12 clusters, Rademacher else, unless it names one.

    Raises BadInput for unknown weights, too few draws, or fewer than three clusters.
    """
    kind = (how.weights or ("webb" if n_clusters < ENUMERATED else "rademacher")).lower()
    if kind not in ("rademacher", "webb", "mammen"):
        where = f"inference.weights = '{how.weights}'"
        raise BadInput(where, "no such weights", "choose rademacher, webb or mammen")
    if n_clusters < 3:
        what = f"{n_clusters} clusters allow no test at 5 %"
        raise BadInput("inference.kind = 'wild-cluster'", what, "cluster by a finer column")
    draws = enough_draws(how, default_draws)
    if kind == "rademacher" and n_clusters <= ENUMERATED:
        draws = 2**n_clusters
    return WildWeights(kind, n_clusters, draws, SEED if how.seed is None else how.seed)


def enough_draws(how: Inference, default: int) -> int:
    """The draws that the study asks for. Raises BadInput for fewer than 99."""
    draws = default if how.draws is None else how.draws
    if draws < 99:
        where = f"inference.draws = {draws}"
        raise BadInput(where, "too few for a test at 5 %", "ask for 999 or more")
    return draws


def invert(
    p_value: Callable[[float], float], estimate: float, std_error: float
) -> tuple[float, float]:
    """Ends of the 95 % interval: the null values nearest the estimate that are just rejected.

    An end is infinite where no null value within 1,000 standard errors is rejected.
    """

    def end(side: float) -> float:
        inside, outside = 0.0, 2.0
        while p_value(estimate + side * outside * std_error) > 0.05:
            inside, outside = outside, 1.5 * outside
            if outside > 1000.0:
                return side * np.inf
        while outside - inside > 1e-5:
            middle = 0.5 * (inside + outside)
            if p_value(estimate + side * middle * std_error) > 0.05:
                inside = middle
            else:
                outside = middle
        return estimate + side * outside * std_error

    return end(-1.0), end(1.0)
