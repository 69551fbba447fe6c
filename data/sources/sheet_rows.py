"""The rows of one sheet of a workbook, each cell as its text.

A text is what openpyxl's value prints as: a whole number plainly, another with the digits that
tell it apart, a day as `2013-01-01 00:00:00`. An error such as `#N/A` stays what it is, so that no
reader takes it for a missing figure. Openpyxl makes several objects of each cell; here the events
of the parser become texts at once, in a quarter of the time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import IO, NoReturn
from xml.parsers import expat

Row = Sequence[str | None]  # ends with its last cell that holds something
EMPTY: Row = ()
COLUMN = re.compile("[A-Z]{1,3}")
LAST_COLUMN, LAST_ROW = 16_384, 1 << 20  # of any sheet
WINDOWS = datetime(1899, 12, 30)
DAY_MS = 86_400_000
HELD, INLINE = "#held", "#inline"  # beside the attributes of a cell, what it holds
TEXTS = (["is", "t"], ["is", "r", "t"])  # not how a text is spoken


class WrongSheetError(ValueError):
    """A sheet holds what no program may write; the message begins with where."""


class _EnoughError(Exception):
    """As many rows as were asked for have been read."""


@dataclass(frozen=True)
class Book:
    """What the cells of all sheets refer to: texts, and the styles that show a number as a day.

    `days` and `spans` are numbers of styles; a span (`[h]:mm`) is a length of time.
    """

    texts: Sequence[str]
    days: frozenset[str]
    spans: frozenset[str]
    epoch: datetime = WINDOWS


def cell(row: Row, column: int) -> str | None:
    """What a row holds in a column, counted from 0: nothing beyond its end."""
    return row[column] if column < len(row) else None


def letters(column: int) -> str:
    """What a sheet calls a column, counted from 1: A, B, ... Z, AA, ..."""
    name = ""
    while column:
        column, place = divmod(column - 1, 26)
        name = chr(65 + place) + name
    return name


def column_number(name: str) -> int:
    """The number of a column, counted from 0. Raises WrongSheetError if none is called so."""
    number = 0
    for letter in name if COLUMN.fullmatch(name) else "":
        number = number * 26 + ord(letter) - 64
    if not 0 < number <= LAST_COLUMN:
        raise WrongSheetError(f"column {name!r}: there is none of this name")
    return number - 1


def number_text(text: str) -> str:
    """A number as Python prints it; raises ValueError if it is none."""
    if any(sign in text for sign in ".Ee"):
        return repr(float(text))
    return str(int(text))


def day_text(text: str, span: bool, epoch: datetime) -> str:
    """A number of days as what it stands for: a day, a time of day, or a length of time.

    Days before March 1900 count one more where the calendar begins in 1900: it has 29 February.
    """
    number = float(text)
    if span:
        return str(timedelta(milliseconds=round(number * DAY_MS)))
    whole, part = divmod(number, 1)
    ms = timedelta(milliseconds=round(part * DAY_MS))
    if 0 <= number < 1 and not ms.days:
        return str((datetime.min + ms).time())
    early = 0 < number < 60 and epoch == WINDOWS
    return str(epoch + timedelta(days=whole + early) + ms)


def iso_text(text: str) -> str:
    """A day, a moment or a time of day as Python prints it; a length of time as it stands.

    Raises ValueError if it is none.
    """
    if text.startswith("P"):
        return text
    moment = datetime if "T" in text else date
    kind = moment if "-" in text or ":" not in text else time
    return str(kind.fromisoformat(text.removesuffix("Z")))


def read_rows(stream: IO[bytes], book: Book, last: int | None = None) -> list[Row]:
    """The rows from the first on, each as long as it is; only the first `last`, where given.

    Rows are not made equally long: one stray cell in the last column would take 130 kB for each.
    What a sheet says about its own size is not asked: some programs state it wrongly. Raises
    WrongSheetError, or ExpatError where the part is not XML that a workbook may hold.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse_declarations
    table = _Table(book, last)

    def above(tag: str, _: Mapping[str, str]) -> None:
        if tag.endswith("sheetData") and tag.rpartition(":")[2] == "sheetData":
            table.found = True
            listen(parser, tag.removesuffix("sheetData"), table)

    parser.StartElementHandler = above
    with suppress(_EnoughError):
        parser.ParseFile(stream)
    if not table.found:
        raise WrongSheetError("no table: it has no cells")
    return table.rows


def refuse_declarations(*_: object) -> NoReturn:
    """Raises ExpatError: no part of a workbook may declare entities, which would go unread."""
    raise expat.ExpatError("declares what it consists of")


def listen(parser: expat.XMLParserType, prefix: str, table: _Table) -> None:
    """Collects each row's cells for `table`; `prefix` is what the part's tags begin with.

    What a cell holds is put beside its attributes. Closures, and no more of them than needed:
    they are called four times for each cell.
    """
    c, v, row, end_of_all = prefix + "c", prefix + "v", prefix + "row", prefix + "sheetData"
    cells, held = list[dict[str, str]](), list[str]()

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == c:
            cells.append(attributes)
        elif tag == v:
            held.clear()
        elif tag == row:
            held.clear()
            cells.clear()
            table.skip_to(attributes.get("r"))
        else:
            listen_aside(parser, prefix, tag, cells)

    def end(tag: str) -> None:
        if tag == v:
            cells[-1].setdefault(HELD, "".join(held))
        elif tag == row:
            table.add(cells)
        elif tag == end_of_all:
            listen_no_more(parser)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = held.append


def listen_aside(
    parser: expat.XMLParserType, prefix: str, outer: str, cells: Sequence[dict[str, str]]
) -> None:
    """Passes over element `outer`, just begun, unless it is the text that the last cell holds.

    Formulas and extensions may hold elements called as cells and figures are.
    """
    handlers = parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler
    path, pieces = [outer.removeprefix(prefix)], list[str]()

    def start(tag: str, _: Mapping[str, str]) -> None:
        path.append(tag.removeprefix(prefix))

    def text(piece: str) -> None:
        if path in TEXTS:
            pieces.append(piece)

    def end(_: str) -> None:
        if path.pop() == "is" and not path:
            cells[-1].setdefault(INLINE, "".join(pieces))
        if not path:
            parser.StartElementHandler, parser.EndElementHandler = handlers[:2]
            parser.CharacterDataHandler = handlers[2]

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text


def listen_no_more(parser: expat.XMLParserType) -> None:
    """What follows the cells has only to be XML."""
    parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None


class _Table:
    """The rows read so far."""

    def __init__(self, book: Book, last: int | None) -> None:
        self.book, self.last = book, last
        self.rows: list[Row] = []
        self.found = False
        self.columns: dict[str, int] = {}  # by name
        self.numbers: dict[str | None, str] = {}  # many cells hold the same

    def skip_to(self, stated: str | None) -> None:
        """Empty rows for those that the sheet leaves out before row `stated`."""
        number = len(self.rows) + 1 if stated is None else int(float(stated))
        if self.last is not None and number > self.last:
            raise _EnoughError
        if not len(self.rows) < number <= LAST_ROW:
            raise WrongSheetError(f"row {stated}: stands where none of this number belongs")
        self.rows += [EMPTY] * (number - 1 - len(self.rows))

    def add(self, cells: Sequence[Mapping[str, str]]) -> None:
        """One more row."""
        row: list[str | None] = []
        number = str(len(self.rows) + 1)
        columns, numbers, days, column = self.columns, self.numbers, self.book.days, -1
        for cell in cells:
            place = cell.get("r")
            name = place.removesuffix(number) if place else letters(column + 2)
            column = columns[name] if name in columns else self.column(name, place)
            held = cell.get(HELD)
            text = numbers.get(held) if "t" not in cell and cell.get("s") not in days else None
            if text is None:  # most cells do without the call
                text = self.text(cell, held, name)
                if text is None:
                    continue
            if column == len(row):
                row.append(text)
            else:
                row += [None] * (column + 1 - len(row))
                row[column] = text
        self.rows.append(row or EMPTY)

    def column(self, name: str, place: str | None) -> int:
        """The number of a column, remembered; `name` is a place without the row's number."""
        if place and name[-1:].isdigit():
            raise WrongSheetError(f"cell {place}: stands in row {len(self.rows) + 1}")
        self.columns[name] = column_number(name)
        return self.columns[name]

    def text(self, cell: Mapping[str, str], held: str | None, name: str) -> str | None:
        """What a cell in column `name` shows; raises WrongSheetError where it makes no sense."""
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return cell.get(INLINE)
        if not held:
            return None
        try:
            if kind == "s":
                return self.book.texts[int(held)]
            if kind == "n":
                style = cell.get("s", "0")
                if style in self.book.days:
                    return day_text(held, style in self.book.spans, self.book.epoch)
                self.numbers[held] = number_text(held)
                return self.numbers[held]
            if kind == "d":
                return iso_text(held)
            return str(bool(int(held))) if kind == "b" else held
        except (ValueError, IndexError, OverflowError):
            where = f"cell {name}{len(self.rows) + 1}"
            raise WrongSheetError(f"{where}: {held!r} makes no sense there") from None
