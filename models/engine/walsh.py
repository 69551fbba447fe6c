"""Quadratic forms in coded sign flips, by fast Walsh-Hadamard transforms.

The product of two clusters' signs is a sign too, that of the sum of their words (see
`sign_draws`). Entries of a form whose pairs have the same sum are therefore added up once, and a
Walsh-Hadamard transform of these sums gives the form's values for all draws: per specification
and draw some 64 multiplications instead of one for each pair of clusters.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from models.design import Floats
from models.engine.sign_draws import SignDraws, signs_of

BITS = 10  # of a transform, at most: two matrix products of 32 by 32


class QuadraticForms:
    """Values w'A w of any forms A (G, G), symmetric or not, for the draws w of a code.

    Draws that differ in no more than the BITS lowest bits of their numbers are one coset: the
    signs that the higher bits give are the same for all of them, and multiply the entries of A.
    `height` is how many values are computed for a form, at least as many as there are draws.
    """

    def __init__(self, draws: SignDraws) -> None:
        words, numbers = draws.words, draws.numbers
        low = min(BITS, int(numbers[0] ^ numbers[-1]).bit_length())
        cosets, which = np.unique(numbers >> low, return_inverse=True)
        self._places = (which << low) + (numbers & (1 << low) - 1)
        self.height = len(cosets) << low
        sums = (words[:, None] ^ words).ravel()
        bins = (sums & (1 << low) - 1)[:, None] + (np.arange(len(cosets)) << low)
        signs = signs_of(sums, cosets << low).astype(np.float64)
        ends = np.arange(0, bins.size + 1, len(cosets))
        shape = self.height, len(sums)
        self._gather = sp.csc_array((signs.ravel(), bins.ravel(), ends), shape=shape)
        self._first, self._second = hadamard(low - low // 2), hadamard(low // 2)

    def values(self, forms: Floats) -> Floats:
        """Values (S, D) for forms (S, G, G)."""
        n_forms, wide, narrow = len(forms), len(self._first), len(self._second)
        by_pair = np.ascontiguousarray(forms.reshape(n_forms, -1).T)
        summed = np.asarray(self._gather @ by_pair).reshape(-1, wide, narrow, n_forms)
        half = summed.transpose(0, 1, 3, 2) @ self._second
        whole = np.empty((n_forms, len(half), wide, narrow))
        np.matmul(self._first, half.transpose(2, 0, 1, 3), out=whole)
        return np.take(whole.reshape(n_forms, self.height), self._places, axis=1)


def hadamard(bits: int) -> Floats:
    """The Walsh-Hadamard matrix of 2^bits rows in natural order: the signs of all words."""
    every = np.arange(1 << bits)
    return signs_of(every, every).astype(np.float64)
