"""Dataset recipes: what a dataset is, where it comes from, how its files are laid out.

A recipe is `data/catalogue/<publisher>/<dataset>.toml`; its id is "publisher/dataset". What all
datasets of a publisher share stands once, in that folder's `_publisher.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import BadInput
from data.panel import Level
from data.reader_settings import SETTINGS, settings_of
from data.toml_records import only_known, read_toml, record, table_of, tables_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")

CATALOGUE = Path(__file__).parent / "catalogue"
ID = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")
NAME = re.compile(r"[a-z][a-z0-9_]*")
LISTS = ("file", "layouts", "contract", "excused", "edition")  # tables that become records
RESERVED = frozenset({"time", "value", "flags", "series", "period", "valid_from", "valid_to"})


@dataclass(frozen=True)
class FileLayout:
    """One shape in which a dataset's files come.

    `names` are file-name patterns; `constants` gives the value of a dimension the layout lacks,
    `dropped` the only value allowed in a column that is not a dimension of the dataset.
    `partial` marks an extract: what it leaves out keeps the value said before. `copy` marks
    another party's copy: it is read only where no file of another layout is there. `released` is
    the day of the release that the names stand for, where the files do not say.
    """

    names: tuple[str, ...]
    reader: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False
    copy: bool = False
    released: date | None = None
    companions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Additivity:
    """`parts` of dimension `over` sum to `total`, within `tolerance` of the total plus `slack`.

    With `nested` in place of both, each code is the sum of those one sign longer (AT of AT1, AT2,
    AT3), and `slack` counts once for each of them.
    """

    over: str
    total: str = ""
    parts: tuple[str, ...] = ()
    nested: bool = False
    tolerance: float = 0.0
    slack: float = 0.0
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ValueRange:
    """Values lie in [low, high]; `where` narrows the rule to codes of some dimensions."""

    low: float | None = None
    high: float | None = None
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contract:
    """What every edition of the dataset promises; checked before anything is swapped in.

    `rows` is the committed (least, most) number of rows of one edition, `rows_per_year` of one
    period; `expected` lists codes that must be there, `known` codes beyond which none may be;
    `max_age_days` is how old the newest edition may be; `tolerate` how many rows may be set aside
    in quarantine before the load stops.
    """

    flags: str = "abcdefinprsuz"
    ranges: tuple[ValueRange, ...] = ()
    additive: tuple[Additivity, ...] = ()
    expected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[int, int] | None = None
    rows_per_year: tuple[int, int] | None = None
    max_age_days: int | None = None
    tolerate: int = 0


@dataclass(frozen=True)
class Excused:
    """A known defect, named in place: at most `ceiling` rows of `where` may break `rule`."""

    rule: str
    reason: str
    ceiling: int
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Edition:
    """A file that does not state its date, known by its bytes: `published` has a `reason`.

    `sha256` is that of the unpacked bytes, or how it begins.
    """

    sha256: str
    published: date
    reason: str


@dataclass(frozen=True)
class DatasetRecipe:
    """Everything regsi knows about a dataset before seeing a file of it."""

    id: str
    title: str
    publisher: str
    licence: str
    level: Level
    unit: str
    dimensions: tuple[str, ...]
    files: tuple[FileLayout, ...]
    url: str | None = None
    fetched_as: str | None = None  # the name of what `url` sends, by default as the url ends
    pace: float = 1.0  # least seconds between two requests to the host of `url`
    page_rows: int | None = None  # of a csv sent in pages, from row {offset} of `url`
    units: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    contract: Contract = field(default_factory=Contract)
    excused: tuple[Excused, ...] = ()
    editions: tuple[Edition, ...] = ()
    notes: str = ""
    simulated: bool = False  # its files are written by data/simulated/__init__.py
    installed: str | None = None  # the installed package that ships its file, dots for folders


def dataset_ids() -> tuple[str, ...]:
    """Ids of all recipes in the catalogue, sorted."""
    return tuple(
        sorted(
            f"{path.parent.name}/{path.stem}"
            for path in CATALOGUE.glob("*/*.toml")
            if not path.stem.startswith("_")
        )
    )


@cache
def dataset_recipe(id: str) -> DatasetRecipe:
    """The recipe of dataset `id` ("publisher/dataset"); raises BadInput when there is none."""
    path = CATALOGUE / f"{id}.toml"
    if not ID.fullmatch(id) or not path.is_file():
        raise BadInput(
            f"dataset {id!r}",
            "there is no recipe of this name",
            f"see `regsi list sources`, or add data/catalogue/{id}.toml",
        )
    return read_recipe(path)


def read_recipe(path: Path) -> DatasetRecipe:
    """Parses one recipe file and the publisher's defaults beside it; unknown keys are errors."""
    where = f"recipe {path.parent.name}/{path.name}"
    shared = path.parent / "_publisher.toml"
    raw = {**(read_toml(shared) if shared.is_file() else {}), **read_toml(path)}
    layouts = [*tables_of(raw, "file", where), *tables_of(raw, "layouts", where)]
    plain = {key: value for key, value in raw.items() if key not in LISTS}
    recipe = record(
        DatasetRecipe,
        {
            "unit": "",
            **plain,
            "id": f"{path.parent.name}/{path.stem}",
            "files": [_layout(layout, where, path.stem) for layout in layouts],
            "contract": _contract(table_of(raw, "contract", where), f"{where}, [contract]"),
            "excused": _records(Excused, raw, "excused", where),
            "editions": _records(Edition, raw, "edition", where),
        },
        where,
    )
    if recipe.fetched_as is not None:
        recipe = replace(recipe, fetched_as=recipe.fetched_as.replace("{code}", path.stem))
    _check_dimensions(recipe, where)
    return recipe


def _layout(raw: dict[str, Any], where: str, code: str) -> FileLayout:
    """A layout; the keys that its reader understands are its settings."""
    where = f"{where}, [[file]]"
    name = str(raw.get("reader", ""))
    if name not in SETTINGS:
        what = f"unknown reader {name!r}" if name else "has no reader"
        raise BadInput(where, what, f"say {', '.join(sorted(SETTINGS))}")
    plain = {key: value for key, value in raw.items() if key not in SETTINGS[name]}
    layout = record(FileLayout, {**plain, "settings": settings_of(name, raw, where)}, where)
    return replace(layout, names=tuple(n.replace("{code}", code) for n in layout.names))


def _contract(raw: dict[str, Any], where: str) -> Contract:
    plain = {key: value for key, value in raw.items() if key not in ("range", "additive")}
    only_known(plain, {"range", *(f.name for f in fields(Contract))} - {"ranges"}, where)
    ranges = _records(ValueRange, raw, "range", where)
    additive = _records(Additivity, raw, "additive", where)
    return record(Contract, {**plain, "ranges": ranges, "additive": additive}, where)


def _records(kind: type[R], raw: Mapping[str, Any], key: str, where: str) -> tuple[R, ...]:
    return tuple(record(kind, one, f"{where}, [[{key}]]") for one in tables_of(raw, key, where))


def _check_dimensions(recipe: DatasetRecipe, where: str) -> None:
    if len(set(recipe.dimensions)) < len(recipe.dimensions):
        raise BadInput(where, "names a dimension twice", "name it once")
    for name in recipe.dimensions:
        if not NAME.fullmatch(name) or name in RESERVED:
            todo = f"use a-z, 0-9, _ and none of {', '.join(sorted(RESERVED))}"
            raise BadInput(where, f"dimension {name!r} is not usable", todo)
    spoken_of = [*recipe.wanted, *recipe.labels, *recipe.contract.expected, *recipe.contract.known]
    spoken_of += [k for layout in recipe.files for k in layout.constants if k != "time"]
    spoken_of += [rule.over for rule in recipe.contract.additive]
    narrowed = [rule.where for rule in recipe.contract.ranges]
    narrowed += [rule.where for rule in recipe.contract.additive]
    narrowed += [rule.where for rule in recipe.excused]
    spoken_of += [key for where_it_holds in narrowed for key in where_it_holds if key != "time"]
    for key in spoken_of:
        if key not in recipe.dimensions:
            todo = f"known are {', '.join(recipe.dimensions)}"
            raise BadInput(where, f"{key!r} is not a dimension", todo)
