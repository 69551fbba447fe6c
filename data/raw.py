"""The raw store: what a publisher sent, byte for byte, with where it came from.

`<home>/raw/<publisher>/<dataset>/<first 16 of sha256>/<file name>` and provenance.json beside it.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from data.errors import BadInput
from data.recipes import DatasetRecipe

PROVENANCE = "provenance.json"
BLOCK = 1 << 20
UNPACKED_LIMIT = 64 << 30  # bytes; a file that unpacks to more is not a statistical table


@dataclass(frozen=True)
class RawFile:
    """A file in the raw store; `origin` is the URL or the file it was read from."""

    path: Path
    sha256: str
    origin: str
    retrieved: datetime


def digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def keep(
    home: Path,
    recipe: DatasetRecipe,
    file: Path,
    origin: str,
    published: date,
    sha256: str | None = None,
) -> RawFile:
    """Copies `file` into the raw store with its provenance; the same bytes are kept once.

    A kept file that was damaged since is replaced.
    """
    sha256 = sha256 or digest(file)
    folder = home / "raw" / recipe.id / sha256[:16]
    kept = folder / file.name
    retrieved = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    if not kept.is_file() or digest(kept) != sha256:
        put(file, folder)
    raw = RawFile(kept, sha256, origin, retrieved)
    if not (folder / PROVENANCE).is_file():
        write_provenance(recipe, raw, published)
    return raw


def put(file: Path, folder: Path) -> None:
    """Copies `file` into `folder`, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with written(folder / file.name) as stream, file.open("rb") as source:
        shutil.copyfileobj(source, stream, BLOCK)


def recorded_day(path: Path) -> date | None:
    """When a file of a raw store was published, by the provenance kept beside it."""
    try:
        facts = json.loads((path.parent / PROVENANCE).read_text(encoding="utf-8"))
        return date.fromisoformat(facts["published"]) if facts["sha256"] == digest(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_provenance(recipe: DatasetRecipe, raw: RawFile, published: date) -> None:
    """Writes beside a kept file where it came from."""
    facts = {
        "dataset": recipe.id,
        "origin": raw.origin,
        "retrieved": raw.retrieved.isoformat(),
        "published": published.isoformat(),
        "sha256": raw.sha256,
        "publisher": recipe.publisher,
        "licence": recipe.licence,
    }
    with written(raw.path.parent / PROVENANCE) as stream:
        stream.write(json.dumps(facts, indent=1, ensure_ascii=False).encode())


@contextmanager
def written(path: Path) -> Iterator[tempfile._TemporaryFileWrapper[bytes]]:
    """A file that appears under its name whole, or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as stream:
        try:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            Path(stream.name).replace(path)
        except BaseException:
            Path(stream.name).unlink(missing_ok=True)
            raise


def opened(path: Path) -> gzip.GzipFile | bz2.BZ2File | None:
    """The file ready to unpack, gzip or bzip2 whatever its name says; None if it is neither."""
    with path.open("rb") as stream:
        head = stream.read(3)
    if head[:2] == b"\x1f\x8b":
        return gzip.GzipFile(path)
    return bz2.BZ2File(path) if head == b"BZh" else None


def unpacked(path: Path, scratch: Path) -> Path:
    """The plain bytes of `path`: the file itself, or its gzip or bzip2 unpacked into `scratch`.

    Raises BadInput if it is cut short, damaged, or unpacks beyond all measure.
    """
    packed = opened(path)
    if packed is None:
        return path
    plain = scratch / f"{path.name}.plain"
    try:
        with packed as stream, plain.open("wb") as out:
            while block := stream.read(BLOCK):
                out.write(block)
                if out.tell() > UNPACKED_LIMIT:
                    raise BadInput(path.name, "unpacks to more than 64 GiB", "check the file")
    except EOFError:
        raise BadInput(path.name, "is a compressed file cut short", "fetch it again") from None
    except (OSError, zlib.error) as fault:
        if isinstance(fault, OSError) and fault.errno is not None:
            raise  # the system's doing, such as a full disk, not the file's
        raise BadInput(path.name, "is a damaged compressed file", "fetch it again") from None
    return plain


def gzip_date(path: Path) -> date | None:
    """The day on which a publisher packed a gzip file, if its header says so.

    Packing anew by hand (`gzip -9`) writes the day of that packing: such a header, told by its
    mark of highest compression, is not taken for the publisher's.
    """
    with path.open("rb") as stream:
        head = stream.read(10)
    if len(head) < 10 or head[:3] != b"\x1f\x8b\x08" or head[8] == 2:
        return None
    stamp = int.from_bytes(head[4:8], "little")
    return datetime.fromtimestamp(stamp, UTC).date() if stamp else None
