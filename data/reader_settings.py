"""Which settings each reader understands: a recipe that uses another key is refused."""

from __future__ import annotations

from collections.abc import Mapping

SETTINGS: Mapping[str, frozenset[str]] = {
    "eurostat_tsv": frozenset(),
    "eurostat_sdmx_csv": frozenset(),
    "json_stat": frozenset(),
    "databrowser_xlsx": frozenset(),
    "geojson": frozenset({"code", "year", "mercator"}),
    "tabular": frozenset(
        {
            "columns",
            "header",
            "first_row",
            "sheets",
            "encoding",
            "delimiter",
            "thousands",
            "missing",
            "flags",
            "unflagged",
            "values",
            "measure",
            "wide",
            "skip",
            "column_names",
            "file_parts",
        }
    ),
}
