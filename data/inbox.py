"""Finding a dataset's files in a folder, under their publishers' names, and dating them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from data import raw
from data.errors import BadInput
from data.recipes import DatasetRecipe, FileLayout
from data.sources import stated
from data.sources.staged import SourceFile


@dataclass(frozen=True)
class Incoming:
    """A file to load: where it is, how it is laid out, when it was published.

    `dated` says that the day is known, not assumed to be today for want of a better one.
    """

    path: Path
    origin: str
    layout: FileLayout
    published: date
    companions: tuple[Path, ...] = ()
    dated: bool = True


def found(recipe: DatasetRecipe, folder: Path, published: date | None) -> tuple[Incoming, ...]:
    """The files of a dataset in `folder` and below, oldest first, the same bytes once.

    Raises BadInput if there is none, or several of which one does not state its date.
    """
    if not folder.is_dir():
        raise BadInput(str(folder), "is not a folder", "name the folder that holds the files")
    matches = [(path, layout) for path in files_below(folder) if (layout := matching(recipe, path))]
    own = [match for match in matches if not match[1].copy]
    matches = own or matches
    distinct = without_copies(matches)
    if not distinct:
        names = ", ".join(dict.fromkeys(name for layout in recipe.files for name in layout.names))
        raise BadInput(
            str(folder), f"holds no file of dataset {recipe.id}", f"looked for {names}"
        )
    incoming = []
    for path, layout in distinct:
        if not path.stat().st_size:
            raise BadInput(str(path), "is an empty file", "fetch it again")
        alone = published if len(distinct) == 1 else None
        day = alone or raw.recorded_day(path) or own_date(recipe, path, layout)
        if day is None and len(distinct) > 1:
            raise undated(recipe, folder, [p for p, _ in distinct], path)
        beside = companions(layout, path)
        today = datetime.now(UTC).date()
        incoming.append(Incoming(path, str(path), layout, day or today, beside, day is not None))
    return tuple(sorted(incoming, key=lambda f: (f.published, f.layout.partial, str(f.path))))


def without_copies(
    matches: list[tuple[Path, FileLayout]],
) -> list[tuple[Path, FileLayout]]:
    """The files, each of the same bytes once."""
    if len(matches) < 2:
        return matches
    return list({raw.digest(path): (path, layout) for path, layout in reversed(matches)}.values())


def undated(recipe: DatasetRecipe, folder: Path, paths: list[Path], path: Path) -> BadInput:
    """Several files and no way to tell their order."""
    names = ", ".join(sorted(str(p.relative_to(folder)) for p in paths))
    return BadInput(
        str(folder),
        f"holds several files of dataset {recipe.id} ({names}), and {path.name} does not say when"
        " it was published",
        "name the folder of the one you mean, or load them one by one with a date",
    )


def files_below(folder: Path) -> list[Path]:
    """All files, hidden ones left out, in the order of their names."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


def matching(recipe: DatasetRecipe, path: Path) -> FileLayout | None:
    """The first layout of a dataset one of whose name patterns fits."""
    for layout in recipe.files:
        if any(fnmatchcase(path.name, name) for name in layout.names):
            return layout
    return None


def companions(layout: FileLayout, path: Path) -> tuple[Path, ...]:
    """The files that a layout wants beside `path`; raises BadInput if one is not there."""
    beside = tuple(path.parent / name for name in layout.companions)
    for companion in beside:
        if not companion.is_file():
            raise BadInput(
                str(path.parent), f"{path.name} needs {companion.name} beside it", "add that file"
            )
    return beside


def own_date(recipe: DatasetRecipe, path: Path, layout: FileLayout) -> date | None:
    """When a file was published, by the recipe's list of editions, its text or its gzip header."""
    ask = stated(layout.reader)
    with tempfile.TemporaryDirectory() as scratch:
        plain = raw.unpacked(path, Path(scratch))
        sha256 = raw.digest(plain) if recipe.editions else ""
        for edition in recipe.editions:
            if sha256.startswith(edition.sha256):
                return edition.published
        day = ask(SourceFile(plain, path.name, Path(scratch))) if ask else None
    return day or layout.released or raw.gzip_date(path)
