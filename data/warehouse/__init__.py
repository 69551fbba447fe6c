"""The warehouse: one DuckDB file that answers what a publisher said, and said when.

Readers attach it read-only and may be many; a writer (see ingest) comes in for one short
transaction at a time. A reader sees one state for as long as it is open.
"""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from types import TracebackType

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from data.errors import BadInput, RegsiError
from data.recipes import ID
from data.sql import listed, literal, quoted, statement
from data.warehouse.vintages import ATTACHED, OPEN_END, Vintage, day, tables

FILE = f"{ATTACHED}.duckdb"
PATIENCE = 60.0  # seconds to wait for others to let go of the file
VINTAGE_COLUMNS = (
    "dataset, vintage, published, retrieved, sha256, file, raw, rows, changed, quarantined,"
    " title, publisher, licence"
)
LAYOUT = (
    "CREATE TABLE vintages (dataset VARCHAR, vintage INTEGER, published DATE, retrieved TIMESTAMP,"
    " sha256 VARCHAR, file VARCHAR, raw VARCHAR, rows BIGINT, changed BIGINT, quarantined BIGINT,"
    " title VARCHAR, publisher VARCHAR, licence VARCHAR, partial BOOLEAN,"
    " PRIMARY KEY (dataset, vintage))",
    "CREATE TABLE dimensions (dataset VARCHAR, position INTEGER, name VARCHAR)",
    "CREATE TABLE quarantine (dataset VARCHAR, published DATE, sha256 VARCHAR, rule VARCHAR,"
    " reason VARCHAR, key VARCHAR, time VARCHAR, value DOUBLE, flags VARCHAR, loaded BOOLEAN)",
)


class Warehouse:
    """Answers questions about the observations under `home`; use it in a `with` block.

    Raises BadInput where nothing has been loaded, or not the dataset or day asked for.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / FILE
        self._con: DuckDBPyConnection | None = None

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if isinstance(fault, duckdb.Error) and is_damage(fault):
            raise unreadable(self.path, fault) from None

    def close(self) -> None:
        """Lets go of the file, so that a writer can have it; relations handed out end here."""
        if self._con is not None:
            self._con.close()
            self._con = None

    @property
    def connection(self) -> DuckDBPyConnection:
        """A connection with the warehouse attached read-only."""
        if self._con is None:
            if not self.path.is_file():
                todo = "run `regsi ingest` or `regsi run`"
                raise BadInput(str(self.path), "nothing has been loaded yet", todo)
            self._con = opened(self.path)
        return self._con

    def datasets(self) -> tuple[str, ...]:
        """Ids of the datasets of which there is at least one edition."""
        rows = self.connection.execute(
            "SELECT DISTINCT dataset FROM vintages ORDER BY dataset"
        ).fetchall()
        return tuple(row[0] for row in rows)

    def dimensions(self, dataset: str) -> tuple[str, ...]:
        """Names of the dimensions of a dataset, in order; each is a column of its observations."""
        self.vintages(dataset)
        rows = self.connection.execute(
            "SELECT name FROM dimensions WHERE dataset = ? ORDER BY position", [dataset]
        ).fetchall()
        return tuple(row[0] for row in rows)

    def vintages(self, dataset: str | None = None) -> list[Vintage]:
        """Editions by dataset, day of publication and order of arrival."""
        if dataset is not None and not ID.fullmatch(dataset):
            raise BadInput(f"dataset {dataset!r}", "is not an id", "write it as publisher/dataset")
        rows = self.connection.execute(
            statement(
                "SELECT {columns} FROM vintages WHERE dataset = $1 OR $1 IS NULL"
                " ORDER BY dataset, published, vintage",
                columns=VINTAGE_COLUMNS,
            ),
            [dataset],
        ).fetchall()
        if dataset is not None and not rows:
            raise BadInput(
                f"dataset {dataset}", "has not been loaded", f"run `regsi ingest {dataset}` first"
            )
        return [Vintage(*row) for row in rows]

    def vintage(self, dataset: str, as_of: date | None = None) -> Vintage:
        """The edition in force on `as_of` (the newest without one)."""
        editions = self.vintages(dataset)
        in_force = [v for v in editions if as_of is None or v.published <= as_of]
        if not in_force:
            raise BadInput(
                f"dataset {dataset}",
                f"no edition was known on {as_of}, the first is of {editions[0].published}",
                "choose a later --as-of, or load an older edition",
            )
        return in_force[-1]

    def observations(self, dataset: str, as_of: date | None = None) -> DuckDBPyRelation:
        """What the publisher said as of a day.

        Columns: one VARCHAR per dimension, `time` VARCHAR as the publisher writes periods,
        `value` DOUBLE (NULL where the publisher left it open), `flags` VARCHAR of sorted letters.
        """
        self.vintage(dataset, as_of)
        t = tables(dataset)
        return self.connection.sql(
            statement(
                "SELECT {dims}, p.time, c.value, c.flags FROM {cells} c"
                " JOIN {series} s USING (series) JOIN {periods} p USING (period)"
                " WHERE c.valid_from <= {day} AND c.valid_to > {day}",
                dims=listed(self.dimensions(dataset), of="s"),
                cells=t.cells,
                series=t.series,
                periods=t.periods,
                day=day(as_of or OPEN_END.replace(day=30)),
            )
        )

    def read_through(self) -> None:
        """Reads every value, so that checksums tell of damage: BadInput at the `with`'s end."""
        held = self.connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ?",
            [ATTACHED],
        ).fetchall()
        for schema, name in held:
            table = f"{quoted(schema)}.{quoted(name)}"
            self.connection.sql(statement("SELECT * FROM {table}", table=table)).aggregate(
                "bit_xor(hash(columns(*)))"  # a count would not read the values
            ).fetchall()

    def quarantine(self, dataset: str | None = None) -> DuckDBPyRelation:
        """Rows set aside, each with rule and reason; `loaded` says whether the rest was taken."""
        return self.connection.sql(
            "SELECT * FROM quarantine WHERE dataset = $1 OR $1 IS NULL", params=[dataset]
        )


def opened(path: Path) -> DuckDBPyConnection:
    """A connection with the warehouse attached read-only as its default catalogue."""
    con = duckdb.connect()
    try:
        attach(con, path, read_only=True)
    except RegsiError:
        con.close()
        raise
    con.execute(f"USE {ATTACHED}")
    return con


def attach(con: DuckDBPyConnection, path: Path, read_only: bool) -> None:
    """Attaches the warehouse, waiting for a writer's moment, or for readers, to be over.

    Raises RegsiError if they are not, or if this very process holds the file open otherwise, and
    BadInput for a file that cannot be read.
    """
    mode = " (READ_ONLY)" if read_only else ""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            con.execute(f"ATTACH {literal(str(path))} AS {ATTACHED}{mode}")
            return
        except duckdb.Error as fault:
            waiting = isinstance(fault, duckdb.IOException) and "lock on file" in str(fault)
            if not waiting and not isinstance(fault, duckdb.ResourceInUseException):
                raise unreadable(path, fault) from None
            if not waiting or time.monotonic() > deadline:
                what = f"is in use ({str(fault).splitlines()[0]})"
                raise RegsiError(str(path), what, "let readers and writers finish") from None
            time.sleep(0.1)


def is_damage(fault: duckdb.Error) -> bool:
    """Whether DuckDB met a block of a file that is not as it was written."""
    signs = ("Corrupt database file", "Could not read enough bytes")
    return any(sign in str(fault) for sign in signs)


def unreadable(path: Path, fault: duckdb.Error) -> BadInput:
    """The file may not be read, or is no warehouse any more; the raw store can make it anew."""
    store = path.parent / "raw"
    kept = sorted(folder.name for folder in store.iterdir()) if store.is_dir() else []
    anew = f"regsi ingest {' '.join(kept)} --from {store}" if kept else "ingest its datasets again"
    return BadInput(
        str(path),
        f"cannot be read ({str(fault).splitlines()[0]})",
        f"check who may read it; if it is damaged, move it away, then: {anew}",
    )
