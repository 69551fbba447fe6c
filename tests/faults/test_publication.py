"""Two processes that publish one study, killed ones, a full disk: a published run stays whole."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from pipelines.cli import main
from pipelines.runs import Run, finish, preparing, published_before

INPUTS = {"study": {"id": "own"}, "as_of": None}
STUDY = "us-public-capital"


def prepared(folder: Path, text: str) -> None:
    for number in range(20):
        (folder / f"{number}.txt").write_text(text, "utf-8")


def publish(home: Path, text: str) -> Run:
    with preparing(home, "own-1") as folder:
        prepared(folder, text)
        return finish(home, "own-1", folder, INPUTS, {})


def left_behind(home: Path) -> list[Path]:
    return list((home / "runs").glob(".preparing-*"))


def test_the_second_of_two_at_once_finds_the_run_of_the_first(tmp_path: Path) -> None:
    with preparing(tmp_path, "own-1") as one, preparing(tmp_path, "own-1") as two:
        prepared(one, "one")
        prepared(two, "two")
        first = finish(tmp_path, "own-1", one, INPUTS, {})
        second = finish(tmp_path, "own-1", two, INPUTS, {})
    assert (first.new, second.new) == (True, False)
    assert (tmp_path / "runs" / "own-1" / "7.txt").read_text() == "one"
    assert second.manifest == first.manifest
    assert left_behind(tmp_path) == []


PUBLISHING = """
import sys
from pathlib import Path
from pipelines.runs import finish, preparing
home, inputs = Path(sys.argv[1]), {"study": {"id": "own"}, "as_of": None}
print(flush=True)
sys.stdin.readline()
new = 0
for _ in range(10):
    with preparing(home, "own-1") as folder:
        for number in range(20):
            (folder / f"{number}.txt").write_text(sys.argv[2], "utf-8")
        new += finish(home, "own-1", folder, inputs, {}).new
print(new)
"""


def test_many_at_once_leave_one_whole_run(tmp_path: Path) -> None:
    """A damaged one is there from the start, so that all of them want to replace it."""
    (publish(tmp_path, "before").folder / "7.txt").unlink()
    command = [sys.executable, "-c", PUBLISHING, str(tmp_path)]
    pipe = subprocess.PIPE
    together = [
        subprocess.Popen([*command, str(number)], stdin=pipe, stdout=pipe, text=True)
        for number in range(4)
    ]
    for one in together:  # all are ready before the first begins
        assert one.stdout is not None
        one.stdout.readline()
    new = [int(one.communicate("go\n", timeout=60)[0]) for one in together]
    assert sum(new) == 1
    there = published_before(tmp_path, "own-1")
    assert there is not None
    assert len({path.read_text() for path in there.files(".txt")}) == 1
    assert left_behind(tmp_path) == []


def test_a_run_that_lacks_a_file_is_not_finished_and_is_replaced(tmp_path: Path) -> None:
    (publish(tmp_path, "one").folder / "7.txt").unlink()
    assert published_before(tmp_path, "own-1") is None
    assert publish(tmp_path, "two").new
    assert (tmp_path / "runs" / "own-1" / "7.txt").read_text() == "two"


def test_what_a_killed_process_left_goes_and_what_a_living_one_prepares_stays(
    tmp_path: Path,
) -> None:
    told = "import sys, time; from pathlib import Path; from pipelines.runs import preparing\n"
    told += "with preparing(Path(sys.argv[1]), 'own-1') as folder:\n"
    told += "    print(folder, flush=True)\n    time.sleep(60)"
    command = [sys.executable, "-c", told, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        publish(tmp_path, "beside")
        assert folder.is_dir()
        process.send_signal(signal.SIGKILL)
    assert folder.is_dir()
    publish(tmp_path, "after")
    assert left_behind(tmp_path) == []


def test_a_run_published_by_a_process_killed_before_the_index_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["publish", STUDY, "--home", str(tmp_path), "--quiet"]
    assert main(command) == 0
    index = tmp_path / "site" / "index.html"
    listed = index.read_text("utf-8")
    index.unlink()
    assert main(command) == 0
    assert "nothing new" in capsys.readouterr().out
    assert index.read_text("utf-8") == listed


def test_an_index_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["publish", STUDY, "--home", str(tmp_path), "--quiet"]
    assert main(command) == 0
    listed = (tmp_path / "site" / "index.html").read_bytes()
    monkeypatch.setattr(Path, "write_text", half_written)
    assert main(command) == 1
    assert (tmp_path / "site" / "index.html").read_bytes() == listed
    capsys.readouterr()


def half_written(path: Path, text: str, *_: str, **__: str) -> NoReturn:
    path.write_bytes(text.encode()[:100])
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_named_and_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Path, "write_text", half_written)
    assert main(["publish", STUDY, "--home", str(tmp_path), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert error == f"error: {tmp_path}: the disk is full; free some space, then do it again\n"
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".preparing"]


def test_publishing_says_what_to_open_and_how_to_check_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", STUDY, "--home", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    (brief,) = (tmp_path / "runs").glob("*/brief.html")
    assert f"Next: open {brief} in a browser, or {tmp_path / 'site' / 'index.html'}" in said
    assert f"regsi verify {brief.parent.name} computes every number again." in said
