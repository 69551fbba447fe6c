"""Known defects, excused in a recipe up to a ceiling."""

from __future__ import annotations

from data.errors import ContractBroken
from data.recipes import DatasetRecipe, Excused


def refuse_beyond(recipe: DatasetRecipe, excuse: Excused, count: int, file: str) -> None:
    """Raises ContractBroken if more rows break a rule than its excuse allows."""
    if count > excuse.ceiling:
        raise ContractBroken(
            f"dataset {recipe.id}, rule {excuse.rule}, file {file}",
            f"{count} rows break it where {excuse.ceiling} are excused ({excuse.reason})",
            "look at the new rows before raising the ceiling in the recipe",
        )
