"""All subsets of controls at once: sweeping shared prefixes instead of solving one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.design import Floats
from models.engine.crossproducts import NO_VARIATION
from models.sweep import sweep

Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]
Problem = tuple[Floats, Indices, Indices, Flags]  # root, controls, targets, subsets of a sample


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

    root (r, p) is some R with R'R = Z'WZ, columns of unit length; controls (m,) and
    targets (q,) are column indices. Solved by symmetric sweeps, then corrected once through R
    (corrected semi-normal equations, Bjorck 1987), which restores the accuracy of QR.
    """
    return residualise_together([(root, controls, targets, subsets)])[0]


def residualise_together(problems: Sequence[Problem]) -> list[Residualised]:
    """`residualise` for many samples at once: what it is given of each, and what it gives."""
    m = max(len(controls) for _, controls, _, _ in problems)
    q = max(len(targets) for _, _, targets, _ in problems)
    own = [_in_order(problem, m, q) for problem in problems]
    gram = np.stack([columns.T @ columns for columns in own], axis=2)
    counts = [subsets.shape[1] for _, _, _, subsets in problems]
    wanted = np.zeros((m, sum(counts)), dtype=bool)
    ends = np.cumsum(counts)
    for (_, controls, _, subsets), end in zip(problems, ends, strict=True):
        wanted[: len(controls), end - subsets.shape[1] : end] = subsets
    found = _sweep_prefixes(gram, m, wanted, np.repeat(np.arange(len(problems)), counts))
    makers = _makers(own, found, m)
    return [
        _of_problem(problem, makers, found, m, k, slice(end - count, end))
        for k, (problem, end, count) in enumerate(zip(problems, ends, counts, strict=True))
    ]


def _in_order(problem: Problem, m: int, q: int) -> Floats:
    """A sample's root (r, m + q): its controls, then its targets, zeros where it has fewer."""
    root, controls, targets, _ = problem
    columns = np.zeros((len(root), m + q))
    columns[:, : len(controls)] = root[:, controls]
    columns[:, m : m + len(targets)] = root[:, targets]
    return columns


@dataclass(frozen=True)
class _Nodes:
    """Swept matrices (p, p, nodes), sample by sample: `ends` is where each sample's nodes end.

    kept (m, nodes) says which controls entered, node (U,) which node each subset stands at.
    """

    swept: Floats
    kept: Flags
    node: Indices
    ends: Indices


def _makers(own: Sequence[Floats], found: _Nodes, m: int) -> Floats:
    """The makers (q, m + q, nodes) of all targets' residuals, corrected through the roots."""
    q = len(found.swept) - m
    makers = np.zeros((q, m + q, found.swept.shape[2]))
    makers[np.arange(q), m + np.arange(q)] = 1.0
    np.multiply(found.swept[:m, m:].transpose(1, 0, 2), found.kept, out=makers[:, :m])
    np.negative(makers[:, :m], out=makers[:, :m])
    gradient = np.empty((q, m, makers.shape[2]))
    start = 0
    for columns, end in zip(own, found.ends, strict=True):
        residual = columns @ makers[:, :, start:end]
        np.matmul(columns[:, :m].T, residual, out=gradient[:, :, start:end])
        start = end
    gradient *= found.kept
    makers[:, :m] += found.kept * np.einsum("jku,qku->qju", found.swept[:m, :m], gradient)
    return makers


def _of_problem(
    problem: Problem, makers: Floats, found: _Nodes, m: int, k: int, own: slice
) -> Residualised:
    """What belongs to sample k, whose subsets are `own`, in the order of its columns."""
    root, controls, targets, _ = problem
    start, end = (found.ends[k - 1] if k else 0), found.ends[k]
    node = found.node[own] - start
    makers = makers[: len(targets), :, start:end]
    coefficients = np.zeros((len(targets), root.shape[1], len(node)))
    coefficients[:, controls] = makers[:, : len(controls), node]
    coefficients[:, targets] = makers[:, m : m + len(targets), node]
    size = len(controls)
    kept = found.kept[:size, start:end][:, node]
    return Residualised(
        controls, targets, coefficients, kept, found.swept[:size, :size, start:end], node
    )


def _sweep_prefixes(gram: Floats, m: int, subsets: Flags, node: Indices) -> _Nodes:
    """Sweep each subset's part of the first m columns of grams (p, p, samples).

    subsets are (m, U), node (U,) says of which sample. Those of one sample that agree on the first
    j controls share those sweeps: a full lattice of 2^m subsets costs 2^m sweeps in all. Nodes are
    on the last axis of the matrices, which makes every step a long contiguous loop.
    """
    swept = np.ascontiguousarray(gram)
    home = np.arange(gram.shape[2])
    kept = np.zeros((m, len(home)), dtype=bool)
    for j in range(m):
        branch = 2 * node + subsets[j]  # node is the prefix that each subset belongs to
        present = np.bincount(branch) > 0
        branches, branch = np.flatnonzero(present), (np.cumsum(present) - 1)[branch]
        parent, wanted = branches // 2, branches % 2 == 1
        able = wanted & (swept[j, j, parent] > NO_VARIATION)
        plain, pivoted = np.flatnonzero(~able), np.flatnonzero(able)
        grown = np.empty((*gram.shape[:2], len(branches)))
        grown[:, :, : len(plain)] = _chosen(swept, parent[plain])
        sweep(_chosen(swept, parent[pivoted]), j, grown[:, :, len(plain) :])
        order = np.concatenate([plain, pivoted])
        swept, kept, home = grown, kept[:, parent[order]], home[parent[order]]
        node = _inverse(order)[branch]
        kept[j, len(plain) :] = True
    ends = np.cumsum(np.bincount(home, minlength=gram.shape[2]))
    if len(ends) == 1:
        return _Nodes(swept, kept, node, ends)
    order = np.argsort(home, kind="stable")
    return _Nodes(swept.take(order, axis=2), kept[:, order], _inverse(order)[node], ends)


def _inverse(order: Indices) -> Indices:
    """Where each place of an order (k,) has gone."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place


def _chosen(stack: Floats, which: Indices) -> Floats:
    """The matrices (p, p, U) of these nodes; no copy where that is all of them, each once."""
    everything = np.arange(stack.shape[2])
    return stack if np.array_equal(which, everything) else stack.take(which, axis=2)
