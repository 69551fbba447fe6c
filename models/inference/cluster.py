"""Clusters: their codes, their number, and the plain sandwich variances (CR0, CR1, two-way)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import BadInput
from models.absorb import dense_codes, group_sums, is_nested, joint_rank
from models.design import Codes, Design, Floats
from models.least_squares import LinearFit


@dataclass(frozen=True)
class Clusters:
    """One way of grouping the n rows: codes (n,) 0..size-1 and a label for each cluster."""

    name: str
    codes: Codes
    labels: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of clusters."""
        return len(self.labels)

    def rows(self) -> list[NDArray[np.intp]]:
        """Row numbers of each cluster."""
        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes, minlength=self.size))
        return np.split(order, ends[:-1])


def find_clusters(design: Design, name: str) -> Clusters:
    """The grouping called "unit", "time", "parent", or any column of the design.

    Raises BadInput if there is none of that name, or if it has a single cluster.
    """
    where = f"inference.by = '{name}'"
    found = _grouping(design, name)
    if found is None:
        raise BadInput(where, "the panel has no such column", "name unit, time, parent or a column")
    codes, labels = found
    if len(labels) < 2:
        raise BadInput(
            where,
            "all rows fall into one cluster, so nothing tells how clusters vary",
            "cluster by a finer column, or use kind = 'driscoll-kraay' with many periods",
        )
    return Clusters(name, codes, labels)


def _grouping(design: Design, name: str) -> tuple[Codes, tuple[str, ...]] | None:
    """Codes (n,) without gaps and their labels, or None if the design has no such column."""
    if name in design.columns:
        values, codes = np.unique(np.asarray(design.columns[name]), return_inverse=True)
        return codes.astype(np.int64), tuple(str(value) for value in values)
    known: dict[str, tuple[Codes | None, NDArray[np.generic]]] = {
        "unit": (design.unit, design.units),
        "time": (design.time, design.times),
        "parent": (design.parent, np.empty(0)),
    }
    raw, names = known.get(name, (None, np.empty(0)))
    if raw is None:
        return None
    present = np.flatnonzero(np.bincount(raw))
    return dense_codes(raw), tuple(str(names[i] if len(names) else i) for i in present)


def intersect(first: Clusters, second: Clusters) -> Codes:
    """Codes (n,) of the pairs of two groupings that occur."""
    return dense_codes(first.codes * second.size + second.codes)


def counted_parameters(fit: LinearFit, groupings: Sequence[Codes]) -> int:
    """K of the small-sample factor: coefficients, and effects not nested in any grouping.

    Nested effects together count as one, the constant that they contain (the convention of
    Stata's xtreg and R's fixest).
    """
    nested = tuple(e for e in fit.effects if any(is_nested(e, codes) for codes in groupings))
    if not nested:
        return len(fit.terms) + fit.n_absorbed
    return len(fit.terms) + fit.n_absorbed - joint_rank(nested, fit.n_obs) + 1


def cluster_scores(fit: LinearFit, codes: Codes) -> Floats:
    """Scores summed by cluster (G, k)."""
    return group_sums(codes, fit.scores, None, int(codes.max()) + 1)


def sandwich(fit: LinearFit, codes: Codes) -> Floats:
    """Cluster-robust variance (k, k) without any small-sample factor: CR0."""
    influence = cluster_scores(fit, codes) @ fit.bread
    return influence.T @ influence


def small_sample_factor(n_clusters: int, n: int, parameters: int) -> float:
    """G/(G-1) x (N-1)/(N-K), the factor of CR1."""
    return n_clusters / (n_clusters - 1) * (n - 1) / (n - parameters)


def two_way(fit: LinearFit, first: Clusters, second: Clusters, corrected: bool) -> Floats:
    """Variance (k, k) clustered both ways: V1 + V2 - V12, each with its own G/(G-1).

    Cameron, Gelbach and Miller (2011). May have negative eigenvalues: see `repair`.
    """
    both = intersect(first, second)
    parameters = counted_parameters(fit, [first.codes, second.codes])
    total = np.zeros_like(fit.bread)
    for codes, sign in ((first.codes, 1.0), (second.codes, 1.0), (both, -1.0)):
        size = int(codes.max()) + 1
        factor = small_sample_factor(size, fit.n_obs, parameters) if corrected else 1.0
        total += sign * factor * sandwich(fit, codes)
    return total


def repair(vcov: Floats) -> tuple[Floats, bool]:
    """The nearest variance without negative eigenvalues, and whether anything was changed."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(vcov)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(vcov / np.outer(scale, scale))
    if values.min() >= -1e-12 * np.abs(values).max():
        return vcov, False
    repaired = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return repaired * np.outer(scale, scale), True


def effective_clusters(fit: LinearFit, codes: Codes) -> Floats:
    """Effective number of clusters of each coefficient (k,), for errors independent in clusters.

    G / (1 + squared coefficient of variation of the clusters' shares in the variance), after
    Carter, Schnepel and Steigerwald (2017).
    """
    influence = ((fit.X * fit.weights[:, None]) @ fit.bread) ** 2
    shares = group_sums(codes, influence, None, int(codes.max()) + 1)
    means = shares.mean(axis=0)
    spread: Floats = ((shares - means) ** 2).mean(axis=0) / means**2
    return len(shares) / (1.0 + spread)
