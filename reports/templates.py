"""HTML templates: everything inserted is escaped, and a name that is missing is an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.numbers import typographic

FOLDER = Path(__file__).parent


@cache
def templates() -> Environment:
    """The templates under `reports/`, named by their path there."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["typographic"] = typographic
    return environment


def stylesheet() -> str:
    """The one style sheet, to stand inside each page."""
    return (FOLDER / "site" / "house.css").read_text(encoding="utf-8")
