"""The newest edition of a dataset from its publisher's own address, asked for politely.

What the publisher said to recognise an edition by (ETag, Last-Modified) is kept beside the raw
files, so that an unchanged file is not sent twice.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from data import raw
from data.client import Client, Fetched, Known
from data.errors import SourceOutOfReach
from data.inbox import Incoming, own_date
from data.pace import Pace
from data.recipes import DatasetRecipe, dataset_ids, dataset_recipe

VALIDATORS = "validators.json"


def fetched(recipe: DatasetRecipe, home: Path, scratch: Path, published: date | None) -> Incoming:
    """The file behind the recipe's `url`, in the first layout of the recipe.

    Raises SourceOutOfReach if the recipe has no address or the publisher does not deliver.
    """
    if recipe.url is None:
        raise SourceOutOfReach(
            f"dataset {recipe.id}", "its publisher offers no address", "read its files with --from"
        )
    layout = recipe.files[0]
    stored = home / "raw" / recipe.id / VALIDATORS
    known = remembered(stored, recipe.url)
    answer = client(home).fetch(recipe.url, scratch / layout.names[0], known[0] if known else None)
    path = answer.path or (known[1] if known else scratch)
    own = own_date(recipe, path, layout, raw.digest(path))
    day = published or own or sent_date(answer) or datetime.now(UTC).date()
    kept = raw.keep(home, recipe, path, recipe.url, day)
    remember(stored, answer, kept.path)
    return Incoming(kept.path, recipe.url, layout, day)


def client(home: Path) -> Client:
    """A client that knows the recipes' hosts and the pace that earlier runs kept."""
    urls = [dataset_recipe(id).url for id in dataset_ids()]
    hosts = {host for url in urls if url and (host := urlsplit(url).hostname)}
    return Client(hosts=hosts, pace=Pace(home / "pace.json"))


def remembered(stored: Path, url: str) -> tuple[Known, Path] | None:
    """The validators of the last edition from `url` and its raw file, if both are there."""
    try:
        facts = json.loads(stored.read_text(encoding="utf-8"))
        path = stored.parent / facts["file"]
        known = Known(facts["etag"], facts["last_modified"])
    except (OSError, ValueError, KeyError):
        return None
    return (known, path) if facts.get("url") == url and path.is_file() else None


def remember(stored: Path, answer: Fetched, kept: Path) -> None:
    """Keeps the validators of an edition that came."""
    if answer.path is None:
        return
    facts = {
        "url": answer.url,
        "etag": answer.etag,
        "last_modified": answer.last_modified,
        "file": str(kept.relative_to(stored.parent)),
    }
    with raw.written(stored) as stream:
        stream.write(json.dumps(facts, indent=1).encode())


def sent_date(answer: Fetched) -> date | None:
    """The day the publisher last changed the file, by the answer's header."""
    try:
        return parsedate_to_datetime(answer.last_modified).date() if answer.last_modified else None
    except ValueError:
        return None
