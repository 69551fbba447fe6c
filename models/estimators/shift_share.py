"""Shift-share instruments: regional shares of sectors times what happens to the sectors elsewhere.

Identified either by shocks that are as good as random (Borusyak, Hull and Jaravel 2022; errors of
Adao, Kolesar and Morales 2019) or by shares that are (Goldsmith-Pinkham, Sorkin and Swift 2020,
whose Rotemberg weights say which sectors the estimate rests on).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from data.errors import BadInput
from data.suggestions import near
from models.absorb import absorb
from models.design import Design, Floats
from models.inference.akm import ShiftShare, akm0_interval, akm_error
from models.results import ModelResult, Term, Test
from models.study import ModelSpec

KEYS = ("shares", "shocks")
INSTRUMENT = "shift-share instrument"
FEW_SHOCKS = 20  # effective sectors below which AKM errors are known to be too small
SHOWN = 5  # Rotemberg weights in the result
Fit = Callable[[Design, ModelSpec], ModelResult]


def fit_shift_share(design: Design, spec: ModelSpec, fit: Fit) -> ModelResult:
    """IV within by the instrument sum over k of shares[k] x shocks[k], `fit` being plain IV within.

    Option `shift_share` holds two lists of columns of equal length. The treatment's error is AKM
    with normal critical values, that of controls what the study asks for; `akm0_low`, `akm0_high`
    hold the AKM0 interval. Raises BadInput for more than one treatment, instruments beside it,
    shocks that differ between units of a period, and more sectors than units in a period.
    """
    shares, shocks, names = _columns(design, spec)
    design = replace(
        design, columns={**design.columns, INSTRUMENT: (shares * shocks).sum(axis=1)}
    )
    options = {k: v for k, v in spec.options.items() if k != "shift_share"}
    plain = replace(spec, options={**options, "instruments": (INSTRUMENT,)})
    result = fit(design, plain)
    model = reduced(design, shares)
    low, high = akm0_interval(model)
    warnings = (*result.warnings, *_cautions(design, shares, names, low))
    term = _akm_term(result.terms[0], akm_error(model))
    return replace(
        result,
        terms=(term, *result.terms[1:]),
        fit={**result.fit, "akm0_low": low, "akm0_high": high},
        tests=(*result.tests, *_sector_tests(design, model, shares * shocks, names)),
        warnings=warnings,
        inference=replace(
            result.inference,
            convention=(
                f"AKM over {len(names)} sectors for {term.term}, normal critical values; "
                f"else {result.inference.convention}"
            ),
        ),
    )


def reduced(design: Design, shares: Floats) -> ShiftShare:
    """Outcome, treatment and instrument with effects and controls taken out."""
    weights = design.weights
    w = np.ones(design.n_obs) if weights is None else weights / weights.mean()
    z = design.columns[INSTRUMENT].astype(np.float64)
    controls = design.X[:, 1:]
    if not design.effects:
        controls = np.column_stack([controls, np.ones(design.n_obs)])
    stacked = np.column_stack([design.y, design.X[:, 0], z, controls])
    left = absorb(design.effects, weights, design.n_obs).residual(stacked)
    root = np.sqrt(w)[:, None]
    if left.shape[1] > 3:
        basis = left[:, 3:] * root
        fitted, *_ = np.linalg.lstsq(basis, left[:, :3] * root, rcond=None)
        left = left[:, :3] - left[:, 3:] @ fitted
    y, x, instrument = left[:, :3].T
    return ShiftShare(y, x, instrument, w, shares, design.time)


def _columns(design: Design, spec: ModelSpec) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Shares and shocks (n, K), and the names of the share columns."""
    asked = spec.options["shift_share"]
    if not isinstance(asked, Mapping):
        todo = "write shift_share = { shares = [...], shocks = [...] }"
        raise BadInput("shift_share", f"is {asked!r}", todo)
    for key in asked:
        if key not in KEYS:
            raise BadInput("shift_share", f"unknown key {key!r}", near(str(key), KEYS))
    if "instruments" in spec.options:
        todo = "drop instruments: the shares and shocks make the instrument"
        raise BadInput("instruments", "named beside shift_share", todo)
    if design.n_treatments != 1:
        todo = "name one treatment"
        raise BadInput("shift_share", f"one instrument for {design.n_treatments}", todo)
    shares, names = _numbers(design, asked, "shares")
    shocks, others = _numbers(design, asked, "shocks")
    if len(names) != len(others) or len(names) < 2:
        what = f"{len(names)} shares and {len(others)} shocks"
        raise BadInput("shift_share", what, "name a shock for each share, two or more")
    _refuse_impossible(design, shares, shocks, others)
    return shares, shocks, names


def _numbers(
    design: Design, asked: Mapping[str, Any], key: str
) -> tuple[Floats, tuple[str, ...]]:
    names = asked.get(key, ())
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        if name not in design.columns or design.columns[name].dtype != np.float64:
            raise BadInput(f"shift_share.{key}", f"no column of numbers {name!r}", "check its name")
    if not names:
        raise BadInput(f"shift_share.{key}", "names nothing", f"add {key} = [...]")
    columns = np.column_stack([design.columns[name] for name in names])
    return columns.astype(np.float64), names


def _refuse_impossible(
    design: Design, shares: Floats, shocks: Floats, names: tuple[str, ...]
) -> None:
    order = np.argsort(design.time, kind="stable")
    starts = np.flatnonzero(np.diff(design.time[order], prepend=-1))
    spread = np.maximum.reduceat(shocks[order], starts) - np.minimum.reduceat(shocks[order], starts)
    size = 1e-9 * np.abs(shocks).max(axis=0)
    uneven = np.flatnonzero((spread > size).any(axis=0))
    if len(uneven):
        what = f"{names[uneven[0]]!r} differs between units of one period"
        raise BadInput("shift_share.shocks", what, "a shock is common to all units of a period")
    fewest = int(np.bincount(design.time).min())
    if fewest < shares.shape[1]:
        what = f"{shares.shape[1]} sectors and {fewest} units in a period"
        raise BadInput("shift_share.shares", what, "use no more sectors than units")
    for period in np.unique(design.time):
        here = shares[design.time == period]
        if np.linalg.matrix_rank(here) < shares.shape[1]:
            what = f"columns are combinations of one another in {design.times[period]}"
            raise BadInput("shift_share.shares", what, "drop or merge sectors")


def _cautions(
    design: Design, shares: Floats, names: tuple[str, ...], low: float
) -> tuple[str, ...]:
    cautions = []
    effective = effective_sectors(design, shares)
    if effective < FEW_SHOCKS:
        cautions.append(
            f"{len(names)} sectors count as {effective:.1f} (inverse concentration of exposure): "
            "AKM errors are too small with few; look at the AKM0 interval"
        )
    total = shares.sum(axis=1)
    left = absorb(design.effects, design.weights, design.n_obs).residual(total[:, None])
    if np.abs(left).max() > 1e-8 * np.abs(total).max():
        cautions.append(
            "shares do not add up to one number: the instrument also moves with their sum; add the "
            "sum of shares, by period, to the controls"
        )
    if not np.isfinite(low):
        cautions.append("the AKM0 set is unbounded: the first stage is weak, or sectors are few")
    return tuple(cautions)


def effective_sectors(design: Design, shares: Floats) -> float:
    """Inverse concentration of the sectors' mean exposures."""
    weights = np.ones(design.n_obs) if design.weights is None else design.weights
    exposure = np.abs(weights @ shares)
    return float(exposure.sum() ** 2 / (exposure @ exposure))


def _sector_tests(
    design: Design, model: ShiftShare, parts: Floats, names: tuple[str, ...]
) -> tuple[Test, ...]:
    """Effective sectors, and the largest Rotemberg weights with each sector's own estimate."""
    weight, own = rotemberg(model, parts)
    order = np.argsort(-np.abs(weight))[:SHOWN]
    effective = effective_sectors(design, model.shares)
    negative = float(-weight[weight < 0.0].sum())
    return (
        Test("effective_sectors", effective, None, None, "inverse concentration of exposure"),
        Test("rotemberg_negative", negative, None, None, "sum of negative weights, without sign"),
        *(
            Test(
                f"rotemberg {names[k]}", float(weight[k]), None, None,
                f"weight of {names[k]}, whose own estimate is {own[k]:.4g}",
            )
            for k in order
        ),
    )  # fmt: skip


def rotemberg(model: ShiftShare, parts: Floats) -> tuple[Floats, Floats]:
    """Weights (K,), which add to one, and just-identified estimates (K,) of the sectors' parts.

    parts (n, K) are shares times shocks, the instrument's summands; weights times estimates add to
    the estimate. An estimate without a first stage of its own is NaN, with weight zero.
    """
    along_x, along_y = parts.T @ (model.weights * model.x), parts.T @ (model.weights * model.y)
    moves = along_x != 0.0
    own = np.divide(along_y, along_x, out=np.full_like(along_y, np.nan), where=moves)
    return along_x / model.first_stage, own


def _akm_term(term: Term, error: float) -> Term:
    reach, statistic = float(ndtri(0.975)) * error, term.estimate / error
    return replace(
        term,
        std_error=error,
        statistic=statistic,
        df=None,
        p_value=float(2.0 * ndtr(-abs(statistic))),
        conf_low=term.estimate - reach,
        conf_high=term.estimate + reach,
    )
