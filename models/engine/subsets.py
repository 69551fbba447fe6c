"""All subsets of controls at once: sweeping shared prefixes instead of solving one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.design import Floats
from models.engine.crossproducts import NO_VARIATION
from models.sweep import sweep

Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Residualised:
    """Target columns after least squares on each of U subsets of controls.

    coefficients (q, p, U): the residual of target i under subset u is Z @ coefficients[i, :, u],
    so entry (target, target) is one and the swept controls carry minus their coefficient.
    kept (m, U) says which controls entered: those asked for, less those that are collinear with
    the ones before them. controls (m,) and targets (q,) are their columns. The swept matrices
    (m, m, nodes) of the controls are kept as they came out; node (U,) says which is whose.
    """

    controls: Indices
    targets: Indices
    coefficients: Floats
    kept: Flags
    swept: Floats
    node: Indices

    def inverse(self, subset: Indices) -> Floats:
        """Inverses (S, m, m) of the kept controls' cross-products, zero for the others."""
        kept = self.kept[:, subset]
        inverse = self.swept[:, :, self.node[subset]]
        return -(inverse * (kept[:, None] & kept[None, :])).transpose(2, 0, 1)


def residualise(root: Floats, controls: Indices, targets: Indices, subsets: Flags) -> Residualised:
    """Residual-makers of the target columns under each subset (m, U) of the control columns.

    root (p, p) is the triangle R with R'R = Z'WZ, columns of unit length; controls (m,) and
    targets (q,) are column indices. Solved by symmetric sweeps, then corrected once through R
    (corrected semi-normal equations, Bjorck 1987), which restores the accuracy of QR.
    """
    m, q = len(controls), len(targets)
    own = root[:, np.concatenate([controls, targets])]
    swept, kept, node = _sweep_prefixes(own.T @ own, m, subsets)
    makers = np.zeros((q, m + q, swept.shape[2]))
    for i in range(q):
        maker = makers[i]
        maker[m + i] = 1.0
        np.multiply(swept[:m, m + i], kept, out=maker[:m])
        np.negative(maker[:m], out=maker[:m])
        gradient = own[:, :m].T @ (own @ maker)
        gradient *= kept
        maker[:m] += kept * np.einsum("jku,ku->ju", swept[:m, :m], gradient)
    coefficients = np.zeros((q, len(root), len(node)))
    places = np.concatenate([controls, targets])
    for i in range(q):
        coefficients[i, places] = makers[i][:, node]
    return Residualised(controls, targets, coefficients, kept[:, node], swept[:m, :m], node)


def _sweep_prefixes(gram: Floats, m: int, subsets: Flags) -> tuple[Floats, Flags, Indices]:
    """Sweep each subset's part of the first m columns of gram (p, p); subsets are (m, U).

    Subsets that agree on the first j controls share those sweeps: a full lattice of 2^m subsets
    costs 2^m sweeps in all. Returns the swept matrices (p, p, nodes), whose last axis makes every
    step a long contiguous loop, which controls each kept (m, nodes), and each subset's node (U,).
    """
    swept = np.ascontiguousarray(gram[:, :, None])
    kept = np.zeros((m, 1), dtype=bool)
    node = np.zeros(subsets.shape[1], dtype=np.int64)  # the prefix each subset belongs to
    for j in range(m):
        branch = 2 * node + subsets[j]
        present = np.bincount(branch) > 0
        branches, branch = np.flatnonzero(present), (np.cumsum(present) - 1)[branch]
        parent, wanted = branches // 2, branches % 2 == 1
        able = wanted & (swept[j, j, parent] > NO_VARIATION)
        plain, pivoted = np.flatnonzero(~able), np.flatnonzero(able)
        grown = np.empty((*gram.shape, len(branches)))
        grown[:, :, : len(plain)] = _chosen(swept, parent[plain])
        sweep(_chosen(swept, parent[pivoted]), j, grown[:, :, len(plain) :])
        place = np.empty(len(branches), dtype=np.int64)
        order = np.concatenate([plain, pivoted])
        place[order] = np.arange(len(branches))
        swept, kept, node = grown, kept[:, parent[order]], place[branch]
        kept[j, len(plain) :] = True
    return swept, kept, node


def _chosen(stack: Floats, which: Indices) -> Floats:
    """The matrices (p, p, U) of these nodes, in ascending order; no copy where that is all."""
    return stack if len(which) == stack.shape[2] else stack[:, :, which]
