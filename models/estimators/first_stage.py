"""How strong the instruments are, in units that stay right without equal variances."""

from __future__ import annotations

import numpy as np
from scipy.special import chndtrix

from models.design import Design, Floats
from models.inference.measure import measure
from models.least_squares import LinearFit, fit_least_squares
from models.results import Test
from models.study import Inference

BIAS = 0.10  # tolerated bias, as a share of the worst case's


def effective_f(
    design: Design, treatment: Floats, controls: list[Floats], how: Inference
) -> tuple[Test, tuple[str, ...]]:
    """Effective F of one treatment (n,) on the instruments in `design.X` (n, l).

    Montiel Olea and Pflueger (2013): the first stage's explained variation over the trace of its
    robust variance in the same units; with one instrument it is the robust F. The note gives the
    critical value (their conservative one) for a bias of 10 % of the worst case, tested at 5 %.
    Below it a warning says so.
    """
    stage = reduced_form(design, treatment, controls)
    count = design.X.shape[1]
    slopes = stage.beta[:count]
    vcov = measure(stage, design, how).vcov
    assert vcov is not None
    product = instrument_products(stage, count)
    values, vectors = np.linalg.eigh(product)
    root = vectors * np.sqrt(values) @ vectors.T
    spread = root @ vcov[:count, :count] @ root
    trace = float(np.trace(spread))
    statistic = float(slopes @ product @ slopes) / trace
    critical = critical_value(spread)
    note = f"below {critical:.1f}, a bias above 10 % of the worst case is not ruled out"
    weak = f"weak instruments: effective F {statistic:.1f}, {note}; read the Anderson-Rubin set"
    test = Test("effective_f", statistic, None, None, note)
    return test, () if statistic >= critical else (weak,)


def reduced_form(design: Design, y: Floats, controls: list[Floats]) -> LinearFit:
    """y (n,) on instruments, controls and effects; the instruments' coefficients come first."""
    names = (*design.terms, *(f"control {j}" for j in range(len(controls))))
    X = np.column_stack([design.X, *controls])
    return fit_least_squares(y, X, names, design.weights, design.effects)


def instrument_products(stage: LinearFit, count: int) -> Floats:
    """Cross-products (l, l) of the instruments net of controls and effects."""
    return np.asarray(np.linalg.inv(stage.bread[:count, :count]))


def critical_value(spread: Floats) -> float:
    """The 95 % point of Patnaik's approximation to the weighted noncentral chi-squares."""
    far = 1.0 / BIAS
    trace = float(np.trace(spread))
    largest = float(np.linalg.eigvalsh(spread)[-1])
    df = trace**2 * (1.0 + 2.0 * far) / (float(np.sum(spread**2)) + 2.0 * far * trace * largest)
    return float(chndtrix(0.95, df, df * far)) / df
