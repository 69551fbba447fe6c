"""A study as data: the records that a study file is parsed into (`file.py` does that)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PanelReference:
    """A named panel, or a file of the user's own with its index columns."""

    name: str | None = None
    file: Path | None = None
    unit: str | None = None
    time: str | None = None
    parent: str | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class Inference:
    """How to measure uncertainty. Unset fields take the documented defaults of the kind."""

    kind: str = "cluster"
    by: tuple[str, ...] = ()
    correction: str | None = None
    lags: int | None = None
    km: float | None = None
    weights: str | None = None
    draws: int | None = None
    seed: int | None = None
    override: str | None = None  # the user's written reason for going below the level rule


@dataclass(frozen=True)
class ModelSpec:
    """One [[model]]. `options` holds the keys that only its estimator knows."""

    id: str
    estimator: str
    outcome: str
    treatment: tuple[str, ...]
    controls: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    weights: str | None = None
    inference: Inference = field(default_factory=Inference)
    options: Mapping[str, Any] = field(default_factory=dict)
    diagnostics: tuple[str, ...] = ()  # names of `models.dependence`, reported among the tests
    neighbours: str | None = None  # a file of pairs of neighbouring units
    role: str = "estimate"  # a "placebo" or "known-bad" model is shown, and counts for no claim
    decides: tuple[str, ...] = ()  # claims for which its first treatment's coefficient speaks
    contrast: tuple[str, str] | None = None  # regressors: the first's coefficient less the second's


@dataclass(frozen=True)
class Multiverse:
    """All defensible specifications, declared: each field is one axis of choice."""

    model: str
    outcomes: tuple[str, ...]
    treatments: tuple[str, ...]
    controls_always: tuple[str, ...]
    controls_any_of: tuple[str, ...]
    effects: tuple[tuple[str, ...], ...]
    samples: Mapping[str, str]  # name -> expression
    weights: tuple[str | None, ...]
    draws: int
    seed: int
    leave_out: str | None = None
    exclude: tuple[Mapping[str, str], ...] = ()  # declared rules for unreasonable cells


@dataclass(frozen=True)
class Study:
    """A study file, checked. `sha256` is the hash of the file's bytes; `where` is an expression."""

    id: str
    title: str
    question: str
    claims: tuple[str, ...]
    panel: PanelReference
    variables: Mapping[str, str]
    where: str | None
    models: tuple[ModelSpec, ...]
    multiverse: Multiverse | None
    sha256: str
    path: Path
