"""Do the intervals of mixed models cover: slopes, shares of variance, regions' own levels?

Panels of 27 countries, 4 regions and 6 years. Shrunken effects are judged by the share of all
effects, over draws and groups, that their intervals hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.design import Design
from models.estimators import mixed
from models.estimators.mixed.shrunken_effects import (
    ShrunkenEffects,
    regional_levels,
    shrunken_effects,
)
from models.estimators.mixed.variance_shares import variance_shares
from models.results import Term
from models.study import Inference, ModelSpec
from tests.simulation_record import record

pytestmark = pytest.mark.slow
DRAWS, COUNTRIES, REGIONS, YEARS = 1000, 27, 4, 6
DEVIATIONS = {"parent": 1.2, "unit": 1.0, "residual": 0.8}
SLOPE, SLOPE_DEVIATION = 0.5, 0.4


def design_of(y: Any, x: Any) -> Design:
    country, region, year = np.indices((COUNTRIES, REGIONS, YEARS)).reshape(3, -1)
    unit = country * REGIONS + region
    return Design(
        y=y.ravel(), X=x.reshape(-1, 1), terms=("x",), n_treatments=1, weights=None, unit=unit,
        time=year, units=np.arange(COUNTRIES * REGIONS).astype(object), times=np.arange(YEARS),
        parent=country, effects=(), effect_names=(), columns={"country": country},
    )  # fmt: skip


def holds(found: ShrunkenEffects, truth: Any) -> float:
    return float(((found.conf_low[:, 0] <= truth) & (truth <= found.conf_high[:, 0])).mean())


def covers(term: Term, truth: float) -> bool:
    return term.conf_low <= truth <= term.conf_high


def check(name: str, rates: dict[str, float]) -> None:
    rows = [{"quantity": quantity, "coverage": f"{rate:.3f}"} for quantity, rate in rates.items()]
    record("mixed", name, rows)
    assert all(0.93 <= rate <= 0.97 for rate in rates.values()), rates


def test_shares_and_levels() -> None:
    rng = np.random.default_rng(20260301)
    total = sum(value**2 for value in DEVIATIONS.values())
    hits: dict[str, list[float]] = {}
    for _ in range(DRAWS):
        country = DEVIATIONS["parent"] * rng.normal(size=(COUNTRIES, 1, 1))
        region = DEVIATIONS["unit"] * rng.normal(size=(COUNTRIES, REGIONS, 1))
        x = rng.normal(size=(COUNTRIES, REGIONS, YEARS))
        noise = DEVIATIONS["residual"] * rng.normal(size=x.shape)
        design = design_of(1 + SLOPE * x + country + region + noise, x)
        inner, _, _ = mixed.fitted(design, ModelSpec("m", "mixed", "y", ("x",)))
        for share in variance_shares(inner):
            low, high = share.conf_low or 0.0, share.conf_high or 1.0
            truth = DEVIATIONS[share.level] ** 2 / total
            hits.setdefault(f"share {share.level}", []).append(low <= truth <= high)
        truths = {"parent": country.ravel(), "unit": region.ravel()}
        for found in shrunken_effects(inner):
            key = f"effects by {found.group}"
            hits.setdefault(key, []).append(holds(found, truths[found.group]))
        levels = regional_levels(inner)
        hits.setdefault("country plus region", []).append(holds(levels, (country + region).ravel()))
    check("levels", {name: float(np.mean(values)) for name, values in hits.items()})


@pytest.mark.parametrize("kind", ["classical", "cluster"])
def test_slope_that_varies_by_country(kind: str) -> None:
    rng = np.random.default_rng(20260302)
    how = Inference(kind, by=("country",) if kind == "cluster" else ())
    spec = ModelSpec("m", "mixed", "y", ("x",), inference=how, options={"slopes": ("x",)})
    hits = []
    for _ in range(DRAWS):
        slope = SLOPE + SLOPE_DEVIATION * rng.normal(size=(COUNTRIES, 1, 1))
        level = rng.normal(size=(COUNTRIES, 1, 1)) + rng.normal(size=(COUNTRIES, REGIONS, 1))
        x = rng.normal(size=(COUNTRIES, REGIONS, YEARS))
        y = slope * x + level + rng.normal(size=x.shape)
        hits.append(covers(mixed.fit(design_of(y, x), spec).terms[0], SLOPE))
    check(f"slope-{kind}", {f"slope, {kind} errors": float(np.mean(hits))})
