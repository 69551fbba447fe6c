"""The second process of a curve: the same numbers with it, without it, and when it is killed."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import BadInput
from data.panel import Panel
from data.panels.own import read_own_panel
from models.engine import beside, chunks
from models.engine.beside import Beside
from models.engine.chunks import Here
from models.engine.multiverse import run_curve
from models.engine.results import as_document
from models.engine.setting import Setting
from models.study import Study
from models.study.file import read_study
from pipelines import second_process
from pipelines.second_process import SecondProcess

STUDY = """
[study]
id = "small"
[panel]
file = "panel.csv"
unit = "geo"
time = "year"
parent = "country"
[[model]]
id = "main"
estimator = "within"
outcome = "y"
treatment = "x"
effects = ["unit", "time"]
inference = { kind = "cluster", by = ["parent"] }
[multiverse]
model = "main"
outcomes = ["y"]
treatments = ["x"]
controls = { always = [], any_of = ["c"] }
effects = [["unit", "time"]]
samples = { all = "true" }
weights = ["none"]
joint = { draws = 199, seed = 5 }
leave_out = "parent"
"""


def prepared(folder: Path, leave_out: str = "parent") -> tuple[Study, Panel]:
    rng = np.random.default_rng(2)
    unit, year = np.divmod(np.arange(36 * 8), 8)
    table = pd.DataFrame({"geo": unit, "year": 2000 + year, "country": unit // 3})
    for name in ("x", "c", "noise"):
        table[name] = rng.normal(size=len(table))
    table["y"] = 0.3 * table["x"] + table["noise"]
    table.to_csv(folder / "panel.csv", index=False)
    text = STUDY.replace('leave_out = "parent"', f'leave_out = "{leave_out}"')
    (folder / "small.toml").write_text(text, "utf-8")
    panel = read_own_panel(folder / "panel.csv", "geo", "year", "country", None)
    return read_study(folder / "small.toml"), panel


@pytest.fixture(autouse=True)
def processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_process, "processors", lambda: 2)


@pytest.fixture
def second() -> Iterator[SecondProcess]:
    with SecondProcess() as process:
        yield process


def ended(second: SecondProcess) -> bool:
    return second._process is not None and second._process.poll() is not None


def document(study: Study, panel: Panel, second: SecondProcess | None = None) -> str:
    workplace: Callable[[Setting], Here] = Here
    if second is not None:
        workplace = partial(Beside, answer=second.ask(pickle.dumps((study, panel))))
    return json.dumps(as_document(run_curve(study, panel, lambda _: None, workplace)))


def test_it_computes_what_this_process_would(
    tmp_path: Path, second: SecondProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = prepared(tmp_path)
    alone = document(*given)

    def not_here(*_: object) -> None:
        raise AssertionError("the audit was left to the second process")

    monkeypatch.setattr(chunks, "placebo_audit", not_here)
    assert document(*given, second) == alone


def test_a_long_wait_for_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "SILENT", 0.05)
    study, panel = prepared(tmp_path)
    answer: Future[bytes | None] = Future()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("main model: 2,000 placebo treatments") and not answer.done():
            answer.set_result(None)  # nothing came of it

    run_curve(study, panel, say, partial(Beside, answer=answer))
    # once for the wait, and once for computing here what did not come
    assert sum(text.startswith("main model: 2,000 placebo treatments") for text in said) == 2


def test_killed_it_is_not_missed(tmp_path: Path, second: SecondProcess) -> None:
    given = prepared(tmp_path)
    assert second._process is not None
    second._process.kill()
    assert document(*given, second) == document(*given)


def test_a_question_that_nobody_reads_is_no_fault(second: SecondProcess) -> None:
    """It is gone before it has read what no pipe holds."""
    assert second._process is not None
    second._process.kill()
    assert second.ask(b"." * 2**22).result() is None


def test_a_question_that_it_cannot_read_is_no_fault(second: SecondProcess) -> None:
    assert second.ask(b"no setting" * 2**16).result() is None


@pytest.mark.parametrize("answer", [b"", b"hello from elsewhere\n" + pickle.dumps(1), b"cos\n"])
def test_an_answer_that_is_none_is_not_missed(tmp_path: Path, answer: bytes) -> None:
    """What else starts with the interpreter may have written to the same stream."""
    study, panel = prepared(tmp_path)
    came = Future[bytes | None]()
    came.set_result(answer)
    beside = partial(Beside, answer=came)
    found = run_curve(study, panel, lambda _: None, beside)
    assert json.dumps(as_document(found)) == document(study, panel)


def test_a_talk_that_fails_is_not_missed(tmp_path: Path) -> None:
    study, panel = prepared(tmp_path)
    failed = Future[bytes | None]()
    failed.set_exception(MemoryError())
    found = run_curve(study, panel, lambda _: None, partial(Beside, answer=failed))
    assert json.dumps(as_document(found)) == document(study, panel)


def test_one_processor_starts_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_process, "processors", lambda: 1)
    given = prepared(tmp_path)
    with SecondProcess() as none:
        assert none._process is None
        assert document(*given, none) == document(*given)


def test_what_it_cannot_do_is_said_as_ever(tmp_path: Path, second: SecondProcess) -> None:
    given = prepared(tmp_path, "planet")
    with pytest.raises(BadInput, match="leave_out is 'planet', which the panel lacks"):
        document(*given, second)


def test_where_none_can_be_started_nothing_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_process(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    given = prepared(tmp_path)
    monkeypatch.setattr("pipelines.second_process.subprocess.Popen", no_process)
    with SecondProcess() as none:
        assert document(*given, none) == document(*given)


def test_it_leaves_with_its_parent(tmp_path: Path) -> None:
    """Its parent is killed while it computes: it is gone within seconds."""
    question = tmp_path / "question"
    question.write_bytes(pickle.dumps(prepared(tmp_path)))
    wait = "import pickle, time; from models.engine import beside, chunks\n"
    wait += "chunks.Here.main_model = lambda *_: lambda: time.sleep(60)\nbeside.main()"
    told = "import subprocess, sys, time\n"
    told += "command = [sys.executable, '-c', sys.argv[2]]\n"
    told += "child = subprocess.Popen(command, stdin=open(sys.argv[1]))\n"
    told += "print(child.pid, flush=True)\ntime.sleep(60)"
    command = [sys.executable, "-c", told, str(question), wait]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(5)  # by now it computes
        assert alive(child)
        parent.kill()
    for _ in range(50):
        if not alive(child):
            return
        time.sleep(0.1)
    raise AssertionError("still there five seconds later")


def alive(process: int) -> bool:
    """Whether a process runs; one that ended and is not yet buried does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def interrupted(second: SecondProcess, question: bytes) -> None:
    with second:
        second.ask(question)
        raise KeyboardInterrupt


def test_none_is_left_behind(tmp_path: Path) -> None:
    with SecondProcess() as idle:
        pass
    busy, question = SecondProcess(), pickle.dumps(prepared(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        interrupted(busy, question)
    assert ended(idle)
    assert ended(busy)
