"""README.md keeps its word: the table is what the program prints, the example can be fitted."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.study.file import study_ids
from pipelines.cli import main, parser

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^    regsi ([^#\n]+)", README, re.MULTILINE)


def test_the_table_is_what_the_program_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "us-public-capital", "--home", str(tmp_path)]) == 0
    assert f"```\n{capsys.readouterr().out.strip()}\n```" in README


def test_the_example_of_an_own_panel_can_be_fitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "mine.toml").write_text(example, "utf-8")
    rng, region = np.random.default_rng(1), np.repeat(np.arange(40), 10)
    panel = pd.DataFrame({"region": region, "year": np.tile(np.arange(2001, 2011), 40)})
    panel["country"] = [f"C{number // 4}" for number in region]
    for name in ("training_per_head", "youth_unemployment", "gdp"):
        panel[name] = rng.lognormal(3.0, 0.3, len(panel))
    panel.to_csv(tmp_path / "my_panel.csv", index=False)
    assert main(["fit", str(tmp_path / "mine.toml"), "--home", str(tmp_path / "home")]) == 0
    assert "CR2 by country" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_are_understood(command: str) -> None:
    asked = parser().parse_args(command.split())
    named = getattr(asked, "study", None) or ()
    studies = [named] if isinstance(named, str) else named
    assert {study for study in studies if study != "mine.toml"} <= set(study_ids())


def test_the_commands_were_found() -> None:
    assert len(COMMANDS) > 10
