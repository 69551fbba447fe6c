"""Whether totals are the sum of their parts: both sexes, all functions, a country's regions."""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from data.contracts.excuses import refuse_beyond
from data.errors import ContractBroken
from data.recipes import Additivity, DatasetRecipe
from data.sql import condition, listed, literal, quoted, statement

OF_PARTS = (
    "CREATE OR REPLACE TABLE unbalanced AS SELECT {others}, {total} AS {over}, time,"
    " any_value(value) FILTER (WHERE {over} = {total}) AS whole,"
    " sum(value) FILTER (WHERE {over} <> {total}) AS parts FROM staged"
    " WHERE {where} AND value IS NOT NULL AND {over} IN ({total}, {names})"
    " GROUP BY {others}, time HAVING count(*) = {number}"
    " AND abs(whole - parts) > {tolerance} * abs(whole) + {slack}"
)
OF_LONGER_CODES = (
    "CREATE OR REPLACE TABLE unbalanced AS WITH below AS (SELECT {others}, time,"
    " left({over}, -1) AS {over}, sum(value) AS parts, count(*) AS number FROM staged"
    " WHERE {where} GROUP BY ALL HAVING count(*) = count(value))"
    " SELECT {others}, {over}, time, s.value AS whole, b.parts FROM staged s"
    " JOIN below b USING ({others}, {over}, time) WHERE {where}"
    " AND abs(whole - b.parts) > {tolerance} * abs(whole) + {slack} * b.number"
)


def check_sums(con: DuckDBPyConnection, recipe: DatasetRecipe, rule: Additivity, file: str) -> None:
    """Raises ContractBroken where a total differs from the sum of its parts, if all are given.

    Excused totals are let through up to the ceiling of their excuse.
    """
    find_unbalanced(con, recipe, rule)
    spared = []
    for excuse in (e for e in recipe.excused if e.rule == "additive"):
        query = statement("SELECT count(*) FROM unbalanced WHERE {w}", w=condition(excuse.where))
        found = con.execute(query).fetchone()
        assert found is not None
        refuse_beyond(recipe, excuse, int(found[0]), file)
        spared.append(f"({condition(excuse.where)})")
    refuse_unbalanced(con, recipe, rule, " OR ".join(spared) or "false", file)


def find_unbalanced(con: DuckDBPyConnection, recipe: DatasetRecipe, rule: Additivity) -> None:
    """Table `unbalanced`: the keys of the totals that do not fit, with `whole` and `parts`."""
    con.execute(
        statement(
            OF_LONGER_CODES if rule.nested else OF_PARTS,
            others=listed(name for name in recipe.dimensions if name != rule.over),
            over=quoted(rule.over),
            total=literal(rule.total),
            names=", ".join(map(literal, rule.parts)),
            where=condition(rule.where),
            number=str(len(rule.parts) + 1),
            tolerance=repr(rule.tolerance),
            slack=repr(rule.slack),
        )
    )


def refuse_unbalanced(
    con: DuckDBPyConnection, recipe: DatasetRecipe, rule: Additivity, spared: str, file: str
) -> None:
    """Raises ContractBroken on the first totals that their parts do not make up."""
    rows = con.execute(
        statement(
            "SELECT concat_ws(', ', {dims}, time), whole, parts, count(*) OVER ()"
            " FROM unbalanced WHERE NOT ({spared}) ORDER BY ALL LIMIT 3",
            dims=listed(recipe.dimensions),
            spared=spared,
        )
    ).fetchall()
    if rows:
        shown = "; ".join(f"{key}: {whole:g} against {parts:g}" for key, whole, parts, _ in rows)
        meant = "the codes below it" if rule.nested else ", ".join(rule.parts)
        raise ContractBroken(
            f"dataset {recipe.id}, rule additive, file {file}",
            f"{rows[0][3]} totals are not the sum of {meant} ({shown})",
            "mend the file, or excuse the rows in the recipe with a reason",
        )
