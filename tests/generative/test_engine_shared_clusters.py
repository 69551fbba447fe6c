"""Samples condensed from the clusters they share are what each is when condensed from its rows."""

from __future__ import annotations

from itertools import compress

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.design import Floats
from models.engine import shared_clusters
from models.engine.crossing import Condensed, crossing_sums
from models.engine.declared import Declared, Stratum
from models.engine.estimation import NO_ERROR, estimate_group, estimate_groups
from models.engine.pieces import distinct_pieces
from models.engine.projection import condense, project
from models.engine.samples import Columns, SampleGroup, sample_groups
from models.engine.shared_clusters import condense_shared

COUNTRIES, REGIONS, YEARS = 7, 5, 6
EFFECTS = {
    "none": (),
    "unit": ("unit",),
    "year": ("year",),
    "two-way": ("unit", "year"),
    "country-year": ("unit", "country*year"),
    "three": ("unit", "year", "kind"),
    "spanned": ("unit", "country*year", "year"),
}
PAIRS = (("y", "x"), ("y2", "x"))
CONTROLS = ("a", "b", "c")


def panel(seed: int) -> Columns:
    """A panel with gaps: by country, by country-year and by row; columns of any size and level."""
    rng = np.random.default_rng(seed)
    unit, year = np.divmod(np.arange(COUNTRIES * REGIONS * YEARS), YEARS)
    country = unit // REGIONS
    numbers: dict[str, Floats] = {}
    for k, name in enumerate(("y", "y2", "x", *CONTROLS)):
        values = rng.normal(size=len(unit)) + rng.normal(size=unit.max() + 1)[unit]
        numbers[name] = (values + 1e3 * (seed % 2)) * 10.0 ** rng.integers(-6, 7)
        gap = rng.random(len(unit)) < 0.03 * (k % 3 == 0)
        gap |= (country == rng.integers(COUNTRIES)) & (year < rng.integers(YEARS))
        gap |= (country == rng.integers(COUNTRIES)) & (k % 2 == 1)
        numbers[name][gap] = np.nan
    if seed % 3 == 0:
        numbers["c"] = numbers["a"] * 2.0 - numbers["b"]
    if seed % 5 == 0:
        numbers["b"] = country.astype(float)
    if seed % 4 == 1:
        numbers["c"] = np.full(len(unit), 0.1)
    if seed % 7 == 0:  # a policy of one country that the second outcome does not know
        numbers["a"] = 0.3 * ((country == 3) & (year > 2))
        numbers["y2"][country == 3] = np.nan
    if seed % 11 == 0:  # without it, too few digits of the treatment would be left
        numbers["x"][country == 2] *= 10.0 ** rng.integers(9, 40)
        numbers["y2"][country == 2] = np.nan
    keys = {"unit": unit, "year": year, "country": country, "country*year": country * YEARS + year}
    keys["kind"] = rng.integers(0, 3, len(unit))
    numbers["size"] = 10.0 ** rng.uniform(-2, 2, len(unit))
    samples = {
        "some": np.isin(country, (1, 2, 4, 5)),
        "early": year < 3,
        "late": (year > 2) | (country == 2),
        "all": np.ones(len(unit), dtype=bool),
    }
    return Columns(numbers, keys, samples, ("country",))


def samples(columns: Columns, effects: tuple[str, ...], weights: str | None) -> list[SampleGroup]:
    """Those of four strata, all but one of them with all years, that have rows at all."""
    subsets = np.array([[k >> i & 1 for k in range(8)] for i in range(3)], dtype=bool)
    wanted = np.ones((2, 8), dtype=bool)
    strata = [Stratum(effects, name, weights, PAIRS, wanted) for name in columns.samples]
    declared = Declared(CONTROLS, CONTROLS, subsets, tuple(strata), 64, ())
    drawn = (sample_groups(columns, declared, one, ("country",)) for one in strata)
    return [group for groups in drawn for group in groups if len(group.rows) > 2]


def of_all_rows(
    groups: list[SampleGroup], found: list[Condensed | None]
) -> list[Condensed | None]:
    """What was found of the samples that no filter narrows."""
    return [one for group, one in zip(groups, found, strict=True) if group.stratum.sample == "all"]


@pytest.fixture(autouse=True)
def whether_it_pays_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("STACKED", "PAYS", "PAYS_SMALL"):
        monkeypatch.setattr(shared_clusters, limit, 1e9)


@given(
    seed=st.integers(0, 10_000),
    effects=st.sampled_from(list(EFFECTS)),
    weights=st.sampled_from([None, "size"]),
)
@settings(max_examples=80, deadline=None)
def test_as_condensed_from_the_rows(seed: int, effects: str, weights: str | None) -> None:
    groups = samples(panel(seed), EFFECTS[effects], weights)
    shared = condense_shared(groups)
    assert len(groups) > 1
    if seed % 11:
        assert None not in of_all_rows(groups, shared)
    for group, found in zip(groups, shared, strict=True):
        if found is None:
            continue
        projected = project(group.candidates, group.weights, group.effects)
        alone = condense(projected, group.clusters)
        products = found.products
        assert products.n_obs == alone.n_obs
        assert products.groups[0].effects_counted == alone.groups[0].effects_counted
        assert (products.scale == 0).tolist() == (alone.scale == 0).tolist()
        assert products.scale == pytest.approx(alone.scale, rel=1e-10)
        gram, expected = (root.T @ root for root in (products.root, alone.root))
        assert gram == pytest.approx(expected, abs=1e-11)
        assert products.groups[0].packed == pytest.approx(alone.groups[0].packed, abs=1e-11)
        cluster = np.unique(group.clusters[0], return_inverse=True)[1]
        crossing = crossing_sums(projected, cluster, len(products.groups[0].packed))
        assert found.crossing().shape == crossing.shape
        both = [np.einsum("gpr,hqr->gphq", part, part) for part in (found.crossing(), crossing)]
        assert both[0] == pytest.approx(both[1], abs=1e-11)


@pytest.mark.parametrize("seed", [4, 13, 21, 22, 35, 77])
@pytest.mark.parametrize("weights", [None, "size"])
@pytest.mark.parametrize("effects", ["none", "year", "unit", "two-way", "country-year"])
def test_estimates_are_those_of_each_sample_alone(
    effects: str, weights: str | None, seed: int
) -> None:
    groups = samples(panel(seed), EFFECTS[effects], weights)
    assert sum(found is not None for found in condense_shared(groups)) > 1
    for group, found in estimate_groups(groups):
        alone = estimate_group(group)
        assert found.estimate == pytest.approx(alone.estimate, rel=1e-9, nan_ok=True)
        assert found.std_error == pytest.approx(alone.std_error, rel=1e-9, nan_ok=True)
        assert found.reason == alone.reason
        assert found.df == alone.df


# pyfixest still calls pandas in ways that pandas 3.1 deprecates
@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
@pytest.mark.parametrize("seed", [2, 4, 8])
@pytest.mark.parametrize("weights", [None, "size"])
@pytest.mark.parametrize("effects", ["unit", "year", "two-way", "country-year"])
def test_estimates_and_errors_are_those_of_pyfixest(
    effects: str, weights: str | None, seed: int
) -> None:
    """CR1 by country; levels counted but for those of effects nested in countries."""
    columns = panel(seed)
    frame = pd.DataFrame({**columns.numbers, **columns.keys})
    frame = frame.rename(columns={"country*year": "country_year"})
    for name in ("y", "y2", "x", *CONTROLS):
        columns.numbers[name][:] = (frame[name] - frame[name].mean()) / frame[name].std()
        frame[name] = columns.numbers[name]
    groups = samples(columns, EFFECTS[effects], weights)
    assert None not in of_all_rows(groups, condense_shared(groups))
    absorbed = " + ".join(EFFECTS[effects]).replace("*", "_")
    for group, found in estimate_groups(groups):
        cell = len(group.outcome) - 1
        if found.reason[cell] == NO_ERROR:  # of no more clusters than coefficients
            assert group.stratum.sample in ("some", "early")
            assert found.n_clusters[0] <= len(group.controls) + 1
            continue
        held = compress(group.controls, group.subsets[:, group.subset[cell]])
        theirs = pf.feols(
            f"{group.targets[group.outcome[cell]]} ~ {' + '.join(['x', *held])} | {absorbed}",
            frame.iloc[group.rows],
            weights=weights,
            vcov={"CRV1": "country"},
            ssc=pf.ssc(k_adj=True, k_fixef="nonnested", G_adj=True, G_df="conventional"),
            demeaner=pf.MapDemeaner(fixef_tol=1e-14),
            fixef_rm="none",
        )
        assert found.estimate[cell] == pytest.approx(theirs.coef()["x"], rel=1e-9)
        assert found.std_error[cell] == pytest.approx(theirs.se()["x"], rel=1e-9)


@pytest.mark.parametrize("huge", [1e6, 1e12, 1e20, 9.969209968386869e36])
@pytest.mark.parametrize("name", ["y", "x", "a"])
def test_a_huge_value_elsewhere_changes_nothing(name: str, huge: float) -> None:
    """A mark for missing that was taken for a number, in a country that one outcome is without."""
    columns = panel(4)
    columns.numbers[name][columns.keys["country"] == 5] = huge
    columns.numbers["y2"][columns.keys["country"] == 5] = np.nan
    for group, found in estimate_groups(samples(columns, ("unit",), None)):
        alone = estimate_group(group)
        assert found.reason == alone.reason
        assert found.estimate == pytest.approx(alone.estimate, rel=1e-9, nan_ok=True)
        assert found.std_error == pytest.approx(alone.std_error, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("offset", [1e3, 1e6, 1e9])
def test_columns_far_from_zero_keep_their_digits(offset: float) -> None:
    columns = panel(4)
    for name in ("y", "x", "a"):
        values = columns.numbers[name]
        values[:] = np.round(values / np.nanstd(values), 6) + offset
    groups = samples(columns, ("unit", "year"), None)
    assert None not in condense_shared(groups)
    for group, found in estimate_groups(groups):
        alone = estimate_group(group)
        assert found.estimate == pytest.approx(alone.estimate, rel=1e-9, nan_ok=True)
        assert found.std_error == pytest.approx(alone.std_error, rel=1e-9, nan_ok=True)


def test_pieces_are_all_rows_of_all_samples_and_each_once() -> None:
    rng = np.random.default_rng(3)
    clusters = rng.integers(0, 6, 80)
    flags = rng.random((5, 80)) < 0.7
    flags[3] = flags[0]
    flags[1, clusters == 2] = False
    pieces = distinct_pieces([np.flatnonzero(own) for own in flags], clusters)
    assert pieces.member[3].tolist() == pieces.member[0].tolist()
    assert pieces.member[1, 2] == -1
    sets = {tuple(pieces.rows[pieces.piece == k]) for k in range(pieces.count)}
    assert len(sets) == pieces.count
    for own, member in zip(flags, pieces.member, strict=True):
        rows = np.concatenate([pieces.rows[pieces.piece == k] for k in member if k >= 0])
        assert sorted(rows) == np.flatnonzero(own).tolist()


def test_an_effect_that_one_sample_has_inside_its_clusters_is_left_to_the_rows() -> None:
    """Two waves of countries: without the second outcome, no year has rows in two countries."""
    columns = panel(8)
    year, country = columns.keys["year"], columns.keys["country"]
    wave = {**columns.keys, "wave": np.where(country < 3, country, 3 + year)}
    columns.numbers["y2"][country >= 3] = np.nan
    columns = Columns(columns.numbers, wave, columns.samples, columns.required)
    groups = samples(columns, ("unit", "wave"), None)
    assert None in of_all_rows(groups, condense_shared(groups))
    estimated = list(estimate_groups(groups))
    assert sum(np.isfinite(found.estimate).sum() for _, found in estimated) > 8
    for group, found in estimated:
        alone = estimate_group(group)
        assert found.estimate == pytest.approx(alone.estimate, rel=1e-9, nan_ok=True)
        assert found.df == alone.df


def test_a_level_that_hangs_by_a_thread_is_left_to_the_rows() -> None:
    """Half of the units weigh next to nothing before the fourth year, the others after it."""
    columns = panel(2)
    thread = (columns.keys["year"] < 3) == (columns.keys["unit"] % 2 == 0)
    columns.numbers["size"][thread] *= 1e-10
    groups = samples(columns, ("unit", "year"), "size")
    assert set(of_all_rows(groups, condense_shared(groups))) == {None}
    groups = samples(columns, ("unit", "year"), None)
    assert None not in of_all_rows(groups, condense_shared(groups))
