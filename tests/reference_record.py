"""Our values beside somebody else's: asserted to agree, and kept for docs/reference-values.md.

A comparison that fails stops its test, so that the page only ever shows what holds. Each test
writes one file, in any order and from several processes, and only where `REGSI_REFERENCE` names
a folder. `python -m tests.reference_record FILE` writes the page of what is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reference_ledger import claimants, entries, ledger

FOLDER = "REGSI_REFERENCE"
HEAD = """# Our values beside theirs

Written by `make docs-tables` from the reference tests themselves: a row stands for a test that
passed. Of its values the row shows the one that comes nearest to its tolerance. A difference is
relative to theirs, or absolute where the tolerance is: those are sources in print, which give only
so many digits. Where a reference may be near zero, either will do.

Ours are numbers that the program gives, at most brought to their convention by a factor for small
samples. What it does not give, and the test itself works out from the program's fits, stands under
`recomputed`: it says that the fits are the same, not that the program has the statistic.
"""
LEDGER = """## The collection, entry by entry

How many of the numbers of each entry of the reference collection the tests above compared with
ours, how many more with what they recomputed, and which are passed over, for being derived from
those or for the reason given. What is still left are counts of rows and parameters, which the tests
assert plainly. `tests/reference/test_ledger.py` holds the tests to it; this page is not written
while a number that they claim goes uncompared.
"""
NUMBER = re.compile(r"-{1,2}\d+\.\d{3,}")
COLUMNS = (
    "case", "entry", "source", "values", "nearest", "ours", "recomputed", "theirs", "difference",
    "tolerance",
)  # fmt: skip
# entries that the running test claims, and the paths of their numbers that it has compared
Found = dict[str, set[str]]
_running: Found = {}
_ours: Found = {}  # of these paths, those whose number the product gives


@contextmanager
def claiming(names: Iterable[str]) -> Iterator[Found]:
    """The block's comparisons count for these entries of the collection."""
    claimed = tuple(names)
    for found in (_running, _ours):
        found.clear()
        found.update({name: set() for name in claimed})
    yield _running


def _count(values: Iterable[float], into: Found) -> None:
    stored = entries()
    for name, found in into.items():
        if name in stored:
            found.update(*(stored[name].matches(value) for value in values))


@dataclass(frozen=True)
class Compared:
    """Of a set of values, the one nearest to its tolerance; `used` is its share of that."""

    source: str
    values: int
    nearest: str
    ours: float
    theirs: float
    difference: float
    tolerance: str
    used: float
    recomputed: bool


@dataclass(frozen=True)
class Reference:
    """Where the values come from that ours are held against.

    `recomputed` says that ours are none of the product's numbers: the test works them out from its
    fits, by more than a factor for small samples.
    """

    source: str
    recomputed: bool = False

    def agrees(
        self, what: str, ours: Any, theirs: Any, rel: float | None = None, abs: float | None = None
    ) -> None:
        """Assert that numbers, sequences or mappings of numbers agree, and keep them as a row.

        At least one tolerance is needed; with both, either is enough, as for pytest.approx.
        """
        assert rel or abs, "a comparison needs its tolerance"
        # pytest.approx falls back on tolerances of its own where one is left out
        assert ours == pytest.approx(theirs, rel=rel or 0.0, abs=abs or 0.0), f"{what}: {ours}"
        for found in (_running,) if self.recomputed else (_running, _ours):
            _count(_named(theirs).values(), found)
        if folder := os.environ.get(FOLDER):
            row = self._nearest(what, _named(ours), _named(theirs), rel, abs)
            _append(Path(folder), row)

    def _nearest(
        self,
        what: str,
        ours: Mapping[str, float],
        theirs: Mapping[str, float],
        rel: float | None,
        abs: float | None,
    ) -> Compared:
        apart = {name: float(np.abs(ours[name] - theirs[name])) for name in theirs}
        allowed = {
            name: max((rel or 0.0) * float(np.abs(value)), abs or 0.0)
            for name, value in theirs.items()
        }
        used = {name: apart[name] / allowed[name] if allowed[name] else 0.0 for name in theirs}
        name = max(used, key=lambda one: used[one])
        unit = rel or abs or 0.0
        kind = "absolute" if not rel else "either" if abs else "relative"
        said = f"{unit:.0e} {kind}"
        label = what if len(theirs) == 1 else f"{what}: {name}"
        return Compared(
            self.source, len(theirs), label, ours[name], theirs[name],
            used[name] * unit, said, used[name], self.recomputed,
        )  # fmt: skip


def _named(values: Any) -> dict[str, float]:
    if isinstance(values, Mapping):
        return {str(name): float(value) for name, value in values.items()}
    numbers = np.atleast_1d(np.asarray(values, dtype=np.float64)).ravel().tolist()
    return {f"{place} of {len(numbers)}": value for place, value in enumerate(numbers, start=1)}


def _append(folder: Path, row: Compared) -> None:
    """Add a row to the file of the running test; its first row empties what an older run left."""
    test = os.environ["PYTEST_CURRENT_TEST"].rsplit(" (", 1)[0]
    path = folder / f"{hashlib.sha256(test.encode()).hexdigest()[:16]}.json"
    folder.mkdir(parents=True, exist_ok=True)
    found = json.loads(path.read_text("utf-8")) if path.exists() else {}
    rows = found.get("rows", []) if found.get("process") == os.getpid() else []
    compared, ours = (
        {name: sorted(paths) for name, paths in found.items()} for found in (_running, _ours)
    )
    document = {
        "test": test, "process": os.getpid(), "compared": compared, "ours": ours,
        "rows": [*rows, asdict(row)],
    }  # fmt: skip
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def page(folder: Path) -> str:
    """All rows as Markdown: a table for each test file, a row for each test and source."""
    tables: dict[str, list[str]] = defaultdict(list)
    documents = [json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")]
    for document in sorted(documents, key=lambda one: str(one["test"])):
        module, _, case = document["test"].partition("::")
        by_source: dict[tuple[str, bool], list[Compared]] = defaultdict(list)
        for row in document["rows"]:
            by_source[row["source"], row["recomputed"]].append(Compared(**row))
        claims = " ".join(document["compared"])
        tables[module] += [_line(case, claims, rows) for rows in by_source.values()]
    lines = [HEAD]
    for module, rows in tables.items():
        title = Path(module).stem.removeprefix("test_").replace("_", " ").capitalize()
        lines += [f"## {title}", "", f"`{module}`", "", f"| {' | '.join(COLUMNS)} |"]
        lines += ["|---|---|---|---:|---|---:|---:|---:|---:|---|", *rows, ""]
    return "\n".join([*lines, *_ledger(documents)]).rstrip() + "\n"


def _ledger(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each entry of the collection, how many of its numbers tests compared; the rest, why."""
    compared, ours = _together(documents, "compared"), _together(documents, "ours")
    lines = [LEDGER, "| entry | ours | recomputed | numbers | tests | passed over |"]
    lines.append("|---|---:|---:|---:|---|---|")
    whole = ledger().not_targeted | ledger().not_covered
    for name, entry in entries().items():
        if name not in whole:
            _all_compared(name, compared[name])
        reasons = {ledger().reason(name, path) for path in entry.numbers.keys() - compared[name]}
        said = whole.get(name) or "; ".join(sorted(filter(None, reasons)))
        tests = " ".join(one.removeprefix("test_").removesuffix(".py") for one in claimants(name))
        counts = len(ours[name]), len(compared[name] - ours[name]), len(entry.numbers)
        lines.append(f"| {' | '.join((name, *map(str, counts), tests, said))} |")
    return lines


def _together(documents: Iterable[Mapping[str, Any]], kind: str) -> Found:
    """The paths of each entry that any test compared."""
    found: Found = defaultdict(set)
    for document in documents:
        for name, paths in document[kind].items():
            found[name].update(paths)
    return found


def _all_compared(name: str, compared: set[str]) -> None:
    """Stop where a number of an entry, counts apart, was neither compared nor passed over."""
    wanted = ledger().wanted(name).items()
    left = [path for path, value in wanted if path not in compared and value % 1.0]
    if left:
        raise SystemExit(f"error: {name}: {left} not compared; compare them, or give a reason")


def _line(case: str, claims: str, rows: list[Compared]) -> str:
    worst = max(rows, key=lambda row: row.used)
    test, _, parameters = case.removeprefix("test_").removesuffix("]").partition("[")
    known = NUMBER.sub("", parameters).strip("-")  # without the reference values themselves
    name = test.replace("_", " ") + (f": {known}" if known else "")
    number = f"{worst.ours:.8g}"
    cells = (
        name, claims, worst.source, str(sum(row.values for row in rows)), worst.nearest,
        *(("", number) if worst.recomputed else (number, "")),
        f"{worst.theirs:.8g}", f"{worst.difference:.1e}", worst.tolerance,
    )  # fmt: skip
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(exist_ok=True)
    target.write_text(page(Path(os.environ[FOLDER])), "utf-8")
