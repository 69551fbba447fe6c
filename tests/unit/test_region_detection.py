"""The version of a region system is recognised by its codes, and so are mixtures."""

from __future__ import annotations

import pytest

from data.regions.detect import detect
from data.regions.systems import region_system

NUTS = region_system("nuts")


@pytest.mark.parametrize("version", NUTS.versions)
def test_the_codes_of_a_version_are_recognised(version: str) -> None:
    found = detect(NUTS, NUTS.codes(version))
    assert found.version == version
    assert not found.others


def test_the_payments_hybrid_is_a_mixture() -> None:
    """Greek and Slovene regions of 2013 beside the French overseas and London of 2010."""
    codes = {*NUTS.codes("2013"), "FR91", "FR92", "FR93", "FR94", "UKI1", "UKI2"}
    codes -= {"FRA1", "FRA2", "FRA3", "FRA4", "FRA5", "UKI3", "UKI4", "UKI5", "UKI6", "UKI7"}
    found = detect(NUTS, codes)
    assert found.version == "2013"
    assert set(found.others) == {"FR91", "FR92", "FR93", "FR94", "UKI1", "UKI2"}
    assert found.others["FR91"] == ("2006", "2010")


def test_aggregates_and_other_levels_are_unknown() -> None:
    found = detect(NUTS, ["AT11", "AT1", "AT", "EU28"])
    assert found.unknown == ("AT", "AT1", "EU28")
    assert detect(NUTS, ["EU28"]).version is None
