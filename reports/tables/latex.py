"""The regression table for a paper: booktabs and dcolumn, ready to \\input."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.numbers import NONE
from reports.tables.grid import Grid
from reports.tables.parts import Cell, Row, wrapped_labels

HEADER = "% needs \\usepackage{booktabs,dcolumn} and, before LaTeX 2018, [utf8]{inputenc}\n"
COLUMNS_ON_A_PAGE = 4
WIDE = 16  # characters: with longer intervals or outcomes, a column fewer fits the page
LABEL_WIDTH = 34  # characters
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # an optional argument of \\ otherwise
    "]": "{]}",
    "×": r"\ensuremath{\times}",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
    "−": r"\ensuremath{-}",
    "→": r"\ensuremath{\to}",
    "≥": r"\ensuremath{\ge}",
    "≤": r"\ensuremath{\le}",
    "–": "--",
    "—": "---",
    "€": r"\texteuro{}",
}
COMMENT = str.maketrans({"\n": " ", "\r": " "})


def escaped(text: str) -> str:
    """`text` as LaTeX prints it, whatever it holds; control characters become blanks."""
    clean = "".join(char if char.isprintable() else " " for char in text)
    return "".join(SPECIAL.get(char, char) for char in clean)


def latex_table(grid: Grid, run_id: str) -> str:
    """Table environments, one for every few models; the notes stand under each."""
    intervals = [len(cell.text) for row in grid.terms for cell in row.cells if cell]
    outcomes = [] if grid.outcome else [len(head.outcome_name) for head in grid.heads]
    columns = COLUMNS_ON_A_PAGE - (max([*intervals, *outcomes], default=0) > WIDE)
    starts = range(0, len(grid.heads), columns)
    parts = [slice(start, start + columns) for start in starts]
    comment = f"% study {grid.study}, run {run_id}".translate(COMMENT)
    tables = [_table(grid, part, number, len(parts)) for number, part in enumerate(parts, start=1)]
    return f"{HEADER}{comment}\n" + "\n".join(tables)


def _table(grid: Grid, part: slice, number: int, parts: int) -> str:
    outcome = f" Outcome: {escaped(grid.outcome)}." if grid.outcome else ""
    which = f" Part {number} of {parts}." if parts > 1 else ""
    caption = f"{escaped(grid.title)}.{outcome}{which}"
    if grid.simulated:
        caption = rf"\textbf{{SIMULATED DATA.}} {caption}"
    label = f"tab:{_label(grid.study)}" + (f"-{number}" if parts > 1 else "")
    notes = [rf"{_note(note.kind, note.text)}\par" for note in grid.notes]
    notes += [rf"{escaped(text)}\par" for text in _outcomes(grid, part)]
    lines = [
        r"\begin{table}\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        _tabular(grid, part),
        "",
        r"\medskip",
        r"\begin{minipage}{\linewidth}\footnotesize",
        *notes,
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _outcomes(grid: Grid, part: slice) -> list[str]:
    """What the names of outcomes stand for: the labels are too long for a column."""
    heads = [] if grid.outcome else grid.heads[part]
    named = {head.outcome_name: head.outcome for head in heads if head.outcome != head.outcome_name}
    said = "; ".join(f"{name}: {label}" for name, label in named.items())
    return [f"Outcomes: {said}."] if said else []


def _label(study: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", study)


def _note(kind: str, text: str) -> str:
    loud = kind in {"simulated", "override", "warning"}
    return rf"\textbf{{{escaped(text)}}}" if loud else escaped(text)


def _tabular(grid: Grid, part: slice) -> str:
    heads = grid.heads[part]
    lines = [
        rf"\begin{{tabular}}{{l*{{{len(heads)}}}{{D{{.}}{{.}}{{-1}}}}}}",
        r"\toprule",
        _line("", [_centred(head.number) for head in heads]),
        _line("", [_centred(head.model) for head in heads]),
    ]
    if not grid.outcome:
        lines.append(_line("Outcome", [_centred(head.outcome_name) for head in heads]))
    lines.append(r"\midrule")
    lines += _rows(grid.terms, part)
    lines.append(r"\midrule")
    lines += _rows(grid.facts, part)
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _rows(rows: Sequence[Row], part: slice) -> list[str]:
    shown = [row for row in rows if any(row.cells[part])]
    labels = wrapped_labels([row.label for row in shown], LABEL_WIDTH)
    return [
        _line(_hung(label), [_cell(row, cell) for cell in row.cells[part]], row.kind == "interval")
        for row, label in zip(shown, labels, strict=True)
    ]


def _hung(label: str) -> str:
    return (r"\quad " if label.startswith(" ") else "") + escaped(label.strip())


def _line(label: str, cells: Sequence[str], space_after: bool = False) -> str:
    return " & ".join([label, *cells]) + (r" \\[0.6ex]" if space_after else r" \\")


def _cell(row: Row, cell: Cell | None) -> str:
    if cell is None:
        return ""
    if row.kind in {"word", "interval"} or "." not in cell.text:
        return _centred(cell.text)
    # in maths mode a thousands separator would otherwise be spaced like a list
    return cell.text.replace(",", "{,}").replace("<", "{<}")


def _centred(text: str) -> str:
    if any(char.isdigit() for char in text) and text.startswith("["):
        return rf"\multicolumn{{1}}{{c}}{{\ensuremath{{{text.replace(NONE, '-')}}}}}"
    return rf"\multicolumn{{1}}{{c}}{{{escaped(text)}}}"
