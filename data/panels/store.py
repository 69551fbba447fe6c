"""Panels as files: one immutable parquet file each, and exports for other programs.

The file carries the table and, in its key-value metadata, all that a Panel record says about it.
Equal inputs give equal bytes, so the hash of the bytes names the panel for good.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import BadInput
from data.panel import Column, Panel, VintageUsed

_KEY = b"regsi.panel"


def panel_path(home: Path, name: str, inputs: str) -> Path:
    """Where the panel made from inputs of this hash is kept."""
    return home / "panels" / f"{name}-{inputs[:16]}.parquet"


def write_panel(panel: Panel, path: Path) -> Panel:
    """Stores a panel at `path`, in one step, and returns it as read back from there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(panel.frame, preserve_index=False)
    table = table.replace_schema_metadata({_KEY: json.dumps(_described(panel)).encode()})
    draft = path.with_name(f".{path.stem}-{secrets.token_hex(8)}.draft")
    try:
        pq.write_table(table, draft, compression="zstd", write_page_checksum=True)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return read_panel(path)


def read_panel(path: Path) -> Panel:
    """The panel stored at `path`. Raises BadInput for a file that this module did not write."""
    content = path.read_bytes()
    try:
        table = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True).read()
        about = json.loads(table.schema.metadata[_KEY])
        frame = table.replace_schema_metadata(None).to_pandas()
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError):
        raise BadInput(str(path), "is no panel file", "delete it and build it again") from None
    columns = [Column(**{**c, "sources": tuple(c["sources"])}) for c in about.pop("columns")]
    return Panel(
        frame=frame,
        columns={column.name: column for column in columns},
        vintages=tuple(VintageUsed(**vintage) for vintage in about.pop("vintages")),
        notes=tuple(about.pop("notes")),
        sha256=hashlib.sha256(content).hexdigest(),
        **about,
    )


def is_panel_file(path: Path) -> bool:
    """Whether `path` is a parquet file that this module wrote, such as an exported panel."""
    if path.suffix != ".parquet":
        return False
    try:
        return _KEY in (pq.read_schema(path).metadata or {})
    except (pa.ArrowInvalid, OSError):
        return False


def _described(panel: Panel) -> dict[str, Any]:
    """All but the table and its hash, as plain JSON values."""
    about = asdict(replace(panel, frame=pd.DataFrame(), columns=dict(panel.columns)))
    about["columns"] = list(about["columns"].values())
    return {key: value for key, value in about.items() if key not in ("frame", "sha256")}


def export(panel: Panel, path: Path) -> None:
    """Writes the table as csv, csv.gz, parquet, dta or xlsx, by the suffix of `path`.

    Labels travel where the format has room for them. Raises BadInput for another suffix, for a
    folder that does not exist, and for columns the format cannot hold.
    """
    writers: dict[str, Callable[[Panel, Path], None]] = {
        ".csv": _csv,
        ".csv.gz": _csv,
        ".parquet": _parquet,
        ".dta": _stata,
        ".xlsx": _spreadsheet,
    }
    suffix = next((s for s in writers if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise BadInput(str(path), "unknown kind of file", f"end it with {', '.join(writers)}")
    if not path.parent.is_dir():
        raise BadInput(str(path), f"there is no folder {path.parent}", "create it first")
    writers[suffix](panel, path)


def _csv(panel: Panel, path: Path) -> None:
    panel.frame.to_csv(path, index=False, lineterminator="\n")


def _parquet(panel: Panel, path: Path) -> None:
    write_panel(panel, path)


def _stata(panel: Panel, path: Path) -> None:
    """Stata allows 32 characters in a name and 80 in a label, which then says the full name."""
    names = {name: _stata_name(name) for name in map(str, panel.frame)}
    frame = panel.frame.rename(columns=names)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise BadInput(
            str(path),
            f"Stata allows 32 characters in a name, and two columns would both be {twice[0]}",
            "export to parquet or csv instead",
        )
    for name in frame.select_dtypes(exclude="number"):
        frame[name] = frame[name].astype("object").where(frame[name].notna(), "")
    labels = {}
    for name, short in names.items():
        label = panel.columns[name].label if name in panel.columns else ""
        labels[short] = (label if name == short else f"{name}: {label}")[:80]
    frame.to_stata(path, write_index=False, variable_labels=labels, version=118)


def _stata_name(name: str) -> str:
    """Both ends of a long name, which tell most columns apart."""
    return name if len(name) <= 32 else f"{name[:20]}__{name[-10:]}"


def _spreadsheet(panel: Panel, path: Path) -> None:
    """The table on one sheet, the meaning of its columns and its sources on two more."""
    meaning = pd.DataFrame([asdict(column) for column in panel.columns.values()])
    if "sources" in meaning:
        meaning["sources"] = meaning["sources"].map(", ".join)
    with pd.ExcelWriter(path, engine="openpyxl") as book:
        panel.frame.to_excel(book, sheet_name="panel", index=False)
        meaning.to_excel(book, sheet_name="columns", index=False)
        sources = pd.DataFrame([asdict(vintage) for vintage in panel.vintages])
        sources.to_excel(book, sheet_name="sources", index=False)
