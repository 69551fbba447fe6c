"""Region systems are facts in files: every code has a name, every spelling leads to one code."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from data.regions.systems import region_system

SYSTEMS = ("nuts", "us_states", "uk_regions")


@pytest.mark.parametrize("id", SYSTEMS)
def test_every_region_is_named_and_has_a_parent(id: str) -> None:
    system = region_system(id)
    for region in system.regions:
        assert region.attributes.get("name", region.code).strip()
        parent = system.parent_of(region.code)
        assert parent
        assert not system.parents or parent in system.parents


@pytest.mark.parametrize("id", SYSTEMS)
def test_codes_are_unique_within_a_version(id: str) -> None:
    system = region_system(id)
    for version in system.versions:
        codes = system.codes(version)
        assert len(codes) == len(set(codes))
        assert not set(system.aliases) & set(codes) - set(system.aliases.values())


@pytest.mark.parametrize(
    ("id", "spelling", "code"),
    [
        ("nuts", "GR11", "EL11"),
        ("nuts", "EL11", "EL11"),
        ("nuts", "GBN0", "UKN0"),
        ("us_states", "AL", "Alabama"),
        ("us_states", "1", "Alabama"),
        ("us_states", "01", "Alabama"),
        ("us_states", "NEW YORK", "New York"),
        ("uk_regions", "E12000007", "TLI"),
        ("uk_regions", "UKI", "TLI"),
        ("uk_regions", "Yorkshire and the Humber", "TLE"),
    ],
)
def test_publishers_spellings_are_understood(id: str, spelling: str, code: str) -> None:
    assert region_system(id).spelled(spelling) == code


def test_members_of_each_version() -> None:
    """Numbers of NUTS 2 regions of the 27 members of today, as the regulations' annexes have."""
    nuts = region_system("nuts")
    partners = {"AL", "BA", "CH", "IS", "LI", "ME", "MK", "NO", "RS", "TR", "UK"}
    members = set(nuts.parents) - partners
    assert len(members) == 27
    counts = {v: sum(code[:2] in members for code in nuts.codes(v)) for v in nuts.versions}
    assert (counts["2013"], counts["2016"], counts["2021"], counts["2024"]) == (236, 240, 242, 244)
    assert sum(code.startswith("UK") for code in nuts.codes("2016")) == 41
    assert sum(code.startswith("UK") for code in nuts.codes("2013")) == 40


def test_an_unknown_system_attribute_or_region_is_refused() -> None:
    with pytest.raises(BadInput, match="did you mean nuts"):
        region_system("nut")
    with pytest.raises(BadInput, match="no attribute 'nme'"):
        region_system("nuts").attribute("AT11", "nme")
    with pytest.raises(BadInput, match="no region 'AT99'"):
        region_system("nuts").attribute("AT99", "name")
