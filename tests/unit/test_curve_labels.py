"""The words beside the choices of a specification curve."""

from __future__ import annotations

from reports.figures.curve import LONGEST, _fitting

EARLIER = "(log of 1 + x, 1 year earlier)"
LABELS = [
    ("treatment", f"European Social Fund expenditure per head, modelled {EARLIER}"),
    ("treatment", f"European Social Fund payments per head {EARLIER}"),
    ("treatment", "Social investment by the broad definition of it (log, 1 year earlier)"),
    ("treatment", "Social investment by the broad definition of it (log, 2 years earlier)"),
    ("controls", "Unemployment rate (1 year earlier)"),
]


def test_labels_too_long_stay_apart_and_what_fits_stays_whole() -> None:
    found = _fitting(LABELS, LONGEST)
    assert len(set(found)) == len(LABELS)
    assert max(map(len, found)) <= LONGEST
    assert found[0].startswith("European Social Fund expenditure")
    assert found[1] == "European Social Fund payments per head"
    assert found[2].endswith("(log, 1 year earlier)")
    assert found[3].endswith("(log, 2 years earlier)")
    assert found[4] == "Unemployment rate (1 year earlier)"


def test_a_long_bracket_keeps_when_and_leaves_room_for_the_name() -> None:
    name, when = "European Social Fund expenditure per head", "mean of 1 to 3 years earlier"
    labels = [("treatment", f"{name} {EARLIER}"), ("treatment", f"{name} (log of 1 + x, {when})")]
    found = _fitting(labels, LONGEST)
    assert found[1] == f"European … ({when})"
    assert max(map(len, found)) <= LONGEST
