"""The last steps of every reader but the bulk TSV's: texts become codes, periods and numbers.

A reader leaves table `texts`: a VARCHAR column for each dimension of its file, `time`, `text` (what
stands in the cell), `flags`, and `place` (where in the file: words, or a number that the macro
`spelt` puts in words, so that no sentence is written for each figure that is right). Nothing is
read silently wrong: a text that is neither number nor known mark of a missing one stops the load
and is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import BadInput
from data.sources.staged import Load, from_long
from data.sql import literal, quoted, statement

NUMBER = r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?"
GROUPED = r"-?[0-9]{1,3}(S[0-9]{3})*(\.[0-9]+)?|-?[0-9]+(\.[0-9]+)?"
TIME = r"[0-9]{4}(-?(Q[1-4]|S[1-2]|W[0-9]{2})|-[0-9]{2}(-[0-9]{2})?|M[0-9]{2})?"
CODE = "[A-Z0-9][A-Z0-9_.-]*"
# most periods are years, which have one spelling
PRESENT_TIME = (
    "CASE WHEN strlen(time) = 4 THEN time"
    " ELSE replace(regexp_replace(time, '^([0-9]{4})([QSW])', '\\1-\\2'), 'M', '-') END"
)


@dataclass(frozen=True)
class Spelling:
    """How a file writes numbers: its sign between thousands, its marks for a missing one."""

    thousands: str = ""
    missing: tuple[str, ...] = ("", ":")


def finish(load: Load, columns: Sequence[str], spelling: Spelling | None = None) -> None:
    """Turns `texts`, whose dimensions are `columns`, into the staging tables.

    Raises BadInput naming the place of the first text that does not fit.
    """
    spelling = spelling or Spelling()
    refuse_other_values(load, columns)
    refuse_wrong_periods(load)
    for name in columns:
        refuse_unknown_labels(load, name)
    refuse_no_codes(load, columns)
    refuse_wrong_numbers(load, spelling)
    load.con.execute(
        statement(
            "CREATE TABLE long AS SELECT {dims}, {time} AS time, {value} AS value,"
            " coalesce(flags, '') AS flags, place FROM ({coded}) WHERE {wanted}",
            dims=", ".join(dimension(load, name, columns) for name in load.recipe.dimensions),
            time=PRESENT_TIME,
            value=number(spelling),
            coded=coded(load, columns),
            wanted=wanted(load),
        )
    )
    from_long(load)


def dimension(load: Load, name: str, columns: Sequence[str]) -> str:
    """SQL for a dimension: its column, or the constant where the layout lacks one."""
    constant = load.layout.constants.get(name)
    if name not in columns:
        return f"{literal(str(constant))} AS {quoted(name)}"
    if constant is None:
        return quoted(name)
    return f"coalesce({quoted(name)}, {literal(constant)}) AS {quoted(name)}"


def wanted(load: Load) -> str:
    """SQL for the codes that the recipe wants."""
    tests = [
        f"{quoted(name)} IN ({', '.join(map(literal, codes))})"
        for name, codes in load.recipe.wanted.items()
    ]
    return " AND ".join(tests) or "true"


def number(spelling: Spelling) -> str:
    """SQL for the number in `text`."""
    plain = "trim(text)"
    if spelling.thousands:
        plain = f"replace({plain}, {literal(spelling.thousands)}, '')"
    return f"CASE WHEN {is_missing(spelling)} THEN NULL ELSE CAST({plain} AS DOUBLE) END"


def is_missing(spelling: Spelling) -> str:
    """SQL for a cell without a number."""
    return f"(text IS NULL OR trim(text) IN ({', '.join(map(literal, spelling.missing))}))"


def first(load: Load, shown: str, wrong: str) -> tuple[str, str] | None:
    """Where the first row that is wrong stands, and what it shows; both told in SQL.

    Places of more digits come later: line 10 after line 9.
    """
    found = load.con.execute(
        statement(
            "SELECT spelt(place) AS place, {shown} FROM texts WHERE {wrong}"
            " ORDER BY len(spelt(texts.place)), spelt(texts.place) LIMIT 1",
            shown=shown,
            wrong=wrong,
        )
    ).fetchone()
    return None if found is None else (f"{load.file.name}, {found[0]}", found[1])


def refuse_wrong_numbers(load: Load, spelling: Spelling) -> None:
    """Raises BadInput on the first text where a number belongs."""
    pattern = GROUPED.replace("S", f"[{spelling.thousands}]") if spelling.thousands else NUMBER
    fits = f"regexp_full_match(trim(text), {literal(pattern)})"
    if found := first(load, "text", f"NOT {is_missing(spelling)} AND NOT {fits}"):
        what = f"{found[1]!r} stands where a number belongs"
        todo = "mend or fetch the file again, or name the mark under `missing` in the recipe"
        raise BadInput(found[0], what, todo)


def refuse_wrong_periods(load: Load) -> None:
    """Raises BadInput on the first time that is none."""
    wrong = f"time IS NULL OR NOT regexp_full_match(time, {literal(TIME)})"
    if found := first(load, "time", wrong):
        raise BadInput(found[0], f"{found[1]!r} is not a period", "mend or fetch the file again")


def refuse_other_values(load: Load, columns: Sequence[str]) -> None:
    """Raises BadInput if a column that is no dimension holds more than its one allowed value."""
    for name, value in load.layout.dropped.items():
        if name not in columns:
            continue
        if found := first(load, quoted(name), f"{quoted(name)} IS DISTINCT FROM {literal(value)}"):
            what = f"{name} is {found[1]!r} where the recipe allows only {value!r}"
            todo = f"make {name} a dimension of {load.recipe.id} if both belong"
            raise BadInput(found[0], what, todo)


def refuse_unknown_labels(load: Load, name: str) -> None:
    """Raises BadInput on the first text that is neither a known label nor looks like a code.

    What looks like a code is one: some exports of a table have codes, others labels.
    """
    labels = load.recipe.labels.get(name)
    if not labels:
        return
    label = quoted(name)
    known = ", ".join(map(literal, [*labels, *labels.values()]))
    wrong = f"{label} NOT IN ({known}) AND NOT regexp_full_match({label}, {literal(CODE)})"
    if found := first(load, label, wrong):
        todo = f"add it to [labels.{name}] of the recipe of {load.recipe.id}"
        raise BadInput(found[0], f"{name} {found[1]!r} has no code", todo)


def coded(load: Load, columns: Sequence[str]) -> str:
    """SQL for `texts` with codes in the dimensions that the recipe lists labels of."""
    labelled = {name: labels for name in columns if (labels := load.recipe.labels.get(name))}
    if not labelled:
        return "SELECT * FROM texts"
    replaced, joins = [], []
    for i, (name, labels) in enumerate(labelled.items()):
        pairs = ", ".join(f"({literal(label)}, {literal(code)})" for label, code in labels.items())
        replaced.append(f"coalesce(l{i}.code, texts.{quoted(name)}) AS {quoted(name)}")
        joins.append(
            f" LEFT JOIN (VALUES {pairs}) l{i}(label, code) ON texts.{quoted(name)} = l{i}.label"
        )
    return statement(
        "SELECT texts.* REPLACE ({replaced}) FROM texts{joins}",
        replaced=", ".join(replaced),
        joins="".join(joins),
    )


def refuse_no_codes(load: Load, columns: Sequence[str]) -> None:
    """Raises BadInput on a blank code."""
    needed = [n for n in columns if n not in load.layout.constants and n not in load.layout.dropped]
    for name in needed:
        if found := first(load, "''", f"{quoted(name)} IS NULL"):
            raise BadInput(found[0], f"has no {name}", "mend the file or fetch it again")
