"""The random weights of a wild cluster bootstrap, and what is read off its draws.

Rademacher's two points are the signs of a random linear code (see `sign_draws`), or all sign
vectors where clusters are few. Webb's six and Mammen's two points are drawn independently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from data.errors import BadInput
from models.design import Floats
from models.inference.sign_draws import FEW_CLUSTERS, SignDraws, coded_draws
from models.study import Inference

DRAWS, DRAWS_IV, SEED = 99_999, 9_999, 20260101
LEVEL = 0.05
TIE = 1e-9  # statistics this close, relatively, count as equal
TOLERANCE = 1e-6  # of an interval's end, in standard errors
FARTHEST = 1000.0  # standard errors from the estimate at which an end is looked for
BLOCK_NUMBERS = 4_000_000  # of one block's largest array: 32 MB
_WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))
_SIX = np.concatenate([-_WEBB, _WEBB])
_ROOT5 = float(np.sqrt(5.0))


@dataclass(frozen=True)
class WildWeights:
    """`count` draws of one weight for each of n_clusters clusters, the same at every call.

    `signs` are Rademacher's, None for other kinds; `enumerated` says that they are all there are.
    """

    kind: str
    n_clusters: int
    count: int
    seed: int
    signs: SignDraws | None = None
    enumerated: bool = False

    def blocks(self, numbers_per_draw: int) -> Iterator[Floats]:
        """Weights (G, b) in blocks that keep numbers_per_draw x b within bounds."""
        width = max(1, BLOCK_NUMBERS // max(numbers_per_draw, self.n_clusters))
        if self.signs is not None:
            yield from (part.signs().astype(np.float64) for part in self.signs.parts(width))
            return
        rng = np.random.default_rng(self.seed)
        for start in range(0, self.count, width):
            yield self._independent(rng, (self.n_clusters, min(width, self.count - start)))

    @property
    def resamples(self) -> Resamples:
        """The draws as a reference distribution."""
        return Resamples(self.count, 0 if self.enumerated else 1)

    @property
    def label(self) -> str:
        """How the draws were made, for the convention."""
        if self.enumerated:
            return f"all {self.count:,} sign vectors"
        how = "draws" if self.signs is None else "balanced draws"
        return f"{self.count:,} {how} of {self.kind.title()} weights, seed {self.seed}"

    def _independent(self, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        if self.kind == "webb":
            return _SIX[rng.integers(0, 6, shape, dtype=np.int8)]
        low = rng.random(shape) < (_ROOT5 + 1) / (2 * _ROOT5)  # Mammen's two points
        return np.where(low, (1 - _ROOT5) / 2, (1 + _ROOT5) / 2)


def wild_weights(how: Inference, n_clusters: int, default_draws: int) -> WildWeights:
    """What the study asks for: Webb under 12 clusters, Rademacher else, unless it names one.

    Raises BadInput for unknown weights, too few draws, or fewer than three clusters.
    """
    kind = kind_of_weights(how, n_clusters)
    if kind not in ("rademacher", "webb", "mammen"):
        where = f"inference.weights = '{how.weights}'"
        raise BadInput(where, "no such weights", "choose rademacher, webb or mammen")
    if n_clusters < 3:
        what = f"{n_clusters} clusters allow no test at 5 %"
        raise BadInput("inference.kind = 'wild-cluster'", what, "cluster by a finer column")
    draws, seed = enough_draws(how, default_draws), SEED if how.seed is None else how.seed
    if kind != "rademacher":
        return WildWeights(kind, n_clusters, draws, seed)
    signs, every = coded_draws(n_clusters, draws, seed)
    return WildWeights(kind, n_clusters, len(signs), seed, signs, every)


def kind_of_weights(how: Inference, n_clusters: int) -> str:
    """The weights that the study names, or those it takes where it names none."""
    return (how.weights or ("webb" if n_clusters < FEW_CLUSTERS else "rademacher")).lower()


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

    def test(
        self, draw: Callable[[float], Floats], estimate: float, std_error: float
    ) -> tuple[float, float, float]:
        """The p-value of a null of zero, and both ends of the 95 % interval; as for `interval`."""
        p_value = self.p_value(abs(estimate) / std_error, draw(0.0))
        return p_value, *self.interval(draw, estimate, std_error)

    def p_value(self, statistic: float, drawn: Floats) -> float:
        """Share of draws, |t*| (count,), at least as extreme as the sample's |t|; ties count.

        Among all draws there are the sample and its mirror image, whatever round-off makes of them.
        """
        reached = int(np.count_nonzero(drawn >= (1.0 - TIE) * statistic))
        if self.itself:
            return (reached + 1) / (self.count + 1)
        return max(reached, 2) / self.count

    def interval(
        self, draw: Callable[[float], Floats], estimate: float, std_error: float
    ) -> tuple[float, float]:
        """Ends of the 95 % interval: null values on either side that are just rejected.

        `draw` gives |t*| (count,) under a null value. An end is infinite where none is found
        within FARTHEST standard errors.
        """
        fewer = int(LEVEL * (self.count + self.itself) + 1e-9) - self.itself

        @cache  # the search asks for both ends of its bracket again
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
    """The distance at which `excess` turns positive on one side, sought from two errors away.

    A little more than the excess lies between where it is known and where it is nothing, as long
    as the value that |t| must pass changes little: a step of that brackets the end closely. Where
    it changes with |t|, as with draws that repeat the data, steps grow fourfold; of several ends
    any one may be found.
    """
    inside = outside = 2.0
    step = 0.0
    while (lacking := -excess(side * outside)) >= 0.0:
        if outside == FARTHEST:
            return side * np.inf
        step = max(1.25 * lacking + TOLERANCE, 4.0 * step)
        inside, outside = outside, min(outside + step, 1.5 * outside, FARTHEST)
    step = 0.0
    while (over := excess(side * inside)) > 0.0:
        step = max(1.25 * over + TOLERANCE, 4.0 * step)
        inside, outside = max(inside - step, 0.0), inside
    from scipy.optimize import brentq  # only intervals by inversion need it, and it loads slowly

    ends = side * inside, side * outside
    return float(brentq(excess, *ends, xtol=TOLERANCE, rtol=TOLERANCE))
