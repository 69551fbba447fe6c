"""What no estimator may answer with a number: every one of them, from a study file and its panel.

A request that is impossible for one estimator may be sound for another: those are named, and must
then give finite numbers, so that a refusal of everything would not pass either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import RegsiError
from models.estimators import MODULES
from models.results import ModelResult
from pipelines.cli import main
from tests.every_estimator import EVENTS, MODELS, fit_file, world, write

FRAME = world()
Spoil = Callable[[pd.DataFrame], pd.DataFrame]
STATIC = ("pooled", "between", "random", "random, classical", "mundlak", "fama-macbeth")
MIXED = ("mixed", "mixed, slopes")
GMM = ("difference-gmm", "system-gmm")
MEANS = ("mean-group", "mean-group, swamy")
SPATIAL = ("spatial, slx", "spatial, lag", "spatial, error")
WITH_ONE_COUNTRY = ("random, classical", "fama-macbeth", "mean-group, swamy", *SPATIAL[1:])


def with_columns(**columns: Any) -> Spoil:
    return lambda frame: frame.assign(**columns)


def own_number(frame: pd.DataFrame) -> pd.Series:
    """A number of its own for each region."""
    return frame["geo"].str[1:].astype(float)


def in_first_year(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: frame.groupby("geo")[name].transform("first")


def explosive(frame: pd.DataFrame) -> pd.DataFrame:
    """Each year 1.4 times the last, whatever else happens."""
    period = (frame["year"] - frame["year"].min()).to_numpy()
    return frame.assign(y=(10.0 + own_number(frame)) * 1.4**period + 0.01 * frame["y"])


def as_adoption_says(frame: pd.DataFrame) -> pd.DataFrame:
    """Unit, year and adoption explain the outcome to the last digit."""
    treated = (frame["year"] >= frame["first"]).astype(float)
    return frame.assign(y=0.3 * own_number(frame) + 0.1 * frame["year"] + 2.0 * treated)


def only(condition: str) -> Spoil:
    return lambda frame: frame.query(condition).reset_index(drop=True)


# fault: how the panel is spoilt, what the refusal must name, and whom it leaves a sound request
PANELS: dict[str, tuple[Spoil, str, tuple[str, ...]]] = {
    "one cluster": (
        with_columns(country="C0"), r"one cluster of 'country'|1 group\(s\)", WITH_ONE_COUNTRY,
    ),
    "no variation within units": (
        with_columns(x=in_first_year("x")),
        r"\bx\b.*(does not vary within units|absorbed|combination)|0 units .* independent",
        (*STATIC, *MIXED, "system-gmm", "hausman-taylor", *EVENTS),
    ),
    "treatment constant": (
        with_columns(x=3.7), r"treatment 'x' is constant", EVENTS,
    ),
    "treatment explained by unit and year": (
        with_columns(x=lambda f: own_number(f) + 0.3 * f["year"]),
        r"\bx\b.*(absorbed|combination|national)|0 units .* independent",
        (*STATIC, *MIXED, *GMM, "lsdvc", "mean-group", "spatial, slx", "hausman-taylor", *EVENTS),
    ),
    "outcome constant": (with_columns(y=5.1), r"outcome 'y' is 5\.1 in all 384 rows", ()),
    "outcome zero": (with_columns(y=0.0), r"outcome 'y' is 0 in all", ()),
    "outcome without variation within units": (
        with_columns(y=in_first_year("y")), r"outcome|lag\(y, 1\)|standard error of|0 units",
        ("pooled", "between", "fama-macbeth"),
    ),
    "outcome is the treatment": (
        with_columns(y=lambda f: f["x"] * 2.0), r"standard error of|outcome|0 units", EVENTS,
    ),
    "outcome a function of unit, year and adoption": (
        as_adoption_says, r"standard error of '(overall|event)", tuple(set(MODELS) - set(EVENTS)),
    ),
    "outcome missing": (with_columns(y=np.nan), r"no complete row among 384 .*y in 384", ()),
    "one period": (only("year == 2005"), r"", ("pooled", "between", "mundlak")),
    "one unit": (only("geo == 'R00'"), r"", ()),
    "three rows": (only("geo in ('R00', 'R02', 'R03') and year == 2005"), r"", ()),
    "duplicate keys": (
        lambda frame: pd.concat([frame, frame.iloc[[5]]], ignore_index=True),
        r"geo R00, year 2005: two rows", (),
    ),
    "infinite outcome": (
        with_columns(y=lambda f: f["y"].mask(f.index == 7, np.inf)),
        r"panel.csv, line 9, column 'y': an infinite value", (),
    ),
    "infinite treatment": (
        with_columns(x=lambda f: f["x"].mask(f.index == 7, -np.inf)),
        r"panel.csv, line 9, column 'x': an infinite value", (),
    ),
    "numbers whose squares overflow": (
        with_columns(y=lambda f: f["y"] * 1e200), r"'y' reaches .*e\+200.*unit of measurement", (),
    ),
    "numbers whose squares vanish": (
        with_columns(y=lambda f: f["y"] * 1e-200), r"'y' reaches .*e-\d+.*unit of measurement", (),
    ),
}  # fmt: skip
# exact outcomes of event studies leave other models nothing wrong, but explosive or national ones
UNJUDGED = {"outcome a function of unit, year and adoption"}


def refusal(folder: Path, frame: pd.DataFrame, body: str) -> str:
    """The message of a request that must be refused: place, what is wrong, what to do."""
    with pytest.raises(RegsiError) as caught:
        fit_file(folder, frame, body)
    fault = caught.value
    assert fault.where, fault
    assert len(fault.what) > 5, fault
    assert len(fault.todo) > 5, fault
    assert "\n" not in str(fault)
    assert not re.search(r"Traceback|LinAlg|ndarray|numpy", str(fault)), fault
    return str(fault)


def finite(result: ModelResult) -> bool:
    """Whether every figure of the result's terms is one, and no error a rounding error."""
    return all(
        np.isfinite([t.estimate, t.std_error, t.p_value, t.conf_low, t.conf_high]).all()
        and t.std_error > 1e-10
        for t in result.terms
    )


def test_these_are_all_the_estimators_there_are() -> None:
    used = {re.findall(r'estimator = "(.+)"', text)[0] for text in MODELS.values()}
    assert used == set(MODULES)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("fault", PANELS)
def test_a_spoilt_panel_gets_a_message_or_a_sound_number(
    tmp_path: Path, fault: str, name: str
) -> None:
    spoil, message, sound = PANELS[fault]
    if name in sound:
        if fault not in UNJUDGED:
            assert finite(fit_file(tmp_path, spoil(FRAME), MODELS[name]))
        return
    assert re.search(message, refusal(tmp_path, spoil(FRAME), MODELS[name]))


def test_all_estimators_answer_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = "".join(
        text.replace('id = "main"', f'id = "m{number}"')
        for number, text in enumerate(MODELS.values())
    )
    study = write(tmp_path, FRAME, body)
    assert main(["fit", str(study), "--json", "--home", str(tmp_path / "var")]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    assert {model["estimator"] for model in models} == set(MODULES)
    for model in models:
        for term in model["terms"]:
            assert np.isfinite([term[key] for key in ("estimate", "std_error", "conf_high")]).all()
