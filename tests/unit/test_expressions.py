"""The language of study files: what it computes, and what it refuses by name."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import BadInput
from data.expressions import columns_of, condition, evaluate

NAN = math.nan


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "geo": ["a", "a", "a", "b", "b"],
            "year": [2000, 2001, 2003, 2001, 2002],
            "x": [1.0, 2.0, 0.0, 4.0, NAN],
            "n": pd.array([1, 2, None, 4, 5], dtype="Int64"),
            "country": ["MT", "MT", "MT", None, "CY"],
            "first.treat": [1, 2, 3, 4, 5],
        }
    )


def value(expression: str, frame: pd.DataFrame) -> list[float]:
    return list(evaluate(expression, frame, "geo", "year", "study.toml:7").to_numpy())


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("2 + 3 * x - -1", [6, 9, 3, 15, NAN]),
        ("2 ** 3 ** 1 / 4", [2, 2, 2, 2, 2]),
        ("n + 1", [2, 3, NAN, 5, 6]),
        ("first.treat * 2", [2, 4, 6, 8, 10]),
        ("lag(x)", [NAN, 1, NAN, NAN, 4]),
        ("lag(x, 2)", [NAN, NAN, 2, NAN, NAN]),
        ("lead(x)", [2, NAN, NAN, NAN, NAN]),
        ("diff(n)", [NAN, 1, NAN, NAN, 1]),
        ("lag(year >= 2001)", [NAN, 0, NAN, NAN, 1]),
        ("where(x > 0, log(x))", [0, math.log(2), NAN, math.log(4), NAN]),
        ("where(x > 0, 1 / x, -1)", [1, 0.5, -1, 0.25, NAN]),
        ("log1p(x)", [math.log(2), math.log(3), 0, math.log(5), NAN]),
        ("exp(x * 0) + sqrt(x) + abs(-x)", [3, 3 + math.sqrt(2), 1, 7, NAN]),
        ("clip(x, 1, 3)", [1, 2, 1, 3, NAN]),
        ("winsor(x, 0.1)", [1, 2, 0.3, 3.4, NAN]),
        ("mean_by(x, geo)", [1, 1, 1, 4, 4]),
        ("sum_by(x, geo)", [3, 3, 3, NAN, NAN]),
        ("sum_by(x, geo, year > 2001)", [3, 3, 0, 4, NAN]),
        ("mean_by(x, country)", [1, 1, 1, NAN, NAN]),
        ("share(x, geo)", [1 / 3, 2 / 3, 0, NAN, NAN]),
        ("isna(x) + isna(country)", [0, 0, 0, 1, 1]),
        ("country != 'MT'", [0, 0, 0, NAN, 1]),
        ("country in ['MT', 'CY'] and year not in (2000, 2001)", [0, 0, 1, 0, 1]),
        ("'T' in country", [1, 1, 1, NAN, 0]),
        ("'T' not in country", [0, 0, 0, NAN, 1]),
        ("x > 1 or year == 2002", [0, 1, 0, 1, 1]),
        ("x > 1 and year == 2002", [0, 0, 0, 0, NAN]),
        ("not x > 1", [1, 0, 1, 0, NAN]),
        ("2000 < year <= 2002", [0, 1, 0, 1, 1]),
        ("true", [1, 1, 1, 1, 1]),
    ],
)
def test_values(frame: pd.DataFrame, expression: str, expected: list[float]) -> None:
    np.testing.assert_allclose(value(expression, frame), expected, rtol=1e-15)


def test_zscore_against_numpy(frame: pd.DataFrame) -> None:
    known = np.array([1.0, 2.0, 0.0, 4.0])
    expected = (known - np.mean(known)) / np.std(known, ddof=1)
    np.testing.assert_allclose(value("zscore(x)", frame)[:4], expected, rtol=1e-15)


def test_text_stays_text(frame: pd.DataFrame) -> None:
    assert evaluate("country", frame, "geo", "year").to_list()[:3] == ["MT", "MT", "MT"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("log(x)", "log(x) has no value in 1 rows (first: a, 2003, from 0); use log1p(x)"),
        ("1 / x", "1 / x has no value in 1 rows (first: a, 2003, from 1 and 0)"),
        ("9 ** 9 ** 9", "9 ** 9 ** 9 has no value in 5 rows"),
        ("(x - 1) ** 0.5", "(x - 1) ** 0.5 has no value in 1 rows"),
        ("sqrt(x - 1)", "where(x >= 0, sqrt(x))"),
        ("where(x > 0, lag(log(x)))", "log(x) has no value in 1 rows"),
        ("1e999", "a number too large to compute with"),
        ("9" * 500, "a number too large to compute with"),
        ("lag(x, -1)", "the other direction is lag or lead"),
        ("lag(x, year)", "year where a plain number or text belongs"),
        ("lag(x, 1, 2)", "lag() with 3 arguments; write lag(x) or lag(x, periods)"),
        ("lag(x, periods=1)", "lag() with a named argument"),
        ("lagg(x)", "no function 'lagg'; did you mean lag?"),
        ("coutnry == 'MT'", "no column 'coutnry'; did you mean country?"),
        ("x if 1 else 2", "expressions do not have if ... else (use where(condition, a, b))"),
        ("x % 2", "expressions do not have %"),
        ("x & 1", "expressions do not have & (use and)"),
        ("x is 1", "expressions do not have is (use ==)"),
        ("[x, 1]", "expressions do not have a list outside in [...]"),
        ("x[0]", "expressions do not have square brackets after a name"),
        ("{1: 2}", "expressions do not have a dictionary"),
        ("f'{x}'", "expressions do not have f-strings"),
        ("[v for v in x]", "expressions do not have a comprehension"),
        ("(y := x)", "expressions do not have :="),
        ("(1).__class__", "expressions do not have the dot after something that is no name"),
        ("x.__class__", "no column 'x.__class__'"),
        ("__import__('os')", "no function '__import__'"),
        ("(lambda: 1)()", "no function 'lambda: 1'"),
        ("country > 'A'", "country is text, which has no order"),
        ("country == 3", "compares text with a number"),
        ("year in ['2001']", "compares text with numbers"),
        ("'1' in x", "'in' without a list or a column of text behind it"),
        ("country in country", "'in' without a list or a column of text behind it"),
        ("country + 'x'", "country is text where a number belongs"),
        ("year and x > 1", "year is no condition"),
        ("zscore(x * 0)", "the column does not vary"),
        ("winsor(x, 0.7)", "give a share between 0 and 0.5"),
        ("clip(x, 2, 1)", "clips to nothing"),
        ("None", "None is neither a number nor text"),
        ("1j", "1j is neither a number nor text"),
        ("x +", "check names, brackets and operators"),
        ("x; y", "check names, brackets and operators"),
        ("x +" * 2000 + "x", "an expression of 6001 characters"),
        ("-" * 200 + "x", "nested more than 100 levels deep"),
        ("(" * 1500 + "x" + ")" * 1500, "check names, brackets and operators"),
    ],
)
def test_refusals(frame: pd.DataFrame, expression: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        evaluate(expression, frame, "geo", "year", "study.toml:7")
    assert str(caught.value).startswith("study.toml:7: ")
    assert message in str(caught.value)


def test_condition_counts_missing_as_no(frame: pd.DataFrame) -> None:
    assert condition("x < 3", frame, "geo", "year").tolist() == [True, True, True, False, False]


def test_infinite_data_is_refused(frame: pd.DataFrame) -> None:
    frame.loc[3, "x"] = math.inf
    with pytest.raises(BadInput, match=r"'x' is infinite in 1 rows \(first: row 4\)"):
        evaluate("x > 1", frame, "geo", "year")


def test_dates_are_refused(frame: pd.DataFrame) -> None:
    frame["x"] = pd.Timestamp("2000-01-01")
    with pytest.raises(BadInput, match="column 'x' holds datetime64 values"):
        evaluate("x > 1", frame, "geo", "year")


def test_lag_refuses_two_rows_for_one_period(frame: pd.DataFrame) -> None:
    frame.loc[1, "year"] = 2000
    with pytest.raises(BadInput, match="a has two rows for 2000"):
        evaluate("lag(x)", frame, "geo", "year")


def test_lag_refuses_a_fractional_period(frame: pd.DataFrame) -> None:
    frame["year"] = frame["year"] + 0.5
    with pytest.raises(BadInput, match=r"year is 2000.5 in row 1"):
        evaluate("lag(x)", frame, "geo", "year")


@pytest.mark.parametrize("start", [0, 1, 2000])
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("lag(x)", [NAN, 1, 2, NAN, 40, 50]),
        ("lag(x, 2)", [NAN, NAN, 1, NAN, NAN, 40]),
        ("lead(x)", [2, 3, NAN, 50, 60, NAN]),
        ("lead(x, 2)", [3, NAN, NAN, 60, NAN, NAN]),
        ("diff(x)", [NAN, 1, 1, NAN, 10, 10]),
    ],
)
def test_a_unit_has_nothing_before_its_first_period_nor_after_its_last(
    start: int, expression: str, expected: list[float]
) -> None:
    """Two units in the same periods, whose rows follow each other without a gap."""
    years = [start, start + 1, start + 2] * 2
    frame = pd.DataFrame({"geo": list("aaabbb"), "year": years, "x": [1, 2, 3, 40, 50, 60]})
    assert value(expression, frame) == pytest.approx(expected, nan_ok=True)
    swapped = frame.iloc[::-1]
    assert value(expression, swapped) == pytest.approx(expected[::-1], nan_ok=True)


def test_lags_of_an_empty_table_are_empty(frame: pd.DataFrame) -> None:
    assert value("lag(x) + lead(x) + diff(x)", frame.iloc[:0]) == []


def test_columns_of() -> None:
    expression = "where(year > 2000 and true, lag(log1p(esf_pc), 1), first.treat) + year"
    assert columns_of(expression) == ("year", "esf_pc", "first.treat")


@given(
    rows=st.sets(st.tuples(st.integers(0, 4), st.integers(1990, 2005)), min_size=1),
    periods=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
def test_lag_is_a_merge_on_the_calendar(
    rows: set[tuple[int, int]], periods: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(sorted(rows), columns=["geo", "year"]).sample(
        frac=1, random_state=np.random.RandomState(seed)
    )
    frame["x"] = random.normal(size=len(frame))
    earlier = frame.assign(year=frame["year"] + periods)
    merged = frame[["geo", "year"]].merge(earlier, how="left", on=["geo", "year"])
    computed = evaluate(f"lag(x, {periods})", frame, "geo", "year")
    np.testing.assert_array_equal(computed.to_numpy(), merged["x"].to_numpy())
