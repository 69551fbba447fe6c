"""The pieces that every form of a table is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RowKind = Literal["estimate", "std_error", "interval", "number", "word"]


@dataclass(frozen=True)
class Cell:
    """Text with an ASCII minus, and the id of the result it prints ('' for words)."""

    text: str
    result: str = ""


@dataclass(frozen=True)
class Row:
    """One line of a table: a cell, or None, for each model."""

    kind: RowKind
    label: str
    cells: tuple[Cell | None, ...]
