"""Two-way within on panels larger than memory: sufficient statistics by SQL.

DuckDB makes four passes over the rows of a table or of Parquet files: unit means; sums by period
and cross-products; what a unit's periods take away; cluster scores. Only sums of the size of
periods and regressors come back, and DuckDB spills to disk what does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np

from data.errors import BadInput
from data.sql import literal, quoted, statement
from models.design import Floats
from models.engine.complete_rows import complete
from models.engine.two_way import LargeFit, TwoWaySolution, TwoWaySums, clustered, solve

WORD = 52  # periods in one word of a unit's pattern of presence: a float holds as many bits exactly
CHUNK = 2**15  # patterns or units brought into memory at a time
MOST_PERIODS = 3000


@dataclass(frozen=True)
class PanelColumns:
    """The names of a panel's columns. `cluster` may be the unit; `weights` None."""

    outcome: str
    regressors: tuple[str, ...]
    unit: str
    time: str
    cluster: str
    weights: str | None = None

    @property
    def values(self) -> tuple[str, ...]:
        """Outcome and regressors."""
        return (self.outcome, *self.regressors)

    @property
    def measured(self) -> tuple[str, ...]:
        """All that must be numbers."""
        return self.values if self.weights is None else (*self.values, self.weights)


@dataclass(frozen=True)
class Limits:
    """What DuckDB may use: memory such as "3GB", threads, and a folder to spill to."""

    memory: str
    threads: int
    folder: Path


def within_out_of_core(parquet: str | Path, columns: PanelColumns, limits: Limits) -> LargeFit:
    """Two-way within with CR1 errors from Parquet files (a path, in which * is allowed).

    Rows with a missing value in a column used, NULL or NaN, are left out. Raises BadInput for
    files or columns that are not there, text or infinite values for numbers, weights that are not
    positive, two rows for a unit and period, more than 3,000 periods, a single cluster, or
    a regressor that the effects absorb.
    """
    limits.folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": limits.memory,
        "threads": limits.threads,
        "temp_directory": str(limits.folder),
        "preserve_insertion_order": False,
    }
    with duckdb.connect(config=settings) as connection:
        relation = statement("read_parquet({path})", path=literal(str(parquet)))
        return within_relation(connection, relation, columns)


def within_relation(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: PanelColumns
) -> LargeFit:
    """The same from a table or subquery (SQL) of an open connection, within its own limits."""
    passes = _Passes(connection, columns)
    try:
        passes.view(relation)
        passes.unit_means()
        solution = solve(passes.sums(), columns.regressors)
        passes.take_away(solution.gamma)
        meat, n_clusters = passes.meat(solution)
        n_obs, n_units = passes.numbers("SELECT sum(n), count(*) FROM regsi_units")
        sizes = (int(n_obs), int(n_units), len(solution.gamma), n_clusters)
        return clustered(solution, meat, columns.regressors, sizes, passes.nested())
    finally:
        passes.forget()


@dataclass(frozen=True)
class _Passes:
    """The SQL. `regsi_panel` has columns unit, time, cluster, w, v0 (outcome) to vk."""

    connection: duckdb.DuckDBPyConnection
    columns: PanelColumns

    def view(self, relation: str) -> None:
        """Lay out the rows under fixed names, and number the periods."""
        names = self.columns
        weights = "1.0" if names.weights is None else quoted(names.weights) + "::DOUBLE"
        values = [f"{quoted(name)}::DOUBLE AS v{j}" for j, name in enumerate(names.values)]
        keys = (names.unit, names.time, names.cluster)
        self._run(
            """CREATE TEMP VIEW regsi_panel AS SELECT {unit} AS unit, {time} AS time,
            {cluster} AS cluster, {weights} AS w, {values} FROM {relation} WHERE {known}""",
            unit=quoted(names.unit),
            time=quoted(names.time),
            cluster=quoted(names.cluster),
            weights=weights,
            values=", ".join(values),
            relation=relation,
            known=complete(self.connection, relation, names.measured, keys),
        )
        self._run("""CREATE TEMP TABLE regsi_periods AS SELECT time,
            (row_number() OVER (ORDER BY time) - 1)::INTEGER AS code
            FROM (SELECT DISTINCT time FROM regsi_panel)""")
        if not self.n_periods:
            raise BadInput(relation, "no row has all of the columns", "check where they are empty")
        if self.n_periods > MOST_PERIODS:
            what = f"{self.n_periods:,} periods, more than {MOST_PERIODS:,}"
            raise BadInput(relation, what, "exchange unit and time, or aggregate")

    def forget(self) -> None:
        """Takes away what was laid out: the connection is as it was."""
        self._run("DROP VIEW IF EXISTS regsi_panel")
        for name in ("units", "periods", "effects", "away"):
            self._run("DROP TABLE IF EXISTS regsi_{name}", name=name)

    @cached_property
    def n_periods(self) -> int:
        """Number of periods, counted once: no query may run while another is being read."""
        return int(self.numbers("SELECT count(*) FROM regsi_periods")[0])

    def unit_means(self) -> None:
        """First pass: each unit's weight, rows, means, clusters and pattern of presence."""
        means = ", ".join(f"sum(w * v{j}) / sum(w) AS m{j}" for j in self._all)
        words = ", ".join(
            f"bit_or(CASE WHEN code BETWEEN {WORD * q} AND {WORD * q + WORD - 1} "
            f"THEN 1::BIGINT << (code - {WORD * q}) ELSE 0 END) AS p{q}"
            for q in self._words
        )
        self._run(
            """CREATE TEMP TABLE regsi_units AS
            SELECT unit, sum(w) AS total, count(*) AS n, min(w) AS w,
            min(cluster) = max(cluster) AS inside, {means}, {words}
            FROM regsi_panel JOIN regsi_periods USING (time) GROUP BY unit""",
            means=means,
            words=words,
        )
        lowest, rows, met, finite = self.numbers(
            """SELECT min(w), sum(n), sum({met}), bool_and(isfinite({all}))::INTEGER
            FROM regsi_units""",
            all=" + ".join(["total", *(f"m{j}" for j in self._all)]),
            met=" + ".join(f"bit_count(p{q})" for q in self._words),
        )
        if not lowest > 0:
            raise BadInput(str(self.columns.weights), "not positive everywhere", "drop those rows")
        if not finite:
            raise BadInput(", ".join(self.columns.measured), "an infinite value", "drop its row")
        if rows != met:
            what = f"{int(rows - met):,} rows repeat a unit and period"
            raise BadInput(f"{self.columns.unit}, {self.columns.time}", what, "keep one of each")

    def sums(self) -> TwoWaySums:
        """Second pass: sums by period and cross-products of the columns less their unit means."""
        less = {j: f"(v{j} - m{j})" for j in self._all}
        pairs = [(i, j) for i in self._all for j in self._all if i <= j]
        rows = self._table(
            """SELECT sum(regsi_panel.w), {sums}, {products}
            FROM regsi_panel JOIN regsi_units USING (unit)
            JOIN regsi_periods USING (time) GROUP BY code ORDER BY code""",
            sums=", ".join(f"sum(regsi_panel.w * {less[j]})" for j in self._all),
            products=", ".join(f"sum(regsi_panel.w * {less[i]} * {less[j]})" for i, j in pairs),
        )
        p = len(self._all)
        products = np.zeros((p, p))
        for (i, j), total in zip(pairs, rows[:, 1 + p :].sum(axis=0), strict=True):
            products[i, j] = products[j, i] = total
        between = self.numbers(
            "SELECT {spreads} FROM regsi_units",
            spreads=", ".join(
                f"sum(total * m{j} * m{j}) - sum(total * m{j}) ^ 2 / sum(total)" for j in self._all
            ),
        )
        return TwoWaySums(
            self._meetings(), rows[:, 0], rows[:, 1 : 1 + p], products, np.diag(products) + between
        )

    def _meetings(self) -> Floats:
        """Summed over units: products of their weights by period, over their total weight."""
        found = np.zeros((self.n_periods, self.n_periods))
        for presence, share in self._presence():
            found += presence.T @ (presence * share[:, None])
        return found

    def _presence(self) -> Iterator[tuple[Floats, Floats]]:
        """Weights by period (b, T) and the factor of their products (b,), a chunk at a time.

        Without weights, units that are seen in the same periods are taken together.
        """
        if self.columns.weights is None:
            words = ", ".join(f"p{q}" for q in self._words)
            query = "SELECT count(*) / any_value(n), {words} FROM regsi_units GROUP BY {words}"
            for chunk in self._chunks(query, words=words):
                patterns = chunk[1:].astype(np.int64)
                bits = patterns[:, :, None] >> np.arange(WORD) & 1  # (words, b, WORD)
                presence = np.concatenate(list(bits), axis=1)[:, : self.n_periods]
                yield presence.astype(np.float64), chunk[0]
        else:
            cells = ", ".join(
                f"coalesce(sum(w) FILTER (code = {t}), 0)" for t in range(self.n_periods)
            )
            query = """SELECT 1 / sum(w), {cells} FROM regsi_panel JOIN regsi_periods USING (time)
                GROUP BY unit"""
            for chunk in self._chunks(query, cells=cells):
                yield np.ascontiguousarray(chunk[1:].T), chunk[0]

    def take_away(self, gamma: Floats) -> None:
        """Third pass: what a unit and all its periods take from each column, and gamma (T, p)."""
        rows = ", ".join(
            f"({code}, {', '.join(repr(float(value)) for value in row)})"
            for code, row in enumerate(gamma)
        )
        names = ", ".join(f"g{j}" for j in self._all)
        self._run(
            """CREATE TEMP TABLE regsi_effects AS SELECT time, {names} FROM regsi_periods
            JOIN (VALUES {rows}) AS given(code, {names}) USING (code)""",
            names=names,
            rows=rows,
        )
        self._run(
            """CREATE TEMP TABLE regsi_away AS SELECT unit, {away} FROM regsi_units JOIN
            (SELECT unit, {means} FROM regsi_panel JOIN regsi_effects USING (time)
            GROUP BY unit) AS shared USING (unit)""",
            away=", ".join(f"m{j} - h{j} AS a{j}" for j in self._all),
            means=", ".join(f"sum(w * g{j}) / sum(w) AS h{j}" for j in self._all),
        )

    def meat(self, solution: TwoWaySolution) -> tuple[Floats, int]:
        """Fourth pass: summed products of cluster scores (k, k), and the number of clusters."""
        rest = {j: f"(v{j} - a{j} - g{j})" for j in self._all}
        fitted = " + ".join(
            f"({float(beta)!r}) * {rest[j]}" for j, beta in enumerate(solution.beta, 1)
        )
        regressors = self._all[1:]
        pairs = [(i, j) for i in regressors for j in regressors if i <= j]
        found = self.numbers(
            """SELECT count(*), {products} FROM
            (SELECT {scores} FROM regsi_panel JOIN regsi_away USING (unit)
            JOIN regsi_effects USING (time) GROUP BY cluster)""",
            products=", ".join(f"sum(s{i} * s{j})" for i, j in pairs),
            scores=", ".join(
                f"sum(w * {rest[j]} * ({rest[0]} - ({fitted}))) AS s{j}" for j in regressors
            ),
        )
        meat = np.zeros((len(regressors), len(regressors)))
        for (i, j), value in zip(pairs, found[1:], strict=True):
            meat[i - 1, j - 1] = meat[j - 1, i - 1] = value
        return meat, int(found[0])

    def nested(self) -> tuple[bool, bool]:
        """Whether each unit, and each period, lies in one cluster."""
        (units,) = self.numbers("SELECT bool_and(inside)::INTEGER FROM regsi_units")
        (times,) = self.numbers("""SELECT bool_and(inside)::INTEGER FROM
            (SELECT min(cluster) = max(cluster) AS inside FROM regsi_panel GROUP BY time)""")
        return bool(units), bool(times)

    @property
    def _all(self) -> range:
        return range(len(self.columns.values))

    @property
    def _words(self) -> range:
        return range(-(-self.n_periods // WORD))

    def _run(self, template: str, **parts: str) -> duckdb.DuckDBPyConnection:
        return self.connection.execute(statement(template, **parts))

    def _chunks(self, template: str, **parts: str) -> Iterator[Floats]:
        """A query's rows as float columns (columns, b), a chunk at a time."""
        for batch in self.connection.sql(statement(template, **parts)).to_arrow_reader(CHUNK):
            if batch.num_rows:
                columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
                yield np.stack(columns).astype(np.float64)

    def _table(self, template: str, **parts: str) -> Floats:
        return np.array(self._run(template, **parts).fetchall(), dtype=np.float64)

    def numbers(self, template: str, **parts: str) -> Floats:
        """The single row of a query's answer."""
        return self._table(template, **parts)[0]
