"""From a folder of files to observations: found, dated, kept, loaded once, laid in."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import data.warehouse.writer
from data import recipes
from data.errors import BadInput, ContractBroken, RegsiError
from data.ingest import Loaded, ingest
from data.warehouse import Warehouse
from data.warehouse.writer import writing

HEAD = """
title = "A table"
publisher = "Somebody"
licence = "free"
level = "regional"
"""
TSV = HEAD + """
dimensions = ["sex", "geo"]

[[file]]
names = ["table*.tsv", "table*.tsv.gz"]
reader = "eurostat_tsv"
dropped = { freq = "A" }
constants = { sex = "T" }
"""
OLD = "geo\\time\t2012 \t2011 \nAT11\t: u\t1.5 \nBE10\t: \t-2 bu\nCZ01\t: c\t: \n"


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "catalogue" / "somebody"
    folder.mkdir(parents=True)
    monkeypatch.setattr(recipes, "CATALOGUE", folder.parent)
    recipes.dataset_recipe.cache_clear()
    yield folder
    recipes.dataset_recipe.cache_clear()


Load = Callable[..., Loaded]


@pytest.fixture
def load(catalogue: Path, tmp_path: Path) -> Load:
    """Writes recipe and files, loads them, returns the last outcome."""

    def run(files: dict[str, str | bytes], recipe: str = TSV, day: date | None = None) -> Loaded:
        (catalogue / "table.toml").write_text(recipe)
        recipes.dataset_recipe.cache_clear()
        source = tmp_path / "source"
        for name, content in files.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return ingest(["somebody/table"], tmp_path / "home", source, day, lambda _: None)[-1]

    return run


def observed(home: Path, as_of: date | None = None) -> set[tuple[object, ...]]:
    with Warehouse(home / "home") as warehouse:
        return set(warehouse.observations("somebody/table", as_of).fetchall())


def test_kinds_of_missing_stay_apart_and_periods_are_in_words_of_today(
    load: Load, tmp_path: Path
) -> None:
    loaded = load({"table.tsv": OLD})
    assert (loaded.new, loaded.rows, loaded.changed, loaded.vintage) == (True, 6, 6, 1)
    assert observed(tmp_path) == {
        ("T", "AT11", "2012", None, "u"),
        ("T", "AT11", "2011", 1.5, ""),
        ("T", "BE10", "2012", None, ""),
        ("T", "BE10", "2011", -2.0, "bu"),
        ("T", "CZ01", "2012", None, "c"),
        ("T", "CZ01", "2011", None, ""),
    }


def test_the_reversed_layout_with_quarters_and_regions_across(load: Load, tmp_path: Path) -> None:
    rows = ("freq,time\\geo\tAT11 \tBE10 ", "A,2011Q1\t1 \t2 b", "A,2011M02\t3 \t: @C", "")
    load({"table.tsv": "\r\n".join(rows)})
    assert observed(tmp_path) == {
        ("T", "AT11", "2011-Q1", 1.0, ""),
        ("T", "BE10", "2011-Q1", 2.0, "b"),
        ("T", "AT11", "2011-02", 3.0, ""),
        ("T", "BE10", "2011-02", None, "c"),
    }


def test_the_same_bytes_load_once(load: Load, tmp_path: Path) -> None:
    load({"table.tsv": OLD})
    before = (tmp_path / "home" / "warehouse.duckdb").read_bytes()
    again = load({"table.tsv": OLD})
    assert (again.new, again.changed, again.vintage) == (False, 0, 1)
    assert (tmp_path / "home" / "warehouse.duckdb").read_bytes() == before


def test_old_bytes_under_a_new_date_take_a_revision_back(load: Load, tmp_path: Path) -> None:
    revised = OLD.replace("1.5", "1.6")
    for number, content in enumerate((OLD, revised, OLD), start=1):
        load({"table.tsv": content}, day=date(2020, 1, number))
    values = [
        {row[3] for row in observed(tmp_path, date(2020, 1, day)) if row[1:3] == ("AT11", "2011")}
        for day in (1, 2, 3)
    ]
    assert values == [{1.5}, {1.6}, {1.5}]
    with Warehouse(tmp_path / "home") as warehouse:
        assert [v.changed for v in warehouse.vintages()] == [6, 1, 1]


def test_raw_bytes_are_kept_with_where_they_came_from(load: Load, tmp_path: Path) -> None:
    packed = gzip.compress(OLD.encode(), compresslevel=6, mtime=1_400_000_000)
    load({"deep/down/table_x.tsv": packed})
    with Warehouse(tmp_path / "home") as warehouse:
        vintage = warehouse.vintage("somebody/table", None)
    kept = tmp_path / "home" / vintage.raw
    assert kept.read_bytes() == packed
    assert kept.parent.name == vintage.sha256[:16]
    facts = json.loads((kept.parent / "provenance.json").read_text())
    assert facts["sha256"] == vintage.sha256
    assert facts["origin"].endswith("deep/down/table_x.tsv")
    assert facts["licence"] == "free"


def test_an_edition_is_dated_by_argument_then_file_then_gzip_then_today(load: Load) -> None:
    stamp = 1_400_000_000  # 13 May 2014
    packed = gzip.compress(OLD.encode(), compresslevel=6, mtime=stamp)
    assert load({"table.tsv.gz": packed}).published == date(2014, 5, 13)
    packed = gzip.compress(OLD.replace("1.5", "7").encode(), compresslevel=6, mtime=stamp)
    assert load({"table.tsv.gz": packed}, day=date(2013, 1, 1)).published == date(2013, 1, 1)
    by_hand = gzip.compress(OLD.replace("1.5", "8").encode(), compresslevel=9, mtime=stamp)
    today = datetime.now(UTC).date()
    assert load({"table.tsv.gz": by_hand}).published == today


def test_several_files_need_dates_of_their_own(load: Load) -> None:
    dated = {
        f"{year}/table.tsv.gz": gzip.compress(OLD.encode(), 6, mtime=(year - 1970) * 31_557_600)
        for year in (2015, 2014)
    }
    assert load(dict(dated)).vintage == 2
    with pytest.raises(BadInput, match=r"several files .* name the folder"):
        load({"undated/table.tsv": OLD + "DE11\t1 \t2 \n"})


def test_a_folder_without_the_file_says_what_was_looked_for(load: Load) -> None:
    with pytest.raises(BadInput, match="holds no file of dataset somebody/table; looked for"):
        load({"other.tsv": OLD})


def test_an_extract_leaves_alone_what_it_does_not_hold(load: Load, tmp_path: Path) -> None:
    part = '\n[[file]]\nnames = ["part.csv"]\nreader = "eurostat_sdmx_csv"\npartial = true\n'
    recipe = TSV + part
    load({"table.tsv": OLD}, recipe, date(2020, 1, 1))
    (tmp_path / "source" / "table.tsv").unlink()
    part = "sex,geo,time,obs_value\nT,AT11,2011,9\nT,SK01,2011,8\n"
    assert load({"part.csv": part}, recipe, date(2020, 1, 2)).changed == 2
    rows = {row[1:4] for row in observed(tmp_path)}
    assert len(rows) == 7
    assert {("AT11", "2011", 9.0), ("SK01", "2011", 8.0), ("BE10", "2011", -2.0)} <= rows


def test_another_partys_copy_is_read_only_if_alone(load: Load) -> None:
    recipe = TSV + '\n[[file]]\nnames = ["copy.csv"]\nreader = "eurostat_sdmx_csv"\ncopy = true\n'
    copy = "sex,geo,time,obs_value\nT,AT11,2011,9\n"
    assert load({"copy.csv": copy}, recipe).file == "copy.csv"
    assert load({"copy.csv": copy, "table.tsv": OLD}, recipe).file == "table.tsv"


def test_only_wanted_codes_are_kept(load: Load, tmp_path: Path) -> None:
    load({"table.tsv": OLD}, TSV + '\n[wanted]\ngeo = ["AT11", "BE10"]\n')
    assert {row[1] for row in observed(tmp_path)} == {"AT11", "BE10"}


def test_rows_set_aside_are_told_and_kept_apart(load: Load, tmp_path: Path) -> None:
    recipe = TSV + "\n[contract]\ntolerate = 1\n\n[[contract.range]]\nlow = 0\n"
    loaded = load({"table.tsv": OLD}, recipe)
    assert loaded.quarantined == 1
    assert ("T", "BE10", "2011", -2.0, "bu") not in observed(tmp_path)
    with Warehouse(tmp_path / "home") as warehouse:
        row = warehouse.quarantine("somebody/table").fetchall()[0]
    assert row[3:] == ("range", "value outside [0, inf]", "T, BE10", "2011", -2.0, "bu", True)


def test_a_broken_contract_loads_nothing_but_shows_the_rows(load: Load, tmp_path: Path) -> None:
    load({"table.tsv": OLD}, day=date(2020, 1, 1))
    before = observed(tmp_path)
    broken = TSV + "\n[[contract.range]]\nlow = 0\n"
    with pytest.raises(ContractBroken, match=r"rule range, file table.tsv: 1 rows .*T, BE10, 2011"):
        load({"table.tsv": OLD + "DE11\t1 \t2 \n"}, broken)
    assert observed(tmp_path) == before
    with Warehouse(tmp_path / "home") as warehouse:
        assert [row[-1] for row in warehouse.quarantine().fetchall()] == [False]
        assert len(warehouse.vintages()) == 1


def test_a_view_in_the_file_shows_the_history(load: Load, tmp_path: Path) -> None:
    load({"table.tsv": OLD}, day=date(2020, 1, 1))
    load({"table.tsv": OLD.replace("1.5", "1.6")}, day=date(2020, 1, 2))
    with Warehouse(tmp_path / "home") as warehouse:
        rows = warehouse.connection.execute(
            "SELECT value, valid_from FROM somebody.table"
            " WHERE geo = 'AT11' AND time = '2011' ORDER BY 2"
        ).fetchall()
    assert rows == [(1.5, date(2020, 1, 1)), (1.6, date(2020, 1, 2))]


def test_questions_the_warehouse_cannot_answer(load: Load, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nothing has been loaded yet"):
        Warehouse(tmp_path / "nowhere").vintages()
    load({"table.tsv": OLD}, day=date(2020, 1, 5))
    with Warehouse(tmp_path / "home") as warehouse:
        with pytest.raises(BadInput, match="no edition was known on 2020-01-04, the first is of"):
            warehouse.observations("somebody/table", date(2020, 1, 4))
        with pytest.raises(BadInput, match="has not been loaded"):
            warehouse.observations("somebody/other")
        with pytest.raises(BadInput, match="is not an id"):
            warehouse.vintages("x; DROP TABLE vintages")


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    busy = pytest.raises(RegsiError, match="another load is running")
    with writing(tmp_path), busy, writing(tmp_path):
        pass


def test_nothing_to_load_waits_for_nobody(tmp_path: Path) -> None:
    with writing(tmp_path):
        assert ingest([], tmp_path, tmp_path, None, lambda _: None) == ()


def test_files_staged_on_disk_make_the_same_history(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = OLD.replace("1.5 ", "1.7 ").replace("CZ01", "DK01")
    files: dict[str, str | bytes] = {
        f"table{n}.tsv.gz": gzip.compress(text.encode(), 6, mtime=n * 10**9)
        for n, text in ((1, OLD), (2, later))
    }
    load(files)
    in_memory = [observed(tmp_path, day) for day in (date(2005, 1, 1), date(2035, 1, 1))]
    assert in_memory[0] != in_memory[1]
    shutil.rmtree(tmp_path / "home")
    monkeypatch.setattr(data.warehouse.writer, "IN_MEMORY", 0)
    load(files)
    assert [observed(tmp_path, day) for day in (date(2005, 1, 1), date(2035, 1, 1))] == in_memory
    assert not list((tmp_path / "home").glob(".ingest-*"))


def test_a_bare_publisher_means_all_its_datasets(
    load: Load, catalogue: Path, tmp_path: Path
) -> None:
    load({"table.tsv": OLD, "second.tsv": OLD})
    (catalogue / "second.toml").write_text(TSV.replace("table*.tsv", "second*.tsv"))
    done = ingest(["somebody"], tmp_path / "home", tmp_path / "source", None, lambda _: None)
    assert [loaded.dataset for loaded in done] == ["somebody/second", "somebody/table"]
    with pytest.raises(BadInput, match="no such publisher"):
        ingest(["nobody"], tmp_path / "home", tmp_path / "source", None, lambda _: None)


def test_a_bare_publisher_and_a_folder_mean_those_of_his_datasets_that_it_holds(
    load: Load, catalogue: Path, tmp_path: Path
) -> None:
    load({"table.tsv": OLD})
    (catalogue / "second.toml").write_text(TSV.replace("table*.tsv", "second*.tsv"))
    place = (tmp_path / "home", tmp_path / "source", None, lambda _: None)
    assert [loaded.dataset for loaded in ingest(["somebody"], *place)] == ["somebody/table"]
    (tmp_path / "source" / "table.tsv").unlink()
    with pytest.raises(BadInput, match="source: holds no file of any dataset of somebody"):
        ingest(["somebody"], *place)


def test_the_raw_store_makes_the_same_warehouse_anew(load: Load, tmp_path: Path) -> None:
    part = '\n[[file]]\nnames = ["part.csv"]\nreader = "eurostat_sdmx_csv"\npartial = true\n'
    recipe = TSV + part
    # none of these files says when it was published
    load({"table.tsv": OLD}, recipe, date(2020, 1, 1))
    load({"table.tsv": OLD.replace("1.5", "1.6")}, recipe, date(2021, 1, 1))
    (tmp_path / "source" / "table.tsv").unlink()
    load({"part.csv": "sex,geo,time,obs_value\nT,AT11,2011,9\n"}, recipe, date(2020, 6, 1))
    history = "SELECT geo, time, value, flags, valid_from, valid_to FROM somebody.table"

    def everything() -> set[tuple[object, ...]]:
        with Warehouse(tmp_path / "home") as warehouse:
            editions = [(v.published, v.sha256, v.raw) for v in warehouse.vintages()]
            return {*warehouse.connection.execute(history).fetchall(), *editions}

    before = everything()
    assert len(before) == 6 + 2 + 3
    (tmp_path / "home" / "warehouse.duckdb").unlink()
    raw = tmp_path / "home" / "raw"
    ingest(["somebody"], tmp_path / "home", raw, None, lambda _: None)
    assert everything() == before


def test_a_file_dated_by_the_day_of_loading_is_announced(
    load: Load, tmp_path: Path
) -> None:
    load({"table.tsv": OLD}, day=date(2020, 1, 1))
    (tmp_path / "source" / "table.tsv").write_text(OLD.replace("1.5", "1.6"))
    said: list[str] = []
    ingest(["somebody/table"], tmp_path / "home", tmp_path / "source", None, said.append)
    assert any("does not say when it was published: it counts from today" in line for line in said)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_is_no_part_of_the_first_code(
    mark: str, load: Load, tmp_path: Path
) -> None:
    load({"table.tsv": mark + OLD})
    assert ("T", "AT11", "2011", 1.5, "") in observed(tmp_path)
