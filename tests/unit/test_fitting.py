"""From a study and a panel to results: samples, the level rule, refusals, the JSON contract."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import BadInput
from data.panel import Panel
from models.fitting import fit_study
from models.results import ModelResult
from models.study.results import as_document
from tests.study_case import estimates, fit_all, fit_one, model_text, panel_of, study_of

CLUSTER = '{ kind = "cluster", by = ["unit"], correction = "CR1" }'


@pytest.fixture
def frame() -> pd.DataFrame:
    """Eight countries of three regions over six years, some rows and cells missing."""
    random = np.random.default_rng(20260101)
    index = pd.MultiIndex.from_product([range(24), range(2001, 2007)], names=["number", "year"])
    table = index.to_frame(index=False)
    table["geo"] = [f"R{number:02d}" for number in table["number"]]
    table["country"] = [f"C{number // 3}" for number in table["number"]]
    table["x"] = random.normal(size=len(table))
    table["z"] = random.normal(size=len(table))
    table["w"] = random.uniform(1, 5, size=len(table))
    national = random.normal(size=(8, 6))
    table["national"] = national[table["number"] // 3, table["year"] - 2001]
    table["fixed"] = table["number"] * 0.5
    table["y"] = 0.5 * table["x"] + table["fixed"] + random.normal(size=len(table))
    table["text"] = "a"
    table.loc[5, "z"] = np.nan
    return table.drop(index=[9, 40]).drop(columns="number")


@pytest.fixture
def panel(frame: pd.DataFrame) -> Panel:
    return panel_of(frame, "geo", "year", "country", {"z": "modelled"})


def within(
    treatment: str | Sequence[str] = "x",
    controls: Sequence[str] = (),
    effects: Sequence[str] = ("unit", "time"),
    outcome: str = "y",
    **given: str,
) -> str:
    return model_text("within", outcome, treatment, controls, effects, **given)


def test_sample_and_counts(tmp_path: Path, panel: Panel) -> None:
    result = fit_one(tmp_path, panel, '[sample]\nwhere = "year > 2001"\n' + within(controls=["z"]))
    assert (result.n_obs, result.n_units, result.n_periods) == (24 * 5 - 3, 24, 5)
    assert result.inference.kind == "classical"
    assert [term.term for term in result.terms] == ["x", "z"]


def test_variables_reach_outside_the_sample(tmp_path: Path, panel: Panel) -> None:
    body = '[variables]\nx1 = "lag(x)"\n[sample]\nwhere = "year == 2002 or year == 2004"\n'
    result = fit_one(tmp_path, panel, body + within("x1"))
    # row 9 is R01 in 2004, row 40 is R06 in 2005
    assert result.n_obs == 47


def test_clusters_default_to_the_parent(tmp_path: Path, panel: Panel, frame: pd.DataFrame) -> None:
    text = within(inference="{}")
    assert fit_one(tmp_path, panel, text).inference.by == ("country",)
    alone = fit_one(tmp_path, panel_of(frame, "geo", "year"), text)
    assert (alone.inference.by, alone.inference.correction) == (("geo",), "CR2")


def test_levels(tmp_path: Path, panel: Panel) -> None:
    body = '[variables]\nmade = "lag(z) * 2"\n' + within(
        ["x", "made", "national"], inference='{ by = ["parent"] }'
    )
    result = fit_one(tmp_path, panel, body)
    assert result.level == {"x": "regional", "made": "modelled", "national": "national"}


@pytest.mark.parametrize(
    "inference",
    [
        CLUSTER,
        '{ kind = "classical" }',
        '{ kind = "robust" }',
        '{ kind = "cluster", by = ["time"] }',
        '{ kind = "cluster", by = ["unit", "time"] }',
        '{ kind = "driscoll-kraay" }',
    ],
)
def test_national_treatment_needs_national_clusters(
    tmp_path: Path, panel: Panel, inference: str
) -> None:
    with pytest.raises(BadInput, match=r"'national' is the same for all units of a country") as got:
        fit_one(tmp_path, panel, within("national", inference=inference))
    assert got.value.exit_code == 2
    assert got.value.where == f"{tmp_path / 'study.toml'}:5 model main"
    assert 'by = ["country"]' in got.value.todo
    assert 'override = "your reason"' in got.value.todo


def test_a_national_variable_under_a_regional_label(tmp_path: Path, panel: Panel) -> None:
    body = '[variables]\nhidden = "mean_by(x, country, year)"\n' + within(
        "hidden", inference=CLUSTER
    )
    with pytest.raises(BadInput, match="so it is national"):
        fit_one(tmp_path, panel, body)


@pytest.mark.parametrize(
    ("estimator", "effects", "national"),
    [
        ("within", ["unit", "time"], True),
        ("first-difference", [], True),
        ("mundlak", [], True),
        ("within", ["time"], False),
        ("pooled", [], False),
    ],
)
def test_national_money_per_fixed_head_is_national_once_units_have_effects(
    tmp_path: Path, panel: Panel, estimator: str, effects: list[str], national: bool
) -> None:
    body = '[variables]\nper_head = "national - fixed"\n'
    text = body + model_text(estimator, "y", "per_head", (), effects, CLUSTER)
    if national:
        with pytest.raises(BadInput, match="so it is national"):
            fit_one(tmp_path, panel, text)
    else:
        assert fit_one(tmp_path, panel, text).level == {"per_head": "regional"}


def test_one_series_for_all_units_is_warned_of(tmp_path: Path, panel: Panel) -> None:
    """A trend has as many values as there are periods, whatever the clusters."""
    body = '[variables]\ntrend = "year - 2000"\n'
    both = '{ by = ["parent", "time"] }'
    (said,) = fit_one(
        tmp_path, panel, body + within("trend", effects=["unit"], inference=both)
    ).warnings
    assert said.startswith("trend is the same for all units in a period: its error rests on 6 ")
    own = fit_one(tmp_path, panel, within("x", effects=["unit"], inference=both))
    assert own.warnings == ()


def test_years_since_a_unit_s_own_start_are_the_same_series(tmp_path: Path, panel: Panel) -> None:
    """What tells units apart for good is taken away by their effects, or by differences."""
    body = '[variables]\nsince = "year - 2000 + fixed"\n'
    both = '{ by = ["parent", "time"] }'
    for text in (
        within("since", effects=["unit"], inference=both),
        model_text("first-difference", "y", "since", (), [], both, "constant = false"),
    ):
        (said,) = fit_one(tmp_path, panel, body + text).warnings
        assert said.startswith("since is the same for all units in a period")
    between = fit_one(tmp_path, panel, body + model_text("pooled", "y", "since", (), [], both))
    assert between.warnings == ()


def test_a_trace_of_noise_does_not_make_it_regional(tmp_path: Path, panel: Panel) -> None:
    body = '[variables]\nnoisy = "national + x / 50"\n'
    result = fit_one(tmp_path, panel, body + within("noisy", inference=CLUSTER))
    assert any("noisy is nearly national: 0.0%" in text for text in result.warnings)
    right = fit_one(tmp_path, panel, body + within("noisy", inference='{ by = ["parent"] }'))
    assert not any("nearly national" in text for text in right.warnings)


@pytest.mark.parametrize("by", ['["parent"]', '["country"]', '["block"]', '["parent", "time"]'])
def test_parents_or_coarser_will_do(tmp_path: Path, panel: Panel, by: str) -> None:
    body = "[variables]\nblock = \"country in ['C0', 'C1', 'C2', 'C3']\"\n"
    how = f'{{ kind = "cluster", by = {by}, correction = "CR1" }}'
    result = fit_one(tmp_path, panel, body + within("national", inference=how))
    assert result.level == {"national": "national"}
    assert result.inference.override is None


def test_override_in_writing(tmp_path: Path, panel: Panel) -> None:
    how = '{ kind = "cluster", by = ["unit"], override = "to show the harm" }'
    result = fit_one(tmp_path, panel, within("national", inference=how))
    assert result.inference.override == "to show the harm"
    needless = fit_one(tmp_path, panel, within("x", inference=how))
    assert needless.inference.override is None
    assert any("override of the level rule was not needed" in text for text in needless.warnings)


def test_national_treatment_under_country_by_year_effects(tmp_path: Path, panel: Panel) -> None:
    text = within("national", effects=["unit", "parent*time"], inference='{ by = ["parent"] }')
    with pytest.raises(BadInput, match=r"parent\*time effects absorb all of it"):
        fit_one(tmp_path, panel, text)


def test_no_parent_no_rule(tmp_path: Path, frame: pd.DataFrame) -> None:
    alone = panel_of(frame, "geo", "year")
    results = fit_all(tmp_path, alone, within("national", inference=CLUSTER))
    assert "whether a treatment is national was not checked" in results.panel.notes[-1]


def test_one_unit_a_parent_is_regional_enough(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame["country"] = frame["geo"]
    panel = panel_of(frame, "geo", "year", "country")
    assert fit_one(tmp_path, panel, within("x", inference=CLUSTER)).level == {"x": "regional"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (within("xx"), "no column 'xx'; did you mean x?"),
        (within(controls=["text"]), "'text' is text; use a number"),
        (within(controls=["zz"]), "no column 'zz'"),
        (within(effects=["unit", "tmie"]), "no column 'tmie'"),
        (within(effects=[]), "within needs some"),
        (within("fixed"), "'fixed' does not vary within units, so unit effects absorb all of it"),
        (within("fixed", effects=["parent", "geo"]), "'fixed' is a combination of parent and geo"),
        (
            within("year", effects=["time"], inference='{ by = ["parent"] }'),
            "'year' is a combination of time",
        ),
        (within(["x", "double"]), "treatment 'double' is constant or a combination of other"),
        (within("one"), "treatment 'one' is constant"),
        (within("void"), "no complete row among 142 (missing: void in 142)"),
        (within(more='weights = "x"'), "weights 'x' are zero or negative in"),
        (within(inference='{ by = ["one"] }'), "all rows are in one cluster of 'one' (1"),
        (within(inference='{ by = ["nowhere"] }'), "no column 'nowhere'"),
        (within(inference='{ kind = "conley", km = 100 }'), "no column 'lat'"),
        (model_text("pooled", "y", "x", effects=["unit"]), "pooled with effects ['unit']"),
        (model_text("between", "y", "x", more='weights = "w"'), "between takes none"),
        (model_text("random", "y", "x", more='weights = "w"'), "random takes none"),
        (model_text("random", "y", "x", effects=["parent"]), "random with effects ['parent']"),
        (model_text("mundlak", "y", "x", effects=["unit"]), "mundlak with effects ['unit']"),
        (model_text("fama-macbeth", "y", "x", inference=CLUSTER), "Fama-MacBeth takes its errors"),
        (model_text("fama-macbeth", "y", "x", ["trend"]), "the cross-section of 2001 (24 units)"),
        (model_text("iv-within", "y", "x", effects=["unit"]), "none named; add instruments"),
        (
            model_text("iv-within", "y", "x", effects=["unit"], more='instruments = ["q"]'),
            "no column 'q'",
        ),
        (
            model_text("iv-within", "y", "x", effects=["unit"], more='instruments = "text"'),
            "'text' is text",
        ),
        (
            model_text("iv-within", "y", "x", ["z"], ["unit"], more='instruments = ["z"]'),
            "'z' is a regressor too",
        ),
        (
            model_text("iv-within", "y", "x", effects=["unit"], more='instruments = ["fixed"]'),
            "0 with variation of their own for 1 treatment(s)",
        ),
        (within("x", outcome="exact"), "no variance left to measure"),
    ],
)
def test_refusals(tmp_path: Path, panel: Panel, text: str, message: str) -> None:
    body = (
        '[variables]\ndouble = "x * 2"\none = "x * 0 + 1"\nvoid = "lag(x, 50)"\n'
        'exact = "x * 2 + fixed"\ntrend = "year - 2000"\n'
    )
    with pytest.raises(BadInput) as caught:
        fit_one(tmp_path, panel, body + text)
    assert caught.value.where.startswith(f"{tmp_path / 'study.toml'}:11 model main")
    assert message in str(caught.value)


def test_two_rows_for_one_year(tmp_path: Path, frame: pd.DataFrame) -> None:
    twice = panel_of(pd.concat([frame, frame.iloc[[3]]]), "geo", "year")
    with pytest.raises(BadInput, match=r"test, geo R00, year 2004: two rows for one geo"):
        fit_one(tmp_path, twice, within())
    kept = fit_one(tmp_path, twice, '[sample]\nwhere = "year != 2004"\n' + within())
    assert kept.n_obs == 142 - 23


def test_infinite_values_name_column_and_row(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.loc[frame.index[3], "x"] = np.inf
    with pytest.raises(BadInput, match=r"column 'x' is infinite in 1 rows \(first: row 4\)"):
        fit_one(tmp_path, panel_of(frame, "geo", "year"), within())


def test_parent_of_a_panel_without_one(tmp_path: Path, frame: pd.DataFrame) -> None:
    alone = panel_of(frame, "geo", "year")
    for text in (within(inference='{ by = ["parent"] }'), within(effects=["parent*time"])):
        with pytest.raises(BadInput, match="the panel has no level above the unit"):
            fit_one(tmp_path, alone, text)


def test_an_empty_sample_and_a_missing_model(tmp_path: Path, panel: Panel) -> None:
    with pytest.raises(BadInput, match=r"study.toml:6 where: keeps no row of the panel"):
        fit_one(tmp_path, panel, '[sample]\nwhere = "year > 3000"\n' + within())
    with pytest.raises(BadInput, match=r"no model 'mian'; did you mean main\?"):
        fit_study(study_of(tmp_path, within()), panel, only="mian")


def test_collinear_controls_are_dropped_by_name(tmp_path: Path, panel: Panel) -> None:
    body = '[variables]\nsame = "x + z"\n' + within(controls=["z", "same", "fixed", "year"])
    result = fit_one(tmp_path, panel, body)
    plain = fit_one(tmp_path, panel, within(controls=["z"]))
    assert estimates(result) == pytest.approx(estimates(plain), rel=1e-12)
    for name in ("same", "fixed", "year"):
        assert any(f"control {name} dropped" in text for text in result.warnings)


def test_dynamic_within_carries_its_bias(tmp_path: Path, panel: Panel) -> None:
    body = '[variables]\nbefore = "lag(y)"\n'
    (bias,) = fit_one(tmp_path, panel, body + within(controls=["before"])).tests
    assert bias.test == "nickell_bias"
    assert bias.statistic < 0
    assert fit_one(tmp_path, panel, within(controls=["z"])).tests == ()


def test_missingness(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame["z_flag"] = ""
    frame.loc[frame.index[:3], "z_flag"] = ["b", "bu", "u"]
    panel = panel_of(frame, "geo", "year", "country")
    results = fit_all(tmp_path, panel, within(controls=["z"]))
    records = {record.column: record for record in results.missingness}
    assert list(records) == ["x", "z", "y"]
    assert (records["z"].rows, records["z"].missing) == (142, 1)
    assert dict(records["z"].flags) == {"b": 2, "u": 2}
    # row 5 is R00 in 2006, in the lowest quintile of y: regions 0 to 3 of 24, less the row dropped
    shares = {share.group: share for share in records["z"].by_period}
    assert shares[2006].share == pytest.approx(1 / 24)
    assert shares[2005].share == 0.0
    assert [share.group for share in records["z"].by_quintile] == [1, 2, 3, 4, 5]
    assert records["z"].by_quintile[0].share == pytest.approx(1 / 23)
    assert [column.name for column in results.panel.columns] == ["x", "z", "y"]


def test_json_follows_the_contract(tmp_path: Path, panel: Panel) -> None:
    results = fit_all(tmp_path, panel, model_text("random", "y", "x", ["z"]))
    document = json.loads(json.dumps(as_document(results), allow_nan=False))
    assert list(document) == ["study", "panel", "models"]
    assert list(document["panel"]) == ["name", "sha256", "rows", "units", "periods"]
    assert (document["panel"]["rows"], document["panel"]["units"]) == (142, 24)
    (model,) = document["models"]
    assert list(model) == [
        "id", "estimator", "outcome", "n_obs", "n_units", "n_periods", "n_clusters",
        "n_instruments", "inference", "terms", "fit", "tests", "warnings",
    ]  # fmt: skip
    assert list(model["inference"]) == ["kind", "by", "correction", "override"]
    assert list(model["terms"][0]) == [
        "term", "estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high",
    ]  # fmt: skip
    assert list(model["tests"][0]) == ["test", "statistic", "df", "p_value"]


def test_every_result_can_be_found(tmp_path: Path, panel: Panel) -> None:
    text = within(name="one") + within(name="two", controls=["z"])
    results = fit_all(tmp_path, panel, text)
    found: ModelResult = results.model("two")
    assert found.n_obs == 141
    with pytest.raises(KeyError):
        results.model("three")
