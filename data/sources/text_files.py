"""What can be wrong with a text file before any of it means something, and on which line."""

from __future__ import annotations

import re

import duckdb

from data.errors import BadInput
from data.sources.staged import SourceFile

BLOCK = 1 << 20
AGAIN = "fetch the file again"


def refuse_cut(file: SourceFile) -> int:
    """Returns the number of lines. Raises BadInput if the last has no end: it was cut short."""
    lines, last = 0, b""
    with file.path.open("rb") as stream:
        while block := stream.read(BLOCK):
            lines += block.count(b"\n")
            last = block[-1:]
    if last != b"\n":
        where = f"{file.name}, line {lines + 1}"
        raise BadInput(where, "ends in the middle of the line, so the file was cut", AGAIN)
    return lines


def unreadable(file: SourceFile, fault: duckdb.Error) -> BadInput:
    """DuckDB's complaint about a text file as one message with file and line."""
    text = str(fault)
    numbered = re.search(r"[Ll]ine:? (\d+)", text)
    columns = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    found = odd_line(file)
    if columns:
        what = f"has {columns.group(2)} columns where the header has {columns.group(1)}"
    elif "unterminated quote" in text:
        what = "opens a quotation that nothing closes"
    elif found:
        what = found[1]
    else:
        what = "cannot be read as part of a table"
    line = numbered.group(1) if numbered else str(found[0]) if found else "1"
    return BadInput(f"{file.name}, line {line}", what, f"mend the line or {AGAIN}")


def odd_line(file: SourceFile) -> tuple[int, str] | None:
    """The first line that is no text, or ends unlike the first, and what is odd about it."""
    ending = b""
    with file.path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            mine = b"\r\n" if line.endswith(b"\r\n") else b"\n"
            ending = ending or mine
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number, "is not UTF-8 text"
            if mine != ending or b"\r" in line.removesuffix(mine):
                return number, "does not end as the first line does"
    return None
