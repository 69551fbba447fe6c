"""Where the data of a study came from, in one line."""

from __future__ import annotations

from models.study_results import PanelSummary


def source_line(panel: PanelSummary) -> str:
    """The source line of a table or picture: publishers and data sets with their vintages."""
    if not panel.vintages:
        return f"Source: {panel.title or panel.name} (file {panel.sha256[:12]})."
    editions = dict.fromkeys(
        f"{vintage.publisher + ' ' if vintage.publisher else ''}{vintage.dataset}"
        f"{f' ({vintage.published})' if vintage.published else ''}"
        for vintage in panel.vintages
    )
    return f"Source: {'; '.join(editions)}."
