"""Two hand-made editions of a panel: every step's contribution to a mean is known beforehand."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from data.errors import BadInput
from data.panel import Panel
from data.panels.diff import compare, stages
from tests.study_case import panel_of

# (unit, year): value; None is an empty cell
OLD = {
    ("A", 2000): 1.0,
    ("A", 2001): 2.0,
    ("B", 2000): 3.0,
    ("B", 2001): None,
    ("C", 2000): 0.0,
    ("C", 2001): 6.0,
}
NEW = {
    ("A", 2000): 1.5,  # revised
    ("A", 2001): 2.0,
    ("A", 2002): 10.0,  # a new period
    ("B", 2000): None,  # withdrawn
    ("B", 2001): 4.0,  # filled
    ("B", 2002): 20.0,
    ("C", 2000): 2.0,  # revised from nought
    # C 2001 is lost
    ("D", 2000): 100.0,  # a new unit
    ("D", 2002): 200.0,
}


def edition(cells: dict[tuple[str, int], float | None]) -> Panel:
    rows = [(unit, year, value) for (unit, year), value in cells.items()]
    return panel_of(pd.DataFrame(rows, columns=["geo", "year", "y"]), "geo", "year")


def mean(panel: Panel) -> float:
    return float(panel.frame["y"].mean())


def test_what_differs_is_counted_by_kind() -> None:
    change = compare(edition(OLD), edition(NEW))
    assert change.revised.to_dict("records") == [
        {"geo": "C", "year": 2000, "column": "y", "old": 0.0, "new": 2.0},
        {"geo": "A", "year": 2000, "column": "y", "old": 1.0, "new": 1.5},
    ]
    assert (change.new_periods, change.new_units) == ((2002,), ("D",))
    assert (change.lost_rows, change.appeared, change.withdrawn) == (1, 1, 1)


def test_each_step_adds_its_own_change_to_the_one_before() -> None:
    steps = dict(stages(edition(OLD), edition(NEW)))
    means = [mean(edition(OLD)), *[mean(panel) for panel in steps.values()]]
    assert list(steps)[:3] == ["revised values", "new periods", "new units"]
    assert means == pytest.approx(
        [
            12 / 5,
            (12 + 0.5 + 2) / 5,
            (14.5 + 10 + 20) / 7,
            (44.5 + 100 + 200) / 9,
            (1.5 + 2 + 10 + 4 + 20 + 2 + 100 + 200) / 8,
        ],
        rel=1e-15,
    )


def test_the_steps_end_at_the_new_panel_and_stay_sorted() -> None:
    new = edition(NEW)
    panels = [panel for _, panel in stages(edition(OLD), new)]
    for panel in panels:
        index = list(zip(panel.frame["geo"], panel.frame["year"], strict=True))
        assert index == sorted(index)
    pd.testing.assert_frame_equal(panels[-1].frame, new.frame)


def test_equal_editions_differ_in_nothing() -> None:
    change = compare(edition(OLD), edition(OLD))
    assert change.revised.empty
    assert (change.new_periods, change.new_units) == ((), ())
    assert {mean(panel) for _, panel in stages(edition(OLD), edition(OLD))} == {12 / 5}


def test_whole_numbers_may_be_revised_to_fractions() -> None:
    frame = pd.DataFrame({"geo": ["A", "B"], "year": [2000, 2000], "y": [1, 2]})
    old = panel_of(frame, "geo", "year")
    new = panel_of(frame.assign(y=[1.25, 2.0]), "geo", "year")
    assert mean(next(panel for _, panel in stages(old, new))) == 1.625


def test_panels_that_cannot_be_compared_are_refused() -> None:
    old = edition(OLD)
    renamed = replace(old, frame=old.frame.rename(columns={"geo": "region"}), unit="region")
    with pytest.raises(BadInput, match="its index was geo, year and is region, year"):
        compare(old, renamed)
    doubled = replace(old, frame=pd.concat([old.frame, old.frame.head(1)]))
    with pytest.raises(BadInput, match="geo A, year 2000: two rows for one unit and period"):
        compare(old, doubled)


# the same rows in both editions, as in a panel by recipe: None is a cell not published yet
GRID_OLD = {**dict.fromkeys([(u, t) for u in "ABC" for t in (2000, 2001, 2002)]), ("A", 2000): 1.0,
            ("A", 2001): 2.0, ("B", 2001): 4.0}
GRID_NEW = {**GRID_OLD, ("A", 2000): 1.5, ("A", 2002): 10.0, ("B", 2002): 20.0, ("B", 2000): 7.0,
            ("C", 2001): 100.0, ("C", 2002): 200.0}


def test_first_figures_of_a_period_or_unit_are_new_though_their_rows_are_not() -> None:
    old, new = edition(GRID_OLD), edition(GRID_NEW)
    change = compare(old, new)
    assert (change.new_periods, change.new_units) == ((2002,), ("C",))
    assert (len(change.revised), change.lost_rows, change.appeared) == (1, 0, 5)
    means = [mean(panel) for _, panel in stages(old, new)]
    assert means == pytest.approx(
        [7.5 / 3, 37.5 / 5, 337.5 / 7, 344.5 / 8],
        rel=1e-15,
    )


def test_a_column_without_any_figure_before_is_no_new_period() -> None:
    old = edition(dict.fromkeys([("A", 2000), ("B", 2000)]))
    old = replace(old, frame=old.frame.astype({"y": "float64"}))
    change = compare(old, edition({("A", 2000): 1.0, ("B", 2000): 2.0}))
    assert (change.new_periods, change.new_units, change.appeared) == ((), (), 2)
