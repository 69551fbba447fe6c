"""Bias-reduced cluster variances: CR2 with Satterthwaite degrees of freedom, and CR3.

Leverage is that of the full design: regressors and absorbed effects. Each cluster only needs the
rows and the effect levels it holds, so that no matrix of rows by rows or rows by dummies is formed.
For two-stage least squares the regressors are the first-stage fitted values, as in clubSandwich.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import BadInput
from models.absorb import absorb, is_nested
from models.design import Floats
from models.inference.cluster import Clusters
from models.least_squares import LinearFit

Target = Literal["identity", "inverse-variance"]
# Directions in which a cluster's residuals cannot vary (its own effects) have eigenvalue zero; the
# cut is relative to the largest eigenvalue, so that the scale of the weights does not matter.
NULL = 1e-9
ALONE = 1e-6  # share of a coefficient's influence in such directions from which it has no CR2
LITTLE = 1e-8  # share of a coefficient's information in all other clusters below which it has none
TINY = 1e-16  # eigenvalue of a cross-product with a diagonal of one that is round-off
MOST_LEVELS = 4000


@dataclass(frozen=True)
class FullDesign:
    """R = [X, D] with m = k + L columns, as each cluster needs it.

    inverse (m, m) is a generalised inverse M of R'WR; spread (m, m) is M R'W^2 R M, which equals M
    without weights. `even` says that all weights are one.
    """

    fit: LinearFit
    inverse: Floats
    spread: Floats
    codes: tuple[NDArray[np.int64], ...]
    even: bool

    def block(self, rows: NDArray[np.intp]) -> tuple[Floats, NDArray[np.int64]]:
        """The non-zero columns of R for some rows (n_g, q), and their positions (q,)."""
        k = self.fit.X.shape[1]
        stacked = np.stack([codes[rows] for codes in self.codes]) if self.codes else None
        if stacked is None:
            return self.fit.X[rows], np.arange(k)
        levels, place = np.unique(stacked, return_inverse=True)
        dummies = np.zeros((len(rows), len(levels)))
        dummies[np.arange(len(rows)), place.reshape(stacked.shape)] = 1.0
        return np.hstack([self.fit.X[rows], dummies]), np.concatenate([np.arange(k), k + levels])


def full_design(fit: LinearFit) -> FullDesign:
    """Lay out regressors and effects together. Raises BadInput beyond 4,000 effect levels."""
    even = bool(np.all(fit.weights == 1.0))
    absorption = absorb(fit.effects, None if even else fit.weights, fit.n_obs)
    n_levels = sum(len(total) for total in absorption.totals)
    if n_levels > MOST_LEVELS:
        raise BadInput(
            "inference.correction",
            f"CR2 and CR3 need the leverage of {n_levels} effect levels, more than {MOST_LEVELS}",
            "use correction = 'CR1' or kind = 'wild-cluster'",
        )
    k = fit.X.shape[1]
    inverse = np.zeros((k + n_levels, k + n_levels))
    inverse[:k, :k], inverse[k:, k:] = fit.bread, absorption.inverse()
    starts = np.cumsum([0, *(len(total) for total in absorption.totals)])
    codes = tuple(e + start for e, start in zip(absorption.effects, starts[:-1], strict=True))
    spread = inverse if even else inverse @ _squared(fit, codes, n_levels) @ inverse
    return FullDesign(fit, inverse, spread, codes, even)


def _squared(fit: LinearFit, codes: tuple[NDArray[np.int64], ...], n_levels: int) -> Floats:
    """R'W^2 R (m, m)."""
    k = fit.X.shape[1]
    squared = fit.weights**2
    out = np.zeros((k + n_levels, k + n_levels))
    out[:k, :k] = (fit.X * squared[:, None]).T @ fit.X
    for first in codes:
        for j in range(k):
            sums = np.bincount(first, fit.X[:, j] * squared, n_levels)
            out[j, k:] += sums
            out[k:, j] += sums
        for second in codes:
            np.add.at(out, (k + first, k + second), squared)
    return out


def bias_reduced(
    fit: LinearFit, clusters: Clusters, target: Target = "identity", n_treatments: int = 0
) -> tuple[Floats, Floats]:
    """CR2 variance (k, k) and Satterthwaite degrees of freedom (k,) of each coefficient.

    Bell and McCaffrey (2002), Pustejovsky and Tipton (2018), with weights used for fitting and a
    working model of independent errors: of equal variance (target "identity", the default of
    clubSandwich), or of variance one over the weight ("inverse-variance"). Raises BadInput for one
    of the first `n_treatments` coefficients that one cluster (nearly) alone determines: its
    residuals there cannot vary.
    """
    design = full_design(fit)
    influence = np.empty((clusters.size, fit.X.shape[1]))
    own = np.empty_like(influence)
    plain = np.zeros((clusters.size, len(design.inverse), fit.X.shape[1]))
    weighted = plain if design.even else np.zeros_like(plain)
    lost, whole = np.zeros((2, *own.shape))
    for g, rows in enumerate(clusters.rows()):
        R, columns = design.block(rows)
        w = fit.weights[rows]
        directions = (fit.X[rows] * w[:, None]) @ fit.bread
        adjusted, lost[g] = _adjust(design, R, columns, w, directions, target)
        whole[g] = (directions**2).sum(axis=0)
        influence[g] = adjusted.T @ fit.residuals[rows]
        variance = 1.0 if target == "identity" else 1.0 / w[:, None]
        own[g] = (adjusted**2 * variance).sum(axis=0)
        plain[g, columns] = R.T @ adjusted
        if not design.even:
            weighted[g, columns] = R.T @ (adjusted * w[:, None])
    if design.even:  # with weights, nested effects too leave directions in which nothing varies
        alone = lost.sum(axis=0) > ALONE * whole.sum(axis=0)
        _require_others(fit, clusters, alone[:n_treatments], lost)
    elif n_treatments:
        elsewhere = _information_elsewhere(fit, clusters)
        alone = elsewhere.min(axis=0) < LITTLE
        _require_others(fit, clusters, alone[:n_treatments], -elsewhere)
    return influence.T @ influence, _satterthwaite(design, own, plain, weighted, target)


def _adjust(
    design: FullDesign,
    R: Floats,
    columns: NDArray[np.int64],
    w: Floats,
    vectors: Floats,
    target: Target,
) -> tuple[Floats, Floats]:
    """A_g vectors, where A_g is the symmetric square root that makes the variance unbiased.

    Also the squares (p,) of what the vectors have in directions that are left out.
    """
    inverse = design.inverse[np.ix_(columns, columns)]
    root = np.ones((len(w), 1))
    if design.even:
        block = spectrum(R, -inverse)
    elif target == "inverse-variance":
        root = np.sqrt(w)[:, None]
        scaled = R / root
        shifted = np.diag(w**-2.0) - scaled @ inverse @ scaled.T - np.eye(len(w))
        block = spectrum(np.eye(len(w)), shifted)
    else:
        spread = design.spread[np.ix_(columns, columns)]
        middle = np.block([[spread, -inverse], [-inverse, np.zeros_like(inverse)]])
        block = spectrum(np.hstack([R, R * w[:, None]]), middle)
    lost = block.directions[:, ~block.kept].T @ vectors
    return block.power(-0.5, vectors / root) / root, (lost**2).sum(axis=0)


def _information_elsewhere(fit: LinearFit, clusters: Clusters) -> Floats:
    """The share (G, k) of each coefficient's information that is left without each cluster."""
    rotation = np.linalg.cholesky(fit.bread)
    V = fit.X @ rotation
    total = (V * fit.weights[:, None]).T @ V
    out = np.empty((clusters.size, len(fit.beta)))
    for g, rest in enumerate(_without_each(fit, clusters, V, total)):
        values, vectors = np.linalg.eigh(rest)
        variance = np.square(rotation @ vectors) @ (1.0 / np.maximum(values, TINY))
        out[g] = np.diag(fit.bread) / variance
    return out


def _require_others(
    fit: LinearFit, clusters: Clusters, alone: NDArray[np.bool_], part: Floats
) -> None:
    """Refuse the first coefficients that are flagged (k,); part (G, k) is what each cluster has."""
    for j in np.flatnonzero(alone):
        cluster = clusters.labels[int(part[:, j].argmax())]
        raise BadInput(
            "inference",
            f"'{fit.terms[j]}' rests on cluster '{cluster}' of '{clusters.name}' (nearly) alone, "
            "so that CR2 does not exist",
            "use kind = 'randomization' or a coarser set of regressors",
        )


@dataclass(frozen=True)
class Spectrum:
    """I + U C U' by eigenvectors `directions` (n, r) in the span of U; elsewhere it is I.

    kept (r,) flags the eigenvalues `values` (r,) that are not null.
    """

    directions: Floats
    values: Floats
    kept: NDArray[np.bool_]

    def power(self, exponent: float, vectors: Floats) -> Floats:
        """Its power applied to vectors (n, p), null directions left out."""
        kept = self.kept
        factors = np.where(kept, np.where(kept, self.values, 1.0) ** exponent, 0.0)
        coordinates = self.directions.T @ vectors
        changed: Floats = vectors + self.directions @ ((factors - 1.0)[:, None] * coordinates)
        return changed


def spectrum(U: Floats, C: Floats) -> Spectrum:
    """Decompose I + U C U' for U (n, q) and symmetric C (q, q)."""
    Q, T = np.linalg.qr(U)
    values, E = np.linalg.eigh(np.eye(len(T)) + T @ C @ T.T)
    largest = max(float(values.max()), 1.0 if len(U) > len(T) else 0.0)
    return Spectrum(Q @ E, values, values > NULL * largest)


def _satterthwaite(
    design: FullDesign, own: Floats, plain: Floats, weighted: Floats, target: Target
) -> Floats:
    """Degrees of freedom (k,) that match two moments of each variance estimate."""
    df = np.empty(own.shape[1])
    for c in range(len(df)):
        u = plain[:, :, c]
        if design.even or target == "inverse-variance":
            P = np.diag(own[:, c]) - u @ design.inverse @ u.T
        else:
            cross = u @ design.inverse @ weighted[:, :, c].T
            P = np.diag(own[:, c]) - cross - cross.T + u @ design.spread @ u.T
        df[c] = np.trace(P) ** 2 / np.square(P).sum()
    return df


def leave_one_out(fit: LinearFit, clusters: Clusters) -> Floats:
    """Coefficients (G, k) without each cluster in turn, effects re-estimated each time, exactly.

    Raises BadInput if a coefficient rests on one cluster alone.
    """
    # Without instruments, regressors rotated to X'WX = I lose no digits in the cross-products.
    rotation = np.eye(len(fit.beta)) if fit.endogenous else np.linalg.cholesky(fit.bread)
    V = np.column_stack([fit.actual @ rotation, _excluded(fit), fit.y])
    total = (V * fit.weights[:, None]).T @ V
    out = np.empty((clusters.size, len(fit.beta)))
    for g, rest in enumerate(_without_each(fit, clusters, V, total)):
        try:
            out[g] = rotation @ _estimate(fit, rest, np.diag(total))
        except np.linalg.LinAlgError:
            raise BadInput(
                "inference",
                f"without cluster '{clusters.labels[g]}' of '{clusters.name}' the regressors have "
                "no variation of their own left, so the jackknife (CR3) does not exist",
                "use kind = 'randomization' or a coarser set of regressors",
            ) from None
    return out


def _without_each(
    fit: LinearFit, clusters: Clusters, V: Floats, total: Floats
) -> Iterator[Floats]:
    """Cross-products of V without each cluster, after the effects are absorbed anew."""
    crossing = any(not is_nested(e, clusters.codes) for e in fit.effects)
    design = full_design(fit) if crossing else None
    k = fit.X.shape[1]
    for rows in clusters.rows():
        root = np.sqrt(fit.weights[rows])[:, None]
        own = V[rows] * root
        dropped = own
        if design is not None:
            R, columns = design.block(rows)
            inverse = design.inverse[np.ix_(columns[k:], columns[k:])]
            dropped = spectrum(R[:, k:] * root, -inverse).power(-1.0, own)
        yield total - own.T @ dropped


def _estimate(fit: LinearFit, products: Floats, scale: Floats) -> Floats:
    """Coefficients (k,) from cross-products of [regressors, excluded instruments, outcome]."""
    k = fit.X.shape[1]
    unit = products / np.sqrt(np.outer(scale, scale))
    A, b = unit[:k, :k], unit[:k, -1]
    if fit.endogenous:
        exogenous = [j for j in range(k) if fit.terms[j] not in fit.endogenous]
        Z = [*exogenous, *range(k, len(unit) - 1)]
        first = np.linalg.solve(unit[np.ix_(Z, Z)], unit[np.ix_(Z, [*range(k), len(unit) - 1])])
        A, b = first[:, :k].T @ unit[np.ix_(Z, range(k))], unit[np.ix_(range(k), Z)] @ first[:, -1]
    if np.linalg.eigvalsh(A).min() < 1e-9:
        raise np.linalg.LinAlgError
    return np.linalg.solve(A, b) * np.sqrt(scale[-1] / scale[:k])


def _excluded(fit: LinearFit) -> Floats:
    return np.empty((fit.n_obs, 0)) if fit.instruments is None else fit.instruments


def jackknife(fit: LinearFit, clusters: Clusters) -> Floats:
    """CR3 (k, k): summed squares of the coefficients' changes when each cluster is left out.

    Without the factor (G-1)/G that some write before it.
    """
    changes = leave_one_out(fit, clusters) - fit.beta
    return changes.T @ changes
