"""A published run that is not as it was: `regsi verify` names the file and ends with code 5."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import main

STUDY = """
[study]
id = "small"
title = "Small"
question = "?"
[panel]
file = "panel.csv"
unit = "geo"
time = "year"
[[model]]
id = "main"
estimator = "within"
outcome = "y"
treatment = "x"
effects = ["unit"]
inference = { kind = "cluster", by = ["unit"] }
[multiverse]
model = "main"
outcomes = ["y"]
treatments = ["x"]
controls = { always = [], any_of = ["c"] }
effects = [["unit"]]
samples = { all = "true" }
weights = ["none"]
joint = { draws = 99, seed = 5 }
leave_out = "unit"
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one run, of a study with a multiverse."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.toml").write_text(STUDY, "utf-8")
    rows = [
        f"u{u},{2000 + t},{(7 * u + 3 * t) % 11 + 0.1 * u},{(u * t) % 7},{(u + t * t) % 5}"
        for u in range(12)
        for t in range(6)
    ]
    (folder / "panel.csv").write_text("\n".join(["geo,year,y,x,c", *rows]), "utf-8")
    home = ["--home", str(folder / "var"), "--quiet"]
    assert main(["publish", str(folder / "small.toml"), *home]) == 0
    return folder / "var"


@pytest.fixture
def run(published: Path, tmp_path: Path) -> Path:
    """The run's folder in a copy of that home."""
    shutil.copytree(published, tmp_path / "var")
    return next((tmp_path / "var" / "runs").glob("small-*"))


def verified(run: Path) -> int:
    return main(["verify", run.name, "--home", str(run.parents[1]), "--quiet"])


def test_the_run_as_published_is_verified(run: Path) -> None:
    assert verified(run) == 0


def emptied(run: Path, name: str) -> None:
    (run / name).write_text("{")


def removed(run: Path, name: str) -> None:
    (run / name).unlink()


def forgotten(run: Path, name: str) -> None:
    """Removed, and its line in the manifest too."""
    removed(run, name)
    changed_manifest(run, lambda facts: facts["files"].pop(name))


def rewritten(run: Path, name: str) -> None:
    """Not a document, but what the manifest says."""
    removed(run, name)
    (run / name).write_bytes((run / "headline.png").read_bytes())
    changed_manifest(run, lambda f: f["files"].update({name: f["files"]["headline.png"]}))


def changed_manifest(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    facts = json.loads((run / "run.json").read_text("utf-8"))
    change(facts)
    (run / "run.json").write_text(json.dumps(facts), "utf-8")


@pytest.mark.parametrize("name", ["results.json", "curve.json", "study.toml", "panel.parquet"])
@pytest.mark.parametrize("damage", [emptied, removed, forgotten])
def test_a_file_that_is_not_as_published_is_named(
    damage: Callable[[Path, str], None],
    name: str,
    run: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(run, name)
    assert verified(run) == 5
    error = capsys.readouterr().err
    assert error.startswith(f"error: run {run.name}: 1 differences: {name} ")
    assert f"; restore {run}, or remove it and publish the study again" in error


def test_numbers_that_cannot_be_read_are_a_fault_whatever_the_manifest_says(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewritten(run, "curve.json")
    assert verified(run) == 5
    assert "1 differences: curve.json cannot be read;" in capsys.readouterr().err


def test_a_manifest_that_does_not_say_by_which_code_is_named(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed_manifest(run, lambda facts: facts.pop("code_sha256"))
    assert verified(run) == 5
    assert "1 differences: run.json lacks code_sha256;" in capsys.readouterr().err


def test_a_manifest_with_a_list_of_files_is_damaged(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed_manifest(run, lambda facts: facts.update(files=list(facts["files"])))
    assert verified(run) == 2
    assert f"{run / 'run.json'}: is damaged; remove {run}" in capsys.readouterr().err
