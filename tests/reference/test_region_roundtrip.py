"""There and back between NUTS 2013 and 2021 with the JRC's own matrix.

Regions that did not change come back exactly, groups of regions that were split keep their total
to 1e-6 of it: the requirement of the project, not a property of the matrix.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from data.regions.convert import convert
from data.regions.crosswalk import Link, plain_links, weighted_links
from data.regions.systems import region_system
from data.regions.weights import read_overlaps

pytestmark = pytest.mark.realdata
NUTS = region_system("nuts")
# regions of 2013 that are in pieces in 2021; each group's pieces make up the same territory
SPLIT = (
    *(["HU10"], ["IE01", "IE02"], ["LT00"], ["PL12"], ["UKM2", "UKM3"], ["HR04"]),
    ["NO01", "NO02", "NO03", "NO04", "NO05", "NO06"],
)


def links(realdata: Path, version: str) -> tuple[Link, ...]:
    """All links to `version`, weights from the matrix between 2013 and 2021."""
    matrix = pd.read_csv(realdata / "nuts" / "jrc_converter" / "n2_cm_v2013_v2021.csv")
    long = pd.DataFrame(
        {
            "from_version": "2013",
            "to_version": "2021",
            "from_code": matrix["code_v2013"],
            "to_code": matrix["code_v2021"],
            "measure": "pop11",
            "value": matrix["pop11"],
        }
    )
    with duckdb.connect() as connection:
        overlaps = read_overlaps(connection.from_df(long), NUTS, version, "pop11")
    return (*plain_links(NUTS, version, {}), *weighted_links(NUTS, version, {}, overlaps))


def moved(values: pd.Series, to: tuple[Link, ...]) -> pd.Series:
    """Counts by region code, converted."""
    with duckdb.connect() as connection:
        picked = values.rename_axis("geo").rename("value").reset_index()
        picked = picked.assign(col="x", kind="count", period=2010, flags="")
        connection.from_df(picked[["col", "kind", "geo", "period", "value", "flags"]]).create(
            "picked"
        )
        convert(connection, to, coverage=0.999)
        return connection.table("converted").df().set_index("unit")["value"]


@pytest.fixture(scope="module")
def there_and_back(realdata: Path) -> tuple[pd.Series, pd.Series, pd.Series]:
    codes = [c for c in NUTS.codes("2013") if c[:2] not in ("ME", "MK", "RS", "TR")]
    counts = pd.Series(np.random.default_rng(20260101).gamma(2.0, 1e5, len(codes)), index=codes)
    there = moved(counts, links(realdata, "2021"))
    return counts, there, moved(there, links(realdata, "2013"))


def test_unchanged_regions_come_back_exactly(
    there_and_back: tuple[pd.Series, pd.Series, pd.Series],
) -> None:
    counts, _, back = there_and_back
    changed = {code for group in SPLIT for code in group}
    same = [code for code in counts.index if code not in changed]
    assert len(same) > 270
    np.testing.assert_array_equal(back[same].to_numpy(), counts[same].to_numpy())


def test_regions_that_were_split_keep_their_total(
    there_and_back: tuple[pd.Series, pd.Series, pd.Series],
) -> None:
    counts, _, back = there_and_back
    for group in SPLIT:
        assert back[group].sum() == pytest.approx(counts[group].sum(), rel=1e-6), group


def test_whole_countries_keep_their_total_on_the_way(
    there_and_back: tuple[pd.Series, pd.Series, pd.Series],
) -> None:
    counts, there, _ = there_and_back
    before, after = (s.groupby(s.index.str[:2]).sum() for s in (counts, there.dropna()))
    np.testing.assert_allclose(after[before.index], before, rtol=1e-6)
