"""Region systems: which regions there are in each version, how they are called, what changed.

A system is `data/regions/<id>.toml` with tables of plain facts beside it: the units' codes with
the versions in which they are valid, their parents' codes, and the changes between versions.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from data.errors import BadInput
from data.suggestions import near
from data.toml_records import read_toml, record

SYSTEMS = Path(__file__).parent


@dataclass(frozen=True)
class SystemFile:
    """What the TOML file of a system says; `tables` names the files of facts beside it."""

    title: str
    source: str
    versions: tuple[str, ...]
    tables: Mapping[str, str]
    aliases: tuple[str, ...] = ()
    parent_aliases: tuple[str, ...] = ()
    prefixes: Mapping[str, str] = field(default_factory=dict)
    prefix_attributes: Mapping[str, int] = field(default_factory=dict)
    parent_prefix: int | None = None
    parent_attribute: str | None = None


@dataclass(frozen=True)
class Region:
    """One code of a system; valid from version `since` to `until`, both included."""

    code: str
    since: str
    until: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """In `version`, region `new` took over territory of region `old`.

    `whole` says that it did so along whole regions: the other changes move a boundary, and only
    conversion weights can tell by how much.
    """

    version: str
    old: str
    new: str
    whole: bool


@dataclass(frozen=True)
class RegionSystem:
    """`versions` in order. `aliases` and `parent_aliases` map other spellings to codes."""

    id: str
    title: str
    source: str
    versions: tuple[str, ...]
    regions: tuple[Region, ...]
    changes: tuple[Change, ...]
    aliases: Mapping[str, str]
    parents: Mapping[str, str]  # code -> name
    parent_aliases: Mapping[str, str]
    prefixes: Mapping[str, str]
    parent_prefix: int | None
    parent_attribute: str | None
    sha256: str

    def codes(self, version: str) -> tuple[str, ...]:
        """Codes valid in `version`, sorted. Raises BadInput for a version it does not have."""
        place = self.position(version)
        return tuple(
            sorted(
                region.code
                for region in self.regions
                if self.versions.index(region.since) <= place <= self.versions.index(region.until)
            )
        )

    def position(self, version: str) -> int:
        """The place of `version` among the versions. Raises BadInput for one it does not have."""
        if version not in self.versions:
            raise BadInput(
                f"region system {self.id!r}",
                f"has no version {version!r}",
                near(version, self.versions),
            )
        return self.versions.index(version)

    def spelled(self, code: str) -> str:
        """A publisher's code as the system writes it: aliases and two-letter prefixes undone."""
        code = self.aliases.get(code, code)
        prefix = self.prefixes.get(code[:2])
        return prefix + code[2:] if prefix else code

    def parent_of(self, code: str) -> str:
        """The level above a region: the start of its code or an attribute; "" if there is none."""
        if self.parent_prefix is not None:
            return code[: self.parent_prefix]
        return self.attribute(code, self.parent_attribute) if self.parent_attribute else ""

    def attribute(self, code: str, name: str) -> str:
        """An attribute of the newest region of this code. Raises BadInput for an unknown name."""
        for region in reversed(self.regions):
            if region.code == code:
                if name not in region.attributes:
                    raise BadInput(
                        f"region system {self.id!r}",
                        f"has no attribute {name!r}",
                        near(name, region.attributes),
                    )
                return region.attributes[name]
        raise BadInput(f"region system {self.id!r}", f"has no region {code!r}", "check the code")


@cache
def region_system(id: str) -> RegionSystem:
    """The system called `id`. Raises BadInput where there is none."""
    path = SYSTEMS / f"{id}.toml"
    known = [p.stem for p in SYSTEMS.glob("*.toml")]
    if id not in known:
        raise BadInput(f"region system {id!r}", "there is no file of this name", near(id, known))
    said = record(SystemFile, read_toml(path), f"region system {path.name}")
    regions = _regions(path, said)
    parents = _rows(path, said, "parents")
    return RegionSystem(
        id=id,
        title=said.title,
        source=said.source,
        versions=said.versions,
        regions=regions,
        changes=_changes(path, said),
        aliases=_aliases(regions, said.aliases),
        parents={row["code"]: row["name"] for row in parents},
        parent_aliases={
            row[name]: row["code"] for row in parents for name in said.parent_aliases if row[name]
        },
        prefixes=said.prefixes,
        parent_prefix=said.parent_prefix,
        parent_attribute=said.parent_attribute,
        sha256=_digest([path, *(path.with_name(name) for name in said.tables.values())]),
    )


def _regions(path: Path, said: SystemFile) -> tuple[Region, ...]:
    first, last = said.versions[0], said.versions[-1]
    regions = []
    for row in _rows(path, said, "codes"):
        code = row.pop("code")
        since, until = row.pop("since", "") or first, row.pop("until", "") or last
        shown = {name: code[:length] for name, length in said.prefix_attributes.items()}
        regions.append(Region(code, since, until, {**row, **shown}))
    return tuple(regions)


def _changes(path: Path, said: SystemFile) -> tuple[Change, ...]:
    rows = _rows(path, said, "changes")
    return tuple(Change(r["version"], r["old"], r["new"], r["change"] == "whole") for r in rows)


def _aliases(regions: Iterable[Region], names: Iterable[str]) -> dict[str, str]:
    return {
        region.attributes[name]: region.code
        for region in regions
        for name in names
        if region.attributes[name]
    }


def _rows(path: Path, said: SystemFile, table: str) -> list[dict[str, str]]:
    name = said.tables.get(table)
    if name is None:
        return []
    with path.with_name(name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
