"""A sample's whole curve: every specification's coefficient and its standard error at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from models.design import Floats
from models.engine.crossproducts import NO_VARIATION, CrossProducts, GroupProducts
from models.engine.subsets import Flags, Indices, Residualised

# Specifications handled at a time: bounds memory, however long the curve.
BLOCK = 4096


@dataclass(frozen=True)
class Cells:
    """S specifications of one sample: outcome, treatment and subset (S,) are indices.

    The first two point into the targets of a `Residualised`, the third into its subsets.
    """

    outcome: Indices
    treatment: Indices
    subset: Indices

    def __getitem__(self, which: slice | Indices | Flags) -> Cells:
        return Cells(self.outcome[which], self.treatment[which], self.subset[which])

    def __len__(self) -> int:
        return len(self.outcome)


@dataclass(frozen=True)
class Fits:
    """S least-squares fits, in the units of the unit-length columns of `CrossProducts`.

    treatment (p, S) makes the treatment's residual on the controls, null (p, S) the outcome's
    (the residual under the sharp null), and residual (p, S) the model's own: each is Z @ column.
    estimate (S,), information (S,) the sum of squares of the treatment's residual (zero if
    controls and effects leave nothing of it), n_regressors (S,) with the treatment.
    """

    treatment: Floats
    null: Floats
    residual: Floats
    estimate: Floats
    information: Floats
    n_regressors: Indices


def fit_cells(products: CrossProducts, solved: Residualised, cells: Cells) -> Fits:
    """Coefficients of the treatment in S specifications, by Frisch-Waugh-Lovell."""
    treatment = solved.coefficients[cells.treatment, :, cells.subset].T
    null = solved.coefficients[cells.outcome, :, cells.subset].T
    x, y = products.root @ treatment, products.root @ null
    information = np.einsum("ps,ps->s", x, x)
    information[information <= NO_VARIATION] = 0.0
    estimate = _ratio(np.einsum("ps,ps->s", x, y), information)
    return Fits(
        treatment,
        null,
        null - estimate * treatment,
        estimate,
        information,
        solved.kept.sum(axis=0)[cells.subset] + 1,
    )


def clustered_variance(products: CrossProducts, fits: Fits, correction: str) -> Floats:
    """Variances (S,), clustered by the products' groups; correction "CR0" (none) or "CR1".

    Rows as groups give the robust variances HC0 and HC1. A two-way variance that comes out
    negative, as it can with few clusters, is NaN: there is no such standard error.
    """
    meat = np.zeros(len(fits.estimate))
    for group in products.groups:
        scores = group.scores(fits.treatment, fits.residual)
        part = np.einsum("gs,gs->s", scores, scores)
        if correction == "CR1":
            part *= small_sample_factor(group, products.n_obs, fits.n_regressors)
        meat += group.sign * part
    return _ratio(np.where(meat < 0, np.nan, meat), fits.information**2)


def small_sample_factor(group: GroupProducts, n_obs: int, n_regressors: Indices) -> Floats:
    """G/(G-1) (N-1)/(N-K) by specification (S,), K being regressors and counted effects."""
    n_groups = len(group.packed)
    spare = n_obs - n_regressors - group.effects_counted
    return n_groups / (n_groups - 1) * _ratio(n_obs - 1.0, spare)


@dataclass(frozen=True)
class Estimates:
    """S specifications in the data's own units; NaN where a specification cannot be estimated."""

    estimate: Floats
    std_error: Floats
    n_regressors: Indices


def estimate_curve(
    products: CrossProducts, solved: Residualised, cells: Cells, correction: str = "CR1"
) -> Estimates:
    """All cells (S) over the subsets for which the targets of `products` are solved."""
    parts = []
    for start in range(0, len(cells), BLOCK):
        block = cells[start : start + BLOCK]
        fits = fit_cells(products, solved, block)
        variance = clustered_variance(products, fits, correction)
        unit = _ratio(
            *(products.scale[solved.targets[c]] for c in (block.outcome, block.treatment))
        )
        parts.append((fits.estimate * unit, np.sqrt(variance) * unit, fits.n_regressors))
    estimate, std_error, n_regressors = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Estimates(estimate, std_error, n_regressors)


def two_sided_p(statistic: Floats, df: Floats | float) -> Floats:
    """Two-sided p-values (S,) of Student's t; df infinite gives the normal distribution."""
    tail: Floats = np.asarray(special.stdtr(df, -np.abs(statistic)), dtype=np.float64)
    return 2.0 * tail


def critical_value(df: Floats | float) -> Floats:
    """The half-width of a 95 % interval in standard errors, by Student's t."""
    return np.asarray(special.stdtrit(df, 0.975), dtype=np.float64)


def _ratio(over: Floats | float, under: Floats | Indices) -> Floats:
    """over / under, NaN where under is not positive."""
    return over / np.where(under > 0, under, np.nan)
