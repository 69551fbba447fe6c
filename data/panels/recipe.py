"""Panel recipes: which columns of which datasets make a panel, over which regions and years.

A recipe is `data/panels/<id>.toml`; its schema is described in data/panels/README.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from data.classification import definition, sum_of_programmes
from data.errors import BadInput
from data.panel import Level
from data.suggestions import near
from data.toml_records import only_known, parsed, record, table_of, tables_of

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
class ProgrammeSum:
    """A derived column that adds up all programmes to which a definition gives a role."""

    definition: str
    scheme: str
    role: str
    column: str  # their columns, with {code} for the code


@dataclass(frozen=True)
class Each:
    """One column per code of `dimension`, named and labelled by pattern from [labels.x]."""

    dimension: str
    labels: str
    name: str
    label: str


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
    for needed in ("panel", "index"):
        if needed not in raw:
            raise BadInput(where, f"table [{needed}] is missing", "see data/panels/README.md")
    head, index = table_of(raw, "panel", where), table_of(raw, "index", where)
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
            "territory": _territory(table_of(raw, "regions", where), f"{where}, [regions]"),
            "picks": _picks(raw, where),
            "derived": _derived(table_of(raw, "derived", where), f"{where}, [derived]"),
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
    where = f"recipe {path.name}"
    base = table_of(raw, "panel", where).get("extends")
    if base is not None:
        lower = path.with_name(f"{base}.toml")
        if not lower.is_file():
            todo = near(str(base), (other.stem for other in path.parent.glob("*.toml")))
            raise BadInput(f"{where}, [panel]", f"extends {base!r}, which is not there", todo)
        below, below_digest = _with_base(lower)
        digest.update(below_digest.encode())
        raw = {
            **below,
            **raw,
            **{
                key: {**table_of(below, key, where), **table_of(raw, key, where)}
                for key in ("panel", "index", "derived")
            },
            "source": [*tables_of(below, "source", where), *tables_of(raw, "source", where)],
        }
    return raw, digest.hexdigest()


def _territory(raw: dict[str, Any], where: str) -> Territory:
    territory = record(Territory, raw, where)
    try:
        re.compile(territory.pattern)
    except re.error as fault:
        what = f"pattern {territory.pattern!r} is no regular expression ({fault})"
        raise BadInput(where, what, "mend the pattern") from None
    return territory


def _picks(raw: Mapping[str, Any], where: str) -> tuple[Pick, ...]:
    picks = []
    labels = table_of(raw, "labels", where)
    for number, source in enumerate(tables_of(raw, "source", where), start=1):
        place = f"{where}, [[source]] {number} ({source.get('dataset', 'no dataset')})"
        shared = {key: value for key, value in source.items() if key not in ("columns", "each")}
        columns = table_of(source, "columns", place)
        if "each" in source:
            columns |= _each(table_of(source, "each", place), labels, place)
        for name in columns:
            own = table_of(columns, name, f"{place}, columns")
            picks.append(_pick(name, shared, own, f"{place}, {name}"))
    return tuple(picks)


def _pick(name: str, shared: Mapping[str, Any], own: Mapping[str, Any], where: str) -> Pick:
    selection = {**table_of(shared, "where", where), **table_of(own, "where", where)}
    codes = {key: (v,) if isinstance(v, str) else v for key, v in selection.items()}
    pick = record(Pick, {"kind": "count", **shared, **own, "name": name, "where": codes}, where)
    if pick.optional and pick.as_of is None:
        raise BadInput(where, "is optional without as_of", "only a pinned column can be")
    return pick


def _each(raw: Mapping[str, Any], labels: Mapping[str, Any], where: str) -> dict[str, Any]:
    each = record(Each, raw, f"{where}, each")
    if each.labels not in labels:
        raise BadInput(f"{where}, each", "names no table of [labels]", near(each.labels, labels))
    return {
        each.name.replace("{code}", code): {
            "where": {each.dimension: code},
            "label": each.label.replace("{label}", str(label)),
        }
        for code, label in table_of(labels, each.labels, f"{where}, [labels]").items()
    }


def _derived(raw: Mapping[str, Any], where: str) -> tuple[Derived, ...]:
    derived = []
    for name in raw:
        place = f"{where} {name}"
        table = {"name": name, **table_of(raw, name, where)}
        if "definition" in table:
            parts = {f.name: table.pop(f.name) for f in fields(ProgrammeSum) if f.name in table}
            wanted = record(ProgrammeSum, parts, place)
            table["expression"] = sum_of_programmes(
                definition(wanted.definition), wanted.scheme, wanted.role, wanted.column, place
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
