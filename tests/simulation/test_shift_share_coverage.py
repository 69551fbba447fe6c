"""Do shift-share intervals cover when regions with like shares share like errors?

Each draw has new shocks and new errors, both handed to 400 regions by the same shares, as in Adao,
Kolesar and Morales (2019): what no clustering by region or neighbour sees.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.design import Design
from models.estimators import load
from models.results import ModelResult
from models.study import Inference, ModelSpec
from tests.simulation_record import record

pytestmark = pytest.mark.slow
DRAWS, REGIONS, EFFECT = 1000, 400, 0.5
MANY, FEW = 150, 8


def drawn(rng: np.random.Generator, sectors: int) -> Design:
    """A cross-section; every sector has its shock, and errors of its own beside it."""
    shares = rng.dirichlet(np.full(sectors, 0.3), size=REGIONS)
    shocks, hidden = rng.normal(size=(2, sectors))
    x = shares @ shocks + 0.2 * rng.normal(size=REGIONS)
    y = EFFECT * x + shares @ hidden + 0.1 * rng.normal(size=REGIONS)
    columns = {f"s{k}": shares[:, k] for k in range(sectors)}
    columns |= {f"g{k}": np.full(REGIONS, shocks[k]) for k in range(sectors)}
    return Design(
        y=y, X=x[:, None], terms=("x",), n_treatments=1, weights=None, unit=np.arange(REGIONS),
        time=np.zeros(REGIONS, dtype=np.int64), units=np.arange(REGIONS).astype(object),
        times=np.array([2000]), parent=None, effects=(), effect_names=(), columns=columns,
    )  # fmt: skip


def intervals(sectors: int, asked: bool) -> list[ModelResult]:
    """A thousand fits: with shift-share errors, or the same estimate with robust ones."""
    rng = np.random.default_rng(20260601)
    shares, shocks = ([f"{letter}{k}" for k in range(sectors)] for letter in "sg")
    fit = load("iv-within").fit
    found = []
    for _ in range(DRAWS):
        design = drawn(rng, sectors)
        options: dict[str, object] = {"shift_share": {"shares": shares, "shocks": shocks}}
        if not asked:
            stacked = [np.column_stack([design.columns[name] for name in names])
                       for names in (shares, shocks)]  # fmt: skip
            design = replace(design, columns={"z": np.einsum("nk,nk->n", *stacked)})
            options = {"instruments": ("z",)}
        spec = ModelSpec(
            "m", "iv-within", "y", ("x",), (), (), None, Inference("robust"), options
        )
        found.append(fit(design, spec))
    return found


def covered(name: str, design: str, ends: list[tuple[float, float]]) -> float:
    """The share of intervals that hold the truth; a row for the documentation."""
    share = float(np.mean([low <= EFFECT <= high for low, high in ends]))
    width = float(np.median([high - low for low, high in ends]))
    row = {
        "method": name, "design": design, "draws": DRAWS, "coverage": round(share, 4),
        "median width": round(width, 4),
    }  # fmt: skip
    record("inference-coverage", name.replace(" ", "-").replace(",", ""), [row])
    return share


def of_term(result: ModelResult) -> tuple[float, float]:
    return result.terms[0].conf_low, result.terms[0].conf_high


def akm0(result: ModelResult) -> tuple[float, float]:
    low, high = result.fit["akm0_low"], result.fit["akm0_high"]
    assert low is not None
    assert high is not None
    return low, high


def test_many_sectors() -> None:
    results = intervals(MANY, asked=True)
    words = f"{REGIONS} regions, {MANY} sectors with shocks and errors of their own"
    assert 0.93 <= covered("shift-share AKM", words, [of_term(r) for r in results]) <= 0.97
    assert 0.93 <= covered("shift-share AKM0", words, [akm0(r) for r in results]) <= 0.97


def test_few_sectors_need_the_null_imposed() -> None:
    results = intervals(FEW, asked=True)
    words = f"{REGIONS} regions, {FEW} sectors with shocks and errors of their own"
    plain = covered("shift-share AKM, few sectors", words, [of_term(r) for r in results])
    null = covered("shift-share AKM0, few sectors", words, [akm0(r) for r in results])
    assert plain <= 0.9
    assert null > plain


def test_errors_by_region_miss_what_sectors_share() -> None:
    results = intervals(MANY, asked=False)
    words = f"{REGIONS} regions, {MANY} sectors, regions taken as independent"
    assert covered("shift-share robust", words, [of_term(r) for r in results]) <= 0.8
