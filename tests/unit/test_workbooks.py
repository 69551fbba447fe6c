"""Workbooks read as texts: what openpyxl's values print as, cell by cell, and named faults."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from data.errors import BadInput
from data.sources.sheet_rows import cell, letters
from data.sources.staged import SourceFile
from data.sources.workbooks import Workbook

NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
Rewrite = Callable[[bytes], bytes]


def opened(path: Path) -> Workbook:
    return Workbook(SourceFile(path, path.name, path.parent))


def shown(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return repr(value) if isinstance(value, float) else str(value)


def by_openpyxl(path: Path) -> dict[str, list[list[str | None]]]:
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    sheets = {}
    for name in book.sheetnames:
        page = book[name]
        page.reset_dimensions()
        rows = [[shown(value) for value in row] for row in page.iter_rows(values_only=True)]
        filled = [[i + 1 for i, text in enumerate(row) if text is not None] for row in rows]
        sheets[name] = [row[: max(to, default=0)] for row, to in zip(rows, filled, strict=True)]
    return sheets


def by_us(path: Path) -> dict[str, list[list[str | None]]]:
    book = opened(path)
    return {name: [[*row] for row in book.rows(name)] for name in book.sheets}


def rewritten(path: Path, part: str, change: Rewrite) -> Path:
    """The workbook with one part changed, or added."""
    with zipfile.ZipFile(path) as package:
        parts = {info.filename: package.read(info) for info in package.infolist()}
    parts[part] = change(parts.get(part, b""))
    with zipfile.ZipFile(path, "w") as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """All kinds of cells, with gaps between rows and columns."""
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append([1, -1, 1.0, 0.1, 1 / 3, 1e300, 1.5e-7, 12345678901234567890, True, False])
    page.append([None, "text", " x ", "0.50", "#N/A", "#DIV/0!", "Größe ✓ & <b>", "", ":"])
    moment = datetime(2013, 5, 6, 7, 8, 9)
    page["C5"] = moment
    page["E5"] = date(1900, 1, 5)
    page["F5"] = time(5, 30)
    page["H5"] = timedelta(hours=30, minutes=1)
    page["AB9"] = 7
    for number, code in enumerate(("yyyy", "[h]:mm:ss", '0 "days"', "[Red]0.0", "0_d", "m/d;@"), 1):
        page.cell(11, number, 41000.25).number_format = code
    book.create_sheet("Empty")
    book.create_sheet("Second")["B2"] = "text"
    book.save(tmp_path / "x.xlsx")
    return tmp_path / "x.xlsx"


def test_texts_are_those_of_openpyxls_values(path: Path) -> None:
    theirs = by_openpyxl(path)
    assert by_us(path) == theirs
    assert theirs["Sheet"][4][:4] == [None, None, "2013-05-06 07:08:09", None]
    assert theirs["Sheet"][1][4:6] == ["#N/A", "#DIV/0!"], "an error is no missing figure"


def test_the_calendar_that_begins_in_1904(path: Path) -> None:
    epoch = b"<workbookPr date1904='1'/>"
    changed = rewritten(path, "xl/workbook.xml", lambda x: x.replace(b"<workbookPr/>", epoch))
    assert by_us(changed) == by_openpyxl(changed)
    assert by_us(changed)["Sheet"][4][2] == "2017-05-07 07:08:09"


def sheet(cells: str) -> Rewrite:
    return lambda _: f"<worksheet {NAMESPACE}><sheetData>{cells}</sheetData></worksheet>".encode()


@pytest.mark.parametrize(
    "cells",
    [
        "<row><c><v>1</v></c><c/><c><v>2.50</v></c></row><row><c><v>3E2</v></c></row>",
        '<row r="2"><c r="B2" t="str"><f>"a"&amp;"b"</f><v>ab</v></c></row>',
        '<row r="1"><c r="A1"><f>1+1</f></c><c r="B1" t="b"><v>1</v></c></row>',
        '<row r="1"><c r="A1" t="e"><v>#REF!</v></c><c r="C1"><v></v></c></row>',
        '<row r="1"><c r="A1" t="inlineStr"><is><t>one</t></is></c></row>',
        '<row r="1"><c r="A1" t="inlineStr"><is><r><t>o</t></r><r><t>ne</t></r></is></c></row>',
        '<row r="1"><c r="A1" t="inlineStr"><is><t>東京</t>'
        '<rPh sb="0" eb="2"><t>とうきょう</t></rPh></is></c></row>',
        '<row r="1" spans="1:2">\n <c r="A1">\n  <v>007</v>\n </c>\n</row>\n',
        '<row r="1"><c r="XFD1"><v>1</v></c></row>',
        '<row r="1"><c r="A1"><v>1</v><v>9</v></c></row>',
        '<row r="1"><c r="A1"><f><v>9</v></f></c><c r="B1"><is><v>9</v></is></c></row>',
        '<row r="1"><c r="A1" t="d"><v>2020-01-02T00:00:00</v></c></row>',
        '<row r="1"><c r="A1" t="d"><v>2020-01-02</v></c><c r="C1" t="d"><v>T05:30</v></c></row>',
        '<row r="1"><c r="A1" t="d"><v>2020-01-02T03:04:05.678Z</v></c></row>',
        "",
    ],
)
def test_cells_that_other_programs_write(path: Path, cells: str) -> None:
    changed = rewritten(path, "xl/worksheets/sheet1.xml", sheet(cells))
    assert by_us(changed) == by_openpyxl(changed)


@pytest.mark.parametrize(
    "cell",
    [
        '<v>1</v><extLst><ext uri="{a}"><v>9</v></ext></extLst>',
        '<extLst><ext uri="{a}"><row><c r="B1"><v>9</v></c></row></ext></extLst><v>1</v>',
    ],
)
def test_what_extensions_hold_is_no_figure(path: Path, cell: str) -> None:
    row = sheet(f'<row r="1"><c r="A1">{cell}</c><c r="C1"><v>2</v></c></row>')
    changed = rewritten(path, "xl/worksheets/sheet1.xml", row)
    assert by_us(changed)["Sheet"] == [["1", None, "2"]]


def test_a_prefix_before_the_tags_and_shared_texts_with_formats(path: Path) -> None:
    cells = '<x:row r="1"><x:c r="A1" t="s"><x:v>0</x:v></x:c></x:row>'
    prefixed = f"<x:worksheet {NAMESPACE.replace('=', ':x=', 1)}><x:sheetData>{cells}"
    whole = f"{prefixed}</x:sheetData></x:worksheet>".encode()
    rewritten(path, "xl/worksheets/sheet1.xml", lambda _: whole)
    texts = "<si><t>a</t><r><rPr/><t>b</t></r><rPh sb='0' eb='1'><t>z</t></rPh></si>"
    strings = f"<sst {NAMESPACE}>{texts}</sst>".encode()
    rewritten(path, "xl/sharedStrings.xml", lambda _: strings)
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    relation = f'<Relationship Type="{kind}" Target="sharedStrings.xml" Id="s"/></Relationships>'
    related = "xl/_rels/workbook.xml.rels"
    rewritten(path, related, lambda x: x.replace(b"</Relationships>", relation.encode()))
    content = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    typed = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{content}"/></Types>'
    rewritten(path, "[Content_Types].xml", lambda x: x.replace(b"</Types>", typed.encode()))
    assert opened(path).rows("Sheet") == [["ab"]] == by_openpyxl(path)["Sheet"]


def test_a_sheet_that_misstates_its_size_is_read_whole(path: Path) -> None:
    def change(part: bytes) -> bytes:
        assert b'<dimension ref="A1:AB11"' in part
        return part.replace(b'<dimension ref="A1:AB11"', b'<dimension ref="A1"')

    whole = by_us(path)
    assert by_us(rewritten(path, "xl/worksheets/sheet1.xml", change)) == whole


def test_only_the_first_rows(path: Path) -> None:
    book = opened(path)
    every = book.rows("Sheet")
    assert [row[:10] for row in book.rows("Sheet", last=2)] == [row[:10] for row in every[:2]]
    assert len(book.rows("Sheet", last=4)) <= 4


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ('<row r="1"><c r="B1"><v>1;2</v></c></row>', "sheet Sheet, cell B1: '1;2' makes no sense"),
        ('<row r="3"><c r="C3" t="s"><v>999</v></c></row>', "sheet Sheet, cell C3: '999'"),
        ('<row r="1"><c r="A1" t="b"><v>yes</v></c></row>', "sheet Sheet, cell A1: 'yes'"),
        ('<row r="1"><c r="ZZZ1"><v>1</v></c></row>', "sheet Sheet, column 'ZZZ'"),
        ('<row r="1"><c r="A1" t="d"><v>2020</v></c></row>', "sheet Sheet, cell A1: '2020'"),
        ('<row r="3"><c r="C4"/></row>', "sheet Sheet, cell C4: stands in row 3"),
        ('<row r="3"><c r="C13"/></row>', "sheet Sheet, cell C13: stands in row 3"),
        ('<row r="1"><c r="1"/></row>', "sheet Sheet, column ''"),
        ('<row r="2"/><row r="1"/>', "sheet Sheet, row 1: "),
        ('<row r="99999999"/>', "sheet Sheet, row 99999999: "),
        ('<row r="1"><c r="A1"><v>1</v></row>', "x.xlsx: is not a readable xlsx workbook"),
    ],
)
def test_a_cell_that_makes_no_sense_is_named(path: Path, cells: str, message: str) -> None:
    changed = rewritten(path, "xl/worksheets/sheet1.xml", sheet(cells))
    with pytest.raises(BadInput, match=message):
        opened(changed).rows("Sheet")


@pytest.mark.parametrize("far", ["XFD20000", "XFD1048576"])
def test_a_stray_cell_far_away_costs_its_own_row_only(path: Path, far: str) -> None:
    row = far.removeprefix("XFD")
    cells = f'<row r="1"><c r="A1"><v>1</v></c></row><row r="{row}"><c r="{far}"><v>2</v></c></row>'
    book = opened(rewritten(path, "xl/worksheets/sheet1.xml", sheet(cells)))
    tracemalloc.start()
    rows = book.rows("Sheet")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6, "a bare reference for each row left out"
    assert len(rows) == int(row)
    assert [*rows[0]] == ["1"]
    assert (cell(rows[0], 0), cell(rows[0], 1), cell(rows[1], 0)) == ("1", None, None)
    assert (len(rows[-1]), rows[-1][-1]) == (16_384, "2")


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY e SYSTEM "file:///etc/hostname">',
        '<!ENTITY a "aaaaaaaaaa"><!ENTITY e "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">',
    ],
)
def test_a_sheet_that_declares_entities_is_refused(path: Path, declared: str) -> None:
    plain = sheet('<row r="1"><c r="A1" t="str"><v>&e;</v></c></row>')
    part = f"<!DOCTYPE x [{declared}]>".encode() + plain(b"")
    changed = rewritten(path, "xl/worksheets/sheet1.xml", lambda _: part)
    with pytest.raises(BadInput, match=r"x.xlsx: is not a readable xlsx workbook"):
        opened(changed).rows("Sheet")


def test_a_damaged_package_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    with pytest.raises(BadInput, match=r"x.xlsx: is not a readable xlsx workbook"):
        opened(rewritten(path, "xl/workbook.xml", lambda part: part[:-20]))
    for cut in (whole[: len(whole) // 2], b"", b"PK\x05\x06" + b"\0" * 18):
        path.write_bytes(cut)
        with pytest.raises(BadInput, match=r"x.xlsx: is not a readable xlsx workbook"):
            opened(path)
    middle = whole.index(b"xl/worksheets/sheet1.xml") + 60  # inside the packed rows
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
    with pytest.raises(BadInput, match=r"x.xlsx: is not a readable xlsx workbook"):
        by_us(path)


def test_the_day_of_saving(path: Path) -> None:
    assert opened(path).saved() == openpyxl.load_workbook(path).properties.modified.date()
    core = "docProps/core.xml"
    rewritten(path, core, lambda part: part.replace(b"dcterms:modified", b"dcterms:changed"))
    assert opened(path).saved() == date.today(), "the stamps of the parts inside"
    with zipfile.ZipFile(path) as package:
        parts: dict[str, Any] = {name: package.read(name) for name in package.namelist()}
    with zipfile.ZipFile(path, "w") as package:
        for name, content in parts.items():
            package.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    assert opened(path).saved() is None


def test_columns_are_called_as_sheets_call_them() -> None:
    named = [letters(number) for number in (1, 26, 27, 52, 702, 703, 16_384)]
    assert named == ["A", "Z", "AA", "AZ", "ZZ", "AAA", "XFD"]
