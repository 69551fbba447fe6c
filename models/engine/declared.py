"""The multiverse as declared: every cell of choices, and the cells that rules exclude."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.errors import BadInput
from models.engine.results import DroppedCells
from models.engine.subsets import Flags
from models.study import Multiverse

MOST_CELLS = 2_000_000


@dataclass(frozen=True, eq=False)
class Stratum:
    """The cells that share effects, sample and weights: pairs (outcome, treatment) by subsets.

    wanted (pairs, U) flags the cells that no rule excludes.
    """

    effects: tuple[str, ...]
    sample: str
    weights: str | None
    pairs: tuple[tuple[str, str], ...]
    wanted: Flags


@dataclass(frozen=True)
class Declared:
    """All strata. controls are the always-included followed by the m optional ones.

    subsets (always + m, U) flags which controls each of the U = 2^m subsets holds; cells counts
    all of them, excluded those that rules took out.
    """

    controls: tuple[str, ...]
    optional: tuple[str, ...]
    subsets: Flags
    strata: tuple[Stratum, ...]
    cells: int
    excluded: tuple[DroppedCells, ...]

    @cached_property
    def labels(self) -> NDArray[np.object_]:
        """The controls of each subset (U,), in words."""
        names = np.array(self.controls, dtype=object)
        found = [" + ".join(names[held]) for held in self.subsets.T]
        return np.array(found, dtype=object)


def declare(multiverse: Multiverse, where: str) -> Declared:
    """Expand a multiverse. Raises BadInput beyond two million cells."""
    always, optional = multiverse.controls_always, multiverse.controls_any_of
    optional = tuple(name for name in dict.fromkeys(optional) if name not in always)
    pairs = tuple(itertools.product(multiverse.outcomes, multiverse.treatments))
    axes = tuple(itertools.product(multiverse.effects, multiverse.samples, multiverse.weights))
    cells = len(pairs) * len(axes) * 2 ** len(optional)
    if cells > MOST_CELLS:
        raise BadInput(
            where,
            f"declares {cells:,} cells, more than {MOST_CELLS:,}",
            f"move some of the {len(optional)} names in any_of to always, or drop choices",
        )
    chosen = np.arange(2 ** len(optional)) >> np.arange(len(optional))[:, None] & 1
    subsets = np.vstack([np.ones((len(always), chosen.shape[1])), chosen]).astype(bool)
    rules = [*multiverse.exclude, *_absurd(multiverse)]
    reasons, met = Counter[str](), Counter[str]()
    strata = []
    for effects, sample, weights in axes:
        wanted = np.ones((len(pairs), subsets.shape[1]), dtype=bool)
        stratum = Stratum(effects, sample, weights, pairs, wanted)
        for rule in rules:
            hit = _hits(rule, stratum, (*always, *optional), subsets)
            met[_named(rule)] += int(hit.sum())
            reasons[_named(rule)] += int((hit & wanted).sum())
            wanted &= ~hit
        strata.append(stratum)
    for rule in multiverse.exclude:
        if not met[_named(rule)]:
            what = f"no cell is excluded by {_named(rule) or 'an empty rule'}"
            raise BadInput(where, what, "name choices that the multiverse has")
    excluded = tuple(DroppedCells("excluded", *found) for found in reasons.items() if found[1])
    return Declared((*always, *optional), optional, subsets, tuple(strata), cells, excluded)


def _absurd(multiverse: Multiverse) -> Iterable[Mapping[str, str]]:
    """Rules for cells in which one column would stand twice."""
    controls = {*multiverse.controls_always, *multiverse.controls_any_of}
    for axis, names in (("outcome", multiverse.outcomes), ("treatment", multiverse.treatments)):
        for name in names:
            if name in controls:
                yield {axis: name, "control": name}
    for name in {*multiverse.outcomes} & {*multiverse.treatments}:
        yield {"outcome": name, "treatment": name}


def _hits(
    rule: Mapping[str, str], stratum: Stratum, controls: tuple[str, ...], subsets: Flags
) -> Flags:
    """The cells (pairs, U) that a rule describes: those that match all of its choices."""
    hit = np.ones(stratum.wanted.shape, dtype=bool)
    for axis, choice in rule.items():
        if axis == "control":
            named = [i for i, name in enumerate(controls) if name == choice]
            hit &= subsets[named].any(axis=0)
        elif axis in ("outcome", "treatment"):
            place = ("outcome", "treatment").index(axis)
            hit &= np.array([pair[place] == choice for pair in stratum.pairs])[:, None]
        else:
            hit &= _matches(stratum, axis, choice)
    return hit


def _matches(stratum: Stratum, axis: str, choice: str) -> bool:
    if axis == "effects":
        named = set(re.split(r"\s*[+,]\s*", choice.strip())) - {"none", ""}
        return set(stratum.effects) == named
    return choice == (stratum.sample if axis == "sample" else stratum.weights or "none")


def _named(rule: Mapping[str, str]) -> str:
    return " and ".join(f"{axis} is {choice}" for axis, choice in rule.items())
