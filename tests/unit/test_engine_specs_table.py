"""The columns of a curve's table beside pandas and scipy: units, thresholds, rows with weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from models.engine.chunks import Here, parts
from models.engine.setting import lay_out
from models.engine.specs_table import specs_table
from models.study.file import read_study
from tests.study_case import panel_of

PARENTS, YEARS = 14, 6
STUDY = """
[study]
id = "drawn"
[panel]
name = "test"
[sample]
where = "year > 2000"
[[model]]
id = "main"
estimator = "within"
outcome = "y"
treatment = "x"
effects = ["unit", "time"]
inference = { kind = "cluster", by = ["parent", "time"], correction = "CR1" }
[multiverse]
model = "main"
outcomes = ["y", "rate"]
treatments = ["x", "money"]
effects = [["unit", "time"]]
samples = { all = "true", late = "year >= 2003" }
weights = ["none", "people"]
joint = { draws = 99, seed = 1 }
"""


def frame() -> pd.DataFrame:
    """Fourteen countries of three regions over six years and one more that the study drops."""
    rng = np.random.default_rng(4)
    unit, time = np.divmod(np.arange(PARENTS * 3 * (YEARS + 1)), YEARS + 1)
    found = pd.DataFrame({"geo": unit, "year": 2000 + time, "country": unit // 3})
    n = len(found)
    found["x"], found["money"] = rng.normal(size=n), 900.0 * rng.normal(size=n)
    found["y"] = 0.3 * found["x"] + rng.normal(size=n)
    found["rate"] = 0.01 * found["y"] + 0.02 * rng.normal(size=n)
    found["people"] = rng.uniform(1.0, 9.0, n)
    for name, share in (("people", 0.2), ("money", 0.1), ("rate", 0.1)):
        found.loc[rng.random(n) < share, name] = np.nan
    found.loc[found["year"] == 2000, ["x", "y", "money", "rate"]] *= 7.0
    return found


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """All estimated cells, with the columns that joint inference works on."""
    path = tmp_path_factory.mktemp("specs") / "study.toml"
    path.write_text(STUDY, "utf-8")
    setting = lay_out(read_study(path), panel_of(frame(), "geo", "year", "country"))
    tables = Here(setting).tables(len(parts(setting)))
    found = specs_table([columns for table in tables for columns in table.columns])
    assert len(found) == 2 * 2 * 2 * 2
    return found


def test_a_standardised_slope_is_in_deviations_of_the_outcome_per_one_of_the_treatment(
    specs: pd.DataFrame,
) -> None:
    """Of all the rows that the study keeps, whatever the sample: so that samples compare."""
    spread = frame().query("year > 2000").std(ddof=0)
    per = specs["treatment"].map(spread) / specs["outcome"].map(spread)
    wanted = (specs["estimate"] * per).to_numpy()
    assert specs["standardised"].to_numpy() == pytest.approx(wanted, rel=1e-12)
    assert (specs["standardised"].abs() < 1.0).all()


def test_with_two_way_clusters_each_t_has_the_threshold_of_its_own_clusters(
    specs: pd.DataFrame,
) -> None:
    """Published: of the fewer, years. Resampled by country alone: of the countries."""
    years = specs["sample"].map({"all": YEARS, "late": 4})
    assert specs["n_clusters"].tolist() == years.tolist()
    reach = (specs["conf_high"] - specs["estimate"]) / specs["std_error"]
    assert reach.to_numpy() == pytest.approx(student.ppf(0.975, years - 1), rel=1e-9)
    alone = np.full(len(specs), student.ppf(0.975, PARENTS - 1))
    assert specs["critical"].to_numpy() == pytest.approx(alone, rel=1e-9)


def test_rows_without_a_weight_are_left_out_where_there_are_weights_only(
    specs: pd.DataFrame,
) -> None:
    assert np.isfinite(specs[["estimate", "std_error"]].to_numpy()).all()
    for row in specs.to_dict("records"):
        rows = frame().query("year > 2000" if row["sample"] == "all" else "year >= 2003")
        names = [row["outcome"], row["treatment"]]
        names += ["people"] if row["weights"] == "people" else []
        assert row["n_obs"] == len(rows.dropna(subset=names))
