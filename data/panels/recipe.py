"""Panel recipes: which columns of which datasets make a panel, over which regions and years.

A recipe is `data/panels/<id>.toml`; its schema is described in data/panels/README.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from data.classification import definition, sum_of_programmes
from data.errors import BadInput
from data.panel import Level
from data.suggestions import near
from data.toml_records import only_known, parsed, record

PANELS = Path(__file__).parent
Kind = Literal["count", "money", "rate"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
@dataclass(frozen=True)
class Pick:
    """One column taken from a dataset.

    `where` narrows dimensions to codes; the dimensions `over` are aggregated, and then `parts`
    observations must be there. `absent` is the value of cells that the dataset leaves out, for
    datasets that list only what is not zero. `flag` and `route` add a column with the publisher's
    flags, and one with how each cell came from his regions to the panel's. `at` says whose figure
    it is: the unit's own or its parent's. `as_of` pins the column to what was known on a day; if no
    such edition is there, the panel cannot be built, unless the column is `optional`. `complete`
    leaves out extracts that came after the newest complete edition. Counts and money are converted
    between versions of the regions, rates only carried over.
    """

    name: str
    label: str
    unit: str
    level: Level
    kind: Kind
    dataset: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    over: tuple[str, ...] = ()
    aggregate: Literal["sum", "mean", "count"] = "sum"
    parts: int | None = None
    flag: bool = False
    route: bool = False
    absent: float | None = None
    at: Literal["unit", "parent"] = "unit"
    as_of: date | None = None
    optional: bool = False
    complete: bool = False


@dataclass(frozen=True)
class Derived:
    """A column computed from earlier ones, on the panel's own regions."""

    name: str
    expression: str
    label: str
    unit: str
    level: Level


@dataclass(frozen=True)
class Territory:
    """Which regions are the units. Without `system`, those that the data name and `pattern` fits.

    `recode` renames codes of the data; `merge` replaces the parts it lists by their union;
    `leave_out` gives a reason for each region of the system that is not a unit. `weights` names
    the dataset of conversion weights, `measure` what is weighed (pop11: residents of 2011), and
    `coverage` the share of a region that known parts must reach.
    """

    system: str | None = None
    version: str | None = None
    parents: tuple[str, ...] = ()
    recode: Mapping[str, str] = field(default_factory=dict)
    merge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    leave_out: Mapping[str, str] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    pattern: str = ".+"
    parent_prefix: int | None = None
    weights: str | None = None
    measure: str = "pop11"
    coverage: float = 0.999


@dataclass(frozen=True)
class PanelRecipe:
    """A panel before any data: `sha256` covers the recipe's text and all it refers to."""

    id: str
    title: str
    unit: str
    time: str
    first: int
    last: int
    parent: str | None
    territory: Territory
    picks: tuple[Pick, ...]
    derived: tuple[Derived, ...]
    notes: tuple[str, ...]
    simulated: bool
    sha256: str

    @property
    def datasets(self) -> tuple[str, ...]:
        """Ids of the datasets it draws on, in order of appearance."""
        named = [pick.dataset for pick in self.picks]
        return tuple(dict.fromkeys(named + [d for d in [self.territory.weights] if d]))


def panel_names() -> tuple[str, ...]:
    """Ids of all panel recipes, sorted."""
    return tuple(sorted(path.stem for path in PANELS.glob("*.toml")))


@cache
def panel_recipe(id: str) -> PanelRecipe:
    """The recipe called `id`. Raises BadInput where there is none, or it cannot be read."""
    if id not in panel_names():
        raise BadInput(f"panel {id!r}", "there is no recipe of this name", near(id, panel_names()))
    return read_panel_recipe(PANELS / f"{id}.toml")


def read_panel_recipe(path: Path) -> PanelRecipe:
    """Parses one recipe file, with the recipe it `extends` underneath. Raises BadInput."""
    where = f"recipe {path.name}"
    raw, digest = _with_base(path)
    only_known(raw, {"panel", "index", "regions", "labels", "source", "derived"}, where)
    head, index = _table(raw, "panel", where), _table(raw, "index", where)
    only_known(head, {"id", "title", "notes", "simulated", "extends"}, f"{where}, [panel]")
    if head.get("id") != path.stem:
        raise BadInput(f"{where}, [panel]", f"id is {head.get('id')!r}", f"name it {path.stem!r}")
    recipe = record(
        PanelRecipe,
        {
            **{key: value for key, value in head.items() if key != "extends"},
            "parent": None,
            "notes": (),
            "simulated": False,
            **index,
            **{key: head[key] for key in ("notes", "simulated") if key in head},
            "territory": _territory(raw.get("regions", {}), f"{where}, [regions]"),
            "picks": _picks(raw, where),
            "derived": _derived(raw.get("derived", {}), f"{where}, [derived]"),
            "sha256": digest,
        },
        f"{where}, [index]",
    )
    _check_names(recipe, where)
    return recipe


def _with_base(path: Path) -> tuple[dict[str, Any], str]:
    """The file's tables over those of the recipe it extends, and the hash of both texts."""
    text = path.read_bytes()
    raw = parsed(text, str(path))
    digest = hashlib.sha256(text)
    base = raw.get("panel", {}).get("extends")
    if base is not None:
        below, below_digest = _with_base(path.with_name(f"{base}.toml"))
        digest.update(below_digest.encode())
        raw = {
            **below,
            **raw,
            **{key: {**below.get(key, {}), **raw.get(key, {})} for key in ("panel", "index")},
            "source": [*below.get("source", []), *raw.get("source", [])],
            "derived": {**below.get("derived", {}), **raw.get("derived", {})},
        }
    return raw, digest.hexdigest()


def _territory(raw: dict[str, Any], where: str) -> Territory:
    return record(Territory, raw, where)


def _picks(raw: Mapping[str, Any], where: str) -> tuple[Pick, ...]:
    picks = []
    for number, source in enumerate(raw.get("source", []), start=1):
        place = f"{where}, [[source]] {number} ({source.get('dataset', 'no dataset')})"
        shared = {key: value for key, value in source.items() if key not in ("columns", "each")}
        columns = dict(source.get("columns", {}))
        if "each" in source:
            columns |= _each(source["each"], raw.get("labels", {}), place)
        for name, own in columns.items():
            picks.append(_pick(name, shared, own, f"{place}, {name}"))
    return tuple(picks)


def _pick(name: str, shared: Mapping[str, Any], own: Mapping[str, Any], where: str) -> Pick:
    selection = {**shared.get("where", {}), **own.get("where", {})}
    codes = {key: (v,) if isinstance(v, str) else tuple(v) for key, v in selection.items()}
    pick = record(Pick, {"kind": "count", **shared, **own, "name": name, "where": codes}, where)
    if pick.optional and pick.as_of is None:
        raise BadInput(where, "is optional without as_of", "only a pinned column can be")
    return pick


def _each(each: Mapping[str, Any], labels: Mapping[str, Any], where: str) -> dict[str, Any]:
    """One column per code of a dimension, named and labelled by pattern."""
    only_known(each, {"dimension", "labels", "name", "label", "unit"}, f"{where}, each")
    if each.get("labels") not in labels:
        raise BadInput(f"{where}, each", "names no table of [labels]", near("", labels))
    return {
        each["name"].format(code=code): {
            "where": {each["dimension"]: code},
            "label": each["label"].format(label=label),
        }
        for code, label in labels[each["labels"]].items()
    }


def _derived(raw: Mapping[str, Any], where: str) -> tuple[Derived, ...]:
    derived = []
    for name, own in raw.items():
        place = f"{where} {name}"
        table = {"name": name, **own}
        if "definition" in table:
            chosen = definition(table.pop("definition"))
            table["expression"] = sum_of_programmes(
                chosen, table.pop("scheme"), table.pop("role"), table.pop("column"), place
            )
        derived.append(record(Derived, table, place))
    return tuple(derived)


def _check_names(recipe: PanelRecipe, where: str) -> None:
    names = [pick.name for pick in recipe.picks] + [column.name for column in recipe.derived]
    names += [f"{pick.name}_flag" for pick in recipe.picks if pick.flag]
    names += [f"{pick.name}_route" for pick in recipe.picks if pick.route]
    names += [recipe.unit, recipe.time, *recipe.territory.attributes]
    names += [recipe.parent] if recipe.parent and recipe.parent not in names else []
    for name in names:
        if not _NAME.fullmatch(name):
            raise BadInput(where, f"column name {name!r}", "use letters, digits and _")
        if names.count(name) > 1:
            raise BadInput(where, f"column {name!r} is defined twice", "rename one of them")
    if recipe.first > recipe.last:
        raise BadInput(f"{where}, [index]", "first is after last", "swap them")


def _table(raw: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    if key not in raw:
        raise BadInput(where, f"table [{key}] is missing", "see data/panels/README.md")
    return dict(raw[key])
