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
LEVEL = 0.05
TIE = 1e-9  # statistics this close, relatively, count as equal
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

    @property
    def resamples(self) -> Resamples:
        """The draws as a reference distribution."""
        return Resamples(self.count, 0 if self.enumerated else 1)

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


@dataclass(frozen=True)
class Resamples:
    """`count` draws of a test; `itself` is 1 where the sample counts as one more, 0 where it is
    among them because all possible draws are listed.
    """

    count: int
    itself: int

    def p_value(self, statistic: float, drawn: Floats) -> float:
        """Share of draws, |t*| (count,), at least as extreme as the sample's |t|; ties count."""
        reached = int(np.count_nonzero(drawn >= (1.0 - TIE) * statistic))
        return (reached + self.itself) / (self.count + self.itself)

    def interval(
        self, draw: Callable[[float], Floats], estimate: float, std_error: float
    ) -> tuple[float, float]:
        """Ends of the 95 % interval: the null values nearest the estimate that are just rejected.

        `draw` gives |t*| (count,) under a null value. An end is infinite where no null value
        within 1,000 standard errors is rejected.
        """
        fewer = int(LEVEL * (self.count + self.itself) + 1e-9) - self.itself

        def excess(distance: float) -> float:
            """By how much |t| passes the value that it must pass to be rejected."""
            if not 0 <= fewer < self.count:
                return -1.0
            drawn = draw(estimate + distance * std_error)
            critical = np.partition(drawn, self.count - 1 - fewer)[self.count - 1 - fewer]
            return (1.0 - TIE) * abs(distance) - min(float(critical), 1e6)

        low, high = _end(excess, -1), _end(excess, 1)
        return estimate + low * std_error, estimate + high * std_error


def _end(excess: Callable[[float], float], side: int) -> float:
    """The distance at which `excess` turns positive on one side."""
    inside, outside = 0.0, 2.0
    while excess(side * outside) <= 0.0:
        inside, outside = outside, 1.5 * outside
        if outside > 1000.0:
            return side * np.inf
    from scipy.optimize import brentq  # only intervals by inversion need it, and it loads slowly

    return float(brentq(excess, side * inside, side * outside, xtol=1e-6, rtol=1e-6))
