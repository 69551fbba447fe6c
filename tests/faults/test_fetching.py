"""From a recipe's address to a file to load: unchanged tables are not sent twice, pages add up."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from data.errors import BadInput, NoAddress, SourceOutOfReach
from data.fetch import eurostat_contents, newest
from data.fetch.client import Client
from data.fetch.newest import client_for, fetched
from data.inbox import Incoming
from data.recipes import DatasetRecipe, FileLayout
from tests.scripted_publisher import DATASET, Publisher, Reply

CONTENTS = "/contents"
EDITION = {"ETag": '"one"', "Last-Modified": "Thu, 05 Mar 2026 23:30:00 GMT"}


def contents(day: str) -> Reply:
    rows = (
        '"title"\t"code"\t"type"\t"last update of data"\t"last table structure change"\t"values"\n'
        '"Database by themes"\t"data"\t"folder"\t" "\t" "\t\n'
        f'"    A table that is made up"\t"MADE_UP"\t"dataset"\t"{day}"\t"01.01.2020"\t9\n'
    )
    return Reply(body=rows.encode())


@pytest.fixture
def recipe(publisher: Publisher) -> DatasetRecipe:
    return DatasetRecipe(
        id="eurostat/made_up",
        title="A table that is made up",
        publisher="Eurostat",
        licence="none",
        level="regional",
        unit="thousand",
        dimensions=("unit", "geo"),
        files=(FileLayout(("made_up.tsv.gz",), "eurostat_tsv"),),
        url=publisher.url(),
        fetched_as="made_up.tsv.gz",
    )


@pytest.fixture
def eurostat(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """The publisher, taken for Eurostat: with a table of contents that is always read anew."""
    monkeypatch.setattr(newest, "CONTENTS", publisher.url(CONTENTS))
    monkeypatch.setattr(newest, "CONTENTS_AGE", -1.0)
    monkeypatch.setattr(newest, "table_of", lambda _: "made_up")
    return publisher


def fetch(recipe: DatasetRecipe, home: Path, client: Client) -> Incoming:
    scratch = home / "scratch"
    scratch.mkdir(exist_ok=True)
    return fetched(recipe, home, scratch, None, client)


def test_an_edition_is_kept_raw_and_dated_by_its_header(
    publisher: Publisher, recipe: DatasetRecipe, client: Client, tmp_path: Path
) -> None:
    publisher.will(Reply(headers=EDITION))
    file = fetch(recipe, tmp_path, client)
    assert file.published == date(2026, 3, 5)
    assert file.path.is_relative_to(tmp_path / "raw" / "eurostat" / "made_up")
    assert file.origin == publisher.url()


def test_an_unchanged_file_is_not_sent_twice(
    publisher: Publisher, recipe: DatasetRecipe, client: Client, tmp_path: Path
) -> None:
    publisher.will(Reply(headers=EDITION), Reply(304, b""))
    first = fetch(recipe, tmp_path, client)
    assert fetch(recipe, tmp_path, client) == first
    assert publisher.headers_asked("If-None-Match") == [None, '"one"']


def test_a_lost_raw_file_is_fetched_again(
    publisher: Publisher, recipe: DatasetRecipe, client: Client, tmp_path: Path
) -> None:
    publisher.will(Reply(headers=EDITION))
    first = fetch(recipe, tmp_path, client)
    first.path.unlink()
    assert fetch(recipe, tmp_path, client) == first
    assert first.path.is_file()
    assert publisher.headers_asked("If-None-Match") == [None, None]


def test_the_table_of_contents_says_what_changed(
    eurostat: Publisher, recipe: DatasetRecipe, client: Client, tmp_path: Path
) -> None:
    days = ("05.03.2026", "05.03.2026", "20.04.2026")
    eurostat.will(*(contents(day) for day in days), path=CONTENTS)
    eurostat.will(Reply(), Reply(body=gzip.compress(b"unit,geo\\time\t2002 \n", mtime=0)))
    files = [fetch(recipe, tmp_path, client) for _ in days]
    assert [file.published for file in files] == [date(2026, 3, 5)] * 2 + [date(2026, 4, 20)]
    assert files[0] == files[1] != files[2]
    asked = [path for path, _ in eurostat.asked]
    assert asked == [CONTENTS, DATASET, CONTENTS, CONTENTS, DATASET]


def test_without_the_table_of_contents_the_table_is_fetched(
    eurostat: Publisher, recipe: DatasetRecipe, client: Client, tmp_path: Path
) -> None:
    eurostat.will(Reply(body=b"a\tb\n"), path=CONTENTS)
    eurostat.will(Reply(headers=EDITION))
    assert fetch(recipe, tmp_path, client).published == date(2026, 3, 5)


def test_the_tables_code_is_read_from_eurostats_addresses_only() -> None:
    base = "https://ec.europa.eu/eurostat/api/dissemination"
    for url in (f"{base}/sdmx/2.1/data/LFST_R_X?a=b", f"{base}/statistics/1.0/data/lfst_r_x"):
        assert eurostat_contents.table_of(url) == "lfst_r_x"
    assert eurostat_contents.table_of("https://elsewhere.example/data/lfst_r_x") is None


PAGE = "/resource/made_up.csv?$limit=2&$offset={}"


@pytest.fixture
def paged(recipe: DatasetRecipe, publisher: Publisher) -> DatasetRecipe:
    layout = FileLayout(("made_up.csv",), "tabular")
    url = publisher.url(PAGE.format("{offset}"))
    return replace(recipe, url=url, fetched_as="made_up.csv", files=(layout,), page_rows=2)


def test_pages_are_joined_into_one_file(
    publisher: Publisher, paged: DatasetRecipe, client: Client, tmp_path: Path
) -> None:
    publisher.will(Reply(body=b'geo,eur\nAT11,"1\n"\nAT12,2'), path=PAGE.format(0))
    publisher.will(Reply(body=b"geo,eur\nAT13,3\nAT21,4\n"), path=PAGE.format(2))
    publisher.will(Reply(body=b"geo,eur\n"), path=PAGE.format(4))
    file = fetch(paged, tmp_path, client)
    assert file.path.read_bytes() == b'geo,eur\nAT11,"1\n"\nAT12,2\nAT13,3\nAT21,4\n'


@pytest.mark.parametrize(
    "second",
    [
        Reply(body=b"geo,other\nAT13,3\n", headers=EDITION),
        Reply(body=b"geo,eur\nAT13,3\n", headers={"Last-Modified": "Fri, 06 Mar 2026 1:00:00 GMT"}),
    ],
)
def test_pages_of_two_editions_are_not_joined(
    second: Reply, publisher: Publisher, paged: DatasetRecipe, client: Client, tmp_path: Path
) -> None:
    first = Reply(body=b"geo,eur\nAT11,1\nAT12,2\n", headers=EDITION)
    publisher.will(first, path=PAGE.format(0))
    publisher.will(second, path=PAGE.format(2))
    with pytest.raises(SourceOutOfReach, match="between two of its pages"):
        fetch(paged, tmp_path, client)


def test_a_recipe_without_an_address_says_so(
    recipe: DatasetRecipe, client: Client, tmp_path: Path
) -> None:
    with pytest.raises(NoAddress, match=r"eurostat/made_up.*--from"):
        fetch(replace(recipe, url=None), tmp_path, client)


def test_a_name_without_a_layout_is_a_fault_of_the_recipe(
    publisher: Publisher, recipe: DatasetRecipe, client: Client, tmp_path: Path
) -> None:
    publisher.will(Reply())
    with pytest.raises(BadInput, match=r"fetched_as.*other\.csv"):
        fetch(replace(recipe, fetched_as="other.csv"), tmp_path, client)


def test_the_hosts_are_those_of_the_recipes(tmp_path: Path) -> None:
    client = client_for(tmp_path)
    assert "ec.europa.eu" in client.hosts
    assert client.pace.intervals["sdmx.oecd.org"] > client.pace.intervals["ec.europa.eu"] == 1.0
    with pytest.raises(BadInput, match="not a place to fetch from"):
        client.fetch("https://elsewhere.example/x", tmp_path / "x")
    with pytest.raises(BadInput, match="not a place to fetch from"):
        client.fetch("http://ec.europa.eu/x", tmp_path / "x")
