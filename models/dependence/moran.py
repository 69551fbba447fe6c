"""Moran's I: are neighbours' errors alike?

Judged against all ways to deal the units' whole series to the places on the map (Cliff and Ord
1981; Mantel 1967 for several periods), so that correlation over time does no harm.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from data.errors import BadInput
from models.design import Floats
from models.results import Test


def morans_i(residuals: Floats, W: Floats) -> Test:
    """Moran's I of residuals (N, S), NaN where missing, for weights W (N, N) without diagonal.

    The statistic is I less its permutation mean over its permutation deviation, standard normal
    for many units; the note gives I. Raises BadInput for fewer than four units.
    """
    n = len(residuals)
    if n < 4:
        raise BadInput("diagnostics", f"Moran's I of {n} units", 'drop "moran"')
    values = np.nan_to_num(residuals)
    products = values @ values.T
    scale = n / float(W.sum()) / float(np.trace(products))
    np.fill_diagonal(products, 0.0)
    mean, variance = permutation_moments(W, products)
    index = float((W * products).sum())
    statistic = (index - mean) / float(np.sqrt(variance))
    p_value = float(2 * ndtr(-abs(statistic)))
    return Test("morans_i", statistic, None, p_value, f"I = {scale * index:.4f}")


def permutation_moments(A: Floats, B: Floats) -> tuple[float, float]:
    """Mean and variance of sum_ij A_ij B_p(i)p(j) over permutations p; zero diagonals."""
    n = len(A)
    (a1, a2, a3), (b1, b2, b3) = _sums(A), _sums(B)
    pairs, triples = n * (n - 1), n * (n - 1) * (n - 2)
    square = a2 * b2 / (2 * pairs) + (a3 - 2 * a2) * (b3 - 2 * b2) / (4 * triples)
    square += (a1**2 - a3 + a2) * (b1**2 - b3 + b2) / (triples * (n - 3))
    mean = a1 * b1 / pairs
    return mean, square - mean**2


def _sums(A: Floats) -> tuple[float, float, float]:
    """The sum, half the squared two-way entries, and the squared two-way margins."""
    both = A + A.T
    return float(A.sum()), float((both**2).sum()) / 2, float((both.sum(axis=1) ** 2).sum())
