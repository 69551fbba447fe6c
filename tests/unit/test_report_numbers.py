"""Numbers and labels as they are printed."""

from __future__ import annotations

import math

import pytest

from data.panel import Column
from models.results import Term
from reports.briefs.estimate import interval_words, plain_estimate
from reports.briefs.text import plain
from reports.numbers import decimals_for, fixed, p_value, per_cent, split_at_point
from reports.variables import Measure, Variables, in_sentence, plural, with_article


@pytest.mark.parametrize(
    ("errors", "decimals"),
    [
        ([0.313], 3),
        ([0.313, 0.0289], 4),
        ([3.318], 2),
        ([61.2], 1),
        ([1234.5], 0),
        ([0.09996], 3),  # prints as 0.100
        ([0.0], 3),
        ([math.nan], 3),
        ([], 3),
        ([1e-9], 7),  # too small for fixed notation
    ],
)
def test_the_smallest_error_has_three_significant_digits(
    errors: list[float], decimals: int
) -> None:
    assert decimals_for(errors) == decimals


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (-0.8312, 3, "-0.831"),
        (1234567.891, 1, "1,234,567.9"),
        (-0.0004, 3, "0.000"),  # never a negative zero
        (-1234.5, 0, "-1,234"),
        (3.2e-9, 7, "3.20e-09"),
        (math.nan, 3, "–"),
        (math.inf, 3, "–"),
        (None, 3, "–"),
    ],
)
def test_fixed_notation(value: float | None, decimals: int, text: str) -> None:
    assert fixed(value, decimals) == text


def test_p_values_and_shares_are_never_rounded_to_certainty() -> None:
    assert [p_value(p) for p in (0.0004, 0.0312, None)] == ["<0.001", "0.031", "–"]
    shares = (0.0, 0.002, 0.5, 0.998, 1.0)
    assert [per_cent(s) for s in shares] == ["0 %", "under 1 %", "50 %", "over 99 %", "100 %"]


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        ("-0.83", ("-0", ".83")),
        ("(0.31)", ("(0", ".31)")),
        ("(12)", ("(12", ")")),
        ("25", ("25", "")),
    ],
)
def test_numbers_are_cut_at_the_point(text: str, halves: tuple[str, str]) -> None:
    assert split_at_point(text) == halves


VARIABLES = Variables(
    {
        "esf_pc": Column("esf_pc", "ESF payments per head", "euro", "regional"),
        "gap": Column("gap", "Pay gap", "% of median", "regional"),
    },
    {
        "esf": "lag(log1p(esf_pc), 1)",
        "thousand": "esf_pc / 1000",
        "later": "lag(thousand, 2)",
        "z": "zscore(esf_pc)",
        "change": "diff(esf_pc)",
        "ahead": "lead(log(esf_pc), 2)",
        "net": "esf_pc - gap",
        "gap": "lag(gap, 1)",  # reuses the name of its source
        "small": "log1p(thousand)",
        "loop": "lag(loop, 1)",
        "evil": "__import__('os').system('true')",
        "broken": "lag(",
    },
    "year",
    "geo",
)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("esf", "ESF payments per head (log of 1 + x, 1 year earlier)"),
        ("later", "ESF payments per head (× 0.001, 2 years earlier)"),
        ("z", "ESF payments per head (standardised)"),
        ("change", "ESF payments per head (change)"),
        ("ahead", "ESF payments per head (log, 2 years later)"),
        # terms that estimators add
        ("lag(esf_pc, 1)", "ESF payments per head (1 year earlier)"),
        ("unit mean of esf", "Region mean of ESF payments per head (log of 1 + x, 1 year earlier)"),
        ("esf_pc h=0", "ESF payments per head, outcome in the same year"),
        ("esf_pc h=3", "ESF payments per head, outcome 3 years on"),
        ("gap", "Pay gap (1 year earlier)"),
        ("net", "net"),
        ("small", "small"),
        ("evil", "evil"),
        ("broken", "broken"),
        ("esf_pc", "ESF payments per head"),
        ("no_such", "no such"),
    ],
)
def test_a_variable_is_labelled_by_what_was_done_to_it(name: str, label: str) -> None:
    assert VARIABLES.label(name) == label


def test_only_variables_that_no_label_explains_are_spelled_out() -> None:
    assert VARIABLES.definitions(["esf", "net"]) == ("net is esf_pc - gap",)
    assert VARIABLES.measure("loop").lag == 1


def test_words_inside_a_sentence() -> None:
    assert in_sentence("Youth unemployment") == "youth unemployment"
    assert in_sentence("ESF payments") == "ESF payments"
    assert in_sentence("Head Start spending") == "Head Start spending"
    assert with_article("Employment rate, age 15–24") == "the employment rate, age 15–24,"
    assert [plural(word) for word in ("region", "country", "class")] == [
        "regions",
        "countries",
        "class",
    ]


RATE = Measure("y", Column("y", "Unemployment rate", "%", "regional"))
SHARE = Measure("y", Column("y", "Employed", "share of population", "regional"))
EUROS = Measure("x", Column("x", "Payments", "euro, constant 2015 prices", "regional"))


def term(estimate: float, error: float) -> Term:
    low, high = estimate - 2 * error, estimate + 2 * error
    return Term("x", estimate, error, estimate / error, None, 0.1, low, high)


@pytest.mark.parametrize(
    ("treatment", "outcome", "estimate", "step", "middle", "unit"),
    [
        # a log regressor: ten per cent more is ln(1.1) of its coefficient
        (Measure("x", EUROS.column, "log"), RATE, -2.0, "10 % higher", -0.190620360,
         "percentage points"),
        # a share as outcome: 0.004 of one is 0.4 percentage points
        (Measure("x", EUROS.column, "zscore"), SHARE, 0.004, "one standard deviation higher", 0.4,
         "percentage points"),
        # a percentage as regressor
        (RATE, RATE, 0.7, "1 percentage point higher", 0.7, "percentage points"),
        # a share as regressor: a percentage point is 0.01 of it
        (SHARE, RATE, 50.0, "1 percentage point higher", 0.5, "percentage points"),
        # euros, in thousands in the regression: the step grows until something can be seen
        (Measure("x", EUROS.column, "level", 0, 0.001), RATE, -0.4, "1,000 euro higher", -0.4,
         "percentage points"),
        (EUROS, RATE, -0.02, "10 euro higher", -0.2, "percentage points"),
        # a log outcome: per cent, exactly and not to first order
        (Measure("x", EUROS.column, "zscore"), Measure("y", EUROS.column, "log"), 0.5,
         "one standard deviation higher", 64.872127, "per cent"),
        (Measure("x", None), Measure("y", None), 3.0, "1 unit higher", 3.0, "units"),
    ],
)  # fmt: skip
def test_a_coefficient_in_units_a_reader_knows(
    treatment: Measure, outcome: Measure, estimate: float, step: str, middle: float, unit: str
) -> None:
    found = plain_estimate(term(estimate, abs(estimate) / 4), treatment, outcome, "s/m/x")
    assert (found.step, found.unit) == (step, unit)
    assert found.middle == pytest.approx(middle, rel=1e-6)
    assert found.low < found.middle < found.high


def test_an_interval_says_its_directions_and_hides_no_crossing() -> None:
    below = plain_estimate(term(-0.8, 0.3), RATE, RATE, "r")
    assert below.settled
    assert plain(interval_words(below)) == "0.20 to 1.40 lower"
    above = plain_estimate(term(0.8, 0.3), RATE, RATE, "r")
    assert plain(interval_words(above)) == "0.20 to 1.40 higher"
    across = plain_estimate(term(-0.599, 0.3), RATE, RATE, "r")
    assert not across.settled
    assert plain(interval_words(across)) == "1.199 lower to 0.001 higher"
