"""Which settings each reader understands: a recipe that uses another key is refused."""

from __future__ import annotations

from collections.abc import Mapping

SETTINGS: Mapping[str, frozenset[str]] = {
    "eurostat_tsv": frozenset(),
    "eurostat_sdmx_csv": frozenset({"time", "value"}),
    "json_stat": frozenset({"time"}),
    "databrowser_xlsx": frozenset(),
    "data_explorer_csv": frozenset({"encoding"}),
    "tabular": frozenset(
        {
            "columns",
            "header",
            "first_row",
            "sheets",
            "sheet_parts",
            "encoding",
            "delimiter",
            "thousands",
            "missing",
            "flags",
            "values",
            "wide",
            "keep",
        }
    ),
}
