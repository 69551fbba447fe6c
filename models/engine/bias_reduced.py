"""CR2 with Satterthwaite degrees of freedom, and CR3, for many regressors from small matrices.

Bell and McCaffrey (2002), Pustejovsky and Tipton (2018), CR2 unweighted, with independent errors of
equal variance as the working model: what `models.inference.leverage` computes from the rows.

A cluster's leverage is C_g C_g' + u_g u_g', where the columns C span the rest of the model and u is
the regressor, both orthonormal; effects nested in clusters drop out. C_g is the same for all
regressors and decomposed once. The inverse square root of A = I - C_g C_g' - u_g u_g' needs no
further decomposition: it is the integral of (2 / pi) (A + t^2)^-1 over t from zero, with a rank-one
update at each node of the quadrature of Hale, Higham and Trefethen (2008, method 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ellipj, ellipkm1

from models.design import Floats

OWN = 1e-8  # a direction of which the model leaves less than this is the cluster's own: left out
NONE = 1e-12  # a direction of which a cluster has less than this plays no part in it
SMALLEST = 1e-10  # eigenvalue of A that the quadrature is made for


@dataclass(frozen=True)
class Leverage:
    """B regressors u in G clusters, after everything else is partialled out of them.

    values (G, q) and vectors (G, q, q) decompose C_g'C_g. own (G, B) holds u_g'u_g, shared
    (G, B, q) C_g'u_g, residuals (G, B, q) C_g'e_g and scores (G, B) u_g'e_g, for the residuals e of
    each regressor's model.
    """

    values: Floats
    vectors: Floats
    own: Floats
    shared: Floats
    residuals: Floats
    scores: Floats


def bias_reduced(leverage: Leverage) -> tuple[Floats, Floats]:
    """CR2 variances (B,) of the coefficients of u, and Satterthwaite degrees of freedom (B,).

    NaN for a regressor that one cluster (nearly) alone tells from the rest of the model, or of
    which that leaves nothing (NaN).
    """
    values, vectors = leverage.values, leverage.vectors
    roots = np.sqrt(values.clip(NONE))
    basis = np.where(values > NONE, 1.0, 0.0)[:, None, :] * vectors / roots[:, None, :]
    # in each cluster's eigenvectors, with what lies outside all of them as the last coordinate
    u, e = leverage.shared @ basis, leverage.residuals @ basis
    squares = _with_rest(u * u, leverage.own)
    products = _with_rest(u * e, leverage.scores)
    left = np.append(1.0 - values, np.ones((len(values), 1)), axis=1)
    inverse = np.divide(1.0, left, out=np.zeros_like(left), where=left > OWN)
    share = (squares @ inverse[:, :, None])[:, :, 0]  # u_g'u_g in the metric of the rest (G, B)
    bound = (1.0 - share) / inverse.max(axis=1)[:, None]  # of the eigenvalues of A, from below
    lonely = ~((1.0 - share > OWN) & (bound >= SMALLEST)).all(axis=0)
    smallest = float(bound[:, ~lonely].min(initial=1.0))
    adjusted, inside = _inverse_root(squares, products, left, smallest)
    outside = (u * roots[:, None, :] * inside[:, :, :-1]) @ vectors.transpose(0, 2, 1)
    own = np.einsum("gbk,gbk->gb", squares, inside)[:, :, None]
    variance = np.where(lonely, np.nan, np.einsum("gb,gb->b", adjusted, adjusted))
    kept = squares @ np.where(left > OWN, 1.0, 0.0)[:, :, None]
    return variance, _satterthwaite(np.append(own, outside, axis=2), kept[:, :, 0])


def jackknifed(leverage: Leverage) -> Floats:
    """CR3 variances (B,) of the coefficients of u: summed squares of their leave-one-out changes.

    NaN for a regressor of which some cluster's absence leaves nothing, or that is itself nothing.
    """
    left = 1.0 - leverage.values
    inverse = np.divide(1.0, left, out=np.zeros_like(left), where=left > OWN)
    u = leverage.shared @ leverage.vectors
    e = leverage.residuals @ leverage.vectors
    score = leverage.scores + ((u * e) @ inverse[:, :, None])[:, :, 0]
    rest = 1.0 - leverage.own - ((u * u) @ inverse[:, :, None])[:, :, 0]
    changes = np.divide(score, rest, out=np.full_like(rest, np.nan), where=rest > OWN)
    return np.einsum("gb,gb->b", changes, changes)


def _with_rest(inner: Floats, total: Floats) -> Floats:
    """Products (G, B, k) by eigenvector, and (k + 1) what they leave of the totals (G, B)."""
    found = np.empty((*total.shape, inner.shape[2] + 1))
    found[:, :, :-1] = inner
    np.subtract(total, inner.sum(axis=2), out=found[:, :, -1])
    return found


def _inverse_root(
    squares: Floats, products: Floats, left: Floats, smallest: float
) -> tuple[Floats, Floats]:
    """e'A^(-1/2) u (G, B), and the factors (G, B, k) by which A^(-1/2) multiplies u's coordinates.

    squares and products (G, B, k) are u and e times u by coordinate; A is diagonal with entries
    left (G, k), zero for a cluster's own, less u u'. `smallest` bounds its eigenvalues from below.
    """
    nodes, weights = _quadrature(smallest)
    inverse = np.where(left > OWN, 1.0, 0.0)[:, :, None] / (left[:, :, None] + nodes)  # (G, k, N)
    scaled = weights / (1.0 - squares @ inverse)  # (G, B, N)
    adjusted = np.einsum("gbn,gbn->gb", scaled, products @ inverse)
    return adjusted, scaled @ inverse.transpose(0, 2, 1)


def _quadrature(smallest: float) -> tuple[Floats, Floats]:
    """Nodes and weights (N,): x^(-1/2) = sum of weights / (x + nodes) for x in [smallest, 1]."""
    n_nodes = int(np.ceil(10.0 - 1.3 * np.log(smallest)))
    period = ellipkm1(smallest)
    sn, cn, dn, _ = ellipj((np.arange(n_nodes) + 0.5) * period / n_nodes, 1.0 - smallest)
    weights: Floats = 2.0 / np.pi * period / n_nodes * np.sqrt(smallest) * dn / cn**2
    return np.asarray(smallest * (sn / cn) ** 2, dtype=np.float64), weights


def _satterthwaite(inside: Floats, diagonal: Floats) -> Floats:
    """Degrees of freedom (B,) from U_g'A^(-1/2) u_g (G, B, q).

    The diagonal (G, B) of the quadratic form, u_g'u_g, is given: as the difference of two large
    numbers it would lose its digits where a cluster weighs heavily.
    """
    by_regressor = np.ascontiguousarray(inside.transpose(1, 0, 2))
    form = -by_regressor @ by_regressor.transpose(0, 2, 1)
    np.einsum("bgg->bg", form)[...] = diagonal.T
    trace: Floats = np.einsum("bgg->b", form)
    return trace**2 / np.einsum("bgh,bgh->b", form, form)
