"""Readers: one module per way in which publishers write tables down."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from data.sources.staged import Dated, Reader

# readers whose files state their own date of publication
DATED = frozenset({"databrowser_xlsx", "eurostat_sdmx_csv", "json_stat", "tabular"})


def reader(name: str) -> Reader:
    """The reader `name` of a recipe; recipes with an unknown one do not load."""
    return cast(Reader, import_module(f"data.sources.{name}").read)


def stated(name: str) -> Dated | None:
    """The function of reader `name` that reads the date a file states, if it states any."""
    return cast(Dated, import_module(f"data.sources.{name}").stated) if name in DATED else None
