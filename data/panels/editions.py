"""Which editions of its datasets a panel is built from.

Most columns want what is known on the panel's day. A recipe may pin a column to an earlier day,
for a figure as it was published then, or keep it clear of extracts that came after the newest
complete edition, where these would put a break into a series.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from data.errors import BadInput
from data.panel import VintageUsed
from data.panels.recipe import PanelRecipe, Pick
from data.recipes import dataset_recipe
from data.warehouse import Warehouse

Wanted = tuple[str, date | None, bool]  # dataset, pinned day, complete editions only

Row = tuple[date, str, bool]  # published, sha256, partial

_EDITIONS = "SELECT dataset, published, sha256, partial FROM vintages ORDER BY published, vintage"


@dataclass(frozen=True)
class EditionInForce:
    """What is known of a dataset on a day: all editions that its observations may stem from.

    `day` is what to ask the warehouse for (None: today's knowledge); rows are in order.
    """

    dataset: str
    day: date | None
    rows: tuple[Row, ...]

    @property
    def fingerprint(self) -> str:
        """The same for the same editions."""
        return " ".join(f"{published} {sha256}" for published, sha256, _ in self.rows)

    @property
    def used(self) -> tuple[VintageUsed, ...]:
        """The newest complete edition and the extracts laid over it."""
        last = max((place for place, row in enumerate(self.rows) if not row[2]), default=0)
        about = dataset_recipe(self.dataset)
        return tuple(
            VintageUsed(
                dataset=self.dataset,
                published=published.isoformat(),
                sha256=sha256,
                title=about.title,
                publisher=about.publisher,
                licence=about.licence,
            )
            for published, sha256, _ in self.rows[last:]
        )


def wanted(pick: Pick) -> Wanted:
    """What a column asks of its dataset."""
    return pick.dataset, pick.as_of, pick.complete


def editions_of(
    recipe: PanelRecipe, warehouse: Warehouse, as_of: date | None
) -> Mapping[Wanted, EditionInForce]:
    """The edition for each dataset of the recipe, the conversion weights among them.

    An edition that only optional columns are pinned to is left out where it was never loaded.
    Raises BadInput for any other dataset of which nothing is known by its day.
    """
    keys = dict.fromkeys(wanted(pick) for pick in recipe.picks)
    if recipe.territory.weights is not None:
        keys[recipe.territory.weights, None, False] = None
    held = defaultdict[str, list[Row]](list)
    for dataset, *row in warehouse.connection.execute(_EDITIONS).fetchall():
        held[dataset].append(tuple(row))
    found = {}
    for dataset, pinned, complete in keys:
        days = [day for day in (pinned, as_of) if day is not None]
        edition = _in_force(held[dataset], dataset, min(days, default=None), complete)
        if edition is not None:
            found[dataset, pinned, complete] = edition
        elif pinned is None:
            warehouse.vintage(dataset, as_of)  # says what is missing
            raise BadInput(f"dataset {dataset}", "has no complete edition", "load one")
        else:
            _refuse_absent(recipe, (dataset, pinned, complete), min(days))
    return found


def _refuse_absent(recipe: PanelRecipe, key: Wanted, day: date) -> None:
    """Raises BadInput if a column must have the edition of `key`, which is not there."""
    needed = [p.name for p in recipe.picks if wanted(p) == key and not p.optional]
    if needed:
        whole = "complete edition" if key[2] else "edition"
        raise BadInput(
            f"panel {recipe.id}, column {', '.join(needed)}",
            f"is pinned to what {key[0]} said on {day}, and no {whole} of that day or before is"
            " loaded",
            f"load one: regsi ingest {key[0]} --from FOLDER",
        )


def absences(recipe: PanelRecipe, editions: Mapping[Wanted, EditionInForce]) -> tuple[str, ...]:
    """A sentence for each optional column that is missing throughout, for want of its edition."""
    return tuple(
        f"{p.name} is missing throughout: no edition of {p.dataset} published by {p.as_of} is"
        " loaded."
        for p in recipe.picks
        if wanted(p) not in editions
    )


def _in_force(
    held: list[Row], dataset: str, day: date | None, complete: bool
) -> EditionInForce | None:
    """What is known of a dataset on a day, of its editions in order; None if nothing."""
    rows = [row for row in held if day is None or row[0] <= day]
    if complete:
        last = max((place for place, row in enumerate(rows) if not row[2]), default=None)
        if last is None:
            return None
        rows, day = rows[: last + 1], rows[last][0]
    if not rows:
        return None
    return EditionInForce(dataset, day, tuple(rows))
