"""A whole multiverse from a study file, cell by cell against one-by-one fits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest

from data.errors import BadInput
from data.panel import Panel
from data.panels.own import read_own_panel
from models.engine.audit import Judge, Tried, fit_placebos
from models.engine.main_model import trial
from models.engine.multiverse import run_curve
from models.engine.placebo_audit import placebo_audit
from models.engine.results import Curve, as_document
from models.engine.setting import lay_out
from models.fitting import fit_study
from models.study import Study
from models.study.file import read_study
from reports.tables.curve_text import curve_summary

pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
STUDY = """
[study]
id = "drawn"
[panel]
file = "panel.csv"
unit = "geo"
time = "year"
parent = "country"
[variables]
invest = "lag(spend, 1)"
[[model]]
id = "main"
estimator = "within"
outcome = "jobless"
treatment = "invest"
controls = ["a"]
effects = ["unit", "time"]
weights = "people"
inference = { kind = "cluster", by = ["parent"], correction = "CR1" }
[multiverse]
model = "main"
outcomes = ["jobless", "neet"]
treatments = ["invest", "spend"]
controls = { always = [], any_of = ["a", "b", "c", "d"] }
effects = [["unit", "time"], ["unit", "parent*time"]]
samples = { all = "true", late = "year >= 2006" }
weights = ["none", "people"]
joint = { draws = 199, seed = 5 }
leave_out = "parent"
exclude = [{ control = "d", effects = "unit + parent*time" }, { outcome = "neet", sample = "late" }]
"""
EXCLUDED = 2 * 2 * 8 * 2 * 2 + (2 * 16 + 2 * 8) * 2


def panel_table(seed: int, effect: float) -> pd.DataFrame:
    """14 countries of 4 regions over 12 years; columns miss different rows."""
    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(56 * 12), 12)
    country = unit // 4
    shock = rng.normal(size=(14, 12))[country, time]
    table = pd.DataFrame({"geo": [f"R{u:02d}" for u in unit], "year": 2000 + time})
    table["country"] = [f"C{c:02d}" for c in country]
    table["people"] = rng.uniform(1.0, 9.0, 56)[unit]
    for name in ("a", "b", "c", "d"):
        table[name] = rng.normal(size=len(unit)) + 0.5 * shock
    table["spend"] = rng.normal(size=len(unit)) + 0.4 * table["a"]
    before = table.groupby("geo")["spend"].shift(1).fillna(0.0)
    table["jobless"] = effect * before + 0.5 * table["a"] + shock + rng.normal(size=len(unit))
    table["neet"] = 0.5 * table["jobless"] + rng.normal(size=len(unit))
    for name, share in (("b", 0.1), ("c", 0.02), ("neet", 0.05), ("spend", 0.03)):
        table.loc[rng.random(len(unit)) < share, name] = np.nan
    table.loc[table["b"].isna(), "d"] = np.nan
    return table.drop(index=table.sample(20, random_state=seed).index)


def prepare(folder: Path, seed: int, effect: float, text: str = STUDY) -> tuple[Study, Panel]:
    panel_table(seed, effect).to_csv(folder / "panel.csv", index=False)
    (folder / "drawn.toml").write_text(text, "utf-8")
    study = read_study(folder / "drawn.toml")
    return study, read_own_panel(folder / "panel.csv", "geo", "year", "country", None)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Panel, Curve]:
    study, panel = prepare(tmp_path_factory.mktemp("curve"), 11, -0.3)
    return study, panel, run_curve(study, panel, lambda _: None)


def refit(
    panel: Panel, row: pd.Series, clusters: str = "country"
) -> tuple[float, float, int]:
    """One specification by pyfixest on its own complete cases: estimate, CR1 error, rows."""
    frame = panel.frame.copy()
    lagged = frame[["geo", "year", "spend"]].assign(year=frame["year"] + 1)
    frame = frame.merge(lagged.rename(columns={"spend": "invest"}), how="left", on=["geo", "year"])
    if row["sample"] == "late":
        frame = frame[frame["year"] >= 2006]
    regressors = [row["treatment"], *(row["controls"].split(" + ") if row["controls"] else [])]
    frame = frame.dropna(subset=[row["outcome"], *regressors]).reset_index(drop=True)
    frame["cell"] = frame["country"] + frame["year"].astype(str)
    effects = {"unit + time": " | geo + year", "unit + parent*time": " | geo + cell", "none": ""}
    fit = pf.feols(
        f"{row['outcome']} ~ {' + '.join(regressors)}{effects[row['effects']]}",
        frame,
        vcov={"CRV1": clusters},
        weights=None if row["weights"] == "none" else "people",
        ssc=pf.ssc(k_adj=True, k_fixef="nonnested", G_adj=True, G_df="conventional"),
        demeaner=pf.MapDemeaner(fixef_tol=1e-14),
        fixef_rm="none",
    )
    name = row["treatment"]
    return float(fit.coef()[name]), float(fit.se()[name]), len(frame)


def test_cells_agree_with_fits_of_their_own_samples(drawn: tuple[Study, Panel, Curve]) -> None:
    _, panel, curve = drawn
    for _, row in curve.specs.sample(24, random_state=1).iterrows():
        estimate, error, n_obs = refit(panel, row)
        assert (row["estimate"], row["std_error"]) == pytest.approx((estimate, error), rel=1e-9)
        assert row["n_obs"] == n_obs


def test_two_way_clusters_pooled_cells_and_a_panel_without_parents(tmp_path: Path) -> None:
    text = STUDY.replace('by = ["parent"]', 'by = ["unit", "time"]')
    text = text.replace('parent = "country"\n', "").replace('leave_out = "parent"', "")
    text = text.replace('["unit", "parent*time"]', "[]").replace("unit + parent*time", "none")
    study, panel = prepare(tmp_path, 12, -0.3, text)
    panel = Panel(panel.name, panel.frame, "geo", "year", None, panel.columns, panel.sha256)
    curve = run_curve(study, panel, lambda _: None)
    assert set(curve.specs["effects"]) == {"unit + time", "none"}
    held = curve.specs["controls"].str.contains("d")
    assert not (held & (curve.specs["effects"] == "none")).any()
    assert curve.leave_out.empty
    (own,) = [rate for rate in curve.placebo_audit.rates if rate.chosen]
    assert own.by == ("geo", "year")
    for _, row in curve.specs.sample(10, random_state=2).iterrows():
        estimate, error, _ = refit(panel, row, "geo + year")
        assert (row["estimate"], row["std_error"]) == pytest.approx((estimate, error), rel=1e-9)


def test_every_declared_cell_is_a_row_or_counted(drawn: tuple[Study, Panel, Curve]) -> None:
    _, _, curve = drawn
    assert curve.declared == 2 * 2 * 16 * 2 * 2 * 2
    excluded = sum(part.cells for part in curve.dropped if part.kind == "excluded")
    # the second rule finds those of the first already gone
    assert excluded == EXCLUDED
    assert len(curve.specs) == curve.declared - excluded
    held = curve.specs["controls"].str.contains("d")
    assert not (held & (curve.specs["effects"] == "unit + parent*time")).any()
    assert not ((curve.specs["outcome"] == "neet") & (curve.specs["sample"] == "late")).any()
    assert not curve.specs.duplicated(
        ["outcome", "treatment", "controls", "effects", "sample", "weights"]
    ).any()


def test_the_main_model_is_a_row_with_the_fit_of_the_study(
    drawn: tuple[Study, Panel, Curve],
) -> None:
    study, panel, curve = drawn
    term = fit_study(study, panel).model("main").term("invest")
    main = curve.specs[curve.specs["main"]]
    assert len(main) == 1
    found = main[["estimate", "std_error", "p_value", "conf_low", "conf_high"]].iloc[0].tolist()
    wanted = [term.estimate, term.std_error, term.p_value, term.conf_low, term.conf_high]
    assert found == pytest.approx(wanted, rel=1e-8)


def test_leaving_a_country_out_equals_refitting_without_it(
    drawn: tuple[Study, Panel, Curve],
) -> None:
    study, panel, curve = drawn
    assert len(curve.leave_out) == 14
    main = curve.specs[curve.specs["main"]].iloc[0]
    for _, row in curve.leave_out.iloc[::6].iterrows():
        frame = panel.frame[panel.frame["country"] != row["left_out"]]
        rest = Panel(panel.name, frame, "geo", "year", "country", panel.columns, panel.sha256)
        term = fit_study(study, rest).model("main").term("invest")
        assert (row["estimate"], row["std_error"]) == pytest.approx(
            (term.estimate, term.std_error), rel=1e-8
        )
        assert row["change"] == pytest.approx(term.estimate - main["estimate"], abs=1e-10)


PLACEBOS = """
[[model]]
id = "ahead"
role = "placebo"
estimator = "within"
outcome = "jobless"
treatment = "later"
controls = ["a"]
effects = ["unit", "time"]
inference = { kind = "cluster", by = ["parent"], correction = "CR1" }
[multiverse]"""


def test_the_study_s_own_placebos_stand_beside_the_audit(tmp_path: Path) -> None:
    text = STUDY.replace("[[model]]", 'later = "lead(spend, 1)"\n[[model]]', 1)
    text = text.replace('weights = "people"', 'sensitivity = { placebo_outcome = "c" }', 1)
    study, panel = prepare(tmp_path, 11, -0.3, text.replace("[multiverse]", PLACEBOS))
    curve = run_curve(study, panel, lambda _: None)
    fits = fit_study(study, panel)
    ahead, test = fits.model("ahead").term("later"), fits.model("main").tests
    (wanted,) = [each.p_value for each in test if each.test == "placebo_outcome"]
    first, second = curve.placebos
    assert (first.name, first.what) == ("ahead", "later on jobless")
    assert (first.estimate, first.p_value) == (ahead.estimate, ahead.p_value)
    assert (second.name, second.p_value) == ("placebo_outcome", wanted)
    assert [placebo["name"] for placebo in as_document(curve)["placebos"]] == [
        "ahead",
        "placebo_outcome",
    ]
    said = " ".join(curve_summary(curve).split())
    assert f"later on jobless (p = {ahead.p_value:.3f})" in said


def test_conley_is_audited_where_a_study_chooses_it(tmp_path: Path) -> None:
    study, panel = prepare(tmp_path, 11, 0.0, with_inference('kind = "conley", km = 500'))
    number = panel.frame["geo"].str[1:].astype(float)
    frame = panel.frame.assign(lat=number // 8, lon=3.0 * (number % 8))
    panel = Panel(panel.name, frame, "geo", "year", "country", panel.columns, panel.sha256)
    audit = run_curve(study, panel, lambda _: None).placebo_audit
    (own,) = [rate for rate in audit.rates if rate.chosen]
    assert own.kind == "conley"
    assert 0.0 < own.rejection_rate < 0.3
    assert "(conley)" in audit.sentence


def test_conley_s_audit_rests_on_the_rows_that_have_a_place(tmp_path: Path) -> None:
    study, panel = prepare(tmp_path, 11, 0.0, with_inference('kind = "conley", km = 500'))
    number = panel.frame["geo"].str[1:].astype(float)
    lat = (number // 8).where(number % 9 != 0)
    frame = panel.frame.assign(lat=lat, lon=3.0 * (number % 8))
    setting = lay_out(study, Panel("p", frame, "geo", "year", "country", panel.columns, "0"))
    held = trial(setting)
    assert len(held.audited.x) == setting.fitted.n_obs < frame["lat"].notna().sum()
    (judge,) = (judge for judge in held.judges if judge.kind == "conley")
    sample = held.audited.sample
    found = judge.p_values(fit_placebos(sample, sample.basis, held.audited.x[:, None]))
    assert found == pytest.approx([setting.fitted.terms[0].p_value], rel=1e-7)


def with_inference(how: str) -> str:
    """The study with another inference of its main model."""
    own = STUDY[STUDY.index("inference = {") : STUDY.index("[multiverse]")]
    return STUDY.replace(own, f"inference = {{ {how} }}\n")


@pytest.mark.parametrize(
    "how",
    [
        'kind = "classical"',
        'kind = "robust"',
        'kind = "driscoll-kraay", lags = 2',
        'kind = "newey-west"',
        'kind = "panel-corrected"',
        *(f'kind = "cluster", correction = "{name}"' for name in ("CR0", "CR1", "CR2", "CR3")),
        'kind = "cluster", by = ["parent", "time"], correction = "CR0"',
        'kind = "cluster", by = ["unit", "time"]',
        'kind = "wild-cluster", weights = "webb", draws = 399',
        'kind = "wild-cluster", weights = "mammen", draws = 399',
        'kind = "randomization", by = ["unit"], draws = 399',
    ],
)
def test_the_study_s_own_test_is_audited_whichever_it_is(tmp_path: Path, how: str) -> None:
    """Put to the treatment itself, the chosen judge says what `fit` prints."""
    study, panel = prepare(tmp_path, 11, -0.1, with_inference(how))
    setting = lay_out(study, panel)
    held = trial(setting)
    x = held.audited.x[:, None]
    named = setting.fitted.inference
    wanted = named.kind, named.by, named.correction
    (chosen,) = (test for test in held.tests if (test.kind, test.by, test.correction) == wanted)
    if held.own is not None:
        assert chosen is held.own
        found = held.own.p_values(x)
    else:
        assert isinstance(chosen, Judge)
        found = chosen.p_values(fit_placebos(held.audited.sample, held.audited.sample.basis, x))
    assert found == pytest.approx([setting.fitted.terms[0].p_value], rel=1e-7)
    counts = [held.rejections(0)]
    (own,) = [rate for rate in placebo_audit(held, counts).rates if rate.chosen]
    assert own.name == named_as(chosen)
    # a two-way variance may come out negative
    assert own.placebos == 100 or (len(own.by) == 2 and own.placebos > 90)
    assert 0.0 <= own.rejection_rate < 0.4


def named_as(test: Tried) -> str:
    by = f" by {' and '.join(test.by)}" if test.by else ""
    return f"{test.kind}{by}{f', {test.correction}' if test.correction else ''}"


def test_a_main_model_that_cannot_be_fitted_says_so(tmp_path: Path) -> None:
    study, panel = prepare(tmp_path, 11, 0.0, with_inference('kind = "conley", km = 500'))
    with pytest.raises(BadInput, match="no column 'lat'"):
        run_curve(study, panel, lambda _: None)


def test_a_real_effect_is_found_jointly(drawn: tuple[Study, Panel, Curve]) -> None:
    assert drawn[2].joint.p_value <= 0.01
    assert {test.test for test in drawn[2].joint.tests} > {"median t", "largest absolute t"}


def test_resampled_p_values_are_ordered_and_never_zero(drawn: tuple[Study, Panel, Curve]) -> None:
    _, _, curve = drawn
    wild, adjusted = curve.specs["wild_p"], curve.specs["adjusted_p"]
    assert wild.min() >= 1 / 200
    assert (adjusted >= wild - 1e-12).all()
    by_size = curve.specs["statistic"].abs().sort_values(ascending=False).index
    assert adjusted.loc[by_size].is_monotonic_increasing


def test_variance_shares_of_a_known_surface() -> None:
    """Without interactions and with all cells there, the shares add up to one."""
    from models.engine.summary import variance_shares

    grid = pd.MultiIndex.from_product(
        [["y"], ["x"], ["", "a", "b", "a + b"], ["e1", "e2"], ["s"], ["none", "w"]],
        names=["outcome", "treatment", "controls", "effects", "sample", "weights"],
    ).to_frame(index=False)
    held = grid["controls"].str.contains("a")
    grid["standardised"] = 3.0 * held + 1.0 * (grid["effects"] == "e2")
    shares = {share.choice: share.share for share in variance_shares(grid, ("a", "b"))}
    assert shares["control a"] == pytest.approx(0.9)
    assert shares["effects"] == pytest.approx(0.1)
    assert shares["control b"] == pytest.approx(0.0)
    assert shares["interactions"] == pytest.approx(0.0)


def test_the_document_is_plain_json_with_the_contract_s_keys(
    drawn: tuple[Study, Panel, Curve],
) -> None:
    document = as_document(drawn[2])
    text = json.dumps(document, allow_nan=False)
    assert {"specs", "summary", "joint", "placebo_audit"} <= json.loads(text).keys()
    assert {"estimate", "std_error", "p_value", "n_obs"} <= document["specs"][0].keys()
    assert {"statistic", "p_value", "draws"} <= document["joint"].keys()


def test_running_twice_gives_the_same_curve(drawn: tuple[Study, Panel, Curve]) -> None:
    study, panel, curve = drawn
    again = run_curve(study, panel, lambda _: None)
    assert as_document(again) == as_document(curve)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"a", "b", "c", "d"', '"a", "nowhere"', "nowhere"),
        ('"invest", "spend"', '"invest", "country"', "text"),
        ('leave_out = "parent"', 'leave_out = "county"', "county"),
        ("estimator = \"within\"", "estimator = \"random\"", "random"),
    ],
)
def test_faults_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in STUDY
    study, panel = prepare(tmp_path, 3, 0.0, STUDY.replace(old, new))
    told: list[str] = []
    with pytest.raises(BadInput, match=message):
        run_curve(study, panel, told.append)
    assert not told, "refused after something was computed"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ('{ treatment = "invset" }', "no cell is excluded by treatment is invset"),
        ("{}", "no cell can be estimated"),
        ('{ outcome = "jobless" }, { outcome = "neet" }', "no cell can be estimated: outcome is"),
    ],
)
def test_rules_that_exclude_nothing_or_everything_are_refused(
    tmp_path: Path, rules: str, message: str
) -> None:
    start = STUDY.index("exclude = ")
    text = f"{STUDY[:start]}exclude = [{rules}]\n"
    with pytest.raises(BadInput, match=message):
        run_curve(*prepare(tmp_path, 3, 0.0, text), lambda _: None)


def test_an_outcome_that_is_constant_or_unknown_is_dropped_and_counted(tmp_path: Path) -> None:
    study, panel = prepare(tmp_path, 3, 0.0, STUDY)
    for value in (1.0, np.nan):
        changed = replace(panel, frame=panel.frame.assign(neet=value))
        curve = run_curve(study, changed, lambda _: None)
        assert set(curve.specs["outcome"]) == {"jobless"}
        failed = [part for part in curve.dropped if part.kind == "failed"]
        assert sum(part.cells for part in failed) == curve.declared - EXCLUDED - len(curve.specs)


def test_leaving_out_keeps_the_main_model_s_own_inference(tmp_path: Path) -> None:
    """CR2 with Satterthwaite df, as the program's own fit on the rest has it."""
    text = STUDY.replace('weights = "people"\n', "", 1).replace('"CR1"', '"CR2"')
    study, panel = prepare(tmp_path, 6, -0.3, text)
    table = run_curve(study, panel, lambda _: None).leave_out
    assert set(table["correction"]) == {"CR2"}
    for _, row in table.iloc[::5].iterrows():
        rest = panel.frame[panel.frame["country"] != row["left_out"]].reset_index(drop=True)
        term = fit_study(study, replace(panel, frame=rest), only="main").models[0].term("invest")
        figures = row["estimate"], row["std_error"], row["df"], row["p_value"]
        wanted = term.estimate, term.std_error, term.df, term.p_value
        assert figures == pytest.approx(wanted, rel=1e-8)


def test_few_clusters_are_cautioned_and_the_bootstrap_not_tried(tmp_path: Path) -> None:
    study, panel = prepare(tmp_path, 3, 0.0, STUDY)
    few = panel.frame[panel.frame["country"].isin(sorted(set(panel.frame["country"]))[:4])]
    curve = run_curve(study, replace(panel, frame=few.reset_index(drop=True)), lambda _: None)
    assert any("no resampled p-value falls below 0.125" in text for text in curve.warnings)
    assert "wild-cluster" not in {rate.kind for rate in curve.placebo_audit.rates}


def test_an_empty_sample_is_no_fault_of_the_rest(tmp_path: Path) -> None:
    text = STUDY.replace('late = "year >= 2006"', 'late = "year >= 2106"')
    assert text != STUDY
    curve = run_curve(*prepare(tmp_path, 3, 0.0, text), lambda _: None)
    assert any("fewer than three complete rows" in part.reason for part in curve.dropped)


def test_a_national_treatment_clustered_by_region_is_refused(tmp_path: Path) -> None:
    text = STUDY.replace('by = ["parent"]', 'by = ["unit"]')
    study, panel = prepare(tmp_path, 3, 0.0, text)
    national = panel.frame.groupby(["country", "year"])["spend"].transform("mean")
    frame = panel.frame.assign(spend=national)
    panel = Panel(panel.name, frame, "geo", "year", "country", panel.columns, panel.sha256)
    with pytest.raises(BadInput, match="national"):
        run_curve(study, panel, lambda _: None)
