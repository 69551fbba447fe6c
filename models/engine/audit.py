"""The placebo audit: does this inference, on this panel, reject a true null as often as it says?

Each placebo treatment is put into the study's own model in place of the real one: outcome,
controls, effects, weights and sample stay. Nothing connects a placebo with the outcome, so that a
5 % test should reject it in 5 % of cases (Bertrand, Duflo and Mullainathan 2004).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.absorb import Absorption, absorb, group_sums
from models.design import Codes, Floats
from models.engine.crossproducts import NO_VARIATION
from models.engine.curve import two_sided_p
from models.engine.projection import Projected, effects_counted, groupings

LEVEL = 0.05
BLOCK = 100  # placebos judged at a time


@dataclass(frozen=True)
class AuditSample:
    """The main model's sample without its treatment.

    projected.Z (n, 1 + m) holds outcome and controls. clusters maps names to code arrays (n,)
    without gaps, the one that resampling uses first; unit (n,) are codes without gaps, period (n,)
    counts calendar periods, and `time` is the name of their column; near (U, U) flags the units
    whose errors Conley's variance lets go together, where the study names a distance.
    """

    projected: Projected
    clusters: Mapping[str, Codes]
    unit: Codes
    period: Codes
    near: NDArray[np.bool_] | None = None
    time: str = "time"

    @cached_property
    def absorption(self) -> Absorption:
        """The projection off the effects."""
        weights = None if np.all(self.projected.weights == 1.0) else self.projected.weights
        return absorb(self.projected.effects, weights, self.projected.n_obs)

    @cached_property
    def basis(self) -> Floats:
        """Columns (n, rank) that span the projected controls, orthonormal under the weights."""
        root = np.sqrt(self.projected.weights)[:, None]
        before = self.projected.before[1:]
        controls = self.projected.Z[:, 1:] / np.where(before > 0, before, 1.0)
        left, size, _ = np.linalg.svd(controls * root, full_matrices=False)
        return left[:, size**2 > NO_VARIATION] / root

    @cached_property
    def spare(self) -> float:
        """Rows less coefficients and effects; a control of which nothing is left is none."""
        rank = effects_counted(self.projected, ())
        return float(self.projected.n_obs - self.basis.shape[1] - 1 - rank)


@dataclass(frozen=True)
class PlaceboFits:
    """B placebo regressions: treatments x (n, B) net of the rest, their scores (n, B).

    y (n,) is the outcome net of controls and effects; beta, information = x'Wx and rss are (B,),
    NaN for a placebo of which nothing is left.
    """

    x: Floats
    y: Floats
    scores: Floats
    beta: Floats
    information: Floats
    rss: Floats

    def t(self, variance_of_score: Floats) -> Floats:
        """t-statistics (B,) from the variance of the summed score; NaN where there is none."""
        known = np.where(variance_of_score > 0, variance_of_score, np.nan)
        return self.beta * self.information / np.sqrt(known)


@dataclass(frozen=True)
class Tried:
    """One kind of inference that the audit tries."""

    kind: str
    by: tuple[str, ...]
    correction: str | None
    n_clusters: int | None


@dataclass(frozen=True)
class Judge(Tried):
    """One kind of inference, and the p-values (B,) that it gives to B placebo fits."""

    p_values: Callable[[PlaceboFits], Floats]


def fit_placebos(sample: AuditSample, basis: Floats, treatments: Floats) -> PlaceboFits:
    """Regress the outcome on each placebo treatment (n, B), controls and effects."""
    w = sample.projected.weights
    sums = w @ treatments
    before = np.einsum("ib,ib->b", w[:, None] * treatments, treatments) - sums**2 / w.sum()
    return fit_projected(sample, basis, sample.absorption.residual(treatments), before)


def fit_projected(sample: AuditSample, basis: Floats, x: Floats, before: Floats) -> PlaceboFits:
    """The same for treatments x (n, B) that are projected on the effects; they are used up.

    before (B,) are their sums of squares about the mean before that.
    """
    w = sample.projected.weights
    weighted = basis * w[:, None]
    x -= basis @ (weighted.T @ x)
    y = sample.projected.Z[:, 0]
    y = y - basis @ (weighted.T @ y)
    information = np.einsum("ib,ib->b", w[:, None] * x, x)
    information[information <= NO_VARIATION * before] = np.nan
    beta = ((w * y) @ x) / information
    scores = np.subtract(y[:, None], beta * x)  # residuals so far
    rss = np.einsum("ib,ib->b", w[:, None] * scores, scores)
    scores *= x
    scores *= w[:, None]
    return PlaceboFits(x, y, scores, beta, information, rss)


def rejections(
    sample: AuditSample, judges: Sequence[Judge], treatments: Floats
) -> NDArray[np.int64]:
    """How many of the treatments (n, B) each judge calls significant at 5 %, and how many it can
    judge at all: (2, judges). A two-way variance, for one, may come out negative.
    """
    fits = fit_placebos(sample, sample.basis, treatments)
    return np.column_stack([counted(judge.p_values(fits)) for judge in judges])


def counted(p_values: Floats) -> NDArray[np.int64]:
    """How many of the p-values (B,) are significant at 5 %, and how many there are: (2,)."""
    found = np.count_nonzero(p_values <= LEVEL), np.count_nonzero(~np.isnan(p_values))
    return np.array(found, dtype=np.int64)


def quick_judges(sample: AuditSample, chosen: tuple[str, ...] = ()) -> list[Judge]:
    """Classical, robust and clustered inference.

    Clustered by each of the sample's clusters, by the first of them and time, and by those that the
    study has `chosen`.
    """
    first, *others = sample.clusters
    sets: list[tuple[str, ...]] = [(first,), *((name,) for name in others if name != sample.time)]
    pairs = {frozenset((first, sample.time)): (first, sample.time)}
    if len(chosen) == 2 and set(chosen) <= {*sample.clusters, sample.time}:
        pairs.setdefault(frozenset(chosen), chosen)
    sets += [pair for pair in pairs.values() if len(set(pair)) == 2]
    return [_classical(sample), _robust(sample), *(_clustered(sample, by) for by in sets)]


def _classical(sample: AuditSample) -> Judge:
    spare = sample.spare

    def p_values(fits: PlaceboFits) -> Floats:
        t = fits.t(fits.rss / spare * fits.information)
        return two_sided_p(t, spare)

    return Judge("classical", (), None, None, p_values)


def _robust(sample: AuditSample) -> Judge:
    spare = sample.spare
    factor = sample.projected.n_obs / spare

    def p_values(fits: PlaceboFits) -> Floats:
        t = fits.t(np.einsum("ib,ib->b", fits.scores, fits.scores) * factor)
        return two_sided_p(t, spare)

    return Judge("robust", (), None, None, p_values)


def _clustered(sample: AuditSample, by: tuple[str, ...]) -> Judge:
    codes = tuple(sample.period if name == sample.time else sample.clusters[name] for name in by)
    groups = groupings(sample.projected, codes)
    n = sample.projected.n_obs
    spare = n - sample.basis.shape[1] - 1 - groups[0].effects_counted
    fewest = min(group.n_groups for group in groups)

    def p_values(fits: PlaceboFits) -> Floats:
        meat = np.zeros(len(fits.beta))
        for group in groups:
            sums = group_sums(group.codes, fits.scores, None, group.n_groups)
            # one cluster alone leaves no degrees of freedom, and so no p-value
            factor = group.n_groups / max(1, group.n_groups - 1) * (n - 1) / spare
            meat += group.sign * factor * np.einsum("gb,gb->b", sums, sums)
        return two_sided_p(fits.t(meat), fewest - 1.0)

    return Judge("cluster", by, "CR1", fewest, p_values)
