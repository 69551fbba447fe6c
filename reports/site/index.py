"""The index of all published runs: one page, no scripts, links that work from a folder."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from data.errors import BadInput
from reports.templates import stylesheet, templates

FILES = {
    "brief.html": "Brief",
    "brief.pdf": "Brief as PDF",
    "table.html": "Table",
    "table.tex": "LaTeX",
    "coefficients.csv": "Numbers",
    "run.json": "Manifest",
}


@dataclass(frozen=True)
class Entry:
    """One published run, with links relative to the index."""

    run: str
    study: str
    title: str
    question: str
    answer: str
    standing: str
    simulated: bool
    overridden: bool
    panel: str
    created: str
    links: tuple[tuple[str, str], ...]

    @property
    def moment(self) -> str:
        """When it was published, to the minute, as a reader has it."""
        try:
            then = datetime.fromisoformat(self.created)
        except ValueError:
            return self.created
        return f"{then.astimezone(UTC):%Y-%m-%d, %H:%M} UTC" if then.tzinfo else self.created


def write_index(home: Path) -> Path:
    """Writes `site/index.html` over the runs in `home/runs`; returns its path.

    Studies in alphabetical order; of each the newest run comes first and older ones are links.
    One process after the other, so that none lists less than the one before; and the page is
    replaced whole. Raises BadInput for a run whose summary cannot be read.
    """
    site = home / "site"
    site.mkdir(parents=True, exist_ok=True)
    page = templates().get_template("site/index.html")
    draft = site / ".index.html"
    with (site / ".index").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = page.render(css=Markup(stylesheet()), studies=_by_study(entries(home)))
        draft.write_text(text, encoding="utf-8")
        return draft.replace(site / "index.html")


def entries(home: Path) -> list[Entry]:
    """All published runs of `home`, without those that are still being prepared."""
    summaries = sorted((home / "runs").glob("*/published.json"))
    return [_entry(path) for path in summaries if not path.parent.name.startswith(".")]


def _entry(path: Path) -> Entry:
    folder = path.parent
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        manifest = folder / "run.json"
        created = json.loads(manifest.read_text("utf-8"))["created"] if manifest.exists() else ""
        links = ((_link(folder, name), label) for name, label in FILES.items())
        there = tuple(link for link in links if link[0])
        return Entry(**record, created=created, links=there)
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(
            str(path), f"this run's summary is broken ({error})", "remove the run's folder"
        ) from None


def _link(folder: Path, name: str) -> str:
    return f"../runs/{quote(folder.name)}/{name}" if (folder / name).exists() else ""


def _by_study(found: Iterable[Entry]) -> list[tuple[Entry, list[Entry]]]:
    """Each study's newest run and its older ones."""
    groups: dict[str, list[Entry]] = {}
    for entry in sorted(found, key=lambda entry: (entry.created, entry.run), reverse=True):
        groups.setdefault(entry.study, []).append(entry)
    return [(runs[0], runs[1:]) for _, runs in sorted(groups.items())]
