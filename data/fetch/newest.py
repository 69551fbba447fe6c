"""The newest edition of a dataset from its publisher's own address, asked for politely.

What the publisher said to recognise an edition by (ETag, Last-Modified, the date in Eurostat's
table of contents) is kept beside the raw files, so that an unchanged file is not sent twice.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from data import raw
from data.errors import BadInput, NoAddress, SourceOutOfReach
from data.fetch.client import Client, Fetched, Known
from data.fetch.eurostat_contents import URL as CONTENTS
from data.fetch.eurostat_contents import last_updates, table_of
from data.fetch.pace import Pace
from data.fetch.pages import fetch_pages
from data.inbox import Incoming, found, matching, own_date
from data.recipes import DatasetRecipe, FileLayout, dataset_ids, dataset_recipe
from data.simulated import write_simulated

VALIDATORS = "validators.json"
CONTENTS_AGE = 3600.0  # seconds for which Eurostat's table of contents is believed


@dataclass(frozen=True)
class Memory:
    """What the last edition from `url` was recognised by; `file` lies below the raw folder."""

    url: str
    file: str
    published: str
    etag: str | None
    last_modified: str | None
    updated: str | None  # by the publisher's table of contents


def fetched(
    recipe: DatasetRecipe,
    home: Path,
    scratch: Path,
    published: date | None,
    client: Client | None = None,
) -> Incoming:
    """The file behind the recipe's `url`: the raw file at hand, if that is still the newest.

    Raises NoAddress if the recipe has none, and SourceOutOfReach if the publisher does not deliver.
    """
    if recipe.simulated:
        write_simulated(scratch, only=recipe.id.partition("/")[2])
        return found(recipe, scratch, None)[0]
    if recipe.installed is not None:
        return found(recipe, installed_folder(recipe.installed), published)[0]
    if recipe.url is None:
        todo = "read its files from a folder with --from"
        raise NoAddress(f"dataset {recipe.id}", "its publisher offers no address", todo)
    client = client or client_for(home)
    stored = home / "raw" / recipe.id / VALIDATORS
    known = remembered(stored, recipe.url)
    updated = last_update(recipe.url, home, client)
    if known is None or updated is None or known.updated != updated.isoformat():
        answer = download(recipe, recipe.url, scratch, client, known)
        if answer.path is not None:
            day = published or updated or own_day(recipe, answer) or datetime.now(UTC).date()
            kept = raw.keep(home, recipe, answer.path, recipe.url, day)
            known = remember(stored, recipe.url, answer, kept.path, day, updated)
    if known is None:
        raise SourceOutOfReach(recipe.url, "sends no file", "try again later")
    path = stored.parent / known.file
    return Incoming(path, recipe.url, layout_of(recipe), date.fromisoformat(known.published))


def installed_folder(package: str) -> Path:
    """Where an installed package keeps its files; nothing of it is imported."""
    top, *below = package.split(".")
    spec = find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        todo = "install what requirements.lock pins: make clean, then make run"
        raise SourceOutOfReach(f"package {top}", "is not installed", todo)
    return Path(spec.submodule_search_locations[0]).joinpath(*below)


def download(
    recipe: DatasetRecipe, url: str, scratch: Path, client: Client, known: Memory | None
) -> Fetched:
    """What the publisher sends, or his word that the edition at hand is the newest."""
    into = scratch / name_of(recipe)
    if recipe.page_rows is not None:
        return fetch_pages(client, url, recipe.page_rows, into)
    return client.fetch(url, into, Known(known.etag, known.last_modified) if known else None)


def name_of(recipe: DatasetRecipe) -> str:
    """The name under which the file behind the recipe's address is kept."""
    return recipe.fetched_as or urlsplit(recipe.url or "").path.rpartition("/")[2]


def layout_of(recipe: DatasetRecipe) -> FileLayout:
    """The layout of that file. Raises BadInput if the recipe has none for its name."""
    layout = matching(recipe, Path(name_of(recipe)))
    if layout is None:
        where = f"recipe {recipe.id}.toml, fetched_as"
        raise BadInput(where, f"no [[file]] has the name {name_of(recipe)}", "add one")
    return layout


def client_for(home: Path) -> Client:
    """A client that knows the recipes' hosts and the pace that earlier runs kept."""
    paces = {urlsplit(CONTENTS).hostname or "": 1.0}
    for id in dataset_ids():
        recipe = dataset_recipe(id)
        if recipe.url is not None:
            host = urlsplit(recipe.url).hostname or ""
            paces[host] = max(recipe.pace, paces.get(host, 0.0))
    return Client(hosts=frozenset(paces), pace=Pace(home / "pace.json", intervals=paces))


def last_update(url: str, home: Path, client: Client) -> date | None:
    """When Eurostat last updated the table at `url`; None if it is not Eurostat's, or unknown."""
    table, contents = table_of(url), home / "eurostat_contents.txt"
    if table is None:
        return None
    try:
        if not contents.is_file() or time.time() - contents.stat().st_mtime > CONTENTS_AGE:
            hurried = replace(client, limits=replace(client.limits, attempts=2))
            hurried.fetch(CONTENTS, contents)
        return last_updates(contents).get(table)
    except SourceOutOfReach:
        return None  # the table itself may be in reach all the same


def remembered(stored: Path, url: str) -> Memory | None:
    """What is known of the last edition from `url`, if its raw file is there."""
    try:
        known = Memory(**json.loads(stored.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return known if known.url == url and (stored.parent / known.file).is_file() else None


def remember(
    stored: Path, url: str, answer: Fetched, kept: Path, day: date, updated: date | None
) -> Memory:
    """Keeps what an edition is recognised by."""
    known = Memory(
        url,
        str(kept.relative_to(stored.parent)),
        day.isoformat(),
        answer.etag,
        answer.last_modified,
        updated.isoformat() if updated else None,
    )
    with raw.written(stored) as stream:
        stream.write(json.dumps(asdict(known), indent=1).encode())
    return known


def own_day(recipe: DatasetRecipe, answer: Fetched) -> date | None:
    """The day of publication that the file states, or else the answer's header."""
    assert answer.path is not None
    own = own_date(recipe, answer.path, layout_of(recipe))
    try:
        sent = parsedate_to_datetime(answer.last_modified) if answer.last_modified else None
    except ValueError:
        sent = None
    return own or (sent.date() if sent else None)
