"""Publishers' files into the warehouse: found or fetched, kept raw, read, checked, swapped in.

Everything that takes time happens in a staging database beside the warehouse. The warehouse
itself is open for one short transaction at the end, so that a crash at any moment leaves the last
good state, and readers wait for no more than that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path

from duckdb import DuckDBPyConnection

from data import contracts, raw
from data.errors import BadInput, ContractBroken
from data.inbox import Incoming, files_below, found, matching
from data.recipes import DatasetRecipe, dataset_ids, dataset_recipe
from data.sources import reader
from data.sources.staged import Load, SourceFile
from data.warehouse.swap import Swap, editions, loaded_before, record_refused, swap_in
from data.warehouse.vintages import Edition, Vintage
from data.warehouse.writer import staging, workbench, writing


@dataclass(frozen=True)
class Loaded:
    """What became of one file: `new` is false where the very bytes were there already."""

    dataset: str
    vintage: int
    published: date
    new: bool
    rows: int
    changed: int
    quarantined: int
    file: str


@dataclass(frozen=True)
class Bench:
    """What loads a dataset: the warehouse's home, a connection, a folder for unpacked files.

    `earlier` are the dataset's editions that are there, to which what is loaded is added.
    """

    home: Path
    con: DuckDBPyConnection
    scratch: Path
    earlier: list[Vintage]


def ingest(
    ids: Sequence[str],
    home: Path,
    from_dir: Path | None,
    published: date | None,
    say: Callable[[str], None],
) -> tuple[Loaded, ...]:
    """Loads each dataset of `ids` ("publisher/dataset", or "publisher": see `expanded`).

    With `from_dir` the files are looked for there under their publishers' names, else fetched.
    `published` dates files that do not say when they were published. Raises BadInput,
    ContractBroken or SourceOutOfReach; datasets before the failing one stay loaded.
    """
    done: list[Loaded] = []
    chosen = expanded(ids, from_dir)
    if not chosen:  # nothing to wait for a writer for
        return ()
    with writing(home), workbench(home) as (con, scratch):
        there = editions(con, home)
        for id in chosen:
            recipe = dataset_recipe(id)
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                bench = Bench(home, con, Path(folder), there[id])
                files = _incoming(recipe, home, from_dir, bench.scratch, published)
                done += [load(bench, recipe, file, from_dir is None, say) for file in files]
    return tuple(done)


def _incoming(
    recipe: DatasetRecipe, home: Path, from_dir: Path | None, scratch: Path, published: date | None
) -> tuple[Incoming, ...]:
    if from_dir is not None and not (recipe.simulated or recipe.installed):
        return found(recipe, from_dir, published)
    from data.fetch.newest import fetched  # the client is loaded only where a publisher is asked

    return (fetched(recipe, home, scratch, published),)


def expanded(sources: Sequence[str], from_dir: Path | None = None) -> tuple[str, ...]:
    """Ids of datasets, each bare publisher replaced by all of his.

    With `from_dir`, by those of his of which the folder holds a file. Raises BadInput for a name
    that is neither, and for a folder that holds nothing of a publisher.
    """
    known = dataset_ids()
    wide: list[str] = []
    for source in sources:
        mine = [id for id in known if id == source or id.startswith(f"{source.rstrip('/')}/")]
        if not mine:
            choices = [*known, *{id.partition("/")[0] for id in known}]
            close = get_close_matches(source, choices, 3)
            todo = f"did you mean {', '.join(close)}?" if close else "see regsi list sources"
            raise BadInput(f"source {source}", "no such publisher or dataset", todo)
        if from_dir is not None and mine != [source]:
            mine = held(mine, source, from_dir)
        wide += mine
    return tuple(dict.fromkeys(wide))


def held(ids: Sequence[str], source: str, folder: Path) -> list[str]:
    """Those of a publisher's datasets of which `folder` holds a file, or that need none."""
    files = files_below(folder)
    chosen = [
        id
        for id in ids
        if (recipe := dataset_recipe(id)).simulated
        or recipe.installed
        or any(matching(recipe, file) for file in files)
    ]
    if not chosen:
        todo = f"see what its files are called in data/catalogue/{source}"
        raise BadInput(str(folder), f"holds no file of any dataset of {source}", todo)
    return chosen


def load(
    bench: Bench, recipe: DatasetRecipe, file: Incoming, live: bool, say: Callable[[str], None]
) -> Loaded:
    """Loads one file as an edition, unless its bytes are there already."""
    home, con = bench.home, bench.con
    day = file.published if file.dated else None
    sha256 = raw.digest(file.path)
    known = loaded_before(bench.earlier, sha256, day)
    if known is not None:
        raw.keep(home, recipe, file.path, file.origin, known.published)  # mends a damaged copy
        say(f"{recipe.id}: nothing new ({file.path.name}, published {known.published})")
        return outcome(known, new=False)
    if live:
        contracts.check_freshness(recipe, file.published, datetime.now(UTC).date())
    kept = raw.keep(home, recipe, file.path, file.origin, file.published, sha256)
    for companion in file.companions:  # what is kept can be read again from there
        raw.put(companion, kept.path.parent)
    with tempfile.TemporaryDirectory(dir=bench.scratch) as scratch:
        plain = raw.unpacked(file.path, Path(scratch))
        source = SourceFile(plain, file.path.name, Path(scratch), file.companions)
        with staging(con, Path(scratch), plain.stat().st_size):
            reader(file.layout.reader)(Load(con, source, recipe, file.layout))
            vintage = checked_in(bench, recipe, file, kept)
            bench.earlier.append(vintage)
    announce(vintage, file, say)
    return outcome(vintage, new=True)


def checked_in(
    bench: Bench, recipe: DatasetRecipe, file: Incoming, kept: raw.RawFile
) -> Vintage:
    """Checks what was staged of a file and lays it in."""
    edition, before = Edition(file.published, partial=file.layout.partial), len(bench.earlier)
    try:
        aside = contracts.check(bench.con, recipe, file.path.name, edition.partial)
    except ContractBroken:
        record_refused(bench.home, bench.con, Swap(recipe, edition, kept, 0, before))
        raise
    return swap_in(bench.home, bench.con, Swap(recipe, edition, kept, aside, before))


def announce(vintage: Vintage, file: Incoming, say: Callable[[str], None]) -> None:
    """Says what an edition brought, and if its date is but the day of loading."""
    say(
        f"{vintage.dataset}: {vintage.rows} rows published {vintage.published},"
        f" {vintage.changed} changed, {vintage.quarantined} set aside ({vintage.file})"
    )
    if not file.dated:
        say(
            f"{vintage.dataset}: {file.path.name} does not say when it was published: it counts"
            " from today (--as-of DATE would have said, or [[edition]] in the recipe)"
        )


def outcome(vintage: Vintage, new: bool) -> Loaded:
    """What to tell of an edition; one that was there already changes nothing."""
    changed = vintage.changed if new else 0
    return Loaded(
        vintage.dataset,
        vintage.vintage,
        vintage.published,
        new,
        vintage.rows,
        changed,
        vintage.quarantined,
        vintage.file,
    )
