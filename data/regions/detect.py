"""Which version of a region system the codes of a dataset belong to, and which do not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from data.regions.systems import RegionSystem


@dataclass(frozen=True)
class Detection:
    """`version` is the one that most of the codes fit (the latest of equals), None if none does.

    `fitting` counts codes by version; `others` are codes of other versions only, with the versions
    they are valid in; `unknown` are codes of no version, such as other levels and aggregates.
    """

    version: str | None
    fitting: Mapping[str, int]
    others: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...]


def detect(system: RegionSystem, codes: Iterable[str]) -> Detection:
    """Holds codes, spelled as the system spells them, against all its versions."""
    valid = {version: set(system.codes(version)) for version in system.versions}
    found = sorted(set(codes))
    fitting = {version: sum(code in valid[version] for code in found) for version in valid}
    best = max(fitting, key=lambda version: (fitting[version], system.position(version)))
    if not fitting[best]:
        return Detection(None, fitting, {}, tuple(found))
    versions = {code: tuple(v for v in valid if code in valid[v]) for code in found}
    return Detection(
        version=best,
        fitting=fitting,
        others={code: vs for code, vs in versions.items() if vs and best not in vs},
        unknown=tuple(code for code, vs in versions.items() if not vs),
    )
