"""Values that no key of an estimator can have: of another kind than asked for, or too large."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from data.errors import BadInput
from models.estimators import lsdvc
from models.results import ModelResult
from models.study import ModelSpec
from tests.every_estimator import MODELS, fit_file, world

FRAME = world()
MANY = 10**12
# an estimator, one of its keys, values that it cannot have, and what the refusal says
WRONG: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("difference-gmm", "instruments", ("3", "1.5", "true"), r"instruments is .*; write a list"),
    ("difference-gmm", "instruments", ('[{ gmm = "y", lags = 2 }]',), r"lags = 2 for y; write \{"),
    ("system-gmm", "lags", ("1.5", "nan", '"two"'), r"lags = .*; write a number of lags"),
    ("system-gmm", "lags", ("12", "1000000", f"{MANY}"), r"too few periods: 12 for lag [0-9,]+ of"),
    ("difference-gmm", "lags", ("[1, 1000000]",), r"too few periods: 12 for lag 1,000,000 of"),
    ("iv-within", "instruments", ("3", "1.5", "true"), r"none named; add instruments"),
    ("lsdvc", "draws", ("10000", f"{MANY}", "1.5"), r"draws = .*; write a number from 20 to 9,999"),
    ("lsdvc", "seed", ("-1", "inf", '"one"', "[3]"), r"seed is .*; write a whole number from 0"),
    ("local-projection", "lags", (f"{MANY}",), r"no row has all lags and an outcome 0 periods"),
    ("local-projection", "horizon", (f"{MANY}",), r"horizon \d+,"),
    ("mean-group", "predict", ("13", f"{MANY}"), r"[0-9,]+ blocks of 12 periods; ask for fewer"),
    ("did2s", "treated_share", ("[0.5]", "{}", "2000-01-01"), r"treated_share: is .*give a share"),
    ("within", "sensitivity", (f"{{ lead = {MANY} }}",), r"lead is [0-9,]+; 999 are the most"),
)
CASES = [(name, key, value, says) for name, key, values, says in WRONG for value in values]


def fitted(folder: Path, name: str, key: str, value: str) -> ModelResult:
    """The model with this value in place of its own."""
    others = [line for line in MODELS[name].splitlines() if not line.startswith(f"{key} =")]
    return fit_file(folder, FRAME, "\n".join([*others, f"{key} = {value}\n"]))


@pytest.mark.parametrize(("name", "key", "value", "says"), CASES)
def test_an_impossible_value_is_refused_with_its_line(
    tmp_path: Path, name: str, key: str, value: str, says: str
) -> None:
    with pytest.raises(BadInput) as caught:
        fitted(tmp_path, name, key, value)
    assert re.search(says, str(caught.value))
    assert re.match(rf"{re.escape(str(tmp_path))}/study.toml:\d+", caught.value.where)


@pytest.mark.parametrize(
    ("name", "key", "value"), [("system-gmm", "lags", "[2]"), ("mean-group", "predict", "12")]
)
def test_possible_values_beside_them_are_not(
    tmp_path: Path, name: str, key: str, value: str
) -> None:
    assert fitted(tmp_path, name, key, value).estimator == name


def test_as_many_draws_as_there_may_be() -> None:
    spec = ModelSpec("m", "lsdvc", "y", ("x",), options={"draws": 9_999})
    assert lsdvc.read_choices(spec).draws == 9_999
