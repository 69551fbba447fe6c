"""What was done to bring each dataset's codes to a panel's regions, cell by cell and in words."""

from __future__ import annotations

import duckdb
import pandas as pd

from data.panels.recipe import Territory
from data.regions.detect import detect
from data.regions.systems import region_system
from data.regions.territory import spelled

_CONVERTED = """
SELECT o.dataset, c.col AS "column", c.route, c.version, c.unit,
       min(c.period) AS first, max(c.period) AS last, count(*) AS cells
FROM converted c JOIN columns_of o USING (col)
WHERE c.value IS NOT NULL AND c.route NOT IN ('same', 'parent')
GROUP BY ALL ORDER BY ALL
"""
_CODES = "SELECT DISTINCT dataset, geo FROM picked JOIN columns_of USING (col) ORDER BY ALL"
_WORDS = {
    "recoded": "taken over from a region's other code",
    "merged": "added up from parts of a region",
    "weighted": "split by weights",
}


def conversion_table(
    connection: duckdb.DuckDBPyConnection, territory: Territory
) -> pd.DataFrame:
    """One row per column, route, version and unit: first and last period, number of known cells.

    Route "foreign" lists the codes of a dataset that are of another version than most of it
    (column is empty, unit is the code, version the first it is valid in, cells is 0).
    """
    table = connection.execute(_CONVERTED).df()
    if territory.system is None:
        return table
    system = region_system(territory.system)
    codes: dict[str, set[str]] = {}
    for dataset, code in connection.execute(_CODES).fetchall():
        codes.setdefault(dataset, set()).add(spelled(territory, code))
    foreign = [
        (dataset, "", "foreign", versions[0], code, None, None, 0)
        for dataset, of_dataset in codes.items()
        for code, versions in detect(system, of_dataset).others.items()
    ]
    return pd.concat([table, pd.DataFrame(foreign, columns=table.columns)], ignore_index=True)


def in_words(table: pd.DataFrame) -> tuple[str, ...]:
    """The conversion table in a few sentences, for the notes of a panel."""
    sentences = []
    mixed = table.loc[table["route"] == "foreign", "dataset"].drop_duplicates()
    if len(mixed):
        names = ", ".join(name.split("/")[1] for name in mixed)
        sentences.append(f"Codes of several versions of the regions stand side by side in {names}.")
    for route, words in _WORDS.items():
        chosen = table[table["route"] == route]
        if len(chosen):
            cells, units = int(chosen["cells"].sum()), chosen["unit"].nunique()
            sentences.append(f"Figures {words}: {cells:,}, in regions: {units}.")
    return tuple(sentences)
