"""What every command shares: where state lives, where files come from, how to speak."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from data.errors import BadInput

ROOM = 256  # bytes of a path, for what is kept below the home


@dataclass(frozen=True)
class Session:
    """One call of regsi. `as_of` is the day whose knowledge is asked for, None for today's."""

    home: Path
    from_dir: Path | None = None
    as_of: date | None = None
    quiet: bool = False

    def say(self, text: str) -> None:
        """One plain line of progress on stderr: stdout belongs to results."""
        if not self.quiet and sys.stderr is not None:
            with suppress(OSError):  # whoever read it has gone: the work goes on
                print(text, file=sys.stderr, flush=True)

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """Announces a step before it starts and, on a terminal, how long it took."""
        self.say(f"{doing} ...")
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        if seconds >= 1:
            self.say(f"  done in {seconds:.1f} s")


def checked_home(home: Path) -> Path:
    """`home`, which need not exist yet. Raises BadInput where no home can be."""
    todo = "give --home (or REGSI_HOME) a folder"
    if home.exists() and not home.is_dir():
        raise BadInput(str(home), "is not a folder", todo)
    path = str(home.absolute())
    odd = next((mark for mark in "?\\" if mark in path), None)
    if odd:
        what = f"its path holds {odd!r}, which DuckDB takes for more than a letter"
        raise BadInput(path, what, f"{todo} whose path has none")
    if len(os.fsencode(path)) > os.pathconf("/", "PC_PATH_MAX") - ROOM:
        raise BadInput(path, "its path is too long for what is kept there", f"{todo} nearer by")
    return home


def checked_source(folder: Path | None) -> Path | None:
    """The folder of publishers' files, if one was named. Raises BadInput if it is none."""
    if folder is not None and not folder.is_dir():
        raise BadInput(str(folder), "is not a folder", "give --from the folder of the files")
    return folder


def default_home() -> Path:
    """`REGSI_HOME`, or `var/` in the current folder."""
    return Path(os.environ.get("REGSI_HOME", "var"))
