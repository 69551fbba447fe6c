"""`regsi list quarantine`: what a load set aside can be looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data import recipes
from pipelines.cli import main

RECIPE = """
title = "A table"
publisher = "Somebody"
licence = "free"
level = "regional"
dimensions = ["geo"]

[[file]]
names = ["table.tsv"]
reader = "eurostat_tsv"

[contract]
tolerate = 1

[[contract.range]]
low = 0
"""


def test_rows_set_aside_are_listed_with_their_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "catalogue" / "somebody"
    folder.mkdir(parents=True)
    (folder / "table.toml").write_text(RECIPE)
    (tmp_path / "table.tsv").write_text("geo\\time\t2012 \t2011 \nAT11\t3 \t-2 bu\n")
    monkeypatch.setattr(recipes, "CATALOGUE", folder.parent)
    recipes.dataset_recipe.cache_clear()
    home = ["--home", str(tmp_path / "home")]
    assert main(["list", "quarantine", *home]) == 0
    assert "no quarantine yet" in capsys.readouterr().out
    assert main(["ingest", "somebody/table", "--from", str(tmp_path), *home]) == 0
    capsys.readouterr()
    assert main(["list", "quarantine", "--json", *home]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    recipes.dataset_recipe.cache_clear()
    assert row["dataset"] == "somebody/table"
    assert (row["key"], row["time"], row["value"], row["flags"]) == ("AT11", "2011", -2.0, "bu")
    assert (row["rule"], row["reason"]) == ("range", "value outside [0, inf]")
    assert row["rest"] == "loaded"
