"""A new user's first minutes: run the bundled studies, run them again, verify, look around."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli import main

PROJECT = Path(__file__).resolve().parents[2]


def _regsi(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "REGSI"))}
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments, "--home", str(home)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=environment,
        timeout=400,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which `regsi run` has published the bundled studies once."""
    home = tmp_path_factory.mktemp("home")
    done = _regsi(home, "run")
    assert done.returncode == 0, done.stderr
    noise = [w for w in ("Traceback", "Warning", "ERROR", "CRITICAL") if w in done.stderr]
    assert noise == [], done.stderr
    assert "us-public-capital: published" in done.stdout
    assert "eu-youth-simulated: published" in done.stdout
    assert "Next:" in done.stdout
    return home


def _state(home: Path) -> dict[str, bytes]:
    kept = [*home.glob("runs/**/*"), *home.glob("panels/*"), *home.glob("raw/**/*")]
    return {str(p.relative_to(home)): p.read_bytes() for p in kept if p.is_file()}


def test_the_briefs_exist_and_simulated_data_says_so(home: Path) -> None:
    for study, simulated in [("us-public-capital", False), ("eu-youth-simulated", True)]:
        (folder,) = home.glob(f"runs/{study}-*")
        html = (folder / "brief.html").read_text("utf-8").split("</style>")[-1]
        assert (folder / "brief.pdf").read_bytes().startswith(b"%PDF")
        assert ("SIMULATED DATA" in html.upper()) is simulated
    assert "us-public-capital" in (home / "site" / "index.html").read_text("utf-8")


def test_running_twice_is_nothing_new(home: Path) -> None:
    before = _state(home)
    vintages = _regsi(home, "list", "vintages").stdout
    done = _regsi(home, "run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("nothing new") == 2
    assert _state(home) == before
    assert _regsi(home, "list", "vintages").stdout == vintages


def test_verify_recomputes_and_notices_a_changed_number(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    (folder,) = copy.glob("runs/us-public-capital-*")
    assert main(["verify", folder.name, "--home", str(copy), "--quiet"]) == 0
    assert "recomputed" in capsys.readouterr().out
    results = folder / "results.json"
    models = json.loads(results.read_text("utf-8"))
    models[0]["terms"][0]["estimate"] += 1e-6
    results.write_text(json.dumps(models, indent=1), "utf-8")
    assert main(["verify", folder.name, "--home", str(copy), "--quiet"]) == 5
    error = capsys.readouterr().err
    assert "results.json was changed" in error
    assert "estimate" in error


def test_lists_and_panel_export(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for what, named in [("studies", "us-children"), ("panels", "eu-nuts2"), ("runs", "eu-youth")]:
        assert main(["list", what, "--home", str(home)]) == 0
        assert named in capsys.readouterr().out
    out = tmp_path / "munnell.csv"
    code = main(["panel", "us-public-capital", "--out", str(out), "--home", str(home), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0
    assert document["rows"] == 816  # 48 states x 17 years
    assert len(out.read_text("utf-8").splitlines()) == 817


def test_fit_json_keeps_the_contract(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "us-public-capital", "--json", "--home", str(home)]) == 0
    out = capsys.readouterr()
    assert out.err == ""
    document = json.loads(out.out)
    assert list(document) == ["study", "panel", "models"]
    assert set(document["panel"]) == {"name", "sha256", "rows", "units", "periods"}
    model = document["models"][0]
    keys = "id estimator outcome n_obs n_units n_periods n_clusters n_instruments inference terms"
    assert set(model) == {*keys.split(), "fit", "tests", "warnings"}
    assert set(model["inference"]) == {"kind", "by", "correction", "override"}
    term = "term estimate std_error statistic df p_value conf_low conf_high"
    assert set(model["terms"][0]) == set(term.split())


def test_doctor_finds_nothing_wrong_with_the_home(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--home", str(home), "--json"]) == 0
    findings = {x["check"]: x for x in json.loads(capsys.readouterr().out)}
    assert findings["raw files"]["todo"] == ""
    assert findings["packages"]["todo"] == ""
    assert findings["runs"]["finding"] == "2 finished"
