"""The units of a panel and the links that lead to them from the codes found in the data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from data.errors import BadInput
from data.panels.recipe import Territory
from data.regions.crosswalk import Link, Overlap, plain_links, weighted_links
from data.regions.systems import RegionSystem, region_system


@dataclass(frozen=True)
class Unit:
    """A region of the panel, with its parent's code and the attributes the recipe asks for."""

    code: str
    parent: str
    attributes: Mapping[str, str]


def units_of(territory: Territory, codes: Iterable[str], where: str) -> dict[str, Unit]:
    """The panel's units by code: those of the region system, or the data's own `codes`.

    Raises BadInput, with `where` as its place, for regions the system does not have.
    """
    if territory.system is None:
        return _found_units(territory, codes, where)
    system = region_system(territory.system)
    valid = system.codes(version_of(territory, system))
    parts = {part for group in territory.merge.values() for part in group}
    for code in [*parts, *territory.leave_out]:
        if code not in valid:
            raise BadInput(f"{where}, [regions]", f"no region {code!r}", "check code and version")
    chosen = [*(set(valid) - parts - set(territory.leave_out)), *territory.merge]
    units = {code: _unit(system, code, territory) for code in sorted(chosen)}
    wanted = set(territory.parents) or {unit.parent for unit in units.values()}
    return {code: unit for code, unit in units.items() if unit.parent in wanted}


def unit_links(
    territory: Territory,
    units: Mapping[str, Unit],
    codes: Iterable[str],
    overlaps: Sequence[Overlap] = (),
) -> tuple[Link, ...]:
    """Links from the data's `codes` to the units; codes that lead nowhere have none.

    `overlaps` measure regions that no plain change connects.
    """
    known = [(code, spelled(territory, code)) for code in codes]
    links: tuple[Link, ...]
    if territory.system is None:
        links = _found_links(territory, units)
    else:
        system = region_system(territory.system)
        version = version_of(territory, system)
        links = plain_links(system, version, territory.merge)
        links += weighted_links(system, version, territory.merge, overlaps)
    by_source: dict[str, list[Link]] = {}
    for link in links:
        if link.unit in units:
            by_source.setdefault(link.source, []).append(link)
    return tuple(
        Link(**{**vars(link), "source": code})
        for code, known_as in known
        for link in by_source.get(known_as, ())
    )


def parent_links(
    territory: Territory, units: Mapping[str, Unit], codes: Iterable[str]
) -> list[tuple[str, str]]:
    """Pairs (the data's code, unit) for each unit whose parent the code denotes."""
    system = region_system(territory.system) if territory.system else None
    aliases = system.parent_aliases if system else {}
    prefixes = system.prefixes if system else {}
    parents = {code: aliases.get(code, prefixes.get(code, code)) for code in codes}
    return [
        (code, unit.code)
        for code, parent in parents.items()
        for unit in units.values()
        if unit.parent == parent
    ]


def territory_sha256(territory: Territory) -> str:
    """The hash of the region system's files, or "" without one."""
    return region_system(territory.system).sha256 if territory.system else ""


def version_of(territory: Territory, system: RegionSystem) -> str:
    """The version whose regions are the units: the recipe's, or the system's latest."""
    return territory.version or system.versions[-1]


def _unit(system: RegionSystem, code: str, territory: Territory) -> Unit:
    attributes = {name: system.attribute(code, name) for name in territory.attributes}
    return Unit(code, system.parent_of(code), attributes)


def spelled(territory: Territory, code: str) -> str:
    """A publisher's code as the system spells it."""
    code = territory.recode.get(code, code)
    if territory.system is None:
        return code
    return region_system(territory.system).spelled(code)


def _found_units(territory: Territory, codes: Iterable[str], where: str) -> dict[str, Unit]:
    union = {part: unit for unit, parts in territory.merge.items() for part in parts}
    named = {union.get(code, code) for code in (spelled(territory, code) for code in codes)}
    chosen = sorted(code for code in named if re.fullmatch(territory.pattern, code))
    if not chosen:
        raise BadInput(
            f"{where}, [regions]",
            f"no code in the data fits the pattern {territory.pattern!r}",
            "mend the pattern, or name a region system",
        )
    if territory.attributes:
        raise BadInput(f"{where}, [regions]", "attributes need a region system", "name one")
    length = territory.parent_prefix
    return {c: Unit(c, c[:length] if length else "", {}) for c in chosen}


def _found_links(territory: Territory, units: Mapping[str, Unit]) -> tuple[Link, ...]:
    links = [Link(unit, unit, "same", "", 0, "same", 1.0, 1.0) for unit in units]
    for union, parts in territory.merge.items():
        cover = 1.0 / len(parts)
        links += [Link(p, union, "merged", "", 0, "merged", 1.0, cover) for p in parts]
    return tuple(links)
