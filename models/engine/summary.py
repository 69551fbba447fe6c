"""A curve in a few numbers: where it lies, how much of it is significant, what moves it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.design import Floats
from models.engine.results import ChoiceShare, Summary

SIGNIFICANT = 0.05
AXES = ("outcome", "treatment", "effects", "sample", "weights")


def summarise(specs: pd.DataFrame) -> tuple[Summary, tuple[Summary, ...]]:
    """The whole curve, and each pair of outcome and treatment, of `specs` as in `Curve`."""
    pairs = [
        _summary(part, str(outcome), str(treatment))
        for (outcome, treatment), part in specs.groupby(["outcome", "treatment"], sort=False)
    ]
    if len(pairs) == 1:
        return pairs[0], tuple(pairs)
    return _summary(specs, None, None), tuple(pairs)


def _summary(specs: pd.DataFrame, outcome: str | None, treatment: str | None) -> Summary:
    estimate = specs["estimate"].to_numpy()
    # the t-test alone rejects too often with few or unequal clusters: the bootstrap has to agree
    significant = (specs[["p_value", "wild_p"]].to_numpy() < SIGNIFICANT).all(axis=1)
    low, median, high = (float(q) for q in np.quantile(estimate, [0.025, 0.5, 0.975]))
    mixed = outcome is None
    return Summary(
        outcome=outcome,
        treatment=treatment,
        specs=len(specs),
        median=None if mixed else median,
        low=None if mixed else low,
        high=None if mixed else high,
        share_positive=float((estimate > 0).mean()),
        share_positive_significant=float((significant & (estimate > 0)).mean()),
        share_negative_significant=float((significant & (estimate < 0)).mean()),
    )


def variance_shares(specs: pd.DataFrame, controls: tuple[str, ...]) -> tuple[ChoiceShare, ...]:
    """How much of the variance of the standardised estimates each choice explains by itself.

    Each optional control is a choice of its own (in or out). Choices are sorted by their share;
    what no single choice explains comes last. Nothing is returned for a flat or single-cell curve.
    """
    values = specs["standardised"].to_numpy()
    total = float(values.var())
    if len(values) < 2 or total <= 1e-24 * float(np.abs(values).max()) ** 2:
        return ()
    held = specs["controls"].str.split(" + ", regex=False)
    choices = {axis: pd.factorize(specs[axis])[0] for axis in AXES}
    for name in controls:
        choices[f"control {name}"] = np.array([int(name in subset) for subset in held])
    shares = [
        ChoiceShare(name, int(codes.max()) + 1, _between(values, codes) / total)
        for name, codes in choices.items()
        if codes.min() != codes.max()
    ]
    rest = max(0.0, 1.0 - sum(share.share for share in shares))
    ranked = sorted(shares, key=lambda share: -share.share)
    return (*ranked, ChoiceShare("interactions", len(values), rest))


def _between(values: Floats, codes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """Variance of the level means, weighted by how many cells have the level."""
    counts = np.bincount(codes)
    means = np.bincount(codes, values) / np.maximum(counts, 1)
    return float(counts @ (means - values.mean()) ** 2 / counts.sum())


def axes_of(specs: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """The levels of each choice that the curve holds, in order of appearance."""
    return {axis: tuple(specs[axis].unique()) for axis in AXES}
