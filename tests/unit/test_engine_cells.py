"""Hard cells: collinear controls, absorbed columns, no room left, poor conditioning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.engine.declared import Stratum
from models.engine.estimation import (
    NO_ERROR,
    NO_OUTCOME,
    NO_ROOM,
    NO_TREATMENT,
    ONE_CLUSTER,
    estimate_group,
)
from models.engine.leave_out import without
from models.engine.samples import Columns, SampleGroup


def group(*columns: np.ndarray, subsets: list[list[bool]] | None = None) -> SampleGroup:
    """40 units by 6 periods, ten clusters: outcome, treatment, controls; all of them by default."""
    unit, time = np.divmod(np.arange(240), 6)
    m = len(columns) - 2
    flags = np.array(subsets or [[True]] * m, dtype=bool).reshape(m, -1)
    cells = flags.shape[1]
    zeros = np.zeros(cells, dtype=np.int64)
    stratum = Stratum(("unit", "time"), "all", None, (("y", "x"),), np.ones((1, cells), dtype=bool))
    controls = tuple(f"c{j}" for j in range(m))
    keys = {"unit": unit, "time": time, "country": unit // 4, "world": 0 * unit}
    keys["crossing"] = np.arange(240) * 7 % 12 // 4
    numbers = dict(zip(("y", "x", *controls), columns, strict=True))
    return SampleGroup(
        columns=Columns(numbers, keys, {}, ()),
        stratum=stratum,
        by=("country",),
        rows=np.arange(240),
        targets=("y", "x"),
        controls=controls,
        subsets=flags,
        outcome=zeros,
        treatment=zeros + 1,
        subset=np.arange(cells),
        pair=zeros,
        declared=np.arange(cells),
    )


def noise(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 240))


def test_a_control_that_others_span_is_dropped_once() -> None:
    y, x, a, b = noise(1, 4)
    spanned = 2 * a - b + 5.0
    found = estimate_group(group(y, x, a, b, spanned))
    clean = estimate_group(group(y, x, a, b))
    assert found.estimate == pytest.approx(clean.estimate, rel=1e-10)
    assert found.std_error == pytest.approx(clean.std_error, rel=1e-10)


def test_a_control_that_the_effects_absorb_changes_nothing() -> None:
    y, x, a = noise(2, 3)
    lasting = np.repeat(np.random.default_rng(3).normal(size=40), 6)
    found = estimate_group(group(y, x, a, lasting))
    clean = estimate_group(group(y, x, a))
    assert found.estimate == pytest.approx(clean.estimate, rel=1e-10)
    assert found.std_error == pytest.approx(clean.std_error, rel=1e-10)


def test_cells_without_an_estimate_say_why_and_the_others_stand() -> None:
    y, x, a = noise(4, 3)
    lasting = np.repeat(np.arange(40.0), 6)
    subsets = [[False, True], [True, False]]
    found = estimate_group(group(y, x, a, x + 0 * a, subsets=subsets))
    assert found.reason == (NO_TREATMENT, "")
    assert np.isnan(found.estimate[0])
    assert np.isfinite(found.estimate[1])
    assert estimate_group(group(y, lasting, a)).reason == (NO_TREATMENT,)
    assert estimate_group(group(lasting, x, a)).reason == (NO_OUTCOME,)
    one = replace(group(y, x, a), by=("world",))
    assert estimate_group(one).reason == (ONE_CLUSTER,)
    # two units of six periods leave five dimensions, as many as there are regressors
    few = without(group(y, x, *noise(6, 4)), np.arange(240) < 12)
    crossing = replace(few, by=("crossing",))
    assert estimate_group(crossing).reason == (NO_ROOM,)


def test_round_off_is_no_standard_error() -> None:
    """The outcome is made of treatment and controls, of which two are hard to tell apart."""
    x, a, b = noise(11, 3)
    near = a + 1e-4 * b
    y = 3.0 * x + 7.0 * a + 1e4 * (near - a) + 1e3
    assert estimate_group(group(y, x, a, near)).reason == (NO_ERROR,)
    assert estimate_group(group(y + 1e-3 * b**2, x, a, near)).reason == ("",)


def test_nearly_collinear_controls_keep_nine_digits() -> None:
    """Cross-products square the condition number; the correction through R takes that back."""
    y, x, a, b = noise(5, 4)
    near = a + 3e-4 * b  # condition number of the cross-products about 1e8
    x = x + a + near
    found = estimate_group(group(y, x, a, near))
    dummies = np.hstack([np.kron(np.eye(40), np.ones((6, 1))), np.tile(np.eye(6), (40, 1))])
    columns = np.column_stack([x, a, near, dummies])
    wanted = np.linalg.lstsq(columns, y, rcond=None)[0][0]
    assert found.estimate[0] == pytest.approx(wanted, rel=1e-9)


def test_errors_of_nearly_collinear_cells_keep_the_digits_of_a_correction_through_r() -> None:
    """The same span by other columns has the same error; without the correction 3e-10 is lost."""
    lost = []
    for seed in range(5, 25):
        y, x, a, b = noise(seed, 4)
        near = a + 1e-4 * b
        x = x + a + near
        found, clean = (estimate_group(group(y, x, a, other)) for other in (near, b))
        assert found.estimate[0] == pytest.approx(clean.estimate[0], rel=1e-10)
        lost.append(abs(found.std_error[0] / clean.std_error[0] - 1))
    assert np.median(lost) < 2e-10
