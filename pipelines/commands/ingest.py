"""`regsi ingest`: the current edition of one or more datasets as a new vintage."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from data.errors import BadInput
from data.ingest import ingest
from data.recipes import dataset_ids
from models.results import as_json
from pipelines.session import Session


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Loads the named datasets; --as-of states the day on which the publisher said so."""
    datasets = _expand(args.source)
    loaded = ingest(datasets, session.home, session.from_dir, session.as_of, session.say)
    lines = [
        f"{x.dataset}: {f'{x.rows:,} rows, {x.changed:,} changed' if x.new else 'nothing new'}"
        f" (vintage of {x.published})"
        for x in loaded
    ]
    return [_plain(x) for x in loaded], "\n".join(lines)


def _plain(loaded: Any) -> dict[str, Any]:
    plain = as_json(loaded)
    return {**plain, "published": str(plain["published"]), "file": str(plain["file"])}


def _expand(sources: Sequence[str]) -> list[str]:
    """A publisher's name stands for all its datasets."""
    known = dataset_ids()
    wanted: list[str] = []
    for source in sources:
        matches = [d for d in known if d == source or d.startswith(f"{source.rstrip('/')}/")]
        if not matches:
            near = get_close_matches(source, [*known, *{d.split("/")[0] for d in known}], 3)
            hint = f"did you mean {', '.join(near)}?" if near else "see regsi list sources"
            raise BadInput(f"source {source}", "no such publisher or dataset", hint)
        wanted += matches
    return list(dict.fromkeys(wanted))
