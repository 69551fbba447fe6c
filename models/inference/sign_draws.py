"""Sign flips of clusters that form a random linear code.

Each cluster g gets a word c_g of k bits, drawn at random, and the draw with number x flips the
clusters whose words have an odd number of bits in common with x. No word is zero and no two are the
same (as long as there are enough): over all 2^k draws, zero among them, which are the data
themselves, each cluster's signs then add up to zero, and so do the products of any two clusters'.
Half-samples balanced like this are McCarthy's (1969); forms of second order have the mean over
them that they have over all sign vectors, so that p-values vary less from seed to seed than with
independent draws. The words have full rank, so that no draw repeats another or the data, and none
flips all clusters, so that none is another's mirror image. What it is for: signs of two clusters
multiply as words add, so that a quadratic form in the signs is, over 2^k draws, one Walsh-Hadamard
transform of length 2^k (see `walsh`).

All of this is said of the clusters together: a sample that has a few of them meets the same signs
more than once, as with independent draws, and in rare codes not all that it could.

The code is a group, of which D draws and the data are but a part where D + 1 is no power of two.
For a test of sign symmetry to be exact nonetheless, the data take the place of one of the numbers
0 to D at random, and all signs are taken relative to that one's: under the null all D + 1 curves
are then equally likely to be the observed one (Hemerik and Goeman 2018 for groups and their random
parts; Ramdas, Barber, Candes and Tibshirani 2023 for any set with a random point of reference).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.design import Codes

FEW_CLUSTERS = 12  # up to here all 2^G sign vectors are taken instead of a random sample
Signs = NDArray[np.int8]  # +-1, an eighth of the memory


@dataclass(frozen=True)
class SignDraws:
    """D draws of signs for G clusters: words (G,) of the clusters, ascending numbers (D,)."""

    words: Codes
    numbers: Codes

    def __len__(self) -> int:
        return len(self.numbers)

    def of(self, clusters: Codes) -> SignDraws:
        """The same draws for some of the clusters, by their places."""
        return replace(self, words=self.words[clusters])

    def pairs(self) -> SignDraws:
        """The same draws for all pairs of clusters (G^2): their signs multiply as words add."""
        return replace(self, words=(self.words[:, None] ^ self.words).ravel())

    def signs(self) -> Signs:
        """The signs themselves (G, D)."""
        return signs_of(self.words, self.numbers)

    def parts(self, most: int) -> Iterator[SignDraws]:
        """The draws in turn, at most `most` (or one) at a time, that share the highest bits.

        A part is then a coset, or a piece of one, and takes no longer a transform than it needs.
        """
        low = max(1, most).bit_length() - 1
        starts = np.flatnonzero(np.diff(self.numbers >> low)) + 1
        return (replace(self, numbers=some) for some in np.split(self.numbers, starts))


def signs_of(words: Codes, numbers: Codes) -> Signs:
    """-1 (G, D) where a word (G,) and a number (D,) share an odd number of bits, else +1."""
    odd = np.bitwise_count(words.astype(np.uint32)[:, None] & numbers.astype(np.uint32)) & 1
    return 1 - 2 * odd.astype(np.int8)


def coded_draws(n_clusters: int, draws: int, seed: int) -> tuple[SignDraws, bool]:
    """Draws of signs, and whether they are all 2^G sign vectors, the data's own among them.

    They are where clusters are few: up to FEW_CLUSTERS, or no more than bits in `draws`.
    """
    bits = draws.bit_length()  # the least k with 2^k > draws
    if n_clusters <= max(FEW_CLUSTERS, bits):
        return SignDraws(1 << np.arange(n_clusters), np.arange(2**n_clusters)), True
    rng = np.random.default_rng(seed)
    words = _words(n_clusters, bits, rng)
    data, every = rng.integers(0, draws + 1), np.arange(2**bits)
    return SignDraws(words, every[every ^ data <= draws][1:]), False


def _words(n_clusters: int, bits: int, rng: np.random.Generator) -> Codes:
    """Words (G,) other than zero, each once before any is drawn again."""
    every = np.arange(1, 2**bits)
    rounds = -(-n_clusters // len(every))
    while True:
        words = np.concatenate([rng.permutation(every) for _ in range(rounds)])[:n_clusters]
        # with a bit that all have, lest one draw flips all of them
        if _full_rank(words | 2**bits, bits + 1):
            return words


def _full_rank(words: Codes, bits: int) -> bool:
    """Whether the words, vectors over GF(2), span all 2^bits of them."""
    left = words.copy()
    for bit in range(bits):
        holding = left >> bit & 1
        if not holding.any():
            return False
        left ^= holding * left[np.argmax(holding)]
    return True
