"""All subsets of controls at once: sweeping shared prefixes instead of solving one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.design import Floats
from models.engine.crossproducts import NO_VARIATION

Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Residualised:
    """Target columns after least squares on each of U subsets of controls.

    coefficients (q, p, U): the residual of target i under subset u is Z @ coefficients[i, :, u],
    so entry (target, target) is one and the swept controls carry minus their coefficient.
    kept (m, U) says which controls entered: those asked for, less those that are collinear with
    the ones before them. inverse (m, m, U) inverts the kept controls' cross-products, and is zero
    elsewhere.
    """

    coefficients: Floats
    kept: Flags
    inverse: Floats


def residualise(root: Floats, controls: Indices, targets: Indices, subsets: Flags) -> Residualised:
    """Residual-makers of the target columns under each subset (m, U) of the control columns.

    root (p, p) is the triangle R with R'R = Z'WZ, columns of unit length; controls (m,) and
    targets (q,) are column indices. Solved by symmetric sweeps, then corrected once through R
    (corrected semi-normal equations, Bjorck 1987), which restores the accuracy of QR.
    """
    order = np.lexsort((*subsets[::-1], np.zeros(subsets.shape[1])))
    swept, kept = _sweep_prefixes(root.T @ root, controls, subsets[:, order])
    back = np.argsort(order)
    swept, kept = swept[:, :, back], kept[:, back]
    inverse = -swept[np.ix_(controls, controls)] * (kept[:, None] & kept[None, :])
    coefficients = np.zeros((len(targets), len(root), subsets.shape[1]))
    for i, target in enumerate(targets):
        coefficient = coefficients[i]
        coefficient[target] = 1.0
        coefficient[controls] = -swept[controls, target] * kept
        gradient = root.T @ (root @ coefficient)
        coefficient[controls] -= np.einsum("jku,ku->ju", inverse, gradient[controls])
    return Residualised(coefficients, kept, inverse)


def _sweep_prefixes(gram: Floats, controls: Indices, subsets: Flags) -> tuple[Floats, Flags]:
    """Sweep each subset's controls out of gram (p, p); subsets (m, U) sorted, first control first.

    Subsets that agree on the first j controls share those sweeps: a full lattice of 2^m subsets
    costs 2^m sweeps in all. Returns the swept matrices (p, p, U), whose last axis makes every
    step a long contiguous loop, and which controls were kept.
    """
    swept = gram[:, :, None]
    kept = np.zeros((0, 1), dtype=bool)
    node = np.zeros(subsets.shape[1], dtype=np.int64)  # the prefix each subset belongs to
    for j, control in enumerate(controls):
        branch = 2 * node + subsets[j]
        branches, node = np.unique(branch, return_inverse=True)
        parent, wanted = branches // 2, branches % 2 == 1
        swept, kept = swept[:, :, parent], kept[:, parent]
        able = wanted & (swept[control, control] > NO_VARIATION)
        swept[:, :, able] = sweep(swept[:, :, able], int(control))
        kept = np.vstack([kept, able])
    return swept[:, :, node], kept[:, node]


def sweep(stack: Floats, pivot: int) -> Floats:
    """Symmetric sweep of matrices (p, p, U) on one pivot: the regression on that column.

    Afterwards entry (i, pivot) is the coefficient of i on the pivot, entries away from the pivot
    are residual cross-products, and (pivot, pivot) is minus the inverse.
    """
    row = stack[pivot]
    scaled = row / row[pivot]
    result = stack - row[:, None] * scaled[None, :]
    result[pivot] = scaled
    result[:, pivot] = scaled
    result[pivot, pivot] = -1.0 / row[pivot]
    return result
