"""The simulated files: the same bytes each time, Eurostat's layout, the promised defects."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from data.recipes import dataset_ids, dataset_recipe
from data.regions.systems import region_system
from data.simulated import BREAKS, CODE_CHANGES, CODES_CHANGED, PUBLISHED, write_simulated
from data.simulated.world import COUNTRIES, REGIONS_PER_COUNTRY, TRUTH, World, draw_world

Rows = dict[str, dict[int, tuple[str, str]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    write_simulated(folder)
    return folder


@pytest.fixture(scope="module")
def world() -> World:
    return draw_world()


def rows(path: Path) -> Rows:
    """Each row's cells as (number, flags) by year; written apart from the project's reader."""
    head, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    years = [int(year) for year in head.split("\t")[1:]]
    table: Rows = {}
    for line in lines:
        key, *cells = line.split("\t")
        pairs = (cell.split(" ") for cell in cells)
        table[key] = {y: (n, f) for y, (n, f) in zip(years, pairs, strict=True)}
    return table


def test_same_seed_same_bytes_and_dates(folder: Path, tmp_path: Path) -> None:
    write_simulated(tmp_path / "again")
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 7
    for name in names:
        again = tmp_path / "again" / name
        assert again.read_bytes() == (folder / name).read_bytes()
        assert again.stat().st_mtime == PUBLISHED
    write_simulated(tmp_path / "other", seed=TRUTH.seed + 1)
    other = (tmp_path / "other" / names[0]).read_bytes()
    assert other != (folder / names[0]).read_bytes()


def test_a_single_dataset_is_the_same_file(folder: Path, tmp_path: Path) -> None:
    write_simulated(tmp_path, only="sim_gov_exp")
    assert [path.name for path in tmp_path.iterdir()] == ["sim_gov_exp.tsv.gz"]
    alone = (tmp_path / "sim_gov_exp.tsv.gz").read_bytes()
    assert alone == (folder / "sim_gov_exp.tsv.gz").read_bytes()


def test_layout_is_eurostats(folder: Path) -> None:
    text = gzip.decompress((folder / "sim_r_lfu3pers.tsv.gz").read_bytes()).decode()
    head, first = text.splitlines()[:2]
    assert head.startswith("unit,age,sex,geo\\time\t2019 \t2018 \t")
    assert first.startswith("THS,Y15-24,F,QM\t")
    assert text.endswith("\n")


def test_world_is_as_described(world: World) -> None:
    assert len(COUNTRIES) == len(set(COUNTRIES)) == len(REGIONS_PER_COUNTRY) == 27
    assert len(world.regions) == len(set(world.regions)) == 243
    assert world.slopes.mean() == pytest.approx(TRUTH.effect_mean, abs=1e-12)
    assert world.slopes.std() == pytest.approx(TRUTH.effect_sd, rel=0.15)
    assert (world.payments > 0).all()
    # the floor and ceiling of the rates never bind: they would bend the known effects
    for rates in world.unemployment_rate.values():
        assert rates.min() > 0.5
        assert rates.max() < 75


def test_published_counts_give_the_true_rate(folder: Path, world: World) -> None:
    unemployed = rows(folder / "sim_r_lfu3pers.tsv.gz")
    employed = rows(folder / "sim_r_lfe2emp.tsv.gz")
    position = list(world.regions).index("XL11")
    for column, year in enumerate(world.years):
        out = float(unemployed["THS,Y15-24,T,XL11"][int(year)][0])
        at_work = float(employed["THS,Y15-24,T,XL11"][int(year)][0])
        truth = world.unemployment_rate["Y15-24"][position, column]
        assert 100 * out / (out + at_work) == pytest.approx(truth, abs=10 / (out + at_work))


def test_small_cells_are_suppressed_where_few_are_unemployed(folder: Path) -> None:
    table = rows(folder / "sim_r_lfu3pers.tsv.gz")
    young = [cell for key, row in table.items() if ",Y15-24,T," in key for cell in row.values()]
    assert {flags for _, flags in young} == {"", "b", "u", "bu", "c", "bc"}
    assert 0.01 < np.mean([number == ":" and flags != "" for number, flags in young]) < 0.1
    assert all(float(n) >= 4.9 for n, f in young if n != ":" and "u" not in f)
    assert all(float(n) < 5.1 for n, f in young if n != ":" and "u" in f)


def test_breaks_are_flagged_in_their_year_only(folder: Path) -> None:
    table = rows(folder / "sim_r_lfe2emp.tsv.gz")
    for country, year in BREAKS.items():
        flagged = {y for y, (_, flags) in table[f"THS,Y_GE15,T,{country}"].items() if "b" in flags}
        assert flagged == {year}


def test_codes_change_in_the_middle_of_the_survey_files(folder: Path) -> None:
    survey = rows(folder / "sim_r_lfe2emp.tsv.gz")
    payments = rows(folder / "sim_r_payments.tsv.gz")
    population = rows(folder / "sim_r_d2jan.tsv.gz")
    for change in CODE_CHANGES:
        old, new = (survey[f"THS,Y_GE15,T,{code}"] for code in (change.old, change.new))
        assert all((old[y][0] == ":") == (y >= CODES_CHANGED) for y in old)
        assert all((new[y][0] == ":") == (y < CODES_CHANGED) for y in new)
        assert f"MIO_EUR,ESF,{change.old}" in payments
        assert f"MIO_EUR,ESF,{change.new}" not in payments
        assert f"NR,TOTAL,{change.new}" in population
        assert f"NR,TOTAL,{change.old}" not in population


def test_parts_of_a_merged_region_add_up(folder: Path, world: World) -> None:
    payments = rows(folder / "sim_r_payments.tsv.gz")
    parts = [payments[f"MIO_EUR,ESF,{code}"][2015][0] for code in ("XA71", "XA72")]
    position, column = list(world.regions).index("XA21"), list(world.years).index(2015)
    assert sum(map(float, parts)) == pytest.approx(world.payments[position, column], abs=0.001)


def test_the_region_system_is_the_worlds(world: World) -> None:
    system = region_system("simulated")
    assert system.codes("2011") == tuple(sorted(world.regions))
    before = {change.old for change in CODE_CHANGES}
    unchanged = set(world.regions) - {change.new for change in CODE_CHANGES}
    assert system.codes("2003") == tuple(sorted(before | unchanged))
    changes = {(change.version, change.old, change.new) for change in system.changes}
    assert changes == {(str(CODES_CHANGED), change.old, change.new) for change in CODE_CHANGES}
    assert tuple(system.parents) == COUNTRIES


def test_each_file_has_a_recipe_that_says_simulated(folder: Path) -> None:
    files = {path.name.removesuffix(".tsv.gz") for path in folder.iterdir()}
    recipes = {id for id in dataset_ids() if id.startswith("simulated/")}
    assert recipes == {f"simulated/{name}" for name in files}
    assert all(dataset_recipe(id).simulated for id in recipes)
