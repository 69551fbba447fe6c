"""Spatial models from a study file: neighbours' means by hand, panels by another route."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from libpysal.weights import full2W
from scipy.linalg import helmert
from spreg import diagnostics_sp as sp
from spreg.ml_error import BaseML_Error
from spreg.ml_lag import BaseML_Lag
from spreg.ols import BaseOLS

from data.errors import BadInput
from models.results import ModelResult
from tests.study_case import estimates, fit_one, model_text, panel_of, std_errors

UNITS, YEARS = 16, 5


def ring() -> np.ndarray[Any, Any]:
    """Each unit between its two neighbours on a ring."""
    near = np.roll(np.eye(UNITS), 1, axis=1)
    return (near + near.T) / 2


def world(seed: int = 5, years: int = YEARS) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, e = rng.normal(size=(2, UNITS, years))
    pull = np.linalg.inv(np.eye(UNITS) - 0.4 * ring())
    y = pull @ (1.5 * x + rng.normal(size=(UNITS, 1)) + 0.7 * e)
    unit, year = np.indices((UNITS, years)).reshape(2, -1)
    names = np.char.add("u", np.char.zfill(unit.astype(str), 2))
    return pd.DataFrame({"unit": names, "year": 2000 + year, "x": x.ravel(), "y": y.ravel()})


def fitted(folder: Path, frame: pd.DataFrame, more: str, **changes: Any) -> ModelResult:
    i, j = np.nonzero(ring())
    pairs = pd.DataFrame({"a": [f"u{k:02d}" for k in i], "b": [f"u{k:02d}" for k in j]})
    pairs.to_csv(folder / "pairs.csv", index=False)
    given = {"effects": ["unit"], "more": f'neighbours = "pairs.csv"\n{more}', **changes}
    estimator = given.pop("estimator", "spatial")
    body = model_text(estimator, "y", "x", **given)
    return fit_one(folder, panel_of(frame, "unit", "year"), body)


def test_neighbours_means_enter_as_regressors(tmp_path: Path) -> None:
    frame = world()
    x = frame["x"].to_numpy().reshape(UNITS, YEARS)
    wider = frame.assign(wx=(ring() @ x).ravel())
    plain = fit_one(
        tmp_path, panel_of(wider, "unit", "year"),
        model_text("within", "y", ["x", "wx"], effects=["unit"]),
    )  # fmt: skip
    slx = fitted(tmp_path, frame, "")
    assert list(estimates(slx).values()) == pytest.approx(list(estimates(plain).values()))
    assert list(std_errors(slx).values()) == pytest.approx(list(std_errors(plain).values()))
    assert [term.term for term in slx.terms] == ["x", "W x"]


@pytest.mark.filterwarnings("ignore:Method 'bounded' does not support:RuntimeWarning")
@pytest.mark.parametrize(("model", "kind"), [("lag", BaseML_Lag), ("error", BaseML_Error)])
def test_panel_as_one_stacked_cross_section(tmp_path: Path, model: str, kind: Any) -> None:
    """The contrasts of all periods, one block of weights each, through the other code of spreg."""
    frame = world()
    result = fitted(tmp_path, frame, f'model = "{model}"')
    contrasts = helmert(YEARS)
    y, x = (contrasts @ frame[name].to_numpy().reshape(UNITS, YEARS).T for name in ("y", "x"))
    stacked = full2W(np.kron(np.eye(YEARS - 1), ring()), silence_warnings=True)
    other = kind(y.reshape(-1, 1), x.reshape(-1, 1), stacked, epsilon=1e-12)
    assert list(estimates(result).values()) == pytest.approx(other.betas.ravel(), rel=1e-6)
    errors = np.sqrt(np.diag(other.vm))
    assert list(std_errors(result).values()) == pytest.approx(errors, rel=1e-5)
    logll = float(np.ravel(other.logll)[0])
    assert result.fit["log_likelihood"] == pytest.approx(logll, rel=1e-9)


def test_morans_i_is_a_diagnostic(tmp_path: Path) -> None:
    result = fitted(tmp_path, world(years=30), 'diagnostics = ["moran"]', estimator="within")
    found = result.tests[-1]
    assert found.test == "morans_i"
    assert found.p_value is not None
    assert found.p_value < 0.01


@pytest.mark.parametrize(
    ("more", "changes", "says"),
    [
        ('model = "sar"', {}, "unknown 'sar'"),
        ('model = "lag"', {"inference": '{ kind = "robust" }'}, "classical errors only"),
        ('model = "lag"', {"effects": []}, "balanced panel"),
        ('model = "lag"', {"effects": ["unit", "time"]}, "with effects"),
        ('model = "error-gm"', {"effects": []}, "for a cross-section, not 5 periods"),
        ('model = "error-gm"', {}, "with effects"),
    ],
)
def test_refusals(tmp_path: Path, more: str, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        fitted(tmp_path, world(), more, **changes)


def test_neighbours_that_are_not_there(tmp_path: Path) -> None:
    frame = world()
    text = model_text("spatial", "y", "x", effects=["unit"], more='neighbours = "nowhere.csv"')
    with pytest.raises(BadInput, match="cannot read neighbours"):
        fit_one(tmp_path, panel_of(frame, "unit", "year"), text)
    (tmp_path / "nowhere.csv").write_text("a,b,w\nu00,u01,-1\n", "utf-8")
    with pytest.raises(BadInput, match=r"nowhere\.csv:2"):
        fit_one(tmp_path, panel_of(frame, "unit", "year"), text)
    (tmp_path / "nowhere.csv").write_text("a,b\nv0,v1\n", "utf-8")
    with pytest.raises(BadInput, match="none of its pairs"):
        fit_one(tmp_path, panel_of(frame, "unit", "year"), text)
    with pytest.raises(BadInput, match="no file of neighbours"):
        fit_one(tmp_path, panel_of(frame, "unit", "year"), text.split("neighbours")[0])


def test_errors_of_a_cross_section(tmp_path: Path) -> None:
    """The slopes are generalised least squares at the stated lambda, which is the likeliest."""
    frame = world(years=1)
    result = fitted(tmp_path, frame, 'model = "error"', effects=[])
    y, X = frame["y"].to_numpy(), np.column_stack([np.ones(UNITS), frame["x"]])

    def at(value: float) -> tuple[float, np.ndarray[Any, Any]]:
        filtered = np.eye(UNITS) - value * ring()
        beta = np.linalg.lstsq(filtered @ X, filtered @ y)[0]
        rss = float(((filtered @ (y - X @ beta)) ** 2).sum())
        likelihood = np.linalg.slogdet(filtered)[1] - UNITS / 2 * (
            np.log(2 * np.pi * rss / UNITS) + 1
        )
        return float(likelihood), beta

    found = estimates(result)
    best, beta = at(found["lambda"])
    assert [found["constant"], found["x"]] == pytest.approx(beta, rel=1e-8)
    assert result.fit["log_likelihood"] == pytest.approx(best, rel=1e-8)
    assert best > max(at(found["lambda"] + step)[0] for step in (-1e-3, 1e-3))


@pytest.mark.parametrize("gaps", [False, True])
def test_lag_by_instruments_is_instrumented_within(tmp_path: Path, gaps: bool) -> None:
    """The same by the neighbours' means as columns, whichever rows are there."""
    frame = world().drop(index=[4, 31, 32] if gaps else [])
    clustered = '{ kind = "cluster", by = ["unit"], correction = "CR1" }'
    ours = fitted(
        tmp_path, frame, 'model = "lag-iv"', effects=["unit", "time"], inference=clustered
    )
    wide = {name: frame.pivot(index="unit", columns="year", values=name) for name in ("y", "x")}

    def means(table: pd.DataFrame) -> pd.DataFrame:
        there = ring() @ table.notna().to_numpy(float)
        total = ring() @ table.fillna(0.0).to_numpy()
        return pd.DataFrame(total / there, table.index, table.columns)

    near = {"wy": means(wide["y"]), "wx": means(wide["x"].where(wide["y"].notna()))}
    near["wwx"] = means(near["wx"].where(wide["y"].notna()))
    for name, table in near.items():
        long = table.rename_axis(columns="year").reset_index().melt("unit", value_name=name)
        frame = frame.merge(long, on=["unit", "year"])
    text = model_text(
        "iv-within", "y", "wy", ["x"], ["unit", "time"], clustered, 'instruments = ["wx", "wwx"]'
    )
    theirs = fit_one(tmp_path, panel_of(frame, "unit", "year"), text)
    for name, column in (("rho", "wy"), ("x", "x")):
        ours_, theirs_ = ours.term(name), theirs.term(column)
        assert ours_.estimate == pytest.approx(theirs_.estimate, rel=1e-9)
        assert ours_.std_error == pytest.approx(theirs_.std_error, rel=1e-9)


def test_residuals_of_a_panel(tmp_path: Path) -> None:
    """Net of unit effects: spreg's tests on the stacked contrasts, one block of weights each."""
    frame = world()
    result = fitted(tmp_path, frame, 'diagnostics = ["spatial-lm"]', estimator="within")
    contrasts = helmert(YEARS)
    y, x = (contrasts @ frame[name].to_numpy().reshape(UNITS, YEARS).T for name in ("y", "x"))
    weights = full2W(np.kron(np.eye(YEARS - 1), ring()), silence_warnings=True)
    ols = BaseOLS(y.reshape(-1, 1), x.reshape(-1, 1))
    shared = sp.spDcache(ols, weights)
    found = {test.test: test.statistic for test in result.tests}
    index = sp.MoranRes(ols, weights, z=True)
    assert found["morans_i_residuals"] == pytest.approx(index.zI, rel=1e-9)
    named = {
        "lm_error": sp.lmErr, "lm_lag": sp.lmLag, "robust_lm_error": sp.rlmErr,
        "robust_lm_lag": sp.rlmLag, "lm_sarma": sp.lmSarma,
    }  # fmt: skip
    for name, theirs in named.items():
        assert found[name] == pytest.approx(theirs(ols, weights, shared)[0], rel=1e-9), name


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"effects": ["unit", "time"]}, r"with effects \['unit', 'time'\]"),
        ({"estimator": "random"}, "after random"),
        ({"frame": "gaps"}, "unbalanced panel"),
        ({"weights": True}, "with weights"),
    ],
)
def test_residual_tests_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    frame = world().drop(index=[4] if changes.pop("frame", None) else []).assign(w=1.5)
    more = 'diagnostics = ["spatial-lm"]' + '\nweights = "w"' * changes.pop("weights", False)
    with pytest.raises(BadInput, match=says):
        fitted(tmp_path, frame, more, **{"estimator": "within", **changes})
