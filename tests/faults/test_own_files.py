"""Files of a user's own that are damaged, or made to do harm: one message each, with their name."""

from __future__ import annotations

import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data.errors import BadInput
from data.panels.own import read_own_panel
from pipelines.cli import main

FRAME = pd.DataFrame(
    {
        "geo": ["A", "A", "B"],
        "country": ["Q", "Q", "Q"],
        "year": [2000, 2001, 2000],
        "x": [1.5, 2.5, 3.5],
        "kind": ["town", "Größe", ""],
    }
)
SHEET, BOOK = "xl/worksheets/sheet1.xml", "xl/workbook.xml"
FAR = '<row r="1048576"><c r="XFD1048576" s="1">'
Change = Callable[[bytes], bytes]


def saved(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith(".xlsx"):
        FRAME.to_excel(path, index=False)
    elif name.endswith(".dta"):
        FRAME.to_stata(path, write_index=False, version=118)
    else:
        FRAME.to_parquet(path, index=False)
    return path


def rewritten(folder: Path, part: str, change: Change) -> Path:
    """A workbook of the panel with one of its parts changed; an empty part is left out."""
    path = saved(folder, "own.xlsx")
    with zipfile.ZipFile(path) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            if content:
                package.writestr(name, content)
    return path


def refusal(path: Path) -> str | None:
    """What is said against reading the file, if anything."""
    try:
        read_own_panel(path, "geo", "year", "country")
    except BadInput as fault:
        return str(fault)
    return None


def bomb(part: bytes) -> bytes:
    """The part with ten entities, each ten times the one before, the last used in it."""
    laughs = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<!DOCTYPE x [<!ENTITY e0 "ha">{laughs}]>'.encode()
    start = part.index(b"?>") + 2 if part.startswith(b"<?") else 0
    rest = part[start:].replace(b"<t>", b"<t>&e9;", 1).replace(b'"Sheet1"', b'"&e9;"', 1)
    return part[:start] + head + rest


def replaced(old: str, new: str) -> Change:
    def change(part: bytes) -> bytes:
        assert old.encode() in part
        return part.replace(old.encode(), new.encode(), 1)

    return change


WORKBOOKS: dict[str, tuple[str, Change, str]] = {
    "entities in the sheet": (SHEET, bomb, "is not a readable xlsx workbook"),
    "entities in the book": (BOOK, bomb, "is not a readable xlsx workbook"),
    "a sheet cut short": (SHEET, lambda part: part[: len(part) // 2], "is not a readable"),
    "a book cut short": (BOOK, lambda part: part[:-20], "is not a readable"),
    "no sheets": (BOOK, replaced("<sheet ", "<sheaf "), "has no sheet"),
    "a sheet that is not there": (SHEET, lambda _: b"", "is not a readable"),
    "an attribute unknown": (BOOK, replaced("activeTab", "activeTub"), ""),
    "styles cut short": ("xl/styles.xml", lambda part: part[:-20], "is not a readable"),
    "a stray cell": (
        SHEET,
        replaced("</sheetData>", f"{FAR}<v>1</v></c></row></sheetData>"),
        "line 1048576, column 'year': nan is no whole number",
    ),
    "a stray cell with a format alone": (
        SHEET,
        replaced("</sheetData>", f"{FAR}</c></row></sheetData>"),
        "",
    ),
}


@pytest.mark.parametrize("fault", WORKBOOKS)
def test_a_workbook_is_read_or_refused_by_name(tmp_path: Path, fault: str) -> None:
    part, change, message = WORKBOOKS[fault]
    path = rewritten(tmp_path, part, change)
    tracemalloc.start()
    try:
        if message:
            with pytest.raises(BadInput, match=rf"own\.xlsx.*({message})"):
                read_own_panel(path, "geo", "year", "country")
        else:
            frame = read_own_panel(path, "geo", "year", "country").frame
            assert list(frame["x"]) == [1.5, 2.5, 3.5]
            assert list(frame) == list(FRAME)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50e6


def test_lines_are_counted_over_blank_ones(tmp_path: Path) -> None:
    cells = '<c r="A99" t="inlineStr"><is><t>C</t></is></c><c r="C99"><v>2000</v></c>'
    far = replaced("</sheetData>", f'<row r="99">{cells}</row></sheetData>')
    with pytest.raises(BadInput, match=r"own\.xlsx, line 99: column 'country' is empty"):
        read_own_panel(rewritten(tmp_path, SHEET, far), "geo", "year", "country")


@pytest.mark.parametrize(("name", "step"), [("own.dta", 9), ("own.parquet", 9), ("own.xlsx", 19)])
@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_a_byte_changed_anywhere_makes_a_message_or_no_difference(
    tmp_path: Path, name: str, step: int, byte: int
) -> None:
    whole = saved(tmp_path, name).read_bytes()
    path = tmp_path / f"changed-{name}"
    for place in range(0, len(whole), step):
        path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
        message = refusal(path)
        assert message is None or path.name in message
        assert "\n" not in (message or "")


def test_a_stata_file_of_other_letters_is_read_in_silence(tmp_path: Path) -> None:
    whole = saved(tmp_path, "own.dta")
    whole.write_bytes(whole.read_bytes().replace("Größe".encode(), "Größe??".encode("latin-1")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = read_own_panel(whole, "geo", "year", "country").frame
    assert list(frame["kind"].dropna()) == ["town", "Größe??"]


def test_the_command_line_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewritten(tmp_path, SHEET, bomb)
    study = tmp_path / "own.toml"
    index = 'file = "own.xlsx"\nunit = "geo"\ntime = "year"\nparent = "country"\n'
    model = 'id = "m"\nestimator = "pooled"\noutcome = "x"\ntreatment = "z"\n'
    study.write_text(f'[study]\nid = "own"\n[panel]\n{index}[[model]]\n{model}')
    assert main(["fit", str(study), "--home", str(tmp_path / "var"), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "own.xlsx" in said
    assert said.count("\n") == 1
