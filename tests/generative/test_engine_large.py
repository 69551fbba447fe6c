"""Large panels: blocks of arrays, and SQL out of core, against pyfixest and each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyfixest as pf
import pytest

from data.errors import BadInput
from models.engine.large_panel import LargePanel, within_large
from models.engine.out_of_core import Limits, PanelColumns, within_out_of_core, within_relation
from models.engine.two_way import LargeFit

pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


def draw(seed: int, n_periods: int = 9) -> pd.DataFrame:
    """200 units in 12 regions, holes at random, rows in no order, two correlated regressors."""
    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(200 * n_periods), n_periods)
    frame = pd.DataFrame({"id": unit, "year": 1990 + 2 * time, "region": unit % 12})
    frame["a"] = rng.normal(size=len(frame)) + rng.normal(size=200)[unit] * 5 + 100.0
    frame["b"] = 0.8 * frame["a"] + rng.normal(size=len(frame)) + 0.2 * time
    shock = rng.normal(size=(12, n_periods))[frame["region"], time]
    frame["y"] = frame["a"] - 0.5 * frame["b"] + shock + rng.normal(size=len(frame))
    frame["w"] = rng.uniform(0.2, 4.0, len(frame))
    frame = frame[rng.random(len(frame)) > 0.25]
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


def in_memory(frame: pd.DataFrame, cluster: str, weights: str | None) -> LargeFit:
    codes = {name: pd.factorize(frame[name], sort=True)[0] for name in ("id", "year", cluster)}
    panel = LargePanel(
        [frame[name].to_numpy() for name in ("y", "a", "b")],
        codes["id"],
        codes["year"],
        codes[cluster],
        None if weights is None else frame[weights].to_numpy(),
    )
    return within_large(panel, ("a", "b"))


def out_of_core(
    frame: pd.DataFrame, folder: Path, cluster: str, weights: str | None
) -> LargeFit:
    path = folder / "panel.parquet"
    frame.to_parquet(path)
    columns = PanelColumns("y", ("a", "b"), "id", "year", cluster, weights)
    return within_out_of_core(path, columns, Limits("200MB", 1, folder / "spill"))


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("cluster", ["id", "region", "year"])
@pytest.mark.parametrize("seed", [1, 2])
def test_both_agree_with_pyfixest(
    tmp_path: Path, seed: int, cluster: str, weights: str | None
) -> None:
    frame = draw(seed)
    theirs = pf.feols(
        "y ~ a + b | id + year",
        frame,
        vcov={"CRV1": cluster},
        weights=weights,
        ssc=pf.ssc(k_adj=True, k_fixef="nonnested", G_adj=True),
        demeaner=pf.MapDemeaner(fixef_tol=1e-14),
        fixef_rm="none",
    )
    far = out_of_core(frame, tmp_path, cluster, weights)
    for ours in (in_memory(frame, cluster, weights), far):
        assert ours.beta == pytest.approx(theirs.coef().to_numpy(), rel=1e-9)
        assert ours.std_error == pytest.approx(theirs.se().to_numpy(), rel=1e-9)
        assert (ours.n_obs, ours.n_units, ours.n_periods) == (len(frame), 200, 9)
        assert ours.n_clusters == frame[cluster].nunique()


def test_out_of_core_equals_in_memory_over_many_periods(tmp_path: Path) -> None:
    """130 periods need three words of a unit's pattern of presence."""
    frame = draw(3, n_periods=130)
    near, far = in_memory(frame, "region", None), out_of_core(frame, tmp_path, "region", None)
    assert far.beta == pytest.approx(near.beta, rel=1e-11)
    assert far.vcov == pytest.approx(near.vcov, rel=1e-10)
    assert far.n_counted == near.n_counted


def test_separate_blocks_of_units_and_periods_lower_the_rank(tmp_path: Path) -> None:
    frame = draw(4)
    early = frame["year"] < 1998
    frame = frame[early == (frame["id"] < 100)].reset_index(drop=True)
    near, far = in_memory(frame, "id", None), out_of_core(frame, tmp_path, "id", None)
    # nine periods in two blocks that no unit links: seven contrasts, and the units' constant
    assert near.n_counted == far.n_counted == 8
    assert far.std_error == pytest.approx(near.std_error, rel=1e-10)


def test_rows_with_missing_values_are_left_out(tmp_path: Path) -> None:
    frame = draw(5)
    holes = frame.copy()
    holes.loc[::7, "a"] = None
    far = out_of_core(holes, tmp_path, "id", "w")
    near = in_memory(holes.dropna().reset_index(drop=True), "id", "w")
    assert far.n_obs == near.n_obs == len(frame) - len(frame.iloc[::7])
    assert far.beta == pytest.approx(near.beta, rel=1e-11)


@pytest.mark.parametrize("column", ["y", "a", "w", "year", "region"])
@pytest.mark.parametrize("missing", [None, float("nan")], ids=["NULL", "NaN"])
def test_whatever_is_missing_leaves_its_row_out(
    tmp_path: Path, column: str, missing: float | None
) -> None:
    """NaN, which other programs write for missing, is a number to DuckDB, larger than all."""
    frame = draw(5)
    gone = np.arange(len(frame)) % 7 == 0
    table = pa.Table.from_pandas(frame, preserve_index=False)
    values = [missing if out else float(frame[column][row]) for row, out in enumerate(gone)]
    holes = pa.array(values, pa.float64())
    table = table.set_column(table.schema.get_field_index(column), column, holes)
    pq.write_table(table, tmp_path / "holes.parquet")
    columns = PanelColumns("y", ("a", "b"), "id", "year", "region", "w")
    far = within_out_of_core(tmp_path / "holes.parquet", columns, Limits("200MB", 1, tmp_path))
    near = in_memory(frame[~gone].reset_index(drop=True), "region", "w")
    assert (far.n_obs, far.n_periods, far.n_clusters) == (near.n_obs, 9, 12)
    assert far.beta == pytest.approx(near.beta, rel=1e-11)
    assert far.std_error == pytest.approx(near.std_error, rel=1e-9)


def test_a_connection_is_left_as_it_was(tmp_path: Path) -> None:
    """Asked twice, of a table that is called as ours are, and after a refusal."""
    frame = draw(6)
    columns = PanelColumns("y", ("a", "b"), "id", "year", "region")
    with duckdb.connect(config={"temp_directory": str(tmp_path)}) as connection:
        for name in ("panel", "units"):
            connection.from_df(frame).create(name)
        with pytest.raises(BadInput, match="no variation"):
            within_relation(connection, "(SELECT * REPLACE (1 AS a) FROM panel)", columns)
        fits = [within_relation(connection, name, columns) for name in ("panel", "panel", "units")]
        left = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        views = connection.execute("SELECT 1 FROM duckdb_views() WHERE NOT internal").fetchall()
    assert left == [("panel",), ("units",)]
    assert views == []
    assert len({tuple(fit.beta) for fit in fits}) == 1


def test_text_keys_and_several_files(tmp_path: Path) -> None:
    frame = draw(6)
    named = frame.assign(id="u" + frame["id"].astype(str), year="y" + frame["year"].astype(str))
    for part in range(3):
        named.iloc[part::3].to_parquet(tmp_path / f"part{part}.parquet")
    columns = PanelColumns("y", ("a", "b"), "id", "year", "region")
    far = within_out_of_core(tmp_path / "part*.parquet", columns, Limits("200MB", 1, tmp_path))
    assert far.beta == pytest.approx(in_memory(frame, "region", None).beta, rel=1e-11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: pd.concat([f, f.iloc[:3]]), "3 rows repeat a unit and period"),
        (lambda f: f.assign(w=-1.0), "not positive"),
        (lambda f: f.assign(a=f["id"] * 1.0), "leave no variation"),
        (lambda f: f.assign(b=2 * f["a"] + f["id"]), "collinear"),
        (lambda f: f.assign(region=1), "one"),
        (lambda f: f.drop(columns="b"), "b"),
        (lambda f: f.assign(a=f["a"].astype(str)), "column 'a' holds VARCHAR, not"),
        (lambda f: f.assign(w="many"), "column 'w' holds VARCHAR, not"),
        (lambda f: f.assign(a=f["a"].mask(f.index == 3, np.inf)), "y, a, b, w: an infinite value"),
        (lambda f: f.assign(w=f["w"].mask(f.index == 3, np.inf)), "y, a, b, w: an infinite value"),
        (lambda f: f.assign(y=np.nan), "no row has all of the columns"),
        (lambda f: f.iloc[:0], "no row has all of the columns"),
        (lambda f: f.assign(a=pd.Timestamp("2001-02-03")), "column 'a' holds TIMESTAMP, not"),
    ],
)
def test_faults_are_named(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        out_of_core(change(draw(7)), tmp_path, "region", "w")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("column", "name"), [("y", "the outcome"), ("a", "a"), ("b", "b")])
def test_arrays_with_what_is_no_number_are_refused_by_name(
    column: str, name: str, value: float
) -> None:
    frame = draw(7)
    frame.loc[5, column] = value
    with pytest.raises(BadInput, match=f"^{name}: a missing or infinite value"):
        in_memory(frame, "region", "w")


@pytest.mark.parametrize("weight", [np.nan, np.inf, 0.0, -1.0])
def test_arrays_of_weights_must_be_positive(weight: float) -> None:
    frame = draw(7)
    frame.loc[5, "w"] = weight
    with pytest.raises(BadInput, match="weights: not positive numbers everywhere"):
        in_memory(frame, "region", "w")


def test_the_memory_limit_is_duckdb_s(tmp_path: Path) -> None:
    """A limit too small to work in is DuckDB's error, not a number."""
    path = tmp_path / "panel.parquet"
    draw(8).to_parquet(path)
    columns = PanelColumns("y", ("a", "b"), "id", "year", "region")
    with pytest.raises(duckdb.Error):
        within_out_of_core(path, columns, Limits("1KB", 1, tmp_path / "spill"))
