"""`regsi ingest`: the current edition of one or more datasets as a new vintage."""

from __future__ import annotations

import argparse
from typing import Any

from data.ingest import ingest
from models.results import as_json
from pipelines.session import Session


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Loads the named datasets; --as-of states the day on which the publisher said so."""
    loaded = ingest(args.source, session.home, session.from_dir, session.as_of, session.say)
    lines = [
        f"{x.dataset}: {f'{x.rows:,} rows, {x.changed:,} changed' if x.new else 'nothing new'}"
        f" (vintage of {x.published})"
        for x in loaded
    ]
    return [_plain(x) for x in loaded], "\n".join(lines)


def _plain(loaded: Any) -> dict[str, Any]:
    plain = as_json(loaded)
    return {**plain, "published": str(plain["published"]), "file": str(plain["file"])}
