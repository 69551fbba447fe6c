"""Bias-corrected LSDV against Stata's xtlsdvc, whose author derived the corrections.

Paper: the log in Bruno (2005, Stata Journal 5(4), appendix), industry 4 with year dummies, seven
digits printed. Stata 18: 16 digits in the public repository brycewang-stanford/StatsPAI,
tests/reference_parity/_fixtures/dynpanel_stata_raw.csv, all industries, no year dummies; rel 1e-7,
for the panel's logarithms are float32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.design import Design, Floats
from models.estimators.gmm.equations import Levels
from models.estimators.lsdvc import initial_estimate, levels_of
from models.estimators.lsdvc.bias import (
    Corrected,
    carried_errors,
    correct_within,
    demeaned,
    traces,
)
from models.study import ModelSpec
from tests.reference_record import Reference

pytestmark = pytest.mark.realdata
XTLSDVC = Reference("Stata 18: xtlsdvc")
BRUNO = Reference("in print: Bruno (2005)")


def panel_of(
    folder: Path, names: tuple[str, ...], initial: str, industry: int | None
) -> tuple[Levels, Floats]:
    """The level equations of Arellano and Bond's firms, and the initial estimate (k,)."""
    frame = pd.read_csv(folder / "canonical_panels" / "pydynpd_data_abdata.csv")
    if industry is not None:
        frame = frame[frame["ind"] == industry]
    frame = frame.sort_values(["id", "year"])
    unit, units = pd.factorize(frame["id"])
    design = Design(
        y=frame["n"].to_numpy(np.float64),
        X=frame[list(names)].to_numpy(np.float64).reshape(len(frame), len(names)),
        terms=names,
        n_treatments=1,
        weights=None,
        unit=unit.astype(np.int64),
        time=(frame["year"] - 1976).to_numpy(np.int64),
        units=np.asarray(units, dtype=object),
        times=np.arange(1976, 1985),
        parent=None,
        effects=(),
        effect_names=(),
    )
    effects = ("unit",) if industry is None else ("unit", "time")
    spec = ModelSpec("bruno", "lsdvc", "n", names, effects=effects)
    levels = levels_of(design, spec)
    return levels, initial_estimate(levels, initial)


def corrected(
    folder: Path, names: tuple[str, ...], initial: str, order: int, industry: int | None = None
) -> Corrected:
    return correct_within(*panel_of(folder, names, initial, industry), order)


def as_printed(
    folder: Path, names: tuple[str, ...], initial: str, order: int, industry: int | None = None
) -> Corrected:
    """The correction as in print: at order 3 it holds where errors have variance one.

    Its last product lacks a factor sigma2, which is added to ours here as the difference it makes.
    """
    ours = corrected(folder, names, initial, order, industry)
    if order < 3:
        return ours
    levels, first = panel_of(folder, names, initial, industry)
    C = carried_errors(float(first[0]), levels.y.shape[1])
    trace, square, _, fourth = traces(levels, C)
    y, X = demeaned(levels, levels.y[:, :, None])[:, :, 0], demeaned(levels, levels.X)
    expected = np.where(levels.usable[:, :, None], levels.X, 0.0)
    expected[:, :, 0] -= (y - X @ first) @ C.T
    V = demeaned(levels, expected).reshape(-1, len(first))
    information = V.T @ V
    information[0, 0] += ours.sigma2 * square
    q = np.linalg.inv(information)[:, 0]
    missing = ours.sigma2**2 * trace * 2 * fourth * q[0] ** 2 * (1 - ours.sigma2) * q
    return Corrected(ours.within, ours.bias + missing, ours.beta - missing, ours.sigma2)


STATA = [  # initial, order, then lag, w, k and sigma [H1 to H5]
    ("ab", 2, [0.662362050204273, -0.496271056442077, 0.318888159810886],
     0.108346573366427),
    ("ah", 2, [0.785207591034577, -0.534455680605207, 0.287867369634201],
     0.133575627145100),
    ("bb", 2, [0.730190071348010, -0.498331108829531, 0.298146793428138],
     0.122672380488587),
    ("ab", 1, [0.662011843844184, -0.496419373992770, 0.319049855591937],
     0.108346573366427),
    ("ab", 3, [0.671125806576804, -0.495972665873069, 0.315596714256778],
     0.108346573366427),
]  # fmt: skip


@pytest.mark.parametrize(("initial", "order", "beta", "sigma"), STATA)
def test_stata_all_industries(
    initial: str, order: int, beta: list[float], sigma: float, realdata: Path
) -> None:
    ours = as_printed(realdata, ("w", "k"), initial, order)
    XTLSDVC.agrees("estimate", ours.beta, beta, rel=1e-7)
    XTLSDVC.agrees("error deviation", np.sqrt(ours.sigma2), sigma, rel=1e-7)


def test_stata_without_regressors(realdata: Path) -> None:
    """[H6] An explosive case, which `fit` would refuse: the formulas are the same."""
    XTLSDVC.agrees("estimate", corrected(realdata, (), "ab", 2).beta, [1.09364011567584], rel=1e-7)


PAPER = [
    ("ah", 1, [0.5389829, -0.3375203, 0.2218794, 0.0302730, 0.0263007]),
    ("ah", 2, [0.5354691, -0.3380943, 0.2226967, 0.0310655, 0.0269198]),
    ("ah", 3, [0.6338054, -0.3258186, 0.1988694, 0.0112892, 0.0123501]),
    ("ab", 3, [0.6360273, -0.3256377, 0.1988754, 0.0080108, 0.0097372]),
]


@pytest.mark.parametrize(("initial", "order", "beta"), PAPER)
def test_paper_industry_four(initial: str, order: int, beta: list[float], realdata: Path) -> None:
    """Unbalanced, 29 firms, 177 rows. Its dummies are relative to 1984, ours to 1977."""
    ours = as_printed(realdata, ("w", "k"), initial, order, industry=4)
    BRUNO.agrees("within estimate", ours.within[:3], [0.4056509, -0.3541811, 0.2541555], abs=5e-8)
    BRUNO.agrees("estimate", ours.beta[:3], beta[:3], abs=5e-8)
    base = -ours.beta[-1]  # 1977 relative to 1984
    BRUNO.agrees("1977 relative to 1984", base, beta[3], abs=5e-8)
    BRUNO.agrees("1978 relative to 1984", base + ours.beta[3], beta[4], abs=5e-8)
