"""tsv-load: a bulk TSV of Eurostat's shape into a table with types.

The product keeps the raw bytes with their hash, holds every cell against the grammar, checks keys,
flags and ranges, and swaps the result into a warehouse. Its peers do less: `duckdb-floor` is the
barest statement that splits, unpivots and casts into a DuckDB file (codes split once a line, before
they are multiplied); pandas and polars make the same long table in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb

from data import recipes
from data.ingest import ingest
from data.warehouse import Warehouse

NAME = "tsv-load"
SIZES = {"10M": 10_000_000, "50M": 50_000_000}  # cells
LEFT_OUT = {("pandas", "50M"): "needs more memory than a common machine has"}
YEARS = range(2019, 1999, -1)
KEYS = ("unit", "sex", "age", "nace_r2", "geo")
MEMORY = "600MB"  # for DuckDB on both sides

# what a contestant found: rows, figures, their sum, rows with a flag
Summary = tuple[int, int, float, int]
RECIPE = """
title = "Employment (benchmark)"
publisher = "bench"
licence = "none"
level = "regional"
dimensions = ["unit", "sex", "age", "nace_r2", "geo"]

[[file]]
names = ["bench.tsv"]
reader = "eurostat_tsv"

[contract]
flags = "bu"

[[contract.range]]
low = 0
"""


def prepare(cells: int, folder: Path) -> Path:
    """Writes the file of so many cells, flagged or missing here and there."""
    path = folder / "source" / "bench.tsv"
    path.parent.mkdir()
    head = ",".join(KEYS) + "\\time\t" + "\t".join(f"{year} " for year in YEARS) + "\n"
    cell = (
        "CASE WHEN (h + {y}) % 41 = 0 THEN ': u' WHEN (h + {y}) % 53 = 0 THEN ': '"
        " ELSE printf('%.1f', ((h * 7919 + {y} * 31) % 100000) / 10.0)"
        " || CASE WHEN (h + {y}) % 13 = 0 THEN ' b'"
        " WHEN (h + {y}) % 97 = 0 THEN ' bu' ELSE ' ' END END"
    )
    figures = ", ".join(cell.format(y=year) for year in YEARS)
    key = "printf('THS,%s,Y%d,N%d,R%04d', ['F','M','T'][1+i%3], (i//3)%50, (i//150)%400, i//60000)"
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT {key}, {figures} FROM (SELECT i, hash(i) % 1000003 AS h"
            f" FROM range({cells // len(YEARS)}) t(i))) TO '{folder / 'body'}'"
            " (FORMAT csv, DELIMITER '\t', HEADER false, QUOTE '')"
        )
    with path.open("wb") as out, (folder / "body").open("rb") as body:
        out.write(head.encode())
        while block := body.read(1 << 24):
            out.write(block)
    (folder / "body").unlink()
    return path


def regsi(path: Path, work: Path) -> Summary:
    """The product, from file to warehouse."""
    catalogue = work / "catalogue" / "bench"
    catalogue.mkdir(parents=True)
    (catalogue / "load.toml").write_text(RECIPE)
    recipes.CATALOGUE = catalogue.parent
    ingest(["bench/load"], work, path.parent, None, lambda _: None)
    with Warehouse(work) as warehouse:
        return summary(warehouse.connection, "bench.load__cells")


def floor(path: Path, work: Path) -> Summary:
    """The barest statement."""
    names = [f"y{year}" for year in YEARS]
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in ("k", *names))
    codes = ", ".join(f"split_part(k, ',', {i}) AS {name}" for i, name in enumerate(KEYS, 1))
    table = (
        f"read_csv('{path}', delim='\t', header=false, skip=1, quote='', escape='',"
        f" columns={{{columns}}}, auto_detect=false)"
    )
    with duckdb.connect(str(work / "floor.duckdb")) as con:
        con.execute(f"SET memory_limit = '{MEMORY}'")
        con.execute("SET preserve_insertion_order = false")
        con.execute(
            f"CREATE TABLE cells AS SELECT {', '.join(KEYS)}, time,"
            " TRY_CAST(split_part(v, ' ', 1) AS DOUBLE) AS value, split_part(v, ' ', 2) AS flags"
            f" FROM (UNPIVOT (SELECT {codes}, {', '.join(names)} FROM {table})"
            f" ON {', '.join(names)} INTO NAME time VALUE v)"
        )
        con.execute("CHECKPOINT")
        return summary(con, "cells")


def summary(con: duckdb.DuckDBPyConnection, table: str) -> Summary:
    """What a table of cells holds."""
    row = con.execute(
        "SELECT count(*), count(value), sum(value), count(*) FILTER (WHERE flags <> '')"
        f" FROM {table}"
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), float(row[2]), int(row[3])


def with_pandas(path: Path, _: Path) -> Summary:
    """The usual way in pandas: split, melt, split, to numbers."""
    import pandas as pd

    frame = pd.read_csv(path, sep="\t", dtype=str)
    key = frame.columns[0]
    codes = frame[key].str.split(",", expand=True).set_axis(list(KEYS), axis=1)
    wide = pd.concat([codes.astype("category"), frame.drop(columns=key)], axis=1)
    long = wide.melt(id_vars=list(KEYS), var_name="time", value_name="cell")
    parts = long.pop("cell").str.split(" ", n=1, expand=True)
    long["value"] = pd.to_numeric(parts[0], errors="coerce")
    long["flags"] = parts[1].fillna("")
    known = long["value"].notna()
    flagged = (long["flags"] != "").sum()
    return len(long), int(known.sum()), float(long["value"].sum()), int(flagged)


def with_polars(path: Path, _: Path) -> Summary:
    """The same in polars, lazily and on all cores."""
    import polars as pl

    frame = pl.scan_csv(path, separator="\t", infer_schema=False, quote_char=None)
    key = frame.collect_schema().names()[0]
    split = pl.col(key).str.split_exact(",", len(KEYS) - 1).struct.rename_fields(list(KEYS))
    cell = pl.col("cell").str.split_exact(" ", 1).struct.rename_fields(["text", "flags"])
    long = (
        frame.with_columns(split.alias("codes"))
        .drop(key)
        .unnest("codes")
        .unpivot(index=list(KEYS), variable_name="time", value_name="cell")
        .with_columns(cell.alias("parts"))
        .drop("cell")
        .unnest("parts")
        .with_columns(value=pl.col("text").cast(pl.Float64, strict=False), flags=pl.col("flags"))
        .drop("text")
        .collect()
    )
    flagged = (long["flags"].fill_null("") != "").sum()
    figures = long["value"]
    return len(long), len(figures) - figures.null_count(), float(figures.sum()), int(flagged)


CONTESTANTS: dict[str, Callable[[Path, Path], Summary]] = {
    "regsi": regsi,
    "duckdb-floor": floor,
    "pandas": with_pandas,
    "polars": with_polars,
}


def agree(one: Summary, other: Summary) -> bool:
    """Whether two contestants found the same: counts exactly, the sum up to rounding."""
    return one[:2] == other[:2] and one[3] == other[3] and abs(one[2] / other[2] - 1) < 1e-9
