"""Each reader on the smallest files that show what it must understand or refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import pytest

from data.errors import BadInput, ContractBroken
from data.recipes import DatasetRecipe, Excused, FileLayout
from data.sources import reader, stated
from data.sources.staged import Load, SourceFile
from data.warehouse.writer import STAGING

Found = set[tuple[object, ...]]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(STAGING)
        yield connection


class Reading:
    """Reads one file with one layout; observations in the order of the dimensions."""

    def __init__(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self.con, self.folder = con, folder

    def __call__(
        self, name: str, content: str | bytes | None, kind: str, dims: str, **layout: Any
    ) -> Found:
        recipe_facts = {key: layout.pop(key) for key in ("labels", "excused") if key in layout}
        shape = FileLayout((name,), kind, **layout)
        dimensions = tuple(dims.split())
        recipe = DatasetRecipe(
            *("p/d", "t", "p", "l", "regional", "", dimensions, (shape,)), **recipe_facts
        )
        path = self.folder / name
        if content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        beside = tuple(self.folder / other for other in shape.companions)
        file = SourceFile(path, name, self.folder, beside)
        reader(kind)(Load(self.con, file, recipe, shape))
        columns = ", ".join(f"s.{d}" for d in dimensions)
        query = f"SELECT {columns}, time, value, flags FROM cells JOIN series s USING (series)"
        return set(self.con.execute(query + " JOIN periods USING (period)").fetchall())


@pytest.fixture
def read(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> Reading:
    return Reading(con, tmp_path)


VERSION_1 = """DATAFLOW,LAST UPDATE,freq,unit,geo,TIME_PERIOD,OBS_VALUE,OBS_FLAG,CONF_STATUS
ESTAT:X(1.0),13/06/24 23:00:00,A,PC,AT11,2013,1.5,bu,
ESTAT:X(1.0),13/06/24 23:00:00,A,PC,BE10,2013,,u,C
"""
JOINED = """STRUCTURE,STRUCTURE_ID,freq:Frequency,unit:Unit,geo:Region,TIME_PERIOD:T,OBS_VALUE:V
dataflow,ESTAT:X(1.0),A:Annual,PC:Percentage,AT11:Burgenland,2013:2013,1.5
dataflow,ESTAT:X(1.0),A:Annual,PC:Percentage,BE10:Bruxelles,2013,
"""


def test_sdmx_csv_of_version_1_with_date_flags_and_confidentiality(
    read: Reading, tmp_path: Path
) -> None:
    found = read("x.csv", VERSION_1, "eurostat_sdmx_csv", "unit geo", dropped={"freq": "A"})
    assert found == {("PC", "AT11", "2013", 1.5, "bu"), ("PC", "BE10", "2013", None, "cu")}
    asked = stated("eurostat_sdmx_csv")
    assert asked is not None
    assert asked(SourceFile(tmp_path / "x.csv", "x.csv", tmp_path)) == date(2024, 6, 13)


def test_sdmx_csv_with_labels_in_the_cells(read: Reading) -> None:
    found = read("x.csv", JOINED, "eurostat_sdmx_csv", "unit geo", dropped={"freq": "A"})
    assert found == {("PC", "AT11", "2013", 1.5, ""), ("PC", "BE10", "2013", None, "")}


def test_sdmx_csv_that_deletes_is_refused(read: Reading) -> None:
    text = "STRUCTURE,STRUCTURE_ID,ACTION,geo,TIME_PERIOD,OBS_VALUE\ndataflow,X,D,AT,2013,1\n"
    with pytest.raises(BadInput, match="line 2: action 'D' is not data"):
        read("x.csv", text, "eurostat_sdmx_csv", "geo")


def test_another_frequency_than_the_recipes_is_refused(read: Reading) -> None:
    with pytest.raises(BadInput, match=r"line 2.*freq is 'A' where the recipe allows only 'M'"):
        read("x.csv", VERSION_1, "eurostat_sdmx_csv", "unit geo", dropped={"freq": "M"})


CUBE = {
    "class": "dataset",
    "updated": "2024-06-13T23:00:00+0200",
    "id": ["geo", "time"],
    "size": [2, 2],
    "dimension": {
        "geo": {"category": {"index": ["AT", "BE"]}},
        "time": {"category": {"index": {"2013": 1, "2012": 0}}},
    },
    "value": [1, None, 2.5, None],
    "status": {"1": ":c"},
}


def test_json_stat_with_lists_and_objects_and_its_date(read: Reading, tmp_path: Path) -> None:
    found = read("x.json", json.dumps(CUBE), "json_stat", "geo")
    assert found == {("AT", "2012", 1, ""), ("AT", "2013", None, "c"), ("BE", "2012", 2.5, "")}
    asked = stated("json_stat")
    assert asked is not None
    assert asked(SourceFile(tmp_path / "x.json", "x.json", tmp_path)) == date(2024, 6, 13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": [1, None, "x", None]}, "position 2: holds 'x', not a number"),
        ({"value": [1, True, 2, None]}, "position 1: holds True, not a number"),
        ({"value": [1, 2]}, "value: has 2 entries where the dimensions make 4"),
        ({"value": {"4": 1}}, "value: has a position '4'"),
        ({"size": [2, 3]}, "dimension time: has 2 codes where size is 3"),
        ({"size": [4]}, "id: does not fit size"),
        ({"status": {"0": 7}}, "position 0: has the status 7"),
        ({"id": ["geo", "year_"]}, "dimension year_: has no index"),
    ],
)
def test_a_cube_that_does_not_fit_together_is_refused(
    read: Reading, change: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInput, match=f"x.json, {message}"):
        read("x.json", json.dumps(CUBE | change), "json_stat", "geo")


def test_long_csv_with_thousands_labels_flags_and_latin_letters(read: Reading) -> None:
    text = 'TIME,GEO,NAME,SEX,Value,Notes\n2013,AT11,Kärnten,Total,"1,234.5",b\n2013,BE10,x,T,:,\n'
    found = read(
        *("x.csv", text.encode("latin-1"), "tabular", "sex geo"),
        labels={"sex": {"Total": "T"}},
        settings={
            "columns": {"geo": "GEO", "sex": "SEX", "time": "TIME"},
            "values": "Value",
            "flags": "Notes",
            "thousands": ",",
            "encoding": "latin-1",
        },
    )
    assert found == {("T", "AT11", "2013", 1234.5, "b"), ("T", "BE10", "2013", None, "")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("geo,y,v\nAT,2013,1;2\n", "line 2, column v: '1;2' stands where a number belongs"),
        ("geo,y,v\nAT,2013.5,1\n", r"'2013.5' is not a whole number"),
        ("geo,y,v\nAT,13,1\n", "line 2, column v: '13' is not a period"),
        ("geo,year,v\nAT,2013,1\n", "column 'y' is missing among geo, year, v"),
        ("geo,v,v\nAT,2013,1\n", "line 1: column 'v' is there twice"),
        ("geo,y,v\n,2013,1\n", "line 2, column v: has no geo"),
        ("geo,y,v\nAT,2013,1\nAT,2013,2\n", "line 2, column v and line 3, .* is there twice"),
        ('geo,y,v\nAT,2013,"1\n', "line 2: opens a quotation that nothing closes"),
    ],
)
def test_a_fault_in_a_csv_is_named(read: Reading, text: str, message: str) -> None:
    settings = {"columns": {"geo": "geo", "time": "{y:d}"}, "values": "v"}
    with pytest.raises(BadInput, match=message):
        read("x.csv", text, "tabular", "geo", settings=settings)


def test_measures_side_by_side_and_codes_put_together(read: Reading) -> None:
    text = "fips,year,quarter,rate,wage\n1.0,1979.0,1,0.5,2.9\n"
    settings = {
        "columns": {"geo": "{fips:02d}", "time": "{year:d}-Q{quarter:d}"},
        "values": {"r": "rate", "w": "wage"},
        "measure": "variable",
    }
    found = read("x.csv", text, "tabular", "geo variable", settings=settings)
    assert found == {("01", "r", "1979-Q1", 0.5, ""), ("01", "w", "1979-Q1", 2.9, "")}


def workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    book = openpyxl.Workbook()
    del book["Sheet"]
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)


def test_years_across_and_dimensions_in_sheet_names(read: Reading, tmp_path: Path) -> None:
    head = ["state", "2012", "2013"]
    years: Sequence[Sequence[Any]] = [["Alabama", 1, 2.5], [None, None, None]]
    workbook(
        tmp_path / "x.xlsx",
        {"pell": [head, *years], "pell_real": [head, ["Alabama", 3, None]], "Notes": [["text"]]},
    )
    found = read(
        *("x.xlsx", None, "tabular", "geo programme measure"),
        constants={"measure": "nominal"},
        settings={
            "columns": {"geo": "state"},
            "wide": {"dimension": "time", "columns": "[0-9]{4}"},
            "sheets": "(?P<programme>pell)(?:_(?P<measure>real))?",
        },
    )
    assert found == {
        ("Alabama", "pell", "nominal", "2012", 1.0, ""),
        ("Alabama", "pell", "nominal", "2013", 2.5, ""),
        ("Alabama", "pell", "real", "2012", 3.0, ""),
        ("Alabama", "pell", "real", "2013", None, ""),
    }


def test_headings_over_several_rows_and_rows_left_out(read: Reading, tmp_path: Path) -> None:
    rows = [["A title", None, None], ["FIPS", "Year", None], [None, None, "Total"]]
    workbook(tmp_path / "x.xlsx", {"s": [*rows, ["01", "1976", 5], ["037", "1976", 6]]})
    settings = {
        "header": 2,
        "first_row": 4,
        "column_names": ["fips", "year", "total"],
        "columns": {"geo": "fips", "time": "year"},
        "values": "total",
        "skip": {"fips": ["037"]},
    }
    assert read("x.xlsx", None, "tabular", "geo", settings=settings) == {("01", "1976", 5.0, "")}


def test_a_wrong_cell_of_a_workbook_is_named(read: Reading, tmp_path: Path) -> None:
    workbook(tmp_path / "x.xlsx", {"s": [["geo", "2012", "2013"], ["AT", 1, "n.a."]]})
    settings = {"columns": {"geo": "geo"}, "wide": {"dimension": "time", "columns": "[0-9]+"}}
    with pytest.raises(BadInput, match=r"x.xlsx, sheet s, cell C2: 'n.a.' stands where a number"):
        read("x.xlsx", None, "tabular", "geo", settings=settings)


@pytest.mark.parametrize("suffix", ["parquet", "dta"])
def test_parquet_and_stata(read: Reading, tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"geo": ["AT", "BE"], "year": [2012, 2012], "v": [0.1, float("nan")]})
    path = tmp_path / f"x.{suffix}"
    if suffix == "dta":
        frame.to_stata(path, write_index=False)
    else:
        frame.to_parquet(path)
    settings = {"columns": {"geo": "geo", "time": "year"}, "values": "v", "missing": ["", "nan"]}
    found = read(path.name, None, "tabular", "geo", settings=settings)
    assert found == {("AT", "2012", 0.1, ""), ("BE", "2012", None, "")}


def test_what_is_not_the_kind_its_name_says_is_refused(read: Reading) -> None:
    settings = {"columns": {"geo": "geo", "time": "year"}, "values": "v"}
    for name in ("x.xlsx", "x.parquet", "x.dta"):
        with pytest.raises(BadInput, match=name):
            read(name, "geo,year,v\nAT,2012,1\n", "tabular", "geo", settings=settings)


def export(coded: bool) -> list[list[Any]]:
    """An extract as the Data Browser lays it out."""
    bracket = (lambda label, code: f"{label} [{code}]") if coded else (lambda label, _: label)
    labels: list[object] = ["GEO (Codes)", "GEO (Labels)"] if coded else ["GEO (Labels)"]
    lead: list[list[object]] = [["AT11", "Burgenland"], ["BE10", "Bruxelles"]]
    if not coded:
        lead = [["Burgenland"], ["Lazio (NUTS 2013)"]]
    return [
        ["Data extracted on 22/06/2024 12:09:02 from [ESTAT]"],
        ["Dataset: ", "Something [x]"],
        ["Last updated: ", "13/06/2024 23:00"],
        [],
        [bracket("Time frequency", "FREQ"), None, bracket("Annual", "A")],
        [bracket("Sex", "SEX"), None, bracket("Total", "T")],
        [],
        [*["TIME"] * len(labels), "2012", "", "2013", ""],
        [*labels, "", "", "", ""],
        [*lead[0], 1.5, "b", ":", "u"],
        [*lead[1], 2, "", 3, "bu"],
        [],
        ["Special value"],
        [":", "not available"],
    ]


def test_an_export_of_the_data_browser_with_codes(read: Reading, tmp_path: Path) -> None:
    sheets = {"Summary": [["x"]], "Sheet 1": export(coded=True), "Data_clean": [["geo", "2012"]]}
    workbook(tmp_path / "x.xlsx", sheets)
    found = read("x.xlsx", None, "databrowser_xlsx", "sex geo", dropped={"freq": "A"})
    assert found == {
        ("T", "AT11", "2012", 1.5, "b"),
        ("T", "AT11", "2013", None, "u"),
        ("T", "BE10", "2012", 2.0, ""),
        ("T", "BE10", "2013", 3.0, "bu"),
    }
    asked = stated("databrowser_xlsx")
    assert asked is not None
    assert asked(SourceFile(tmp_path / "x.xlsx", "x.xlsx", tmp_path)) == date(2024, 6, 13)


def test_stray_cells_and_empty_rows_change_nothing(read: Reading, tmp_path: Path) -> None:
    head = ["state", "2012"]
    rows: Sequence[Sequence[Any]] = [head, [], ["Alabama", 1], ["Alaska"], [None, None, "note"]]
    workbook(tmp_path / "x.xlsx", {"s": rows})
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    book["s"]["XFD1"] = book["s"]["XFD3"] = book["s"]["XFD20000"] = "stray"
    book.save(tmp_path / "x.xlsx")
    settings = {
        "columns": {"state": "state"},
        "wide": {"dimension": "time", "columns": "[0-9]{4}"},
    }
    found = read("x.xlsx", None, "tabular", "state", settings=settings)
    assert found == {("Alabama", "2012", 1.0, ""), ("Alaska", "2012", None, "")}


def test_an_export_with_stray_cells_and_sheets_without_any(read: Reading, tmp_path: Path) -> None:
    workbook(tmp_path / "x.xlsx", {"Bare": [[]], "Data": export(coded=True)})
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    book["Bare"]["A3"].number_format = "0.00"
    book["Data"]["XFD10"] = book["Data"]["XFD20000"] = book["Data"]["F4"] = "stray"
    book.save(tmp_path / "x.xlsx")
    found = read("x.xlsx", None, "databrowser_xlsx", "sex geo", dropped={"freq": "A"})
    assert len(found) == 4
    assert ("T", "BE10", "2013", 3.0, "bu") in found
    asked = stated("databrowser_xlsx")
    assert asked is not None
    assert asked(SourceFile(tmp_path / "x.xlsx", "x.xlsx", tmp_path)) == date(2024, 6, 13)


def test_an_export_with_labels_only_takes_codes_from_its_companion(
    read: Reading, tmp_path: Path
) -> None:
    workbook(tmp_path / "x.xlsx", {"Data": export(coded=False)})
    line = [None, "geo", "Region", "AT11", "Burgenland"]
    structure: Sequence[Sequence[Any]] = [["Structure"], [], line]
    workbook(tmp_path / "codes.xlsx", {"Structure": structure})
    found = read(
        *("x.xlsx", None, "databrowser_xlsx", "sex geo"),
        dropped={"freq": "Annual"},
        labels={"sex": {"Total": "T"}},
        companions=("codes.xlsx",),
    )
    assert found == {("T", "AT11", "2012", 1.5, "b"), ("T", "AT11", "2013", None, "u")}
    aside = read.con.execute("SELECT rule, key, time FROM set_aside ORDER BY time").fetchall()
    assert aside == [
        ("code", "Lazio (NUTS 2013)", "2012"),
        ("code", "Lazio (NUTS 2013)", "2013"),
    ]


def test_rows_of_one_key_are_added_up_where_the_recipe_says_so(read: Reading) -> None:
    text = "geo,year,v\nEL30,2001,0\nEL30,2001,7\nAT11,2001,1\n"
    settings = {"columns": {"geo": "geo", "time": "year"}, "values": "v"}
    split = Excused("key", "payment and model stand in rows of their own", ceiling=1)
    found = read("x.csv", text, "tabular", "geo", settings=settings, excused=(split,))
    assert found == {("EL30", "2001", 7.0, ""), ("AT11", "2001", 1.0, "")}
    none = Excused("key", "as before", ceiling=0)
    for name in ("grid", "texts", "long", "series", "periods", "cells"):
        read.con.execute(f"DROP TABLE {name}")
    with pytest.raises(ContractBroken, match=r"rule key, .*: 1 keys are there twice"):
        read("x.csv", text, "tabular", "geo", settings=settings, excused=(none,))


def square(x: float, y: float, side: float) -> list[list[float]]:
    corners = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    return [[x + side * i, y + side * j] for i, j in corners]


BOUNDARIES = {
    "type": "FeatureCollection",
    "features": [
        {  # a square with a hole in its right half
            "properties": {"id": "A"},
            "geometry": {"type": "Polygon", "coordinates": [square(0, 0, 4), square(2, 1, 2)]},
        },
        {  # two squares of one and of four
            "properties": {"id": "B"},
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[square(10, 0, 1)], [square(20, 0, 2)]],
            },
        },
    ],
}


def test_the_middle_of_a_region_with_holes_and_islands(read: Reading) -> None:
    settings = {"code": "id", "year": "2021"}
    rows = read("x.json", json.dumps(BOUNDARIES), "geojson", "geo measure", settings=settings)
    found = {(geo, measure): value for geo, measure, _, value, _ in rows}
    # by hand: (16 * 2 - 4 * 3) / 12 and (1 * 10.5 + 4 * 21) / 5
    assert found["A", "longitude"] == pytest.approx(20 / 12, rel=1e-12)
    assert found["A", "latitude"] == pytest.approx(2, rel=1e-12)
    assert found["B", "longitude"] == pytest.approx(18.9, rel=1e-12)
    assert found["B", "latitude"] == pytest.approx(0.9, rel=1e-12)


def test_boundaries_in_metres_of_the_web_become_degrees(read: Reading) -> None:
    # a corner of the web's map, 20 037 508.34 m, is 180 degrees east and 85.0511 north
    corner = square(20_037_507.34, 20_037_507.34, 1)
    feature = {"properties": {"id": "C"}, "geometry": {"type": "Polygon", "coordinates": [corner]}}
    settings = {"code": "id", "year": "2021", "mercator": True}
    text = json.dumps({"features": [feature]})
    rows = read("x.json", text, "geojson", "geo measure", settings=settings)
    found = {measure: value for _, measure, _, value, _ in rows}
    assert found["longitude"] == pytest.approx(180, abs=1e-5)
    assert found["latitude"] == pytest.approx(85.0511287798, abs=1e-5)


def test_a_boundary_without_code_or_area_is_named(read: Reading) -> None:
    flat = {"properties": {"id": "D"}, "geometry": {"type": "Polygon", "coordinates": [[[0, 0]]]}}
    settings = {"code": "id", "year": "2021"}
    text = json.dumps({"features": [flat]})
    with pytest.raises(BadInput, match=r"x.json, feature 0: has no code or no sound boundary"):
        read("x.json", text, "geojson", "geo measure", settings=settings)


def test_a_list_counts_its_rows_and_takes_codes_from_the_files_name(read: Reading) -> None:
    found = read(
        *("n2_2013.csv", "from,to\nAT11,AT11\nFRB0,\n", "tabular", "level from to"),
        constants={"time": "2016", "to": "none"},
        settings={"columns": {"from": "from", "to": "to"}, "file_parts": r"n(?P<level>\d)_.*"},
    )
    assert found == {("2", "AT11", "AT11", "2016", 1.0, ""), ("2", "FRB0", "none", "2016", 1.0, "")}
