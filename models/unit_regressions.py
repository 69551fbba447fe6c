"""One least-squares regression per unit, all units at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.design import Codes, Floats
from models.least_squares import COLLINEAR


@dataclass(frozen=True)
class UnitRegressions:
    """The m units that could be fitted, of N: `units` (m,) says which.

    beta (m, k); rss and n_rows (m,); inverse (m, k, k) are the inv(X_i'X_i).
    """

    units: Codes
    beta: Floats
    rss: Floats
    n_rows: Codes
    inverse: Floats

    @property
    def variance(self) -> Floats:
        """Each unit's error variance (m,), degrees of freedom counted."""
        return self.rss / (self.n_rows - self.beta.shape[1])


def regress_units(y: Floats, X: Floats) -> UnitRegressions:
    """Regress y (N, S) on X (N, S, k) unit by unit; NaN marks missing rows, any NaN drops the row.

    A unit without at least k + 1 rows, or whose regressors are collinear, is left out. By QR of
    zero-padded blocks, so that no digits are squared away.
    """
    known = np.asarray(np.isfinite(y) & np.isfinite(X).all(axis=2))
    padded_y = np.where(known, y, 0.0)
    padded = with_room(np.where(known[:, :, None], X, 0.0))
    Q, R = np.linalg.qr(padded)
    n_rows: Codes = known.sum(axis=1)
    fitted = np.flatnonzero((n_rows > X.shape[2]) & full_rank(padded, R))
    coordinates = np.einsum("isk,is->ik", Q[:, : y.shape[1]], padded_y)[fitted]
    inverse_root = np.linalg.inv(R[fitted])
    beta = np.einsum("ijk,ik->ij", inverse_root, coordinates)
    residuals = padded_y[fitted] - np.einsum("isk,ik->is", padded[fitted, : y.shape[1]], beta)
    return UnitRegressions(
        units=fitted,
        beta=beta,
        rss=(residuals**2).sum(axis=1),
        n_rows=n_rows[fitted],
        inverse=inverse_root @ np.swapaxes(inverse_root, 1, 2),
    )


def with_room(X: Floats) -> Floats:
    """X (N, S, k) with rows of zeros added where a unit has fewer periods than columns."""
    short = max(X.shape[2] - X.shape[1], 0)
    return np.pad(X, ((0, 0), (0, short), (0, 0)))


def full_rank(X: Floats, R: Floats) -> NDArray[np.bool_]:
    """Which units (N,) have independent columns in X (N, S, k), given its triangles (N, k, k)."""
    length = np.linalg.norm(X, axis=1)
    left = np.abs(np.diagonal(R, axis1=1, axis2=2))
    return np.asarray(((left > COLLINEAR * length) & (length > 0)).all(axis=1))


def remove(Z: Floats, values: Floats) -> Floats:
    """values (N, S, p) less their projection on Z (N, S, q), unit by unit, NaN where missing."""
    known = np.asarray(np.isfinite(values).all(axis=2) & np.isfinite(Z).all(axis=2))
    Q, _ = np.linalg.qr(with_room(np.where(known[:, :, None], Z, 0.0)))
    Q = Q[:, : values.shape[1]]
    kept = np.where(known[:, :, None], values, 0.0)
    left = kept - Q @ (np.swapaxes(Q, 1, 2) @ kept)
    return np.where(known[:, :, None], left, np.nan)
