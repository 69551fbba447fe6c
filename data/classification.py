"""Definitions of social investment: which spending invests, compensates, or is contested.

A definition is `data/definitions/<id>.toml`, versioned and with its sources. For each scheme (a
classification of spending, such as ESSPROS or the programmes of the US children's budget) it
gives codes a role; what it does not name has no role in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from data.errors import BadInput
from data.suggestions import near
from data.toml_records import only_known, read_toml, record

DEFINITIONS = Path(__file__).parent / "definitions"
ROLES = ("invest", "contested", "compensate", "health")


@dataclass(frozen=True)
class Programme:
    """A code of a scheme with its role; `domain` is the kind of policy, such as early childhood.

    `share` says whether the whole code belongs ("whole") or a part that the scheme does not
    separate ("part"): such a code cannot be added up.
    """

    scheme: str
    code: str
    label: str
    role: str
    domain: str
    share: str = "whole"


@dataclass(frozen=True)
class Definition:
    """One way to draw the line. `price_basis` and `denominator` say how to express the money."""

    id: str
    version: str
    title: str
    sources: tuple[str, ...]
    price_basis: str
    denominator: str
    programmes: tuple[Programme, ...]
    notes: tuple[str, ...] = ()

    def codes(self, scheme: str, role: str) -> tuple[str, ...]:
        """Codes of `scheme` that have `role`, whole ones only, in the order of the definition."""
        return tuple(
            p.code
            for p in self.programmes
            if (p.scheme, p.role, p.share) == (scheme, role, "whole")
        )


def definition_ids() -> tuple[str, ...]:
    """Ids of all definitions, sorted."""
    return tuple(sorted(p.stem for p in DEFINITIONS.glob("*.toml") if not p.stem.startswith("_")))


@cache
def definition(id: str) -> Definition:
    """The definition called `id`. Raises BadInput where there is none, or it cannot be read."""
    known = definition_ids()
    if id not in known:
        raise BadInput(f"definition {id!r}", "there is no file of this name", near(id, known))
    where = f"definition {id}.toml"
    raw = read_toml(DEFINITIONS / f"{id}.toml")
    only_known(raw, ("definition", "roles"), where)
    schemes = read_toml(DEFINITIONS / "_schemes.toml")
    programmes = _programmes(where, raw.get("roles", {}), schemes)
    head = {**raw.get("definition", {}), "programmes": programmes}
    if head.get("id") != id:
        raise BadInput(f"{where}, [definition]", f"id is {head.get('id')!r}", f"name it {id!r}")
    return record(Definition, head, f"{where}, [definition]")


def sum_of_programmes(chosen: Definition, scheme: str, role: str, column: str, where: str) -> str:
    """The expression that adds up the columns of all programmes with a role.

    `column` names them by pattern, "{code}" standing for the code. Raises BadInput, with `where`
    as its place, if the definition gives no code of `scheme` that role.
    """
    codes = chosen.codes(scheme, role)
    if not codes:
        raise BadInput(
            where,
            f"definition {chosen.id!r} gives no code of {scheme!r} the role {role!r}",
            f"roles are {', '.join(ROLES)}; schemes are in data/definitions",
        )
    return " + ".join(column.format(code=code) for code in codes)


def _programmes(
    where: str, roles: Mapping[str, Mapping[str, list[str]]], schemes: Mapping[str, Any]
) -> list[Programme]:
    """Each domain a role names, looked up in the schemes' tables of codes by domain."""
    for role in roles:
        if role not in ROLES:
            raise BadInput(f"{where}, [roles]", f"unknown role {role!r}", near(role, ROLES))
    return [
        Programme(scheme, code, about["label"], role, domain, about.get("share", "whole"))
        for role, domains in roles.items()
        for domain in domains
        for scheme, domains_of_scheme in schemes.items()
        for code, about in domains_of_scheme.get(domain, {}).items()
    ]

