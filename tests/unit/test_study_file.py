"""Study files: what is read, and each refusal with its file, its line and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import BadInput
from models.estimators import MODULES
from models.study.file import read_study, study_ids

WHOLE = """\
# a study
[study]
id = "own"
title = "Title"
question = "Why?"
claims = ["Y1"]

[panel]
file = "data.csv"
unit = "geo"
time = "year"
parent = "country"

[variables]
esf = "lag(log1p(esf_pc), 1)"

[sample]
where = "year >= 2002"

[[model]]
id = "two-way"
estimator = "within"
outcome = "y"
treatment = "esf"
controls = ["gdp"]
effects = ["unit", "time"]
weights = "pop"
inference = { kind = "cluster", by = ["parent"], correction = "CR2" }

[[model]]
id = "gmm"
estimator = "difference-gmm"
outcome = "y"
treatment = "esf"
lags = 1
instruments = [{ gmm = "y", lags = [2, 4] }, { iv = "gdp" }]
[model.inference]
kind = "cluster"
override = "a reason"

[multiverse]
model = "two-way"
outcomes = ["y", "z"]
treatments = ["esf"]
controls = { always = ["gdp"], any_of = ["a", "b"] }
effects = [["unit", "time"], ["unit", "parent*time"]]
samples = { all = "true", early = "year < 2009" }
weights = ["none", "pop"]
joint = { draws = 99, seed = 7 }
leave_out = "parent"
exclude = [{ outcome = "z", weights = "pop" }]
"""


BY_PARENT = '"cluster", by = ["parent"], correction = "CR2"'


def written(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_whole_file(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, WHOLE))
    assert (study.id, study.title, study.claims) == ("own", "Title", ("Y1",))
    assert study.panel.file == tmp_path / "data.csv"
    assert (study.panel.unit, study.panel.time, study.panel.parent) == ("geo", "year", "country")
    assert dict(study.variables) == {"esf": "lag(log1p(esf_pc), 1)"}
    assert study.where == "year >= 2002"
    first, second = study.models
    assert (first.treatment, first.controls) == (("esf",), ("gdp",))
    assert (first.effects, first.weights) == (("unit", "time"), "pop")
    assert (first.inference.by, first.inference.correction) == (("parent",), "CR2")
    assert second.inference.override == "a reason"
    assert second.options["instruments"] == ({"gmm": "y", "lags": [2, 4]}, {"iv": "gdp"})
    cells = study.multiverse
    assert cells is not None
    assert cells.effects == (("unit", "time"), ("unit", "parent*time"))
    assert cells.weights == (None, "pop")
    assert (cells.controls_always, cells.controls_any_of) == (("gdp",), ("a", "b"))
    assert (cells.draws, cells.seed, cells.leave_out) == (99, 7, "parent")
    assert cells.exclude == ({"outcome": "z", "weights": "pop"},)


def test_a_multiverse_starts_from_its_model(tmp_path: Path) -> None:
    text = WHOLE[: WHOLE.index("[multiverse]")] + '[multiverse]\nmodel = "two-way"\n'
    cells = read_study(written(tmp_path, text)).multiverse
    assert cells is not None
    assert (cells.outcomes, cells.treatments) == (("y",), ("esf",))
    assert (cells.controls_always, cells.controls_any_of) == (("gdp",), ())
    assert (cells.effects, cells.weights) == ((("unit", "time"),), ("pop",))
    assert dict(cells.samples) == {"all": "true"}


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("[sample]", "[smaple]", 17, "unknown table [smaple]; did you mean sample?"),
        ("title =", "titel =", 4, "unknown key 'titel' in [study]; did you mean title?"),
        ('id = "own"', 'id = "a b"', 3, "id is 'a b'; use letters, digits"),
        ('id = "own"\n', "", 2, "[study] has no id; add id ="),
        ('title = "Title"', "title = 3", 4, "title is 3; write it as text in quotes"),
        ('claims = ["Y1"]', "claims = [1]", 6, 'claims is [1]; write a list such as ["a", "b"]'),
        ('["Y1"]', '["Y1", "Y7"]', 6, "there is no claim 'Y7'; name one of F1,"),
        ("parent = ", "parrent = ", 12, "unknown key 'parrent' in [panel]; did you mean parent?"),
        ('unit = "geo"\n', "", 8, "[panel] has no unit"),
        ('file = "data.csv"', 'name = "p"\nfile = "data.csv"', 8, "a study needs one panel"),
        ('file = "data.csv"', 'name = "p"', 10, "unit beside a named panel"),
        ("log1p(esf_pc), 1", "log1p(esf_pc, 1", 15, "esf: 'lag(log1p(esf_pc, 1)': '(' was"),
        ("year >= 2002", "year >=", 18, "where: 'year >=': invalid syntax"),
        ("year >= 2002", " ", 18, "where is ' '; write it as text in quotes"),
        ('estimator = "within"', 'estimator = "wihtin"', 22, "unknown estimator 'wihtin'; did you"),
        ('estimator = "within"\n', "", 20, "[model] has no estimator"),
        ('treatment = "esf"\ncontrols', "controls", 20, "a model without treatment"),
        ("controls = [", "control = [", 25, "unknown key 'control' in [model]; did you mean con"),
        ('controls = ["gdp"]', 'controls = ["g", "g"]', 25, "controls names something twice"),
        ('controls = ["gdp"]', 'controls = ["esf"]', 25, "'esf' is treatment and control"),
        ('outcome = "y"\ntreatment', 'outcome = "gdp"\ntreatment', 23, "'gdp' on both sides"),
        ('weights = "pop"\n', "lags = 2\n", 27, "unknown key 'lags' in [model]"),
        ('kind = "cluster", by', 'kind = "clutser", by', 28, "unknown kind 'clutser'; did you"),
        ('by = ["parent"]', 'by = ["a", "b", "c"]', 28, "clusters by 3 columns"),
        ("correction = ", "corection = ", 28, "unknown key 'corection' in [model.inference]"),
        ('"CR2"', '"CR9"', 28, "unknown correction 'CR9'; did you mean"),
        ('"cluster", by = ["parent"]', '"robust"', 28, "correction does not go with robust"),
        ("correction = ", "km = 3, correction = ", 28, "km does not go with cluster"),
        ('override = "a reason"', "override = true", 39, "override is True; write it as text"),
        ('kind = "cluster"\n', 'kind = "conley"\n', 37, "conley without a distance; add km"),
        ('kind = "cluster"\n', 'kind = "conley"\nkm = -1\n', 39, "km is -1; write a number above"),
        (BY_PARENT, '"wild-cluster", draws = 1_000_001', 28, "draws is 1,000,001; 1,000,000 are"),
        (BY_PARENT, '"randomization", draws = 10000000000', 28, "1,000,000 are the most there are"),
        ('id = "gmm"', 'id = "two-way"', 31, "a second model 'two-way'"),
        ("lags = 1\n", "lags = 1\nsteps = 3\n", 36, "steps is 3; write 1 or 2"),
        ("lags = 1\n", 'lags = 1\ntransform = "xx"\n', 36, "unknown transform 'xx'"),
        ("lags = 1\n", "lags = 1\ncollapse = 1\n", 36, "collapse is 1; write true or false"),
        ('model = "two-way"', 'model = "x"', 42, "no model 'x'; there are: gmm, two-way"),
        ("any_of", "any_off", 45, "unknown key 'any_off' in [multiverse.controls]; did you mean"),
        ("draws = 99", 'draws = "many"', 49, "draws is 'many'; write a whole number from 99"),
        ("draws = 99", "draws = 9", 49, "draws is 9; write a whole number from 99"),
        ("draws = 99", "draws = 1_000_000", 49, "draws is 1,000,000; 99,999 are the most"),
        ('[["unit", "time"], [', '["unit", [', 46, "write a list of lists"),
        ("year < 2009", "year <", 47, "early: 'year <': invalid syntax"),
        ("leave_out", "leaveout", 50, "unknown key 'leaveout' in [multiverse]; did you mean leave"),
        ("exclude = [{ outcome", "exclude = [{ outcmoe", 51, "unknown axis 'outcmoe'; did you"),
        ("[study]", "[study", 2, "is not TOML"),
        ('title = "Title"', 'id = "twice"', 4, "is not TOML: Cannot overwrite a value"),
    ],
)
def test_refusals(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in WHOLE
    path = written(tmp_path, WHOLE.replace(old, new, 1))
    with pytest.raises(BadInput) as caught:
        read_study(path)
    assert caught.value.where.split(" ")[0] == f"{path}:{line}"
    assert message in str(caught.value)


def test_no_such_study() -> None:
    with pytest.raises(BadInput, match=r"no study has this id.*did you mean us-children\?"):
        read_study("us-childern")
    with pytest.raises(BadInput, match="no such study file"):
        read_study("nowhere/own.toml")


def test_no_model_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has no \[\[model\]\]"):
        read_study(written(tmp_path, '[study]\nid = "a"\n[panel]\nname = "p"\n'))
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="is not UTF-8 text"):
        read_study(path)


TITLES = {
    "brackets": ("[" * 10_000 + "]" * 10_000, "nested too deep"),
    "dotted keys": ("{ " + ".".join("a" * 10_000) + " = 1 }", "nested too deep"),
    "digits": ("9" * 10_000, "beyond 64 bits"),
    "hexadecimal digits": ("0x" + "f" * 10_000, "beyond 64 bits"),
    "the first number that is too large": (f"[{{ a = {2**63} }}]", "beyond 64 bits"),
    "the last that is not": (f"{-(2**63)}", "title is -9223372036854775808; write it as text"),
}


@pytest.mark.parametrize("case", TITLES.values(), ids=TITLES.keys())
def test_depth_and_digits_without_end(tmp_path: Path, case: tuple[str, str]) -> None:
    value, message = case
    path = written(tmp_path, WHOLE.replace('"Title"', value))
    with pytest.raises(BadInput, match=message) as caught:
        read_study(path)
    assert caught.value.where.startswith(str(path))


@pytest.mark.parametrize("identifier", study_ids())
def test_bundled_studies_can_be_read(identifier: str) -> None:
    assert read_study(identifier).id == identifier


def test_each_estimator_of_the_contract_has_a_module() -> None:
    contract = (
        "pooled within between random first-difference fama-macbeth mundlak iv-within "
        "difference-gmm system-gmm lsdvc mean-group cce-mean-group mixed event-study group-time "
        "did2s local-projection"
    )
    assert set(MODULES) == {*contract.split(), "spatial", "hausman-taylor"}
