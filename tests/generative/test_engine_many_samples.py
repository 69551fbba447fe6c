"""Samples projected together are what each is alone, whatever their rows, columns and effects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.engine.declared import Stratum
from models.engine.many_samples import in_stacks, project_together
from models.engine.projection import condense, effects_counted, project
from models.engine.samples import Columns, SampleGroup

UNITS, YEARS = 24, 9
EFFECTS: dict[str, tuple[str, ...]] = {
    "none": (),
    "unit": ("unit",),
    "two-way": ("unit", "year"),
    "country-year": ("unit", "country-year"),
    "nested": ("unit", "country", "year"),
    "three": ("unit", "year", "kind"),
}


def sample(seed: int, effects: tuple[str, ...], weighted: bool) -> SampleGroup:
    """Some rows of a panel, some columns of any scale; at times a single year or country only."""
    rng = np.random.default_rng(seed)
    unit, year = np.divmod(np.arange(UNITS * YEARS), YEARS)
    kept = rng.random(len(unit)) < rng.uniform(0.3, 1.0)
    if seed % 5 == 0:
        kept &= year == 3
    if seed % 7 == 0:
        kept &= unit < 4
    kept[[0, 1, -1]] = True
    keys = {"unit": unit, "year": year, "country": unit // 4, "country-year": unit // 4 * 9 + year}
    codes = {**keys, "kind": rng.integers(0, 3, UNITS * YEARS)}
    width, whole = int(rng.integers(2, 6)), UNITS * YEARS
    scale = 10.0 ** rng.integers(-4, 5, width)
    Z = (rng.normal(size=(whole, width)) + rng.normal(size=(UNITS, width))[unit]) * scale
    Z[:, 0] += 1e3 * scale[0] * (seed % 2)
    Z[:, -1] = unit if seed % 3 == 0 else Z[:, -1]
    names = ("y", "x", *(f"c{k}" for k in range(width - 2)))
    numbers = {**dict(zip(names, Z.T, strict=True)), "weight": rng.uniform(0.1, 9.0, whole)}
    one = np.zeros(1, dtype=np.int64)
    flags = np.ones((width - 2, 1), dtype=bool)
    return SampleGroup(
        columns=Columns(numbers, codes, {}, ()),
        stratum=Stratum(effects, "all", "weight" if weighted else None, (), flags),
        by=("country",),
        rows=np.flatnonzero(kept),
        targets=("y", "x"),
        controls=names[2:],
        subsets=flags,
        outcome=one,
        treatment=one + 1,
        subset=one,
        pair=one,
        declared=one,
    )


@given(
    seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=6),
    effects=st.sampled_from(list(EFFECTS)),
    weighted=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_together_as_alone(seeds: list[int], effects: str, weighted: bool) -> None:
    groups = [sample(seed, EFFECTS[effects], weighted) for seed in seeds]
    for group, found in zip(groups, project_together(groups), strict=True):
        alone = project(group.candidates, group.weights, group.effects)
        assert found.rank == alone.rank
        assert effects_counted(found, group.clusters) == effects_counted(alone, group.clusters)
        assert found.weights == pytest.approx(alone.weights, rel=1e-13)
        assert found.before == pytest.approx(alone.before, rel=1e-12)
        assert pytest.approx(alone.Z, abs=1e-12 * alone.before.max()) == found.Z
        condensed, expected = (condense(one, group.clusters) for one in (found, alone))
        assert (condensed.scale == 0).tolist() == (expected.scale == 0).tolist()
        assert condensed.scale == pytest.approx(expected.scale, rel=1e-10)
        packed = expected.groups[0].packed
        assert condensed.groups[0].packed == pytest.approx(packed, abs=1e-10)


def test_samples_in_large_parts_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One system of all of them would cost far more than a system each."""
    monkeypatch.setattr("models.components.LEVELS", 3)
    groups = [sample(seed, ("unit", "year"), True) for seed in (1, 2, 3)]
    for group, found in zip(groups, project_together(groups), strict=True):
        alone = project(group.candidates, group.weights, group.effects)
        assert found.Z.tolist() == alone.Z.tolist()
        assert found.rank == alone.rank


def test_stacks_hold_every_sample_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [sample(seed, ("unit",), False) for seed in range(1, 12)]
    monkeypatch.setattr("models.engine.many_samples.NUMBERS", 2000)
    stacks = list(in_stacks(groups))
    assert [group for stack in stacks for group in stack] == groups
    assert 2 < len(stacks) < len(groups)
    for stack in stacks:
        widest = max(group.candidates.shape[1] for group in stack)
        assert len(stack) == 1 or sum(len(group.rows) for group in stack) * widest <= 2000
