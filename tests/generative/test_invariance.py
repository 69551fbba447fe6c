"""What must not matter, and what must matter exactly so, for every estimator and kind of inference.

Worlds, and what is done to them, are drawn. A changed order of rows, other names, another calendar
and rows without an outcome change nothing; other units of measurement change coefficients and
errors by their own factor and no statistic. Tolerances: 1e-7 where the answer is a closed form,
1e-4 where a search for a maximum or the ends of an interval stops at its own precision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from models.estimators import MODULES
from models.fitting import fit_study
from models.results import ModelResult, Term
from models.study.model import INFERENCE_KEYS
from tests.every_estimator import MODELS, TWO_WAY, world
from tests.study_case import model_text, panel_of, study_of

# a failing example is as short as any other: shrinking would only fit the models again
drawn = settings(
    max_examples=2,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _within(inference: str, more: str = "") -> str:
    return model_text("within", "y", "x", ["c"], TWO_WAY, f"{{ {inference} }}", more)


WILD = 'kind = "wild-cluster", by = ["parent"], draws = 199'
KINDS = {
    "classical": _within('kind = "classical"'),
    "robust, weighted": _within('kind = "robust"', 'weights = "w"'),
    **{
        f"{correction}, weighted": _within(
            f'kind = "cluster", by = ["parent"], correction = "{correction}"', 'weights = "w"'
        )
        for correction in ("CR0", "CR1", "CR2", "CR3")
    },
    "two-way clusters": _within('kind = "cluster", by = ["parent", "time"]'),
    "Driscoll-Kraay": _within('kind = "driscoll-kraay", lags = 2'),
    "Newey-West": _within('kind = "newey-west", lags = 2'),
    "panel-corrected": _within('kind = "panel-corrected"'),
    "Conley": _within('kind = "conley", km = 150'),
    "wild": _within(WILD, 'weights = "w"'),
    "wild, instrumented": model_text(
        "iv-within", "y", "x", ["c"], TWO_WAY, f"{{ {WILD} }}", 'instruments = ["z", "z2"]'
    ),
    "randomization": _within('kind = "randomization", by = ["unit"], draws = 199'),
}
LAGGED = '[variables]\nbefore = "lag(c)"\ncentred = "x - mean_by(x, country, year)"\n' + model_text(
    "within", "y", "centred", ["before"], TWO_WAY, '{ kind = "cluster", by = ["parent"] }'
)
ALL = {
    **MODELS,
    **KINDS,
    **{
        f"{name}, weighted": MODELS[name] + 'weights = "w"\n'
        for name in ("pooled", "first-difference", "mundlak", "iv-within", "event-study")
    },
    "country by year": model_text(
        "within", "y", "x", ["c"], ["unit", "parent*time"], '{ kind = "cluster", by = ["parent"] }'
    ),
    "lags and means": LAGGED,
}
BALANCED = ("spatial, lag", "spatial, error", "randomization")
RESAMPLING = ("lsdvc", "wild", "wild, instrumented", "randomization")
SEARCHING = (*RESAMPLING[1:], "mixed", "mixed, slopes", "spatial, lag", "spatial, error", "lsdvc",
             "iv-within", "shift-share")  # fmt: skip
# levels of the outcome, or of what instruments it, are instruments: another zero is another model
ZERO_MATTERS = ("difference-gmm", "system-gmm", "lsdvc", "mixed, slopes")


@dataclass(frozen=True)
class Change:
    """What is done to a world: see the strategies."""

    seed: int
    outcome: float
    treatment: float
    control: float
    weights: float
    zero: float
    years: int


changes = st.builds(
    Change,
    seed=st.integers(0, 2**32 - 1),
    outcome=st.sampled_from([1e-3, 0.5, 40.0, 1e4]),
    treatment=st.sampled_from([1e-3, 0.2, 30.0, 1e4]),
    control=st.sampled_from([0.01, 7.0]),
    weights=st.sampled_from([1e-4, 1e5]),
    zero=st.sampled_from([-20.0, 3.0]),
    years=st.integers(-900, 900),
)


def frame_for(name: str, change: Change) -> pd.DataFrame:
    """A drawn world, one row in thirty missing unless the model needs all of them."""
    frame = world(change.seed)
    if name in BALANCED:
        return frame
    return frame[np.random.default_rng(change.seed).random(len(frame)) > 0.03]


def fitted(folder: Path, frame: pd.DataFrame, body: str, seed: int | None = None) -> ModelResult:
    """The model on the frame's rows, shuffled if a seed says how."""
    panel = panel_of(frame, "geo", "year", "country")
    if seed is not None:
        panel = replace(panel, frame=panel.frame.sample(frac=1, random_state=seed % 2**32))
    pairs = folder / "pairs.csv"
    names = sorted(frame["geo"].unique(), key=lambda name: int(name[-2:]))
    ring = [*zip(names, [*names[1:], names[0]], strict=True)]
    pd.DataFrame([*ring, *[(b, a) for a, b in ring]]).to_csv(pairs, index=False)
    return fit_study(study_of(folder, body), panel).models[0]


def same(name: str, ours: ModelResult, theirs: ModelResult, change: Change | None = None) -> None:
    """Equal but for the factors by which a change of units moves each term."""
    rtol = 1e-4 if name in SEARCHING else 1e-7
    assert (ours.n_obs, ours.n_units) == (theirs.n_obs, theirs.n_units)
    assert len(ours.tests) == len(theirs.tests)
    # by place, because the names of cohorts and their years move with the calendar
    for term, other in zip(ours.terms, theirs.terms, strict=True):
        if change is not None and term.term in ("constant", "trend"):
            continue
        factor = 1.0 if change is None else moved_by(term, change)
        size = abs(factor) * other.std_error
        for one, two in (
            (term.estimate, other.estimate), (term.std_error, other.std_error),
            (term.conf_low, other.conf_low), (term.conf_high, other.conf_high),
        ):  # fmt: skip
            np.testing.assert_allclose(one, factor * two, rtol=rtol, atol=rtol * size)
        np.testing.assert_allclose(
            [term.statistic, term.p_value], [other.statistic, other.p_value], rtol=rtol, atol=rtol
        )
    mine, yours = ([test.statistic for test in result.tests] for result in (ours, theirs))
    np.testing.assert_allclose(mine, yours, rtol=10 * rtol, atol=10 * rtol)


def moved_by(term: Term, change: Change) -> float:
    """The factor of a coefficient when outcome, treatment and control are in other units."""
    name = term.term
    if name in ("rho", "lambda") or name.startswith("lag(y"):
        return 1.0
    if name in ("before", "c", "W c", "unit mean of c"):
        return change.outcome / change.control
    if name.split(" h=")[0] in ("x", "W x", "unit mean of x", "centred"):
        return change.outcome / change.treatment
    assert name.split(" ")[0].rstrip(",") in ("event", "overall", "cohort"), name
    return change.outcome


def test_these_are_all_estimators_and_kinds_of_inference() -> None:
    text = "".join(ALL.values())
    assert set(re.findall(r'estimator = "(.+)"', text)) == set(MODULES)
    assert set(re.findall(r'kind = "([a-z-]+)"', text)) == set(INFERENCE_KEYS)


@pytest.mark.parametrize("name", ALL)
@drawn
@given(change=changes)
def test_order_names_and_calendar_do_not_matter(
    tmp_path: Path, name: str, change: Change
) -> None:
    frame = frame_for(name, change)
    plain = fitted(tmp_path, frame, ALL[name])
    # resampling hands its draws out in the order of names, so there that order has to stay
    number = frame["geo"].str[1:].astype(int)
    rank = number if name in RESAMPLING else 99 - number
    country = frame["country"].str[1:].astype(int)
    renamed = frame.assign(
        geo=[f"{a}é x {b:02d}" for a, b in zip(rank + 100, number, strict=True)],
        country=[f"land {a + 100 if name in RESAMPLING else 200 - a}" for a in country],
        year=frame["year"] + change.years,
        first=frame["first"] + change.years,
    )
    empty = renamed.iloc[[0]].assign(year=renamed["year"].max() + 7, y=np.nan)
    other = fitted(tmp_path, pd.concat([renamed, empty]), ALL[name], change.seed)
    same(name, other, plain)


@pytest.mark.parametrize("name", ALL)
@drawn
@given(change=changes)
def test_units_of_measurement_matter_by_their_factor(
    tmp_path: Path, name: str, change: Change
) -> None:
    frame = frame_for(name, change)
    zero = 0.0 if name in ZERO_MATTERS else change.zero
    moved = frame.assign(
        y=(frame["y"] + zero) * change.outcome,
        x=(frame["x"] - zero) * change.treatment,
        c=(frame["c"] + zero) * change.control,
        z=frame["z"] * 5.0 + zero,
        w=frame["w"] * change.weights,
    )
    plain = fitted(tmp_path, frame, ALL[name])
    same(name, fitted(tmp_path, moved, ALL[name]), plain, change)
