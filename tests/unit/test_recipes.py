"""Recipes: what they may say, and that every one in the catalogue can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data import recipes
from data.errors import BadInput
from data.recipes import dataset_ids, dataset_recipe, read_recipe
from data.sources import reader

GOOD = """
title = "A table"
publisher = "Somebody"
licence = "free"
level = "regional"
dimensions = ["geo"]

[[file]]
names = ["{code}.tsv"]
reader = "eurostat_tsv"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "somebody").mkdir()
    yield tmp_path / "somebody"
    recipes.dataset_recipe.cache_clear()


def test_every_recipe_of_the_catalogue_can_be_read() -> None:
    assert len(dataset_ids()) > 50
    for id in dataset_ids():
        recipe = dataset_recipe(id)
        assert recipe.id == id
        assert recipe.title
        assert recipe.publisher
        assert recipe.licence
        assert {"geo", "from_code"} & set(recipe.dimensions)
        for layout in recipe.files:
            assert layout.names
            assert callable(reader(layout.reader))


def test_a_eurostat_table_needs_no_more_than_a_title_and_its_dimensions(folder: Path) -> None:
    shared = recipes.CATALOGUE / "eurostat" / "_publisher.toml"
    (folder / "_publisher.toml").write_text(shared.read_text())
    path = folder / "ilc_mddd21.toml"
    path.write_text('title = "Severe deprivation"\ndimensions = ["unit", "geo"]\n')
    recipe = read_recipe(path)
    assert recipe.level == "regional"
    assert [layout.reader for layout in recipe.files] == [
        "eurostat_tsv",
        "eurostat_sdmx_csv",
        "json_stat",
        "databrowser_xlsx",
    ]
    assert "ilc_mddd21.tsv.gz" in recipe.files[0].names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("title", "titel"), "recipe somebody/x.toml: unknown key 'titel'; did you mean title"),
        (('title = "A table"', ""), "key 'title' is missing"),
        (('"geo"', '"Geo"'), "dimension 'Geo' is not usable"),
        (('"geo"', '"value"'), "dimension 'value' is not usable"),
        (('"regional"', '"local"'), "level is 'local'; say regional or national or modelled"),
        (('["geo"]', '"geo"'), "dimensions is 'geo'; say a list, each a text in quotes"),
        (("[[file]]", "page_rows = '9'\n[[file]]"), "page_rows is '9'; say a whole number"),
        (("[[file]]", "[[file]]\npartial = 'yes'"), "partial is 'yes'; say true or false"),
        (("[[file]]", "[[file]]\nreleased = '2020'"), "released is '2020'; say a date such as"),
        (("[[file]]", "[wanted]\ngeo = 'AT'\n[[file]]"), "wanted is .*; say a table, each entry a"),
        (("[[file]]", "[contract]\nrows = [1]\n[[file]]"), "rows is .*; say a list, each a whole"),
        (("[[file]]", "[contract]\nmax_age_days = true\n[[file]]"), "max_age_days is True"),
        (("eurostat_tsv", "eurostat_tvs"), "unknown reader 'eurostat_tvs'"),
        (("[[file]]", "[[file]]\nsheets = 'Data'"), r"\[\[file\]\]: unknown key 'sheets'"),
        (("[[file]]", "[contract]\nrow = 3\n[[file]]"), r"\[contract\]: unknown key 'row'"),
        (("[[file]]", "[[excused]]\nrule = 'key'\n[[file]]"), "key 'reason' is missing"),
        (("[[file]]", "[wanted]\nsex = ['T']\n[[file]]"), "'sex' is not a dimension"),
        (("[[file]]", "[labels.sex]\nTotal = 'T'\n[[file]]"), "'sex' is not a dimension"),
        (("[[file]]", "[[file]"), "is not valid TOML"),
        (("[[file]]", "[file]"), r"file is no list of tables; head each of them \[\[file\]\]"),
        (("[[file]]", "contract = 3\n[[file]]"), r"contract is 3; make it a table"),
        (("[[file]]", "[contract]\nranges = 3\n[[file]]"), r"\[contract\]: unknown key 'ranges'"),
        (('["{code}.tsv"]', '"x.tsv"'), "names is 'x.tsv'; say a list"),
        (('reader = "eurostat_tsv"', ""), r"\[\[file\]\]: has no reader"),
        (('"eurostat_tsv"', '"tabular"\ncolumns = 3'), "columns is 3; say a table"),
        (('"eurostat_tsv"', '"tabular"\nsheets = "["'), "is no regular expression"),
        (('"eurostat_tsv"', '"tabular"\nwide = { columns = "x" }'), "wide is incomplete"),
        (('"eurostat_tsv"', '"tabular"\nencoding = "klingon"'), "unknown encoding 'klingon'"),
        (('"eurostat_tsv"', '"tabular"\ndelimiter = ";;"'), "delimiter is ';;'; say one sign"),
        (("[[file]]", "[[contract.range]]\nwhere = { x = 'y' }\n[[file]]"), "'x' is not a dim"),
        (('["geo"]', '["geo", "geo"]'), "names a dimension twice"),
    ],
)
def test_a_fault_in_a_recipe_is_named(folder: Path, change: tuple[str, str], message: str) -> None:
    path = folder / "x.toml"
    path.write_text(GOOD.replace(*change, 1))
    with pytest.raises(BadInput, match=message):
        read_recipe(path)


@pytest.mark.parametrize("id", ["eurostat/no_such", "eurostat", "../../etc/passwd", "a/b/c", ""])
def test_an_unknown_dataset_is_named(id: str) -> None:
    with pytest.raises(BadInput, match="there is no recipe of this name"):
        dataset_recipe(id)
