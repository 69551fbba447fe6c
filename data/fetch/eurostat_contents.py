"""Eurostat's table of contents: when each of its tables was last updated.

One file of some two megabytes tells whether any of the tables needs fetching at all.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

from data.errors import SourceOutOfReach

URL = "https://ec.europa.eu/eurostat/api/dissemination/catalogue/toc/txt?lang=en"
TABLE = re.compile(r"https://ec\.europa\.eu/eurostat/api/dissemination/.*/data/([A-Za-z0-9_]+)")


def table_of(url: str) -> str | None:
    """The code of the Eurostat table behind an address; None for any other publisher's."""
    match = TABLE.match(url)
    return match[1].lower() if match else None


def last_updates(path: Path) -> dict[str, date]:
    """The day of the last update of each table, by its code in lower case.

    Raises SourceOutOfReach if the file is not a table of contents.
    """
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t")
        head = [name.strip() for name in next(rows, [])]
        if not {"code", "last update of data"} <= set(head):
            raise SourceOutOfReach(
                URL, "is no longer a table of contents with dates", "report this to the project"
            )
        return dict(_dated(rows, head.index("code"), head.index("last update of data")))


def _dated(rows: Iterable[list[str]], code: int, updated: int) -> Iterable[tuple[str, date]]:
    """Tables only: folders, which have no date, are left out."""
    for row in rows:
        if len(row) > max(code, updated):
            try:
                day = datetime.strptime(row[updated].strip(), "%d.%m.%Y").date()
            except ValueError:
                continue
            yield row[code].strip().lower(), day
