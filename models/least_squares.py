"""Least squares after the effects are absorbed: what every linear estimator hands to inference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from data.errors import BadInput
from models.absorb import absorb
from models.design import Codes, Floats

# What is left of a column after projection counts as round-off below this share of its length.
COLLINEAR = 1e-9


@dataclass(frozen=True)
class LinearFit:
    """A (weighted, possibly instrumented) linear fit on transformed data.

    y (n,) and X (n, k) are the outcome and regressors after the transformation (effects absorbed,
    differenced, quasi-demeaned), not multiplied by root weights; for two-stage least squares X
    holds the first-stage fitted values, `regressors` (n, k) the actual transformed ones,
    `instruments` (n, l) the transformed excluded ones and `endogenous` the names of the
    instrumented terms. residuals (n,) are y - (actual regressors) beta. bread (k, k) is
    inv(X' W X). weights (n,) are ones where the study names none, and are scaled to mean one.
    effects are the absorbed code arrays, n_absorbed their joint rank (0 if none).
    """

    terms: tuple[str, ...]
    y: Floats
    X: Floats
    beta: Floats
    residuals: Floats
    weights: Floats
    bread: Floats
    effects: tuple[Codes, ...]
    n_absorbed: int
    instruments: Floats | None = None
    regressors: Floats | None = None
    endogenous: tuple[str, ...] = ()

    @property
    def scores(self) -> Floats:
        """Each row's contribution (n, k) to the first-order conditions."""
        return self.X * (self.weights * self.residuals)[:, None]

    @property
    def actual(self) -> Floats:
        """The transformed regressors (n, k) as observed, instrumented or not."""
        return self.X if self.regressors is None else self.regressors

    @property
    def n_obs(self) -> int:
        """Rows of the fit."""
        return len(self.y)


def fit_least_squares(
    y: Floats,
    X: Floats,
    terms: tuple[str, ...],
    weights: Floats | None = None,
    effects: tuple[Codes, ...] = (),
    endogenous: tuple[str, ...] = (),
    instruments: Floats | None = None,
) -> LinearFit:
    """Fit y (n,) on X (n, k) by (weighted, two-stage) least squares, the effects absorbed exactly.

    `endogenous` names the terms to be instrumented by `instruments` (n, l), the excluded ones.
    Raises BadInput for an outcome or regressor without variation left, perfect collinearity, too
    few instruments, or no more rows than parameters.
    """
    w = np.ones(len(y)) if weights is None else weights / weights.mean()
    absorption = absorb(effects, None if weights is None else w, len(y))
    excluded = np.empty((len(y), 0)) if instruments is None else instruments
    projected = absorption.residual(np.column_stack([y, X, excluded]))
    y_, X_, Z_ = np.split(projected, [1, 1 + X.shape[1]], axis=1)
    _require_rows(len(y), X.shape[1] + absorption.rank)
    _require_outcome(y_, w, y[:, None])
    _require_independent(X_, w, terms, X)
    fitted = _first_stage(X_, Z_, w, terms, endogenous) if endogenous else X_
    beta, bread = _solve(y_[:, 0], fitted, w)
    residuals = y_[:, 0] - X_ @ beta
    instrumented = {"instruments": Z_, "regressors": X_} if endogenous else {}
    return LinearFit(
        terms, y_[:, 0], fitted, beta, residuals, w, bread, effects, absorption.rank,
        endogenous=endogenous, **instrumented,
    )  # fmt: skip


def collinear_columns(
    X: Floats, weights: Floats | None, original: Floats | None = None
) -> list[int]:
    """Columns of X (n, k) that earlier ones span, or of which a transformation left nothing.

    `original` (n, k) holds the columns before the transformation. The first of a set of dependent
    columns is kept, so that regressors of interest, which come first, are the last to go.
    """
    root = np.ones(len(X)) if weights is None else np.sqrt(weights)
    rooted = X * root[:, None]
    length = np.linalg.norm(rooted, axis=0)
    before = length if original is None else np.linalg.norm(_centred(original, root), axis=0)
    alive = length > COLLINEAR * before
    _, triangle = np.linalg.qr(rooted / np.where(alive, length, 1.0))
    basis = np.zeros((len(triangle), 0))
    dropped = []
    for j in range(X.shape[1]):
        rest = triangle[:, j] - basis @ (basis.T @ triangle[:, j])
        rest -= basis @ (basis.T @ rest)  # twice is enough
        size = np.linalg.norm(rest)
        if not alive[j] or size <= COLLINEAR:
            dropped.append(j)
        else:
            basis = np.column_stack([basis, rest / size])
    return dropped


def independent(products: Floats) -> bool:
    """Whether a variance or matrix of cross-products (k, k) has full rank, whatever the units."""
    diagonal = np.diag(products)
    if not (diagonal > 0.0).all():
        return False
    root = np.sqrt(diagonal)
    return bool(np.linalg.matrix_rank(products / np.outer(root, root)) == len(products))


def _centred(X: Floats, root: Floats) -> Floats:
    """Columns less their weighted means, times root weights; a constant keeps its length."""
    means = np.average(X, axis=0, weights=root**2)
    varies = np.ptp(X, axis=0) > COLLINEAR * np.abs(means)
    return (X - np.where(varies, means, 0.0)) * root[:, None]


def _solve(y: Floats, X: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Coefficients (k,) and inv(X'WX) (k, k), by QR so that no digits are squared away."""
    root = np.sqrt(weights)
    Q, R = np.linalg.qr(X * root[:, None])
    inverse = solve_triangular(R, np.eye(len(R)))
    return inverse @ (Q.T @ (y * root)), inverse @ inverse.T


def _first_stage(
    X: Floats, Z: Floats, weights: Floats, terms: tuple[str, ...], endogenous: tuple[str, ...]
) -> Floats:
    """X with the endogenous columns replaced by their projection on all instruments."""
    columns = [terms.index(name) for name in endogenous]
    others = [j for j in range(len(terms)) if j not in columns]
    base = np.column_stack([X[:, others], Z])
    spare = collinear_columns(base, weights)
    if any(j < len(others) for j in spare) or Z.shape[1] - len(spare) < len(columns):
        raise BadInput(
            "instruments",
            f"{Z.shape[1] - len(spare)} usable for {len(columns)} instrumented regressor(s)",
            "name at least as many instruments as instrumented regressors, none of them absorbed "
            "by the effects or a combination of the others",
        )
    base = np.delete(base, spare, axis=1)
    root = np.sqrt(weights)[:, None]
    Q, R = np.linalg.qr(base * root)
    fitted = X.copy()
    fitted[:, columns] = base @ solve_triangular(R, Q.T @ (X[:, columns] * root))
    fault = "not moved by the instruments apart from the other regressors"
    _require_independent(fitted, weights, terms, X, fault)
    return fitted


def _require_rows(n: int, parameters: int) -> None:
    if n <= parameters:
        raise BadInput(
            "sample",
            f"{n} rows for {parameters} parameters (effects included)",
            "use fewer regressors or effects, or a larger sample",
        )


def _require_outcome(left: Floats, weights: Floats, original: Floats) -> None:
    """Raises BadInput where a transformation left nothing but round-off of the outcome (n, 1)."""
    if collinear_columns(left, weights, original):
        raise BadInput(
            "outcome",
            "constant, or the effects explain all of it: nothing is left for regressors",
            "use fewer effects, or an outcome that varies",
        )


def _require_independent(
    X: Floats,
    weights: Floats,
    terms: tuple[str, ...],
    original: Floats,
    fault: str = "constant, absorbed by the effects, or a combination of the other regressors",
) -> None:
    spare = collinear_columns(X, weights, original)
    if spare:
        names = ", ".join(f"'{terms[j]}'" for j in spare)
        raise BadInput("regressors", f"{names}: {fault}", "drop it or choose other effects")
