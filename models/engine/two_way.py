"""Two-way within from sufficient statistics: what panels too large for copies have to give up.

After the unit means are taken out, everything that least squares needs is a few small sums: how
often periods meet in one unit, sums by period, cross-products. They can come from arrays
(`large_panel`) or from SQL (`out_of_core`); the algebra is here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.errors import BadInput
from models.design import Floats
from models.inference.cluster import small_sample_factor

NO_VARIATION = 1e-10


@dataclass(frozen=True)
class TwoWaySums:
    """Sums over a panel of p columns (outcome first) less their weighted unit means.

    meetings (T, T) is the sum over units of d d' / total, d (T,) being a unit's weight by period;
    by_period (T,) total weights; sums (T, p) weighted sums; products (p, p) weighted
    cross-products; before (p,) weighted squares around the overall mean, before any effect.
    """

    meetings: Floats
    by_period: Floats
    sums: Floats
    products: Floats
    before: Floats


@dataclass(frozen=True)
class TwoWaySolution:
    """beta (k,), bread (k, k), period effects gamma (T, p) of each column, and their rank."""

    beta: Floats
    bread: Floats
    gamma: Floats
    rank: int


@dataclass(frozen=True)
class LargeFit:
    """A two-way within fit with CR1 errors: terms, beta and std_error (k,), vcov (k, k).

    n_counted is what the effects add to K in the small-sample factor.
    """

    terms: tuple[str, ...]
    beta: Floats
    std_error: Floats
    vcov: Floats
    n_obs: int
    n_units: int
    n_periods: int
    n_clusters: int
    n_counted: int


def solve(sums: TwoWaySums, terms: tuple[str, ...]) -> TwoWaySolution:
    """Least squares with both effects. Raises BadInput for a regressor that they absorb."""
    gram = np.diag(sums.by_period) - sums.meetings
    scale = 1.0 / np.sqrt(sums.by_period)
    values, vectors = np.linalg.eigh(gram * np.outer(scale, scale))
    kept = values > NO_VARIATION
    half = (vectors[:, kept] / np.sqrt(values[kept])) * scale[:, None]
    inverse = half @ half.T
    gamma = inverse @ sums.sums
    products = sums.products - sums.sums.T @ gamma
    sizes = np.diag(products).copy()
    _require_variation(sizes, sums.before, terms)
    unit = 1.0 / np.sqrt(sizes)
    scaled = products * np.outer(unit, unit)
    if np.linalg.eigvalsh(scaled[1:, 1:]).min() < NO_VARIATION:
        raise BadInput(
            "regressors", f"{', '.join(terms)} are collinear once effects are absorbed", "drop one"
        )
    bread = np.linalg.inv(scaled[1:, 1:])
    beta = bread @ scaled[1:, 0] * unit[1:] / unit[0]
    return TwoWaySolution(beta, bread * np.outer(unit[1:], unit[1:]), gamma, int(kept.sum()))


def _require_variation(after: Floats, before: Floats, terms: tuple[str, ...]) -> None:
    for name, left, whole in zip(("the outcome", *terms), after, before, strict=True):
        if not left > NO_VARIATION * whole:
            raise BadInput(name, "unit and time effects leave no variation in it", "drop it")


def clustered(
    solution: TwoWaySolution,
    meat: Floats,
    terms: tuple[str, ...],
    sizes: tuple[int, int, int, int],
    nested: tuple[bool, bool],
) -> LargeFit:
    """The fit with CR1 errors from the summed products of cluster scores, meat (k, k).

    sizes are rows, units, periods and clusters; nested says whether each unit, and each period,
    lies in one cluster: such effects count as one constant. Raises BadInput for a single cluster.
    """
    n_obs, n_units, n_periods, n_clusters = sizes
    if n_clusters < 2:
        raise BadInput("clusters", "all rows are in one", "cluster by a finer column")
    rank = n_units + solution.rank
    counted = {
        (False, False): rank,
        (True, False): rank - n_units + 1,
        (False, True): rank - n_periods + 1,
        (True, True): 1,
    }[nested]
    spare = n_obs - len(terms) - counted
    if spare <= 0:
        raise BadInput("effects", "as many coefficients and effects as rows", "use fewer effects")
    factor = small_sample_factor(n_clusters, n_obs, len(terms) + counted)
    vcov = factor * solution.bread @ meat @ solution.bread
    return LargeFit(terms, solution.beta, np.sqrt(np.diag(vcov)), vcov, *sizes, counted)
