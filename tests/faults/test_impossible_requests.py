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
        (
            *STATIC, *MIXED, *GMM, "lsdvc", "mean-group", "spatial, slx", "spatial, lag-iv",
            "hausman-taylor", *EVENTS,
        ),
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


SOUND = [(f, name) for f, (_, _, s) in PANELS.items() if f not in UNJUDGED for name in s]
REFUSED = [(f, name) for f, (_, _, s) in PANELS.items() for name in MODELS if name not in s]


@pytest.mark.parametrize(("fault", "name"), REFUSED)
def test_a_spoilt_panel_gets_a_message(tmp_path: Path, fault: str, name: str) -> None:
    spoil, message, _ = PANELS[fault]
    assert re.search(message, refusal(tmp_path, spoil(FRAME), MODELS[name]))


@pytest.mark.parametrize(("fault", "name"), SOUND)
def test_whom_the_fault_leaves_alone_gets_a_sound_number(
    tmp_path: Path, fault: str, name: str
) -> None:
    spoil, _, _ = PANELS[fault]
    assert finite(fit_file(tmp_path, spoil(FRAME), MODELS[name]))


OWN_LAG = '[variables]\nbefore = "lag(y)"\n' + MODELS["within"].replace("['c']", "['before']")


@pytest.mark.parametrize("name", [*GMM, "lsdvc", "local-projection", "within"])
def test_an_explosive_series_is_refused_where_its_past_counts(tmp_path: Path, name: str) -> None:
    body = OWN_LAG if name == "within" else MODELS[name]
    assert "explosive: " in refusal(tmp_path, explosive(FRAME), body)


def with_treatment(name: str) -> Callable[[str], str]:
    return lambda body: body.replace("treatment = ['x']", f"treatment = ['{name}']")


def weighted(body: str) -> str:
    return body + 'weights = "w"\n'


def clustered_by(name: str) -> Callable[[str], str]:
    how = f'inference = {{ kind = "cluster", by = ["{name}"] }}'
    return lambda body: re.sub("inference = .*", how, body)


# request: what is asked, of which panel, and what the refusal must name
REQUESTS: dict[str, tuple[Callable[[str], str], Spoil, str]] = {
    "zero weight": (
        weighted, with_columns(w=lambda f: f["w"].mask(f.index == 3, 0.0)),
        r"weights 'w' are zero or negative in 1 rows",
    ),
    "negative weights": (
        weighted, with_columns(w=lambda f: -f["w"]), r"zero or negative in 384 rows",
    ),
    "missing weights": (weighted, with_columns(w=np.nan), r"no complete row .*w in 384"),
    "infinite weight": (
        weighted, with_columns(w=lambda f: f["w"].mask(f.index == 3, np.inf)),
        r"column 'w': an infinite value",
    ),
    "outcome on both sides": (with_treatment("y"), with_columns(), r"'y' on both sides"),
    "treatment that is a control": (with_treatment("c"), with_columns(), r"treatment and control"),
    "treatment that does not exist": (with_treatment("xx"), with_columns(), r"no column 'xx'"),
    "lag longer than the panel": (
        lambda body: '[variables]\nold = "lag(x, 50)"\n' + with_treatment("old")(body),
        with_columns(), r"no complete row|no row among 384 has all of old",
    ),
    "variable that overflows": (
        lambda body: '[variables]\nbig = "exp(1000 * x)"\n' + with_treatment("big")(body),
        with_columns(), r"big: exp\(1000 \* x\) has no value in \d+ rows",
    ),
    "clusters that do not exist": (
        clustered_by("nowhere"), with_columns(), r"no column 'nowhere'",
    ),
    "first adoption as text": (
        lambda body: body, with_columns(first=lambda f: f["geo"].where(f["geo"] < "R16")),
        r"cohort: 'first' is text",
    ),
    "first adoption that changes": (
        lambda body: body, with_columns(first=lambda f: f["year"] - 1.0), r"changes within R00",
    ),
}  # fmt: skip


ABOUT_TREATMENT = (
    "outcome on both sides", "treatment that is a control", "treatment that does not exist",
    "lag longer than the panel", "variable that overflows",
)  # fmt: skip
ASKED = [
    (request, name)
    for request in REQUESTS
    for name in MODELS
    if not (request in ABOUT_TREATMENT and name in EVENTS)
    and not (request.startswith("first adoption") and name not in EVENTS)
]


@pytest.mark.parametrize(("request_", "name"), ASKED)
def test_a_wrong_request_gets_a_message(tmp_path: Path, request_: str, name: str) -> None:
    change, spoil, message = REQUESTS[request_]
    assert re.search(message, refusal(tmp_path, spoil(FRAME), change(MODELS[name])))


@pytest.mark.parametrize("estimator", ["iv-within", *GMM])
def test_more_instruments_than_observations_are_refused(tmp_path: Path, estimator: str) -> None:
    many = [f"i{k}" for k in range(60)]
    rng = np.random.default_rng(1)
    frame = FRAME[FRAME["geo"] < "R08"].assign(**{name: rng.normal(size=96) for name in many})
    listed = many if estimator == "iv-within" else ", ".join(f'{{ iv = "{n}" }}' for n in many)
    wanted = f"instruments = {listed}" if estimator == "iv-within" else f"instruments = [{listed}]"
    body = re.sub("instruments = .*", wanted, MODELS[estimator])
    short = frame[frame["year"] < 2006] if estimator == "iv-within" else frame
    assert "instruments" in refusal(tmp_path, short, body)


def test_identifiers_may_be_anything(tmp_path: Path) -> None:
    """Numbers among texts, spaces, quotes and other alphabets name units as well as codes do."""
    names = ["7", "Île-de-France", "Ω 1", "O'Brien", "a;b", "\"q\"", "12.0", "-"]
    frame = FRAME.assign(geo=FRAME["geo"].where(FRAME["geo"] >= "R08", FRAME["geo"].map(
        {f"R{k:02d}": name for k, name in enumerate(names)}
    )))  # fmt: skip
    odd, plain = (fit_file(tmp_path, one, MODELS["within"]) for one in (frame, FRAME))
    assert odd.n_units == plain.n_units
    assert odd.term("x").estimate == pytest.approx(plain.term("x").estimate, rel=1e-12)
    assert odd.term("x").std_error == pytest.approx(plain.term("x").std_error, rel=1e-12)


@pytest.mark.parametrize("fault", ["outcome constant", "one cluster", "duplicate keys"])
def test_the_command_line_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    study = write(tmp_path, PANELS[fault][0](FRAME), MODELS["within"])
    assert main(["fit", str(study), "--json", "--home", str(tmp_path / "var")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"error: [^\n]+: [^\n]+; [^\n]+\n", err)
    assert re.search(PANELS[fault][1], err)


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
