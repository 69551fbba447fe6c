"""One study file for every estimator, on one panel that all of them can be fitted to.

What tests that go over all estimators start from: requests that must be refused, and changes to the
data that must not matter.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from data.panel import Panel
from data.panels.own import read_own_panel
from models.fitting import fit_study
from models.results import ModelResult
from models.study.file import read_study
from tests.study_case import model_text

REGIONS, COUNTRIES, FIRST, YEARS = 32, 16, 2000, 12
BY_COUNTRY = '{ kind = "cluster", by = ["parent"] }'
TWO_WAY = ("unit", "time")
SHARES, SHOCKS = [f"s{k}" for k in range(4)], [f"g{k}" for k in range(4)]
COHORT = 'cohort = "first"'
PAIRS = 'neighbours = "pairs.csv"'


def _events(estimator: str, more: str = "") -> str:
    return model_text(estimator, "y", [], inference=BY_COUNTRY, more=f"{COHORT}\n{more}")


def _dynamic(estimator: str, more: str) -> str:
    return model_text(estimator, "y", "x", ["c"], ["unit"], BY_COUNTRY, more)


# name in the tests: one [[model]]; between them they use every estimator there is
MODELS = {
    "pooled": model_text("pooled", "y", "x", ["c"], inference=BY_COUNTRY),
    "within": model_text("within", "y", "x", ["c"], TWO_WAY, BY_COUNTRY),
    "between": model_text("between", "y", "x", ["c"], inference=BY_COUNTRY),
    "random": model_text("random", "y", "x", ["c"], inference=BY_COUNTRY),
    "random, classical": model_text("random", "y", "x", ["c"]),
    "first-difference": model_text("first-difference", "y", "x", ["c"], ["time"], BY_COUNTRY),
    "fama-macbeth": model_text("fama-macbeth", "y", "x", ["c"]),
    "hausman-taylor": model_text(
        "hausman-taylor", "y", "x", ["c"], inference=BY_COUNTRY, more='endogenous = ["x"]'
    ),
    "mundlak": model_text("mundlak", "y", "x", ["c"], inference=BY_COUNTRY),
    "iv-within": model_text(
        "iv-within", "y", "x", ["c"], TWO_WAY, BY_COUNTRY, 'instruments = ["z", "z2"]'
    ),
    "shift-share": model_text(
        "iv-within", "y", "x", ["c"], TWO_WAY, BY_COUNTRY,
        f"shift_share = {{ shares = {SHARES}, shocks = {SHOCKS} }}",
    ),
    "difference-gmm": _dynamic(
        "difference-gmm",
        'collapse = true\ninstruments = [{ gmm = "y", lags = [2, 4] }, { iv = "x" }, { iv = "c" }]',
    ),
    "system-gmm": _dynamic(
        "system-gmm",
        'collapse = true\ninstruments = [{ gmm = "y", lags = [2, 3] }, { iv = "x" }, { iv = "c" }]',
    ),
    "lsdvc": _dynamic("lsdvc", 'draws = 20\ninitial = "ah"'),
    "local-projection": model_text(
        "local-projection", "y", "x", ["c"], TWO_WAY, BY_COUNTRY, "horizon = 2\nlags = 1"
    ),
    "mean-group": model_text("mean-group", "y", "x", ["c"], inference=BY_COUNTRY),
    "mean-group, swamy": model_text(
        "mean-group", "y", "x", ["c"], inference='{ kind = "cluster", by = ["unit"] }',
        more='weighting = "swamy"',
    ),
    "cce-mean-group": model_text("cce-mean-group", "y", "x", ["c"], inference=BY_COUNTRY),
    "mixed": model_text("mixed", "y", "x", ["c"]),
    "mixed, slopes": model_text(
        "mixed", "y", "x", ["c"], inference=BY_COUNTRY, more='slopes = ["x"]'
    ),
    "spatial, slx": model_text("spatial", "y", "x", ["c"], ["unit"], BY_COUNTRY, PAIRS),
    "spatial, lag": model_text(
        "spatial", "y", "x", ["c"], ["unit"], more=f'{PAIRS}\nmodel = "lag"'
    ),
    "spatial, lag-iv": model_text(
        "spatial", "y", "x", ["c"], ["unit"], BY_COUNTRY, f'{PAIRS}\nmodel = "lag-iv"'
    ),
    "spatial, error": model_text(
        "spatial", "y", "x", ["c"], ["unit"], more=f'{PAIRS}\nmodel = "error"'
    ),
    "event-study": _events("event-study"),
    "event-study, two-way": _events("event-study", 'method = "two-way"'),
    "group-time": _events("group-time"),
    "group-time, not yet": _events("group-time", 'comparison = "not-yet"'),
    "did2s": _events("did2s"),
}  # fmt: skip
EVENTS = ("event-study", "event-study, two-way", "group-time", "group-time, not yet", "did2s")


def world(seed: int = 4) -> pd.DataFrame:
    """32 regions in 16 countries over 12 years, balanced; y moves with x, c and its own past.

    z and z2 move x and nothing else; s0 ... are shares that add to one, g0 ... shocks of a year;
    `first` is the adoption year of half the regions, empty for the others.
    """
    rng = np.random.default_rng(seed)
    shape = (REGIONS, YEARS)
    own, common = rng.normal(size=(REGIONS, 1)), rng.normal(size=YEARS)
    z, z2, hidden, c, noise = rng.normal(size=(5, *shape))
    shares = rng.dirichlet(np.ones(4), size=REGIONS)
    shocks = rng.normal(size=(4, YEARS))
    x = z + 0.5 * z2 + hidden + 0.5 * own + 2.0 * shares @ shocks
    slope = 0.5 + 0.2 * rng.normal(size=(REGIONS, 1))
    y = np.zeros(shape)
    before = own[:, 0]
    for t in range(YEARS):
        now = slope[:, 0] * x[:, t] + 0.3 * c[:, t] + own[:, 0] + common[t] + 0.5 * hidden[:, t]
        y[:, t] = before = now + 0.4 * before + noise[:, t]
    region, year = np.indices(shape).reshape(2, -1)
    first = np.where(np.arange(REGIONS) % 2 == 0, 2005.0 + np.arange(REGIONS) // 2 % 2, np.nan)
    frame = pd.DataFrame({
        "geo": [f"R{number:02d}" for number in region],
        "country": [f"C{number // 2:02d}" for number in region],
        "year": FIRST + year, "y": y.ravel(), "x": x.ravel(), "c": c.ravel(), "z": z.ravel(),
        "z2": z2.ravel(), "w": rng.uniform(1, 4, size=y.size), "first": first[region],
        "lat": 40.0 + (region * 7 % 16), "lon": region % 9 * 2.0,
    })  # fmt: skip
    parts = {name: shares[region, k] for k, name in enumerate(SHARES)}
    return frame.assign(**parts, **{name: shocks[k, year] for k, name in enumerate(SHOCKS)})


def write(folder: Path, frame: pd.DataFrame, body: str) -> Path:
    """The panel, its neighbours (a ring) and the study as files; returns the study's path."""
    frame.to_csv(folder / "panel.csv", index=False)
    names = list(dict.fromkeys(frame["geo"]))
    pairs = zip([*names, *names], [*names[1:], names[0], names[-1], *names[:-1]], strict=True)
    pd.DataFrame(pairs, columns=["geo", "near"]).to_csv(folder / "pairs.csv", index=False)
    path = folder / "study.toml"
    index = 'file = "panel.csv"\nunit = "geo"\ntime = "year"\nparent = "country"\n'
    path.write_text(f'[study]\nid = "every"\n[panel]\n{index}{body}', "utf-8")
    return path


def panel_in(folder: Path) -> Panel:
    """The panel written to `folder`."""
    return read_own_panel(folder / "panel.csv", "geo", "year", "country")


def fit_file(folder: Path, frame: pd.DataFrame, body: str) -> ModelResult:
    """The one model of a study file, by way of the files that a user would have written."""
    study = read_study(write(folder, frame, body))
    return fit_study(study, panel_in(folder)).models[0]
