"""Addresses in recipes: each leads to a file that one of the recipe's layouts can read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openpyxl
import pytest

from data.errors import BadInput
from data.fetch.eurostat_contents import table_of
from data.fetch.newest import client_for, layout_of, name_of
from data.ingest import ingest
from data.recipes import DatasetRecipe, dataset_ids, dataset_recipe
from data.warehouse import Warehouse
from tests.scripted_publisher import Hours, Publisher, Reply, make_client, scripted_publisher

LIVE = [id for id in dataset_ids() if dataset_recipe(id).url]


@pytest.fixture(params=LIVE)
def recipe(request: pytest.FixtureRequest) -> DatasetRecipe:
    return dataset_recipe(request.param)


def test_there_are_some() -> None:
    publishers = {id.partition("/")[0] for id in LIVE}
    assert {"eurostat", "oecd", "dgregio", "bls", "empl", "gisco", "jrc"} <= publishers


def test_addresses_are_safe_and_files_have_a_layout(recipe: DatasetRecipe) -> None:
    url = urlsplit(recipe.url or "")
    assert url.scheme == "https"
    assert not set(name_of(recipe)) & set("*?[]{}/ ")
    assert layout_of(recipe) in recipe.files
    assert ("{offset}" in url.query) == (recipe.page_rows is not None)


@pytest.mark.parametrize("id", [id for id in LIVE if id.startswith("eurostat/")])
def test_eurostat_tables_are_fetched_whole_under_their_own_code(id: str) -> None:
    recipe = dataset_recipe(id)
    assert table_of(recipe.url or "") == id.partition("/")[2]
    assert layout_of(recipe).reader == "eurostat_tsv"
    assert not layout_of(recipe).constants, "the layout of a past edition"
    assert not layout_of(recipe).partial


def test_every_address_is_on_a_known_host(recipe: DatasetRecipe, tmp_path: Path) -> None:
    assert urlsplit(recipe.url or "").hostname in client_for(tmp_path).hosts


def _workbook() -> bytes:
    """The Bureau's table of states: headings of three rows, then FIPS code, name and figures."""
    sheet = openpyxl.Workbook()
    page = sheet.active
    assert page is not None
    rows: list[list[object]] = [["Employment status"], *([] for _ in range(7))]
    rows += [["01", "Alabama", 1976, 2632667.0, 1501284.0, 57.0, 1399080.0, 53.1, 102204.0, 6.8]]
    rows += [["037", "Los Angeles County", 1976, 5.0, 4.0, 80.0, 3.0, 60.0, 1.0, 25.0]]
    for row in rows:
        page.append(row)
    content = BytesIO()
    sheet.save(content)
    return content.getvalue()


def _square(code: str) -> str:
    corners = [[0.0, 0.0], [0.0, 2.0], [2.0, 2.0], [2.0, 0.0], [0.0, 0.0]]
    shape = {"type": "Polygon", "coordinates": [corners]}
    feature = {"type": "Feature", "properties": {"NUTS_ID": code}, "geometry": shape}
    return json.dumps({"type": "FeatureCollection", "features": [feature]})


OECD = "OBS_VALUE,OBS_STATUS"
LMP = "STRUCTURE,STRUCTURE_ID,FREQ,GEO,UNIT,LMP_TYPE,"
ARDECO = "VERSIONS,LEVEL_ID,TERRITORY_ID,NAME_HTML,YEAR,DATE,"
Row = tuple[str, str, float | None, str]

# headings as the services send them, as far as their descriptions tell; figures made up
ANSWERS: dict[str, tuple[str | bytes, list[Row]]] = {
    "eurostat/lfst_r_lfu3pers": (
        gzip.compress(
            b"freq,unit,age,sex,geo\\TIME_PERIOD\t2023 \t2024 \r\n"
            b"A,THS,Y15-24,T,AT11\t1.5 b\t: @C\r\n"
        ),
        [("AT11", "2023", 1.5, "b"), ("AT11", "2024", None, "c")],
    ),
    "oecd/socx": (
        "DATAFLOW,REF_AREA,FREQ,MEASURE,UNIT_MEASURE,EXPEND_SOURCE,SPENDING_TYPE,PROGRAMME_TYPE,"
        f"PRICE_BASE,TIME_PERIOD,{OECD},UNIT_MULT,DECIMALS\n"
        "X:Y(1.0),AUT,A,SOCX,PT_B1GQ,ES10,K,TP52,_Z,2019,0.5,A,0,3\n"
        "X:Y(1.0),GRC,A,SOCX,PT_B1GQ,ES10,K,TP52,_Z,2019,,M,0,3\n"
        "X:Y(1.0),GRC,A,SOCX,PT_B1GQ,ES10,K,TP52,_Z,2020,0.25,E,0,3\n",
        [("AT", "2019", 0.5, ""), ("EL", "2019", None, "m"), ("EL", "2020", 0.25, "e")],
    ),
    "oecd/lmp": (
        f"DATAFLOW,REF_AREA,MEASURE,PROGRAMME,UNIT_MEASURE,TIME_PERIOD,{OECD}\n"
        "X:Y(1.0),SWE,EXP,LMP_20,PT_B1GQ,2021,0.125,A\n",
        [("SE", "2021", 0.125, "")],
    ),
    "oecd/regofi": (
        f"DATAFLOW,REF_AREA,MEASURE,SECTOR,COFOG,UNIT_MEASURE,TIME_PERIOD,{OECD},"
        "UNIT_MULT,CONF_STATUS,DECIMALS\n"
        "X:Y(1.0),AT11,OTE,S1312,GF09,XDC,2015,12.5,A,6,F,1\n",
        [("AT11", "2015", 12.5, "")],
    ),
    "empl/lmp_expme": (
        f"{LMP}EXPTYPE,TIME_PERIOD,OBS_VALUE,OBS_FLAG,CONF_STATUS\r\n"
        "dataflow,EMPL:LMP_EXPME(1.0),A,AT,MIO_EUR,2,XIND,2021,12.5,e,\r\n"
        "dataflow,EMPL:LMP_EXPME(1.0),A,AT,MIO_EUR,AT-12,XIND,2022,:,,C\r\n",
        [("AT", "2021", 12.5, "e"), ("AT", "2022", None, "c")],
    ),
    "empl/lmp_partsumm": (
        f"{LMP}STK_FLOW,AGE,SEX,TIME_PERIOD,OBS_VALUE,OBS_FLAG\n"
        "dataflow,EMPL:LMP_PARTSUMM(1.0),A,BE,PER,TOT2_7,STK,Y_LT25,F,2020,150,\n",
        [("BE", "2020", 150.0, "")],
    ),
    "jrc/ardeco_snptd": (
        f"{ARDECO}UNIT,VALUE\n2021,2,AT11,Burgenland,2020,2020,NR,294466\n",
        [("AT11", "2020", 294466.0, "")],
    ),
    "jrc/ardeco_suvgz": (
        f"{ARDECO}SECTOR,UNIT,VALUE\n2021,2,AT11,Burgenland,2020,2020,B-E,MIO_EUR,1234.5\n",
        [("AT11", "2020", 1234.5, "")],
    ),
    "gisco/nuts2_2021": (
        _square("AT11"),
        [("AT11", "2021", 1.0, ""), ("AT11", "2021", 1.0, "")],
    ),
    "bls/laus_state_year": (
        _workbook(),
        [
            ("01", "1976", figure, "")
            for figure in (6.8, 53.1, 57.0, 102204.0, 1399080.0, 1501284.0, 2632667.0)
        ],
    ),
    "dgregio/historic_eu_payments": (
        "nuts2_id,fund,programming_period,year,eu_payment_annual,modelled_annual_eu_payments,"
        "standard_deviation,standard_error\n"
        '"AT11","ESF","2007-2013","2010","1000.5","","",""\n',
        [("AT11", "2010", 1000.5, "")],
    ),
}


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with scripted_publisher() as publisher:
        yield publisher


def _moved(id: str, publisher: Publisher, answer: str | bytes) -> DatasetRecipe:
    """The recipe with its publisher's address on this machine, which answers so."""
    recipe = dataset_recipe(id)
    asked = urlsplit(recipe.url or "")
    url = publisher.url(f"{asked.path}?{asked.query}" if asked.query else asked.path)
    body = answer.encode() if isinstance(answer, str) else answer
    pages = [url] if recipe.page_rows is None else [url.replace("{offset}", n) for n in "01"]
    for page, content in zip(pages, (body, body.splitlines(keepends=True)[0]), strict=False):
        publisher.will(Reply(body=content), path=httpx.URL(page).raw_path.decode())
    return replace(recipe, url=url, page_rows=recipe.page_rows and 1)


def _fetch(
    id: str, publisher: Publisher, home: Path, monkeypatch: pytest.MonkeyPatch, answer: str | bytes
) -> list[Row]:
    recipe = _moved(id, publisher, answer)
    monkeypatch.setattr("data.ingest.dataset_recipe", lambda _: recipe)
    monkeypatch.setattr("data.fetch.newest.client_for", lambda home: make_client(home, Hours()))
    # so few rows break the committed baseline, which is not what is asked here
    monkeypatch.setattr("data.contracts.check", lambda *_: 0)
    ingest([id], home, None, None, lambda _: None)
    with Warehouse(home) as warehouse:
        return warehouse.observations(id).project("geo, time, value, flags").fetchall()


@pytest.mark.parametrize("id", ANSWERS)
def test_answers_are_fetched_and_read(
    id: str, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, expected = ANSWERS[id]
    seen = _fetch(id, publisher, tmp_path, monkeypatch, answer)
    known = [row for row in seen if row[2] is not None or row[3]]
    assert sorted(known, key=lambda row: (row[:2], row[2] or 0.0)) == expected
    assert len(publisher.asked) == (2 if dataset_recipe(id).page_rows else 1)


def test_ardeco_in_another_version_of_nuts_is_refused(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = f"{ARDECO}UNIT,VALUE\n2024,2,PT19,Centro,2020,2020,NR,1\n"
    with pytest.raises(BadInput, match=r"line 2.*nuts_version is '2024'.*only '2021'"):
        _fetch("jrc/ardeco_snptd", publisher, tmp_path, monkeypatch, answer)
