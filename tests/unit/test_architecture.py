"""The house rules that a machine can hold: imports run downwards, and `fit` stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
FLOORS = ["data", "models", "reports", "pipelines"]  # each may import itself and what is before it


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_imports_run_downwards() -> None:
    seen, wrong = 0, []
    for height, floor in enumerate(FLOORS):
        for path in (PROJECT / floor).rglob("*.py"):
            seen += 1
            upwards = _imports(path) & set(FLOORS[height + 1 :])
            wrong += [f"{path.relative_to(PROJECT)} imports {name}" for name in sorted(upwards)]
    assert seen > 40
    assert wrong == []


def test_no_code_is_evaluated_from_strings() -> None:
    wrong = [
        f"{path.relative_to(PROJECT)}:{node.lineno}"
        for floor in FLOORS
        for path in (PROJECT / floor).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"eval", "exec", "compile"}
    ]
    assert wrong == []


def test_fit_imports_neither_prefect_nor_the_slow_libraries() -> None:
    program = (
        "import sys, pipelines.cli, pipelines.commands.fit, models.estimators.within, "
        "reports.tables.text\n"
        "heavy = {'prefect', 'linearmodels', 'statsmodels', 'matplotlib', 'typst', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    assert done.stdout.strip() == "[]"
