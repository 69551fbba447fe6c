"""The pieces that every form of a table is made of."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

GAP = "  "  # between the columns of a text
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


def wrapped_labels(labels: Sequence[str], width: int) -> list[str]:
    """Labels of rows; a long one runs on into the empty ones below it, those of its error and
    interval, and is cut off where there are no more.
    """
    lines = list(labels)
    for index, label in enumerate(labels):
        free = 1
        while index + free < len(labels) and label and not labels[index + free]:
            free += 1
        parts = textwrap.wrap(label, width, max_lines=free, placeholder=" …")
        hanging = [f"  {part}" if number else part for number, part in enumerate(parts)]
        lines[index : index + len(parts)] = hanging
    return lines
