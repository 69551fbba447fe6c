"""Randomisation inference: what the estimate would be, had others received the treatment.

Whole treatment paths are permuted across units (or parents), so that persistence stays as it is.
The statistic is studentised by clusters, which keeps the test near its level when units differ in
more than their treatment (DiCiccio and Romano 2017).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from data.errors import BadInput
from models.absorb import group_sums
from models.design import Codes, Design, Floats
from models.inference import Uncertainty
from models.inference.cluster import Clusters, find_clusters, sandwich
from models.inference.draws import SEED, Resamples, enough_draws
from models.inference.null_draws import Draws
from models.inference.record import require_variance
from models.inference.wild import absorption_of, beside_cr1
from models.least_squares import LinearFit
from models.study import Inference

DRAWS = 9_999
BLOCK_NUMBERS = 2_000_000
WHERE = "inference.kind = 'randomization'"


@dataclass(frozen=True)
class Paths:
    """A treatment as one path for each group: values (G, T), missing where the group has no row.

    Groups that share a stratum are observed in the same periods and may swap paths.
    """

    values: Floats
    strata: Codes

    @property
    def movable(self) -> int:
        """Groups that have another one to swap with."""
        return int(np.count_nonzero(np.bincount(self.strata)[self.strata] > 1))

    def arrangements(self) -> float:
        """Number of distinct assignments of paths to groups."""
        total = 0.0
        for members in (self.values[self.strata == s] for s in np.unique(self.strata)):
            _, counts = np.unique(np.nan_to_num(members), axis=0, return_counts=True)
            total += gammaln(len(members) + 1) - gammaln(counts + 1).sum()
        return float(np.exp(min(total, 700.0)))

    def permutations(self, draws: int, seed: int, width: int) -> Iterator[NDArray[np.intp]]:
        """Blocks (b, G) of which group's path each group receives."""
        rng = np.random.default_rng(seed)
        for start in range(0, draws, width):
            out = np.tile(np.arange(len(self.strata)), (min(width, draws - start), 1))
            for stratum in np.unique(self.strata):
                members = np.flatnonzero(self.strata == stratum)
                keys = rng.random((len(out), len(members)))
                out[:, members] = members[np.argsort(keys, axis=1)]
            yield out


def randomize(fit: LinearFit, design: Design, how: Inference) -> Uncertainty:
    """Permutation p-values and 95 % intervals of the treatments, under a constant effect.

    Errors and t shown are CR1's by the permuted groups; p-values and intervals of the controls do
    not exist (NaN). Raises BadInput for instruments, transformed data, a treatment that varies
    within the groups, or fewer than 20 distinct assignments.
    """
    if fit.endogenous or not _same_regressors(fit, design):
        what = "the estimator transforms or instruments the treatment"
        raise BadInput(WHERE, what, "use estimator 'within' or 'pooled', or kind = 'wild-cluster'")
    groups = find_clusters(design, _permuted(design, how))
    draws, seed = enough_draws(how, DRAWS), (SEED if how.seed is None else how.seed)
    variance = np.diag(sandwich(fit, groups.codes))
    require_variance(fit, variance)
    found = np.full((len(fit.beta), 3), np.nan)
    for j in range(design.n_treatments):
        paths = treatment_paths(design, groups, j)
        _require_arrangements(paths, groups)
        drawn, b = _draw(fit, design, groups, paths, j, (draws, seed)), float(fit.beta[j])

        def under(null: float, drawn: Draws = drawn, b: float = b) -> Floats:
            return drawn.statistics(b - null)

        found[j] = Resamples(draws, 1).test(under, b, float(np.sqrt(variance[j])))
    convention = (
        f"randomisation inference: treatment paths permuted across {groups.name} "
        f"({groups.size}, {paths.movable} with one to swap with), {draws:,} draws, seed {seed}; "
        "the error shown is CR1's"
    )
    return beside_cr1(fit, groups, variance, found, convention)


def treatment_paths(design: Design, groups: Clusters, j: int) -> Paths:
    """The path of treatment j for each group. Raises BadInput if it varies within a group."""
    n_periods = int(design.time.max()) + 1
    values = np.full((groups.size, n_periods), np.nan)
    values[groups.codes, design.time] = design.X[:, j]
    if not np.array_equal(values[groups.codes, design.time], design.X[:, j]):
        raise BadInput(
            f"inference.by = '{groups.name}'",
            f"'{design.terms[j]}' differs within a {groups.name} and period, so it has no one path",
            "permute across a finer column, such as unit",
        )
    _, strata = np.unique(np.isnan(values), axis=0, return_inverse=True)
    return Paths(values, strata.reshape(-1).astype(np.int64))


def _permuted(design: Design, how: Inference) -> str:
    """What to permute: the study's choice, else parents where treatments are theirs, else units."""
    if len(how.by) > 1:
        where = f"inference.by = {list(how.by)}"
        raise BadInput(where, "paths move across one grouping only", "name one column")
    if how.by:
        return how.by[0]
    if design.parent is None or int(design.parent.max()) == 0:
        return "unit"
    cell = design.parent * (int(design.time.max()) + 1) + design.time
    treatments = design.X[:, : design.n_treatments]
    seen = np.zeros((int(cell.max()) + 1, design.n_treatments))
    seen[cell] = treatments
    return "parent" if np.array_equal(seen[cell], treatments) else "unit"


def _same_regressors(fit: LinearFit, design: Design) -> bool:
    """Whether the fit's regressors are the design's, effects absorbed."""
    if fit.X.shape[1] < design.n_treatments:
        return False
    treatments = design.X[:, : design.n_treatments]
    again = absorption_of(fit).residual(treatments)
    scale = np.abs(treatments).max(axis=0)
    return bool(np.all(np.abs(again - fit.X[:, : design.n_treatments]) <= 1e-8 * scale))


def _require_arrangements(paths: Paths, groups: Clusters) -> None:
    if paths.arrangements() < 20:
        raise BadInput(
            WHERE,
            f"only {paths.arrangements():.0f} distinct assignment(s) of paths across "
            f"'{groups.name}': groups swap only if they are observed in the same periods",
            "balance the panel, permute across a finer column, or use kind = 'wild-cluster'",
        )


def _draw(
    fit: LinearFit, design: Design, groups: Clusters, paths: Paths, j: int, how: tuple[int, int]
) -> Draws:
    """Numerators and squared errors of every permutation's coefficient."""
    absorption, root = absorption_of(fit), np.sqrt(fit.weights)[:, None]
    Q, _ = np.linalg.qr(np.delete(fit.X, j, axis=1) * root)
    # the treatment less what the controls explain: residuals under the null are e + d alone
    alone = fit.X @ (fit.bread[:, j] / fit.bread[j, j])
    width = max(1, BLOCK_NUMBERS // fit.n_obs)
    parts: list[tuple[Floats, ...]] = []
    for permuted in paths.permutations(*how, width):
        X = absorption.residual(paths.values[permuted[:, groups.codes], design.time].T)
        X = X * root
        X -= Q @ (Q.T @ X)
        total = np.square(X).sum(axis=0)
        own = group_sums(groups.codes, X * X, None, groups.size)
        numerators, scores = [], []
        for vector in (fit.residuals, alone):
            products = group_sums(groups.codes, X * (vector[:, None] * root), None, groups.size)
            numerators.append(products.sum(axis=0) / total)
            scores.append((products - own * numerators[-1]) / total)
        (e, r) = scores
        squares = (np.einsum("gb,gb->b", a, b) for a, b in ((e, e), (e, r), (r, r)))
        parts.append((numerators[0], numerators[1], *squares))
    return Draws(*(np.concatenate(part) for part in zip(*parts, strict=True)))
