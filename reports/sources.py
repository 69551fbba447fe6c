"""Where the data of a study came from."""

from __future__ import annotations

from data.panel import VintageUsed
from models.study.results import PanelSummary


def vintages_used(panel: PanelSummary) -> tuple[VintageUsed, ...]:
    """The vintages behind the columns that the study uses; all, where columns name no sources."""
    sources = {source for column in panel.columns for source in column.sources}
    used = tuple(vintage for vintage in panel.vintages if vintage.dataset in sources)
    return used or panel.vintages


def source_line(panel: PanelSummary) -> str:
    """The source line of a table or picture: publishers, their data sets, and the vintages."""
    vintages = vintages_used(panel)
    if not vintages:
        return f"Source: {panel.title or panel.name} (file {panel.sha256[:12]})."
    by_publisher: dict[str, dict[str, None]] = {}
    for vintage in vintages:
        name = vintage.dataset.rpartition("/")[2]
        edition = f"{name} ({vintage.published})" if vintage.published else name
        by_publisher.setdefault(vintage.publisher, {})[edition] = None
    parts = (
        f"{publisher}: {', '.join(editions)}" if publisher else ", ".join(editions)
        for publisher, editions in by_publisher.items()
    )
    return f"Source: {'; '.join(parts)}."
