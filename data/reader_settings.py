"""Which settings each reader understands, and what they must be: any other is refused."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from typing import Any

from data.errors import BadInput
from data.toml_records import checked

Texts = tuple[str, ...]
Table = Mapping[str, str]

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "eurostat_tsv": {},
    "eurostat_sdmx_csv": {},
    "json_stat": {},
    "databrowser_xlsx": {},
    "geojson": {"code": str, "year": str, "mercator": bool},
    "tabular": {
        "columns": Table,
        "header": int,
        "first_row": int,
        "sheets": str,
        "encoding": str,
        "delimiter": str,
        "thousands": str,
        "missing": Texts,
        "flags": str,
        "unflagged": Texts,
        "values": str | Table,
        "measure": str,
        "wide": Table,
        "skip": Mapping[str, Texts],
        "column_names": Texts,
        "file_parts": str,
    },
}


def settings_of(reader: str, raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Those keys of a layout that are its reader's settings.

    Raises BadInput for one that is not of its type, a pattern that is no regular expression, an
    unknown encoding, and a delimiter of more than one sign.
    """
    mine = {key: value for key, value in raw.items() if key in SETTINGS[reader]}
    settings = checked(mine, SETTINGS[reader], where)
    for key, pattern in _patterns(settings, where):
        try:
            re.compile(pattern)
        except re.error as fault:
            what = f"{key} {pattern!r} is no regular expression ({fault})"
            raise BadInput(where, what, "mend the pattern") from None
    try:
        codecs.lookup(settings.get("encoding", "utf-8"))
    except LookupError:
        what = f"unknown encoding {settings['encoding']!r}"
        raise BadInput(where, what, "say utf-8, latin-1 or another that Python knows") from None
    if len(settings.get("delimiter", ",")) != 1:
        raise BadInput(where, f"delimiter is {settings['delimiter']!r}", "say one sign")
    return settings


def _patterns(settings: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    for key in ("sheets", "file_parts"):
        if key in settings:
            yield key, settings[key]
    if "wide" in settings:
        if set(settings["wide"]) != {"dimension", "columns"}:
            raise BadInput(where, "wide is incomplete", "say its dimension and its columns")
        yield "columns of wide", settings["wide"]["columns"]
