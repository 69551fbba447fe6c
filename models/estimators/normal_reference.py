"""Coefficients whose tests and intervals rest on the normal distribution."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from models.design import Floats
from models.results import Term


def normal_terms(names: tuple[str, ...], beta: Floats, std_error: Floats) -> tuple[Term, ...]:
    """One Term for each of the m names, from beta and std_error (at least m, the first count)."""
    reach = float(ndtri(0.975))
    statistic = beta / std_error
    p_value = 2 * ndtr(-np.abs(statistic))
    columns = (beta, std_error, statistic, p_value, beta - reach * std_error,
               beta + reach * std_error)  # fmt: skip
    return tuple(
        Term(name, b, s, z, None, p, low, high)
        for name, b, s, z, p, low, high in zip(
            names, *(column.tolist() for column in columns), strict=False
        )
    )
