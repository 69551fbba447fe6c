"""From the codes that publishers used to the units of a panel: recodes, unions, weighted splits.

A link says that source code `source` feeds unit `unit`. Links of one `group` belong together: a
unit takes its value from one group only, the best one (lowest `rank`, then `distance`) whose
known parts cover it. Within a group `weight` is the share of the source that goes to the unit and
`cover` the share of the unit that comes from the source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from data.regions.systems import RegionSystem

Route = Literal["same", "recoded", "merged", "weighted"]
RANKS: Mapping[Route, int] = {"same": 1, "recoded": 2, "merged": 3, "weighted": 4}
SLIVER = 0.001  # smaller overlaps are drawing differences between maps, not territory
Overlaps = dict[str, dict[str, bool]]  # source -> unit -> along whole regions


@dataclass(frozen=True)
class Link:
    """One source code feeding one unit; `version` is that of the source code."""

    source: str
    unit: str
    route: Route
    version: str
    distance: int
    group: str
    weight: float
    cover: float


@dataclass(frozen=True)
class Overlap:
    """How much of what is counted in `source` (of one version) lies in `target` (of another)."""

    version: str
    source: str
    target: str
    amount: float


def plain_links(
    system: RegionSystem,
    version: str,
    merge: Mapping[str, tuple[str, ...]],
) -> tuple[Link, ...]:
    """All links that need no weights, from every version to the units of `version`.

    `merge` replaces regions by their union.
    """
    union = {part: unit for unit, parts in merge.items() for part in parts}
    nearest_version: dict[tuple[Route, str, tuple[str, ...]], str] = {}
    links: list[Link] = []
    by_distance = sorted(system.versions, key=lambda v: _distance(system, v, version))
    for source_version in by_distance:
        overlaps = _unite(overlaps_between(system, source_version, version), union)
        distance = _distance(system, source_version, version)
        sources_of = _sources(overlaps)
        for link in _of_version(overlaps, sources_of, source_version, distance):
            sources = () if link.route == "same" else tuple(sources_of[link.unit])
            nearest = nearest_version.setdefault((link.route, link.unit, sources), source_version)
            if nearest == source_version:
                links.append(link)  # a group of codes counts once, in the nearest version
    return tuple(links)


def weighted_links(
    system: RegionSystem,
    version: str,
    merge: Mapping[str, tuple[str, ...]],
    overlaps: Iterable[Overlap],
) -> tuple[Link, ...]:
    """Links for regions that were split or moved, from the measured overlaps of two versions.

    A code that both versions have is one region, all of it, even if its boundary moved a little:
    it has no weighted link. Overlaps below `SLIVER` of both sides are left out. What is left of
    each source is scaled to 1, so that totals are kept.
    """
    union = {part: unit for unit, parts in merge.items() for part in parts}
    amounts: dict[str, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    codes = {v: set(system.codes(v)) for v in system.versions}
    for o in overlaps:
        if o.source not in codes[version] and o.target not in codes[o.version]:
            amounts[o.version][o.source, union.get(o.target, o.target)] += o.amount
    links: list[Link] = []
    for source_version, pairs in amounts.items():
        distance = _distance(system, source_version, version)
        group = f"weighted {source_version}"
        links += [
            Link(source, unit, "weighted", source_version, distance, group, weight, cover)
            for source, unit, weight, cover in _shares(_without_slivers(pairs))
        ]
    return tuple(links)


def _shares(
    pairs: Mapping[tuple[str, str], float],
) -> Iterable[tuple[str, str, float, float]]:
    """Each overlap as a share of its source and as a share of its unit."""
    by_source, by_unit = _totals(pairs)
    for (source, unit), amount in sorted(pairs.items()):
        yield source, unit, amount / by_source[source], amount / by_unit[unit]


def overlaps_between(system: RegionSystem, old: str, new: str) -> Overlaps:
    """Which regions of version `new` share territory with each region of version `old`."""
    start, end = system.position(old), system.position(new)
    overlaps: Overlaps = {code: {code: True} for code in system.codes(old)}
    step = 1 if end >= start else -1
    for place in range(start, end, step):
        one, next_one = system.versions[place], system.versions[place + step]
        overlaps = _compose(overlaps, _adjacent(system, one, next_one))
    return overlaps


def _adjacent(system: RegionSystem, old: str, new: str) -> Overlaps:
    """The overlaps of two neighbouring versions, in either direction."""
    later = max(old, new, key=system.position)
    kept = set(system.codes(old)) & set(system.codes(new))
    overlaps: Overlaps = defaultdict(dict)
    for code in kept:
        overlaps[code][code] = True
    for change in system.changes:
        if change.version == later:
            pair = (change.old, change.new) if later == new else (change.new, change.old)
            overlaps[pair[0]][pair[1]] = change.whole
    return overlaps


def _compose(first: Overlaps, second: Overlaps) -> Overlaps:
    composed: Overlaps = {}
    for source, middles in first.items():
        ends: dict[str, bool] = {}
        for middle, whole in middles.items():
            for end, whole_too in second.get(middle, {}).items():
                ends[end] = ends.get(end, True) and whole and whole_too
        composed[source] = ends
    return composed


def _unite(overlaps: Overlaps, union: Mapping[str, str]) -> Overlaps:
    united: Overlaps = {}
    for source, targets in overlaps.items():
        units: dict[str, bool] = {}
        for target, whole in targets.items():
            unit = union.get(target, target)
            units[unit] = units.get(unit, True) and whole
        united[source] = units
    return united


def _of_version(
    overlaps: Overlaps, sources_of: Mapping[str, list[str]], version: str, distance: int
) -> Iterable[Link]:
    """Links for each unit that sources of one version make up exactly."""
    for unit, sources in sorted(sources_of.items()):
        if unit in overlaps:  # the code stands in both versions: it is the same region
            yield Link(unit, unit, "same", version, distance, "same", 1.0, 1.0)
            continue
        plain = all(overlaps[source] == {unit: True} for source in sources)
        if not plain:
            continue
        route: Route = "recoded" if len(sources) == 1 else "merged"
        group = f"{route} {version}"
        for source in sources:
            yield Link(source, unit, route, version, distance, group, 1.0, 1.0 / len(sources))


def _sources(overlaps: Overlaps) -> Mapping[str, list[str]]:
    """The sources of each unit, sorted."""
    sources: dict[str, list[str]] = defaultdict(list)
    for source, units in sorted(overlaps.items()):
        for unit in units:
            sources[unit].append(source)
    return sources


def _distance(system: RegionSystem, one: str, other: str) -> int:
    return abs(system.position(one) - system.position(other))


def _without_slivers(pairs: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    by_source, by_unit = _totals(pairs)
    return {
        (source, unit): amount
        for (source, unit), amount in pairs.items()
        if amount > SLIVER * by_source[source] or amount > SLIVER * by_unit[unit]
    }


def _totals(pairs: Mapping[tuple[str, str], float]) -> tuple[dict[str, float], dict[str, float]]:
    by_source: dict[str, float] = defaultdict(float)
    by_unit: dict[str, float] = defaultdict(float)
    for (source, unit), amount in pairs.items():
        by_source[source] += amount
        by_unit[unit] += amount
    return by_source, by_unit
