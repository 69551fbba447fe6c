"""What an edition must keep before it may enter the warehouse, checked in SQL on staging.

Row rules (`known`, `flags`, `range`, and `code`, which readers apply to labels that have no code)
set single rows aside; the load goes on while no more than the contract tolerates. Set rules
(`expected`, `rows`, `rows_per_year`, `additive`, `freshness`) are about the edition as a whole and
stop it. A defect that the recipe excuses is let through up to its ceiling, except rows without a
code, which stay aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from duckdb import DuckDBPyConnection

from data.contracts.excuses import refuse_beyond
from data.contracts.sums import check_sums
from data.errors import ContractBroken
from data.recipes import DatasetRecipe, Excused, ValueRange
from data.sql import condition, listed, literal, quoted, statement

SHOWN = 3  # offending keys in a message
# rows of `set_aside`, each once however many rules it breaks; those without a code have no number
ROWS_ASIDE = (
    "count(DISTINCT (series, period)) FILTER (series IS NOT NULL)"
    " + count(*) FILTER (series IS NULL)"
)


@dataclass(frozen=True)
class RowRule:
    """Rows of view `staged` that satisfy `broken` break the rule."""

    rule: str
    reason: str
    broken: str


def check(
    con: DuckDBPyConnection, recipe: DatasetRecipe, file: str, partial: bool = False
) -> int:
    """Checks the staged edition and moves failing rows to `set_aside`; returns how many.

    Of a `partial` edition, how much it holds and which codes is left open, and so is whether
    all regions of a country are in it.
    Raises ContractBroken naming dataset, rule and first offending keys; `set_aside` then holds
    the rows to blame.
    """
    stage_view(con, recipe)
    tolerated = set_rows_aside(con, recipe, file)
    aside = con.execute(statement("SELECT {rows} FROM set_aside", rows=ROWS_ASIDE)).fetchone()
    assert aside is not None
    if aside[0] - tolerated > recipe.contract.tolerate:
        refuse_set_aside(con, recipe, file)
    if aside[0]:
        drop_set_aside(con)
    if not partial:
        check_sizes(con, recipe, file)
        check_expected(con, recipe, file)
    for rule in recipe.contract.additive:
        if not (partial and rule.nested):
            check_sums(con, recipe, rule, file)
    return int(aside[0])


def check_freshness(recipe: DatasetRecipe, published: date, today: date) -> None:
    """Raises ContractBroken if a publisher's newest edition is older than the contract allows."""
    limit = recipe.contract.max_age_days
    if limit is not None and (today - published).days > limit:
        raise ContractBroken(
            f"dataset {recipe.id}, rule freshness",
            f"the newest edition is of {published}, more than {limit} days old",
            "ask the publisher, or raise max_age_days in the recipe",
        )


def stage_view(con: DuckDBPyConnection, recipe: DatasetRecipe) -> None:
    """View `staged`: dimensions, time, value, flags, and the numbers of series and period."""
    dims = listed(recipe.dimensions, of="s")
    con.execute(
        statement(
            "CREATE VIEW staged AS SELECT s.series, p.period, {dims}, p.time, c.value, c.flags"
            " FROM cells c JOIN series s USING (series) JOIN periods p USING (period)",
            dims=dims,
        )
    )


def row_rules(con: DuckDBPyConnection, recipe: DatasetRecipe) -> Iterator[RowRule]:
    """The row rules that some row breaks, found by cheap sums before any row is looked at."""
    for name, codes in recipe.contract.known.items():
        some = ", ".join(map(literal, codes))
        yield RowRule("known", f"unknown code of {name}", f"{quoted(name)} NOT IN ({some})")
    found = {row[0] for row in con.execute("SELECT DISTINCT flags FROM cells").fetchall()}
    wrong = sorted(f for f in found if set(f) - set(recipe.contract.flags))
    if wrong:
        some = ", ".join(map(literal, wrong))
        yield RowRule("flags", f"unknown flag in {', '.join(wrong)}", f"flags IN ({some})")
    yield RowRule("range", "not a finite number", "NOT isfinite(value)")
    for span in recipe.contract.ranges:
        yield RowRule("range", f"value outside {span_text(span)}", outside(span))


def span_text(span: ValueRange) -> str:
    """The range in words: `[0, 100]`."""
    low = "-inf" if span.low is None else f"{span.low:g}"
    high = "inf" if span.high is None else f"{span.high:g}"
    return f"[{low}, {high}]"


def outside(span: ValueRange) -> str:
    """SQL for values outside a range."""
    tests = [f"value < {span.low!r}"] if span.low is not None else []
    tests += [f"value > {span.high!r}"] if span.high is not None else []
    return f"({' OR '.join(tests) or 'false'}) AND {condition(span.where)}"


def set_rows_aside(con: DuckDBPyConnection, recipe: DatasetRecipe, file: str) -> int:
    """Fills `set_aside`; returns how many of them an excuse covers."""
    tolerated = without_code(con, recipe, file)
    for rule in row_rules(con, recipe):
        pardons = [e for e in recipe.excused if e.rule == rule.rule]
        for excuse in pardons:
            refuse_pardon(con, recipe, excuse, rule.broken, file)
        spared = " OR ".join(f"({condition(e.where)})" for e in pardons) or "false"
        con.execute(
            statement(
                "INSERT INTO set_aside SELECT series, period, {rule}, {reason},"
                " concat_ws(', ', {dims}), time, value, flags FROM staged"
                " WHERE {broken} AND NOT ({spared})",
                rule=literal(rule.rule),
                reason=literal(rule.reason),
                dims=listed(recipe.dimensions),
                broken=f"({rule.broken})",
                spared=spared,
            )
        )
    return tolerated


def without_code(con: DuckDBPyConnection, recipe: DatasetRecipe, file: str) -> int:
    """How many rows that a reader set aside for want of a code the recipe excuses."""
    found = con.execute("SELECT count(*) FROM set_aside WHERE rule = 'code'").fetchone()
    assert found is not None
    excuses = [excuse for excuse in recipe.excused if excuse.rule == "code"]
    for excuse in excuses:
        refuse_beyond(recipe, excuse, int(found[0]), file)
    return int(found[0]) if excuses else 0


def refuse_pardon(
    con: DuckDBPyConnection, recipe: DatasetRecipe, excuse: Excused, broken: str, file: str
) -> None:
    """Raises ContractBroken if more rows break a rule than its excuse allows."""
    found = con.execute(
        statement(
            "SELECT count(*) FROM staged WHERE ({broken}) AND {where}",
            broken=broken,
            where=condition(excuse.where),
        )
    ).fetchone()
    assert found is not None
    refuse_beyond(recipe, excuse, int(found[0]), file)


def refuse_set_aside(con: DuckDBPyConnection, recipe: DatasetRecipe, file: str) -> None:
    """Raises ContractBroken on what `set_aside` holds."""
    rule, reason, count, keys = con.execute(
        statement(
            "SELECT rule, min(reason), {rows} AS n, list(DISTINCT {shown} ORDER BY {shown})[:3]"
            " FROM set_aside GROUP BY rule ORDER BY n DESC, rule LIMIT 1",
            rows=ROWS_ASIDE,
            shown="(key || ', ' || time || ': ' || coalesce(value::VARCHAR, ':') || ' ' || flags)",
        )
    ).fetchall()[0]
    shown = "; ".join(key.strip() for key in keys)
    raise ContractBroken(
        f"dataset {recipe.id}, rule {rule}, file {file}",
        f"{count} rows break it, {reason}: {shown}",
        "see table quarantine; mend the file, or excuse the rows in the recipe",
    )


def drop_set_aside(con: DuckDBPyConnection) -> None:
    """Takes the rows of `set_aside` out of the edition."""
    con.execute(
        "DELETE FROM cells USING set_aside a"
        " WHERE cells.series = a.series AND cells.period = a.period"
    )


def check_sizes(con: DuckDBPyConnection, recipe: DatasetRecipe, file: str) -> None:
    """Rows of the edition and of each period against the committed baselines."""
    where = f"dataset {recipe.id}, rule rows, file {file}"
    todo = "see whether the file is whole, then correct the baseline in the recipe"
    found = con.execute("SELECT count(*) FROM cells").fetchone()
    assert found is not None
    if recipe.contract.rows and not recipe.contract.rows[0] <= found[0] <= recipe.contract.rows[1]:
        low, high = recipe.contract.rows
        raise ContractBroken(where, f"{found[0]} rows where {low} to {high} are expected", todo)
    if recipe.contract.rows_per_year:
        low, high = recipe.contract.rows_per_year
        odd = con.execute(
            "SELECT time, count(*) FROM cells JOIN periods USING (period) GROUP BY time"
            " HAVING count(*) NOT BETWEEN ? AND ? ORDER BY time LIMIT 1",
            [low, high],
        ).fetchone()
        if odd is not None:
            what = f"{odd[1]} rows of {odd[0]} where {low} to {high} are expected"
            raise ContractBroken(where, what, todo)


def check_expected(con: DuckDBPyConnection, recipe: DatasetRecipe, file: str) -> None:
    """Codes that must be there."""
    for name, codes in recipe.contract.expected.items():
        found = con.execute(
            statement("SELECT DISTINCT {name} FROM staged", name=quoted(name))
        ).fetchall()
        missing = sorted(set(codes) - {row[0] for row in found})
        if missing:
            raise ContractBroken(
                f"dataset {recipe.id}, rule expected, file {file}",
                f"{name} lacks {', '.join(missing[:SHOWN])}" + (" ..." if missing[SHOWN:] else ""),
                "see whether the file is whole, then correct the recipe",
            )
