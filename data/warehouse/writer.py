"""The one writer of the warehouse: its lock, its staging database, its moment with the file."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from data.errors import RegsiError
from data.sql import literal
from data.warehouse import FILE, LAYOUT, attach, is_damage, unreadable
from data.warehouse.vintages import ATTACHED

MEMORY = "600MB"  # of DuckDB's own; what does not fit goes to disk
IN_MEMORY = 32 << 20  # bytes of an unpacked file that are staged in memory
# rows that do not go in, with the rule they break, to which readers and contracts add; and how to
# put into words where a figure stands, which is made anew by readers that keep places as numbers
STAGING = (
    "CREATE TABLE set_aside (series INTEGER, period USMALLINT, rule VARCHAR, reason VARCHAR,"
    " key VARCHAR, time VARCHAR, value DOUBLE, flags VARCHAR);"
    " CREATE MACRO spelt(place) AS place"
)


@contextmanager
def writing(home: Path) -> Iterator[None]:
    """Holds the place of the one writer; raises RegsiError if another process has it.

    A full disk and a damaged warehouse, wherever they are met within, are told with the way out.
    Clears what a crashed load left behind.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".writer").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            todo = "wait until it has finished"
            raise RegsiError(str(home), "another load is running", todo) from None
        for left in home.glob(".ingest-*"):
            shutil.rmtree(left, ignore_errors=True)
        try:
            yield
        except (duckdb.Error, OSError) as fault:
            if isinstance(fault, duckdb.Error) and is_damage(fault):
                raise unreadable(home / FILE, fault) from None
            if os.strerror(errno.ENOSPC) in str(fault):
                what, todo = "the disk is full", "free some space and load again: nothing was lost"
                place = getattr(fault, "filename", None) or home
                raise RegsiError(str(place), what, todo) from None
            raise


@contextmanager
def workbench(home: Path) -> Iterator[tuple[DuckDBPyConnection, Path]]:
    """A connection to work with beside the warehouse, and a folder for what is unpacked.

    Both vanish afterwards. To begin a DuckDB takes longer than to stage a small file in it: one
    serves all files of a load, and makes the warehouse if there is none.
    """
    with (
        tempfile.TemporaryDirectory(dir=home, prefix=".ingest-") as scratch,
        duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": scratch}) as con,
    ):
        con.execute("SET preserve_insertion_order = false")
        if not (home / FILE).is_file():
            create(con, home, Path(scratch))
        yield con, Path(scratch)


def create(con: DuckDBPyConnection, home: Path, scratch: Path) -> None:
    """An empty warehouse, whole or not at all."""
    path = scratch / FILE
    con.execute(f"ATTACH {literal(str(path))} AS {ATTACHED}")
    con.execute(f"USE {ATTACHED}")
    con.execute(f"BEGIN; {'; '.join(LAYOUT)}; COMMIT")
    con.execute("USE memory")
    con.execute(f"DETACH {ATTACHED}")
    path.replace(home / FILE)


@contextmanager
def staging(con: DuckDBPyConnection, scratch: Path, size: int) -> Iterator[None]:
    """An empty staging database, for a file of so many bytes, where `con` finds its tables.

    It is kept in memory, and on the disk for large files: there it is packed.
    """
    path = str(scratch / "staging.duckdb") if size > IN_MEMORY else ":memory:"
    con.execute(f"ATTACH {literal(path)} AS staging")
    con.execute("USE staging")
    try:
        con.execute(STAGING)
        yield
    finally:
        con.execute("USE memory")
        con.execute("DETACH staging")


@contextmanager
def beside(con: DuckDBPyConnection, home: Path, read_only: bool) -> Iterator[None]:
    """The warehouse attached to the staging connection for a moment."""
    attach(con, home / FILE, read_only)
    try:
        yield
    finally:
        con.execute(f"DETACH {ATTACHED}")


@contextmanager
def transaction(con: DuckDBPyConnection, home: Path) -> Iterator[None]:
    """One transaction on the warehouse: all of it or nothing."""
    with beside(con, home, read_only=False):
        con.execute("BEGIN")
        try:
            yield
        except BaseException:
            con.execute("ROLLBACK")
            raise
        con.execute("COMMIT")
