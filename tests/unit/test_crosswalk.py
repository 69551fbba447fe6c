"""Region codes of one version found in another: along whole regions, or as weights say."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from data.regions.crosswalk import Link, Overlap, plain_links, weighted_links
from data.regions.systems import region_system

NUTS = region_system("nuts")
LONDON = {"UKI1": ("UKI3", "UKI4"), "UKI2": ("UKI5", "UKI6", "UKI7")}


def of(links: tuple[Link, ...], unit: str) -> set[tuple[str, str]]:
    return {(link.source, link.route) for link in links if link.unit == unit}


def test_renamed_regions_are_found_from_both_sides() -> None:
    links = plain_links(NUTS, "2013", {})
    assert of(links, "EL51") == {("EL51", "same"), ("EL11", "recoded")}
    assert of(links, "FRA1") == {("FRA1", "same"), ("FR91", "recoded"), ("FRY1", "recoded")}
    assert of(links, "FR24") == {("FR24", "same"), ("FRB0", "recoded")}


def test_a_region_that_was_split_later_is_the_sum_of_its_parts() -> None:
    links = plain_links(NUTS, "2013", {})
    assert of(links, "LT00") == {("LT00", "same"), ("LT01", "merged"), ("LT02", "merged")}
    covers = [link.cover for link in links if link.unit == "LT00" and link.route == "merged"]
    assert covers == [0.5, 0.5]


def test_a_moved_boundary_has_no_plain_link() -> None:
    links = plain_links(NUTS, "2013", {})
    assert of(links, "SI03") == {("SI03", "same")}
    assert of(links, "IE01") == {("IE01", "same")}
    assert of(plain_links(NUTS, "2021", {}), "UKI3") == {("UKI3", "same")}


def test_a_recipes_union_is_found_under_its_old_code_and_as_a_sum() -> None:
    links = plain_links(NUTS, "2013", LONDON)
    assert of(links, "UKI1") == {("UKI1", "same"), ("UKI3", "merged"), ("UKI4", "merged")}
    assert not of(links, "UKI3")


def test_links_across_several_versions_are_composed() -> None:
    assert ("FR91", "recoded") in of(plain_links(NUTS, "2024", {}), "FRY1")
    assert ("EL11", "recoded") in of(plain_links(NUTS, "2024", {}), "EL51")


def test_every_code_that_ends_is_explained_by_a_change_or_leaves_the_union() -> None:
    for old, new in zip(NUTS.versions, NUTS.versions[1:], strict=False):
        gone = set(NUTS.codes(old)) - set(NUTS.codes(new))
        explained = {change.old for change in NUTS.changes if change.version == new}
        assert all(code.startswith("UK") for code in gone - explained)


def test_weights_keep_totals_and_leave_slivers_out() -> None:
    overlaps = [
        Overlap("2013", "A", "X", 60.0),
        Overlap("2013", "A", "Y", 39.99),
        Overlap("2013", "A", "Z", 0.01),
        Overlap("2013", "B", "Z", 100.0),
        Overlap("2013", "NL33", "NL31", 5.0),  # both codes stand in both versions
    ]
    links = weighted_links(NUTS, "2021", {}, overlaps)
    weights = {(link.source, link.unit): link.weight for link in links}
    assert set(weights) == {("A", "X"), ("A", "Y"), ("B", "Z")}
    assert weights["A", "X"] + weights["A", "Y"] == pytest.approx(1.0, abs=1e-15)
    assert weights["B", "Z"] == 1.0


def test_an_overlap_small_for_one_side_only_is_kept() -> None:
    """A small region out of a large one, either way round: territory, not a drawing difference."""
    for large_is_old in (True, False):
        pairs = [("LARGE", "LARGE too", 1e6), ("LARGE", "SMALL", 50.0), ("LARGE", "LINE", 50.0)]
        pairs.append(("OTHER", "LINE", 1e5))
        overlaps = [
            Overlap("2013", *((one, other) if large_is_old else (other, one)), amount)
            for one, other, amount in pairs
        ]
        links = weighted_links(NUTS, "2021", {}, overlaps)
        kept = {frozenset((link.source, link.unit)): link for link in links}
        assert set(kept) == {
            frozenset(("LARGE", "LARGE too")), frozenset(("LARGE", "SMALL")),
            frozenset(("OTHER", "LINE")),
        }  # fmt: skip
        small = kept[frozenset(("LARGE", "SMALL"))]
        share = 50.0 / (1e6 + 50.0)
        wanted = (share, 1.0) if large_is_old else (1.0, share)
        assert (small.weight, small.cover) == pytest.approx(wanted, rel=1e-12)


def test_an_unknown_version_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="no version '2012'"):
        NUTS.codes("2012")
