"""The panel: a table of units by periods, with what each column means and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

Level = Literal["regional", "national", "modelled"]


@dataclass(frozen=True)
class Column:
    """What one column of a panel measures.

    `level` says where the figure was recorded: for the region itself, for its country, or by a
    model that spread a national figure over regions. `sources` are dataset ids.
    """

    name: str
    label: str
    unit: str
    level: Level
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class VintageUsed:
    """The edition of a dataset a panel was built from."""

    dataset: str
    published: str  # ISO date on which the publisher said so
    sha256: str  # of the publisher's file
    title: str = ""
    publisher: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Panel:
    """`frame` is sorted by unit and time, one row each; `unit`, `time`, `parent` name its columns.

    A column `x_flag`, where present, holds the publisher's flags of column `x` as sorted letters.
    `sha256` is the hash of the immutable parquet file that holds `frame`.
    """

    name: str
    frame: pd.DataFrame
    unit: str
    time: str
    parent: str | None
    columns: Mapping[str, Column]
    sha256: str
    title: str = ""
    vintages: tuple[VintageUsed, ...] = ()
    simulated: bool = False
    notes: tuple[str, ...] = field(default=())
