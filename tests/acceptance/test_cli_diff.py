"""`regsi diff`: how a headline moved, split into code, study, revisions, periods and units."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import main

STUDY = """[study]
id = "own"
title = "Own"
question = "?"

[panel]
file = "panel.csv"
unit = "geo"
time = "year"

[variables]
x1 = "x"

[[model]]
id = "m"
estimator = "pooled"
outcome = "y"
treatment = "x1"
inference = { kind = "classical" }
"""
# y = 2 x, and one up or down by turns
OLD = {(u, t): (x, 2.0 * x + (-1) ** x) for u, x0 in (("A", 0), ("B", 3)) for t in (2000, 2001)
       for x in (x0 + t - 2000,)}
REVISED = {**OLD, ("B", 2001): (4, 12.0)}
LONGER = {**REVISED, ("A", 2002): (2, 9.0), ("B", 2002): (5, 1.0)}
WIDER = {**LONGER, ("C", 2000): (7, 7.0), ("C", 2001): (8, 30.0), ("C", 2002): (9, 3.0)}


def slope(cells: dict[tuple[str, int], tuple[int, float]]) -> float:
    """Ordinary least squares by its textbook formula."""
    xs, ys = [x for x, _ in cells.values()], [y for _, y in cells.values()]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / sum(
        (x - mx) ** 2 for x in xs
    )


def _write(folder: Path, cells: dict[tuple[str, int], tuple[int, float]]) -> None:
    rows = [f"{u},{t},{x},{y}" for (u, t), (x, y) in cells.items()]
    (folder / "panel.csv").write_text("\n".join(["geo,year,x,y", *rows, ""]))


def _stored_run(folder: Path, created: str) -> Path:
    """What `regsi run` keeps of a study, as far as a later comparison needs it."""
    from data.panels.own import read_own_panel
    from data.panels.store import write_panel
    from models.fitting import fit_study
    from models.results import as_json
    from models.study.file import read_study

    study = read_study(str(folder / "own.toml"))
    panel = read_own_panel(folder / "panel.csv", "geo", "year")
    run = folder / "var" / "runs" / f"own-{created}"
    run.mkdir(parents=True)
    write_panel(panel, run / "panel.parquet")
    (run / "study.toml").write_text((folder / "own.toml").read_text())
    models = as_json(fit_study(study, panel).models)
    (run / "results.json").write_text(json.dumps(models))
    facts = {"study": {"id": "own"}, "as_of": None, "created": f"{created}T12:00:00+00:00"}
    (run / "run.json").write_text(json.dumps({**facts, "files": {}}))
    return run


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study file beside the first edition of its panel, of which a run was made in 2020."""
    (tmp_path / "own.toml").write_text(STUDY)
    _write(tmp_path, OLD)
    _stored_run(tmp_path, "2020-03-01")
    return tmp_path / "own.toml"


def _diff(
    study: Path, capsys: pytest.CaptureFixture[str], first: str, last: str = "2999-01-01"
) -> dict[str, Any]:
    home = str(study.parent / "var")
    code = main(["diff", str(study), "--between", first, last, "--home", home, "--json"])
    out = capsys.readouterr()
    assert code == 0, out.err
    document: dict[str, Any] = json.loads(out.out)
    return document


def _moves(document: dict[str, Any]) -> dict[str, float]:
    return {move["what"]: move["change"] for move in document["moves"]}


def test_revisions_periods_and_units_each_get_their_share(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(study.parent, WIDER)
    document = _diff(study, capsys, "2020-06-01")
    moves = _moves(document)
    assert moves["changed code"] == moves["changed study"] == 0
    assert document["before"]["estimate"] == pytest.approx(slope(OLD), rel=1e-12)
    assert moves["revised values"] == pytest.approx(slope(REVISED) - slope(OLD), rel=1e-9)
    assert moves["new periods"] == pytest.approx(slope(LONGER) - slope(REVISED), rel=1e-9)
    assert moves["new units"] == pytest.approx(slope(WIDER) - slope(LONGER), rel=1e-9)
    assert document["after"]["estimate"] == pytest.approx(slope(WIDER), rel=1e-12)
    start = document["published"]["estimate"]
    assert start + sum(moves.values()) == pytest.approx(slope(WIDER), rel=1e-12)
    assert document["revisions"] == [
        {"geo": "B", "year": 2001, "column": "y", "old": 9.0, "new": 12.0}
    ]
    assert (document["new_periods"], document["new_units"]) == (["2002"], ["C"])


SECOND = """
[[model]]
id = "second"
estimator = "pooled"
outcome = "y"
treatment = "x2"
inference = { kind = "classical" }
"""


def test_a_model_on_a_column_that_came_later_does_not_stand_in_the_way(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study.write_text(STUDY + SECOND)
    document = _diff(study, capsys, "2020-06-01")
    assert document["model"] == "m"
    assert document["published"]["estimate"] == pytest.approx(slope(OLD), rel=1e-12)


def test_a_placebo_that_stands_first_is_no_headline(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, own = STUDY.split("[[model]]")
    placebo = own.replace('id = "m"', 'id = "before"\nrole = "placebo"')
    study.write_text("[[model]]".join([first, placebo, own]))
    assert _diff(study, capsys, "2020-06-01")["model"] == "m"


def test_a_changed_definition_and_changed_code_are_told_apart(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study.write_text(STUDY.replace('x1 = "x"', 'x1 = "2 * x"'))
    moves = _moves(_diff(study, capsys, "2020-06-01"))
    assert moves["changed study"] == pytest.approx(-slope(OLD) / 2, rel=1e-9)
    assert moves["changed code"] == moves["revised values"] == 0
    # the published figure is another than today's code gives on the same study and data
    results = next(study.parent.glob("var/runs/*/results.json"))
    models = json.loads(results.read_text())
    term = next(t for t in models[0]["terms"] if t["term"] == "x1")
    term["estimate"] += 0.25
    results.write_text(json.dumps(models))
    moves = _moves(_diff(study, capsys, "2020-06-01"))
    assert moves["changed code"] == pytest.approx(-0.25, rel=1e-9)
    assert moves["changed study"] == pytest.approx(-slope(OLD) / 2, rel=1e-9)


def test_two_runs_are_two_editions_of_an_own_file(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(study.parent, LONGER)
    _stored_run(study.parent, "2021-03-01")
    _write(study.parent, WIDER)
    document = _diff(study, capsys, "2020-06-01", "2021-06-01")
    assert document["after"]["estimate"] == pytest.approx(slope(LONGER), rel=1e-12)
    assert document["new_units"] == []


def test_an_own_file_has_no_edition_before_its_first_run(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = str(study.parent / "var")
    code = main(["diff", str(study), "--between", "2019-01-01", "2999-01-01", "--home", home])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert "no run of 2019-01-01 or before" in err
    assert err.count("\n") == 1


def test_the_text_lists_what_moved(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(study.parent, WIDER)
    home = str(study.parent / "var")
    command = ["diff", str(study), "--between", "2020-06-01", "2999-01-01", "--home", home]
    assert main([*command, "--quiet"]) == 0
    text = capsys.readouterr().out
    for part in ("run own-2020-03-01", "revised values", "new periods: 2002", "new units: C"):
        assert part in text


def test_a_path_of_effects_is_compared_by_its_first_step(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = STUDY.replace('"pooled"', '"local-projection"\neffects = ["time"]\nhorizon = 1')
    cells = {(u, t): (3 * k + t % 5, float(k * t % 7)) for k, u in enumerate("ABCDEF")
             for t in range(2000, 2006)}
    study.write_text(path)
    _write(study.parent, cells)
    _stored_run(study.parent, "2020-04-01")
    document = _diff(study, capsys, "2020-06-01")
    assert document["after"]["term"] == "x1 h=0"
    assert document["published"]["estimate"] == document["after"]["estimate"]
