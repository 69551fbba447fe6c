"""A csv that a publisher sends in pages, joined into one file."""

from __future__ import annotations

from pathlib import Path

from data.errors import SourceOutOfReach
from data.fetch.client import Client, Fetched


def fetch_pages(client: Client, url: str, size: int, into: Path) -> Fetched:
    """All pages of `size` rows from `url`, where {offset} stands for the first row's number.

    The first page's header stays, the others' are dropped. Raises SourceOutOfReach if the pages
    do not belong to one edition.
    """
    whole, offset, first = bytearray(), 0, None
    while True:
        page = client.fetch(url.replace("{offset}", str(offset)), into.with_suffix(".page"))
        assert page.path is not None, "no edition was said to be known"
        head, *rows = page.path.read_bytes().splitlines(keepends=True)
        page.path.unlink()
        if first is None:
            first, kept = page, head
            whole += head
        elif head != kept or page.last_modified != first.last_modified:
            what = "was changed by the publisher between two of its pages"
            raise SourceOutOfReach(url, what, "try again")
        whole += b"".join(row if row.endswith(b"\n") else row + b"\n" for row in rows)
        # a row may hold line breaks of its own: a page has at least as many lines as rows
        if len(rows) < size:
            break
        offset += size
    into.write_bytes(whole)
    return Fetched(url, into, None, first.last_modified, first.retrieved)
