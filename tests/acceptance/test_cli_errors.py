"""Everything a user can get wrong ends in one message that names the place, and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cli import main

ROWS = ["region,country,year,y,x,n"]
ROWS += [
    f"r{c}{r},c{c},{year},{(7 * c + 3 * r + year) % 11 + 0.5 * r},"
    f"{(c * year + r) % 7},{c + year % 5}"
    for c in range(6)
    for r in range(3)
    for year in range(2000, 2006)
]
STUDY = """[study]
id = "own"
title = "Own"
question = "?"

[panel]
file = "panel.csv"
unit = "region"
time = "year"
parent = "country"

[[model]]
id = "m"
estimator = "within"
outcome = "y"
treatment = "x"
effects = ["unit", "time"]
inference = { kind = "cluster", by = ["unit"], correction = "CR1" }
"""


def _attempt(
    folder: Path, capsys: pytest.CaptureFixture[str], study: str = STUDY, rows: list[str] = ROWS
) -> tuple[int, str, str]:
    (folder / "panel.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (folder / "own.toml").write_text(study, "utf-8")
    code = main(["fit", str(folder / "own.toml"), "--quiet", "--home", str(folder / "var")])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_unspoilt_study_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _attempt(tmp_path, capsys)
    assert (code, err) == (0, "")
    assert "108" in out  # rows


SPOILT_STUDIES = {
    "unknown key": (("outcome =", "outcom ="), ["own.toml", "outcom", "outcome"]),
    "unknown estimator": (('"within"', '"witin"'), ["own.toml", "witin", "within"]),
    "unknown column": (('"x"', '"xx"'), ["xx"]),
    "refused function": (
        ("[[model]]", "[variables]\nz = \"open('f')\"\n\n[[model]]"),
        ["own.toml", "open"],
    ),
    "not TOML": (("[study]", "[study"), ["own.toml", "line 1"]),
    "missing file": (('"panel.csv"', '"nowhere.csv"'), ["nowhere.csv"]),
    "missing index column": (('"region"', '"regio"'), ["regio", "region"]),
    "one cluster": (('by = ["unit"]', 'by = ["one"]'), ["one"]),
}


@pytest.mark.parametrize("case", SPOILT_STUDIES)
def test_a_spoilt_study_is_refused_by_name(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (old, new), named = SPOILT_STUDIES[case]
    assert old in STUDY
    code, out, err = _attempt(tmp_path, capsys, STUDY.replace(old, new, 1))
    _refused(code, out, err, named)


SPOILT_ROWS = {
    "duplicated key": ([*ROWS, ROWS[1]], ["panel.csv", "r00", "2000"]),
    "text for a number": ([*ROWS[:5], "r00,c0,2004,abc,1,2", *ROWS[6:]], ["panel.csv", "abc", "6"]),
    "infinite value": ([*ROWS[:5], "r00,c0,2004,inf,1,2", *ROWS[6:]], ["y"]),
    "too few fields": ([*ROWS[:5], "r00,c0", *ROWS[6:]], ["panel.csv", "6"]),
    "no rows": (ROWS[:1], ["panel.csv"]),
}


@pytest.mark.parametrize("case", SPOILT_ROWS)
def test_a_spoilt_panel_is_refused_by_line(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, named = SPOILT_ROWS[case]
    code, out, err = _attempt(tmp_path, capsys, rows=rows)
    _refused(code, out, err, named)


def _refused(code: int, out: str, err: str, named: list[str]) -> None:
    assert code == 2, err
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert err.count(";") >= 1  # what to do
    assert "Traceback" not in err
    for name in named:
        assert name in err


def test_a_national_regressor_is_refused_below_its_level(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    national = STUDY.replace('treatment = "x"', 'treatment = "n"').replace(', "time"]', "]")
    code, out, err = _attempt(tmp_path, capsys, national)
    _refused(code, out, err, ["own.toml", "national", "country", "override"])
    reason = "A referee asked for it"
    overridden = national.replace('by = ["unit"]', f'by = ["unit"], override = "{reason}"')
    code, out, err = _attempt(tmp_path, capsys, overridden)
    assert code == 0, err
    assert reason in out


@pytest.mark.parametrize(
    "arguments",
    [[], ["fitt"], ["fit"], ["fit", "x", "--as-of", "yesterday"], ["diff", "x"], ["list", "cats"]],
)
def test_wrong_arguments_say_what_is_right(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(arguments)
    _refused(code, "", capsys.readouterr().err, ["regsi"])


@pytest.mark.parametrize("command", [["fit", "us-public-capital"], ["panel", "us-public-capital"]])
def test_a_folder_that_is_not_there_is_refused_whatever_is_loaded(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(tmp_path), "--quiet"]
    assert main([*command, *home]) == 0
    capsys.readouterr()
    code = main([*command, *home, "--from", str(tmp_path / "nowhere")])
    _refused(code, "", capsys.readouterr().err, ["nowhere", "not a folder", "--from"])


def test_an_unknown_study_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["fit", "us-public-captial"])
    _refused(code, "", capsys.readouterr().err, ["us-public-capital"])
