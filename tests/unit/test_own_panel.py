"""A user's own file: what is read, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import BadInput
from data.panel import Panel
from data.panels.own import read_own_panel
from data.panels.store import export


def panel_of(folder: Path, text: str, name: str = "own.csv") -> Panel:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_own_panel(path, "geo", "year", "country")


GOOD = "geo,country,year,x,kind\nB,Q,2001,2,town\nA,Q,2001,,city\nA,Q,2000,1.5,city\n"


def test_rows_are_sorted_and_empty_cells_are_missing(tmp_path: Path) -> None:
    frame = panel_of(tmp_path, GOOD).frame
    assert list(zip(frame["geo"], frame["year"], strict=True)) == [
        ("A", 2000),
        ("A", 2001),
        ("B", 2001),
    ]
    np.testing.assert_array_equal(frame["x"], [1.5, np.nan, 2.0])
    assert list(frame["kind"]) == ["city", "city", "town"]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".dta", ".xlsx"])
def test_every_format_gives_the_same_panel(tmp_path: Path, suffix: str) -> None:
    original = panel_of(tmp_path, GOOD)
    path = tmp_path / f"again{suffix}"
    export(original, path)
    again = read_own_panel(path, "geo", "year", "country")
    pd.testing.assert_frame_equal(again.frame, original.frame, check_dtype=False)


@pytest.mark.parametrize(("mark", "point"), [(";", ","), (";", "."), ("\t", ","), ("\t", ".")])
def test_columns_may_be_separated_as_spreadsheets_of_the_continent_do(
    tmp_path: Path, mark: str, point: str
) -> None:
    table = 'geo|country|year|"rate, in %"|kind\nB|Q|2001|-2e3|"a, b"\nA|Q|2001||1,2,3\n'
    text = (table + "A|Q|2000|1.5|\nA|Q|2002|1.234|c\n").replace(".", point).replace("|", mark)
    frame = panel_of(tmp_path, text).frame
    np.testing.assert_array_equal(frame["rate, in %"], [1.5, np.nan, 1.234, -2000.0])
    assert frame["kind"].fillna("").tolist() == ["", "1,2,3", "c", "a, b"]


def test_commas_that_may_stand_for_thousands_are_no_numbers(tmp_path: Path) -> None:
    """1,234 is read as 1.234 beside 1,5 alone."""
    text = "geo;country;year;x;z\nA;Q;2000;1,234;1,234\nA;Q;2001;2,345;1,5\n"
    frame = panel_of(tmp_path, text).frame
    assert frame["x"].tolist() == ["1,234", "2,345"]
    assert frame["z"].tolist() == [1.234, 1.5]


@pytest.mark.parametrize(
    ("header", "mark"),
    [
        ("geo,country,year,gdp; real; 2015; prices; euro", ","),
        ("geo;country;year;rate, in %, 15 to 24, both", ";"),
        ('geo,country,year,"gdp; real; 2015; prices;\nin euro"', ","),
    ],
)
def test_names_in_a_header_may_hold_other_marks(tmp_path: Path, header: str, mark: str) -> None:
    rows = [["A", "Q", "2000", "1"], ["A", "Q", "2001", "2"]]
    frame = panel_of(tmp_path, "\n".join([header, *map(mark.join, rows), ""])).frame
    assert frame.iloc[:, -1].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("size", ["1.500", "1.234.567"])
def test_points_beside_decimal_commas_may_stand_for_thousands(tmp_path: Path, size: str) -> None:
    """1.500 people at 7,5 % are not one and a half."""
    text = f"geo;country;year;people;rate\nA;Q;2000;{size};7,5\nA;Q;2001;900;8\n"
    with pytest.raises(BadInput, match=r"'people': .* may be meant in thousands: 'rate' has"):
        panel_of(tmp_path, text)


def test_points_without_any_decimal_comma_are_decimal(tmp_path: Path) -> None:
    text = "geo;country;year;people;rate\nA;Q;2000;1.500;7.5\nA;Q;2001;900;8\n"
    assert panel_of(tmp_path, text).frame["people"].tolist() == [1.5, 900.0]


def test_an_exported_panel_tells_no_flag_from_no_cell(tmp_path: Path) -> None:
    original = panel_of(tmp_path, "geo,country,year,x,x_flag\nA,Q,2000,1,b\nA,Q,2001,2,u\n")
    original.frame["x_flag"] = pd.Series(["", None], dtype="object")
    path = tmp_path / "again.parquet"
    export(original, path)
    again = read_own_panel(path, "geo", "year", "country").frame["x_flag"]
    assert (again[0], pd.isna(again[1])) == ("", True)


def test_numbered_units_stay_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "firms.csv"
    path.write_text("firm,year,x\n10,1990,1\n9,1990,2\n")
    assert list(read_own_panel(path, "firm", "year").frame["firm"]) == [9, 10]


def test_units_too_large_to_count_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "firms.csv"
    path.write_text("firm,year,x\n1e300,1990,1\n2e300,1990,2\n")
    assert list(read_own_panel(path, "firm", "year").frame["firm"]) == [1e300, 2e300]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("geo,country,year,x\n", "has no rows"),
        ("geo,country,x\nA,Q,1\n", "line 1: has no column 'year'"),
        ("geo,country,year,x,x\nA,Q,2000,1,1\n", "line 1: column 'x' occurs twice"),
        ("geo;country;year;x\nA;Q;2000\n", "line 2: has 3 fields where the header has 4"),
        ("geo;country;year;x\nA;Q;2000;1\nA;Q;2001;2\nB;Q;2001;1,5\nB;Q;2002;1.5\n", "1,5"),
        ("geo,country,year,x\nA,Q,2000,1\nA,Q,2001,two\n", "line 3, column 'x': text among"),
        ('geo,country,year,x\nA,Q,2000,1\nA,Q,2001,"1,234"\n', "line 3, column 'x': text among"),
        ("geo,country,year,x\nA,Q,2000,1\n\nA,Q,2001,inf\n", "line 4, column 'x': an infinite"),
        ("geo,country,year,x\nA,Q,2000.5,1\n", "line 2, column 'year': '2000.5' is no whole"),
        ("geo,country,year,x\nA,Q,,1\n", "line 2, column 'year'"),
        ("geo,country,year,x\nA,Q,2000,1\nA,Q,1e300,1\n", "line 3, column 'year': '1e300' is too"),
        ("geo,country,year,x\nA,Q,99999999999999999999,1\n", "line 2, column 'year': '9+' is too"),
        ("geo,country,year,x\nA,Q,-9223372036854775809,1\n", "line 2, column 'year': '-9.* is too"),
        ("geo,country,year,x\nA,Q,9223372036854775807,1\n", "line 2, column 'year': '92.* is too"),
        ("geo,country,year,x\n,Q,2000,1\n", "line 2: column 'geo' is empty"),
        ("geo,country,year,x\nA,,2000,1\n", "line 2: column 'country' is empty"),
        ("geo,country,year,x\nA,Q,2000,1\nA,Q,2001,1,1\n", "line 3: has 5 fields where .* has 4"),
        ("geo,country,year,x\nA,Q,2000,1\nA,Q,2001\n", "line 3: has 3 fields where .* has 4"),
        ("geo,country,year,x\n\nA,Q,2001,1\nA,Q", "line 4: has 2 fields where .* has 4"),
        ('geo,country,year,x\nA,Q,2000,"1\n', "line 2: unexpected end of data"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        panel_of(tmp_path, text)


def test_files_that_are_not_what_they_say(tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv.gz"
    export(panel_of(tmp_path, GOOD), whole)
    for name in ("cut.csv.gz", "cut.parquet", "cut.xlsx", "cut.dta"):
        (tmp_path / name).write_bytes(whole.read_bytes()[:-12])
        with pytest.raises(BadInput, match=name):
            read_own_panel(tmp_path / name, "geo", "year")
    (tmp_path / "latin.csv").write_bytes("geo,year\nMünchen,2000\n".encode("latin-1"))
    with pytest.raises(BadInput, match=r"latin\.csv, line 2: is not UTF-8"):
        read_own_panel(tmp_path / "latin.csv", "geo", "year")
    with pytest.raises(BadInput, match="no such file"):
        read_own_panel(tmp_path / "nowhere.csv", "geo", "year")
    with pytest.raises(BadInput, match="unknown kind"):
        read_own_panel(tmp_path / "own.sav", "geo", "year")


@pytest.mark.parametrize("length", [0, 10, 300, 2000])
def test_a_stata_file_cut_anywhere_is_refused(tmp_path: Path, length: int) -> None:
    whole, cut = tmp_path / "whole.dta", tmp_path / "cut.dta"
    export(panel_of(tmp_path, GOOD), whole)
    cut.write_bytes(whole.read_bytes()[:length])
    with pytest.raises(BadInput, match=r"cut\.dta: "):
        read_own_panel(cut, "geo", "year")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("#REF!", "line 3, column 'x': text among numbers: '#REF!'"),
        ("#DIV/0!", "line 3, column 'x': text among numbers: '#DIV/0!'"),
        ("=1+1", "line 3: holds a formula whose result is not stored"),
    ],
)
def test_a_fault_in_a_spreadsheet_is_not_taken_for_a_blank(
    tmp_path: Path, entry: str, message: str
) -> None:
    cells = {"geo": ["A", "A", "B"], "year": [2000, 2001, 2001], "x": [1.5, entry, 2]}
    path = tmp_path / "book.xlsx"
    pd.DataFrame(cells, dtype="object").to_excel(path, index=False)
    with pytest.raises(BadInput, match=message):
        read_own_panel(path, "geo", "year")


def test_a_sheet_is_chosen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    export(panel_of(tmp_path, GOOD), path)
    assert len(read_own_panel(path, "geo", "year", sheet="panel").frame) == 3
    with pytest.raises(BadInput, match="has no sheet 'panels'; did you mean panel"):
        read_own_panel(path, "geo", "year", sheet="panels")
