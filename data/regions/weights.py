"""Conversion weights as a loaded dataset: what two versions' regions have in common, measured.

The dataset has dimensions from_version, to_version, from_code, to_code and measure (residents in
2011, area, ...); a value is the amount of the measure in the intersection of the two regions.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from data.errors import BadInput
from data.regions.crosswalk import Overlap
from data.regions.systems import RegionSystem

COLUMNS = ("from_version", "to_version", "from_code", "to_code", "measure", "value")


def read_overlaps(
    observations: duckdb.DuckDBPyRelation, system: RegionSystem, version: str, measure: str
) -> tuple[Overlap, ...]:
    """Overlaps of every other version's regions with those of `version`, both spelled as `system`.

    A matrix serves in both directions. Raises BadInput if there is none to `version` with that
    measure.
    """
    measured = duckdb.ColumnExpression("measure") == duckdb.ConstantExpression(measure)
    present = duckdb.ColumnExpression("value") > duckdb.ConstantExpression(0)
    rows = observations.project(", ".join(COLUMNS)).filter(measured & present)
    overlaps = {
        (other, source, target): Overlap(other, source, target, amount)
        for other, source, target, amount in _towards(rows.fetchall(), version)
        if other in system.versions and other != version
    }
    spelled = [_spelled(system, overlap) for overlap in overlaps.values()]
    known = {v: set(system.codes(v)) for v in system.versions}
    found = tuple(
        overlap
        for overlap in spelled
        if overlap.source in known[overlap.version] and overlap.target in known[version]
    )
    if not found:
        raise BadInput(
            f"conversion weights for {system.id} version {version}",
            f"the loaded matrices have none with measure {measure!r}",
            "name a measure they have, or load them again",
        )
    return found


def _towards(
    rows: Iterable[tuple[str, str, str, str, str, float]], version: str
) -> Iterable[tuple[str, str, str, float]]:
    """(other version, its code, code of `version`, amount), whichever way the matrix runs."""
    for from_version, to_version, from_code, to_code, _, amount in rows:
        if to_version == version:
            yield from_version, from_code, to_code, amount
        elif from_version == version:
            yield to_version, to_code, from_code, amount


def _spelled(system: RegionSystem, overlap: Overlap) -> Overlap:
    source, target = system.spelled(overlap.source), system.spelled(overlap.target)
    return Overlap(overlap.version, source, target, overlap.amount)
