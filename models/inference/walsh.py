"""Sums of numbers whose signs coded draws flip, by fast Walsh-Hadamard transforms.

Numbers whose words agree in the lowest bits (see `sign_draws`) are added up once for a thousand
draws, and a Walsh-Hadamard transform of these sums gives the sum of all under each draw: some 64
multiplications a draw. A quadratic form in the signs is such a sum too: of its entries, each with
the sign of a pair of clusters.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from models.design import Floats
from models.inference.sign_draws import SignDraws, signs_of

BITS = 10  # of a transform, at most: two matrix products of 32 by 32


class SignedSums:
    """Sums of G numbers with the signs of all D draws; for forms (G, G), those of `draws.pairs()`.

    Draws that differ in no more than the BITS lowest bits of their numbers are one coset: the
    signs that the higher bits give are the same for all of them, and multiply the numbers.
    `height` is how many sums are computed, at least as many as there are draws.
    """

    def __init__(self, draws: SignDraws) -> None:
        words, numbers = draws.words, draws.numbers
        low = min(BITS, int(numbers[0] ^ numbers[-1]).bit_length())
        high = numbers >> low
        begins = np.append(True, high[1:] != high[:-1])
        cosets = high[begins]
        self._places = (np.cumsum(begins) - 1 << low) + (numbers & (1 << low) - 1)
        self.height = len(cosets) << low
        bins = (words & (1 << low) - 1)[:, None] + (np.arange(len(cosets)) << low)
        signs = signs_of(words, cosets << low).astype(np.float64)
        ends = np.arange(0, bins.size + 1, len(cosets))
        shape = self.height, len(words)
        self._gather = sp.csc_array((signs.ravel(), bins.ravel(), ends), shape=shape)
        self._first, self._second = hadamard(low - low // 2), hadamard(low // 2)

    def of(self, values: Floats, out: Floats | None = None) -> Floats:
        """Sums (S, D) of values (S, G), into `out` where given."""
        n, wide, narrow = len(values), len(self._first), len(self._second)
        summed = self._gather @ np.ascontiguousarray(values.T)
        half = np.asarray(summed).reshape(-1, wide, narrow, n).transpose(0, 1, 3, 2) @ self._second
        whole = np.empty((n, len(half), wide, narrow))
        np.matmul(self._first, half.transpose(2, 0, 1, 3), out=whole)
        by_draw = whole.reshape(n, self.height)
        # clipped, though none is beyond: NumPy then writes into `out` itself
        return np.take(by_draw, self._places, axis=1, out=out, mode="clip")


def hadamard(bits: int) -> Floats:
    """The Walsh-Hadamard matrix of 2^bits rows in natural order: the signs of all words."""
    every = np.arange(1 << bits)
    return signs_of(every, every).astype(np.float64)
