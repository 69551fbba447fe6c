"""The multiverse of the study in `report_case`, made by hand too: the numbers are invented."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import pandas as pd

from models.engine.results import (
    ChoiceShare,
    Curve,
    DroppedCells,
    JointTest,
    PlaceboAudit,
    RejectionRate,
    Summary,
)
from models.study import Multiverse
from tests import report_case

MULTIVERSE = Multiverse(
    model="two-way",
    outcomes=("youth_unemp_rate",),
    treatments=("esf",),
    controls_always=(),
    controls_any_of=("gdp", "density", "tertiary"),
    effects=(("unit", "time"), ("unit", "parent*time")),
    samples={"all": "true", "pre_crisis": "year < 2009"},
    weights=(None, "pop_15_24"),
    draws=999,
    seed=20260101,
    leave_out="parent",
)
AXES = {
    "outcome": ("youth_unemp_rate",),
    "treatment": ("esf",),
    "effects": ("unit + time", "unit + parent*time"),
    "sample": ("all", "pre_crisis"),
    "weights": ("none", "pop_15_24"),
}
AUDIT = PlaceboAudit(
    outcome="youth_unemp_rate",
    treatment="esf",
    level="regional",
    persistence=0.8,
    parent_share=0.6,
    placebos=2000,
    seed=1,
    rates=(
        RejectionRate("robust", (), None, 0.31, 0.010, None, 2000, False),
        RejectionRate("cluster", ("country",), "CR2", 0.058, 0.005, 25, 2000, True),
        RejectionRate("wild-cluster", ("country",), None, 0.052, 0.005, 25, 2000, False),
    ),
    sentence="On this panel, this test at 5 % rejects a true null 5.8 % of the time.",
    warning=None,
)


def curve() -> Curve:
    """Made-up specifications around the headline, and its leave-one-out."""
    specs = _specifications()
    summary = _summary(specs)
    return Curve(
        study=replace(report_case.study(), multiverse=MULTIVERSE),
        panel_name="eu-nuts2",
        panel_sha256="d" * 64,
        simulated=False,
        inference="CR1 by country",
        axes=AXES,
        controls=MULTIVERSE.controls_any_of,
        specs=specs,
        declared=len(specs) + 4,
        dropped=(DroppedCells("excluded", "weights with the short sample", 4),),
        summary=summary,
        by_pair=(summary,),
        variance=(ChoiceShare("effects", 2, 0.61), ChoiceShare("controls", 8, 0.2)),
        joint=JointTest("median", -2.1, 0.031, 999, 20260101, "country", 25, (), pd.DataFrame()),
        placebo_audit=AUDIT,
        leave_out=_leave_out(),
        leave_out_by="country",
    )


def _summary(specs: pd.DataFrame) -> Summary:
    low_p = specs["p_value"] < 0.05
    return Summary(
        "youth_unemp_rate",
        "esf",
        len(specs),
        float(specs["estimate"].median()),
        float(specs["estimate"].quantile(0.025)),
        float(specs["estimate"].quantile(0.975)),
        float((specs["estimate"] > 0).mean()),
        float((low_p & (specs["estimate"] > 0)).mean()),
        float((low_p & (specs["estimate"] < 0)).mean()),
    )


def _specifications() -> pd.DataFrame:
    controls = [
        " + ".join(c) for n in range(4) for c in combinations(("gdp", "density", "tertiary"), n)
    ]
    effects = ("unit + time", "unit + parent*time")
    axes = product(controls, effects, ("all", "pre_crisis"), ("none", "pop_15_24"))
    rows = []
    for number, (held, fixed, sample, weights) in enumerate(axes):
        strict, short = fixed.endswith("parent*time"), sample == "pre_crisis"
        estimate = -0.85 + 0.6 * strict + 0.1 * short + 0.02 * (number % 7) + 0.05 * held.count("+")
        error = 0.31 + 0.08 * short
        rows.append(
            {
                "outcome": "youth_unemp_rate",
                "treatment": "esf",
                "controls": held,
                "effects": fixed,
                "sample": sample,
                "weights": weights,
                "estimate": estimate,
                "std_error": error,
                "statistic": estimate / error,
                "df": 24.0,
                "p_value": 0.03 if abs(estimate) > 2.06 * error else 0.3,
                "conf_low": estimate - 2.06 * error,
                "conf_high": estimate + 2.06 * error,
                "n_obs": 2846,
                "n_clusters": 25,
                "adjusted_p": 0.2,
                "standardised": estimate / 10,
                "main": (held, strict, short, weights) == ("gdp", False, False, "none"),
            }
        )
    return pd.DataFrame(rows)


def _leave_out() -> pd.DataFrame:
    countries = [
        *("AT", "BE", "BG", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "HU", "IE"),
        *("IT", "LT", "LU", "LV", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "UK"),
    ]
    estimates = [-0.83 + 0.012 * (number % 9 - 4) for number in range(len(countries))]
    estimates[8] = -0.31
    return pd.DataFrame(
        {
            "left_out": countries,
            "estimate": estimates,
            "std_error": 0.31,
            "conf_low": [estimate - 0.65 for estimate in estimates],
            "conf_high": [estimate + 0.65 for estimate in estimates],
            "p_value": 0.03,
            "df": 23.0,
            "correction": "CR2",
            "n_obs": 2700,
        }
    )
