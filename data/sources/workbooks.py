"""Workbooks (xlsx): the names of their sheets, the day of saving, and the rows of a sheet."""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from functools import cached_property
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers.expat import ExpatError

from data.errors import BadInput
from data.sources.sheet_rows import WINDOWS, Book, Row, WrongSheetError, read_rows
from data.sources.staged import SourceFile

MACINTOSH = datetime(1904, 1, 1)
NO_STAMP = (1980, 1, 1)  # the first day of zip's calendar
# numbers of the formats that need no definition: a day or a time of day, a length of time
DAYS, SPANS = frozenset({*range(14, 23), 45, 46, 47}), frozenset({46})
NOT_OF_A_DAY = re.compile(r'".*?"|\[(?!hh?\]|mm?\]|ss?\])[^\]]*\]')
OF_A_DAY = re.compile(r"(?<![_\\])[dmhys]", re.IGNORECASE)
OF_A_SPAN = re.compile(r"\[(hh?|mm?|ss?)\]", re.IGNORECASE)
# what reading a damaged package may raise; a system's own fault carries its number
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    ElementTree.ParseError,
    ExpatError,
    WrongSheetError,
    LookupError,
    ValueError,
    EOFError,
    RuntimeError,  # a part is encrypted
)


class Workbook:
    """An opened workbook; `sheets` are the names of its sheets and the parts that hold them.

    Raises BadInput if it is none.
    """

    def __init__(self, file: SourceFile) -> None:
        self.name = file.name
        try:
            self._package = zipfile.ZipFile(file.path)
            main = next(target for kind, _, target in self._related("") if kind == "officeDocument")
            self._root = self._part(main)
            related = list(self._related(main))
            parts = {id: target for kind, id, target in related if kind == "worksheet"}
            named = [e for e in self._root.iter() if local(e) == "sheet"]
            self.sheets = {e.attrib["name"]: parts[id] for e in named if (id := _id(e)) in parts}
            self._beside = {kind: target for kind, _, target in related}
        except (*DAMAGE, StopIteration):
            raise self._unreadable() from None

    def rows(self, sheet: str, last: int | None = None) -> list[Row]:
        """The rows of a sheet as texts, the first `last` only, where given.

        Raises BadInput naming sheet and cell where they make no sense.
        """
        try:
            with self._package.open(self.sheets[sheet]) as stream:
                return read_rows(stream, self._book, last)
        except WrongSheetError as fault:
            place, _, what = str(fault).partition(": ")
            where = f"{self.name}, sheet {sheet}, {place}"
            raise BadInput(where, what, "open and save the workbook, or fetch it again") from None
        except DAMAGE:
            raise self._unreadable() from None

    def row_without_result(self, sheet: str) -> int | None:
        """The number of the first row with a formula whose result is not stored.

        Raises BadInput. Asked after `rows`, which refuses a sheet that declares entities.
        """
        number = 0
        try:
            with self._package.open(self.sheets[sheet]) as stream:
                for _, e in ElementTree.iterparse(stream):
                    if local(e) != "row":
                        continue
                    number = int(e.get("r", number + 1))
                    held = [{local(part): part.text for part in cell} for cell in e]
                    if any("f" in parts and not parts.get("v") for parts in held):
                        return number
                    e.clear()
        except DAMAGE:
            raise self._unreadable() from None
        return None

    def saved(self) -> date | None:
        """The day of the last saving: as its properties tell, or the stamps of the parts inside.

        Programs write that day there, or the first of zip's calendar for none.
        """
        try:
            core = self._part("docProps/core.xml")
            told = next(e.text or "" for e in core if local(e) == "modified")
            return date.fromisoformat(told.strip()[:10])
        except (*DAMAGE, StopIteration):
            stamped = max(part.date_time[:3] for part in self._package.infolist())
            return date(*stamped) if stamped > NO_STAMP else None

    @cached_property
    def _book(self) -> Book:
        """What the cells of all sheets refer to."""
        base = next((e for e in self._root if local(e) == "workbookPr"), Element("workbookPr"))
        old = base.get("date1904") in ("1", "true", "on")
        days, spans = self._styles()
        return Book(self._texts(), days, spans, MACINTOSH if old else WINDOWS)

    def _texts(self) -> list[str]:
        """The texts that several cells may share."""
        if "sharedStrings" not in self._beside:
            return []
        texts = self._part(self._beside["sharedStrings"])
        return [plain(e).replace("x005F_", "") for e in texts if local(e) == "si"]

    def _styles(self) -> tuple[frozenset[str], frozenset[str]]:
        """Numbers of the styles that show a day or time of day, and of those that show a length."""
        if "styles" not in self._beside:
            return frozenset(), frozenset()
        root = self._part(self._beside["styles"])
        own = {int(e.attrib["numFmtId"]): e.get("formatCode", "") for e in _below(root, "numFmts")}
        first = {id: code.split(";")[0] for id, code in own.items()}
        days = {id for id, code in first.items() if OF_A_DAY.search(NOT_OF_A_DAY.sub("", code))}
        spans = {id for id, code in first.items() if OF_A_SPAN.search(code)}
        formats = [int(e.get("numFmtId", 0)) for e in _below(root, "cellXfs")]
        days |= DAYS - own.keys()
        spans |= SPANS - own.keys()
        return _numbers(formats, days), _numbers(formats, spans)

    def _related(self, part: str) -> Iterator[tuple[str, str, str]]:
        """Kind, id and place of the parts that a part (the package itself: "") refers to."""
        folder, name = posixpath.split(part)
        for e in self._part(posixpath.join(folder, "_rels", f"{name}.rels")):
            place = posixpath.normpath(posixpath.join(folder, e.get("Target", "")))
            yield posixpath.basename(e.get("Type", "")), e.get("Id", ""), place.lstrip("/")

    def _part(self, name: str) -> Element:
        """A part of the package, parsed."""
        return ElementTree.fromstring(self._package.read(name))

    def _unreadable(self) -> BadInput:
        return BadInput(self.name, "is not a readable xlsx workbook", "fetch it again")


def local(element: Element) -> str:
    """The name of an element without its namespace, of which there are two for workbooks."""
    return element.tag.rpartition("}")[2]


def plain(text: Element) -> str:
    """A text without its formats, and without how it is spoken."""
    pieces = []
    for e in text:
        runs = e if local(e) == "r" else (e,)
        pieces += [t.text or "" for t in runs if local(t) == "t"]
    return "".join(pieces)


def _id(sheet: Element) -> str:
    """What the workbook calls the part of a sheet."""
    return next((value for name, value in sheet.attrib.items() if name.endswith("}id")), "")


def _below(root: Element, name: str) -> Iterator[Element]:
    """The elements of a list."""
    return (e for group in root if local(group) == name for e in group)


def _numbers(formats: list[int], wanted: set[int]) -> frozenset[str]:
    """The numbers of the styles of certain formats, as cells write them."""
    return frozenset(str(i) for i, format in enumerate(formats) if format in wanted)
