"""The panels on which R's sandwich, clubSandwich and plm computed the reference values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data.panel import Panel
from models.design import Codes, Design
from models.least_squares import LinearFit, fit_least_squares
from tests.study_case import panel_of


def codes(values: pd.Series) -> Codes:
    """A column as codes 0..L-1 in sorted order."""
    return np.unique(values.to_numpy(), return_inverse=True)[1].astype(np.int64)


def design_from(
    frame: pd.DataFrame,
    outcome: str,
    regressors: Sequence[str],
    index: tuple[str, str],
    effects: Sequence[str] = (),
    weights: str | None = None,
    parent: str | None = None,
    columns: Sequence[str] = (),
) -> Design:
    """A design from a frame without missing values; index names its unit and time columns."""
    unit, time = index
    return Design(
        y=frame[outcome].to_numpy(float),
        X=frame[list(regressors)].to_numpy(float),
        terms=tuple(regressors),
        n_treatments=1,
        weights=None if weights is None else frame[weights].to_numpy(float),
        unit=codes(frame[unit]),
        time=codes(frame[time]),
        units=np.unique(frame[unit].to_numpy()).astype(object),
        times=np.unique(frame[time].to_numpy()).astype(np.int64),
        parent=None if parent is None else codes(frame[parent]),
        effects=tuple(codes(frame[name]) for name in effects),
        effect_names=tuple(effects),
        columns={name: frame[name].to_numpy() for name in columns},
    )


def fit_design(design: Design) -> LinearFit:
    """Least squares with the design's effects absorbed."""
    return fit_least_squares(design.y, design.X, design.terms, design.weights, design.effects)


def us_states(
    realdata: Path, effects: Sequence[str] = ("fips", "year"), weighted: bool = False
) -> Design:
    """Teen employment on lagged investment and transfers, 51 states x 1998-2016, n = 969."""
    us = pd.read_parquet(realdata / "joined" / "us_state_panel.parquet")
    us = us.sort_values(["fips", "year"])
    for name, source in (("lsi1", "social_investment"), ("lct1", "cash_transfers")):
        us[name] = np.log(us[f"{source}_real_usd_per_child"]).groupby(us["fips"]).shift()
    us["lmw"], us["one"] = np.log(us["min_wage"]), 1.0
    weights = "children_0_18_implied" if weighted else None
    regressors = ["lsi1", "lct1", "unemp_rate", "lmw"] + ([] if effects else ["one"])
    us = us[us["year"] >= 1998]
    return design_from(us, "teen_emp_rate", regressors, ("fips", "year"), effects, weights)


def eu_regions(realdata: Path, effects: Sequence[str]) -> Design:
    """NEET on lagged ESF and GDP, 269 regions of 28 countries, unbalanced, n = 3,672."""
    eu = pd.read_parquet(realdata / "joined" / "eu_nuts2_2013_panel.parquet")
    eu = eu.sort_values(["geo", "year"])
    eu["lesf1"] = np.log1p(eu["esf_modelled_eur_pc"]).groupby(eu["geo"]).shift()
    eu["lgdp1"] = np.log(eu["gdp_pc_eur"]).groupby(eu["geo"]).shift()
    eu["country_year"] = eu["country"] + eu["year"].astype(str)
    eu = eu.dropna(subset=["neet_rate_15_29", "lesf1", "lgdp1"])
    regressors = ["lesf1", "lgdp1"]
    index = ("geo", "year")
    return design_from(eu, "neet_rate_15_29", regressors, index, effects, parent="country")


def mortality(realdata: Path, weighted: bool) -> Design:
    """Motor vehicle deaths on drinking age and beer tax, 50 states x 14 years."""
    frame = pd.read_csv(realdata / "canonical_panels" / "clubsandwich_MortalityRates.csv")
    kept = (frame["cause"] == "Motor Vehicle") & (frame["year"] <= 1983)
    frame = frame[kept & frame["beertaxa"].notna()]
    weights = "pop" if weighted else None
    index = ("state", "year")
    return design_from(frame, "mrate", ["legal", "beertaxa"], index, index, weights)


def petersen(realdata: Path) -> Design:
    """Petersen's simulated firms: 500 x 10, a slope and a constant."""
    frame = pd.read_csv(realdata / "canonical_panels" / "rdatasets_sandwich_PetersenCL.csv")
    frame["one"] = 1.0
    return design_from(frame, "y", ["x", "one"], ("firm", "year"))


def munnell(realdata: Path) -> Design:
    """Munnell's states, logs, state effects: 48 x 17."""
    frame = pd.read_csv(realdata / "canonical_panels" / "rdatasets_plm_Produc.csv")
    for name in ("gsp", "pcap", "pc", "emp"):
        frame[name] = np.log(frame[name])
    regressors = ["pcap", "pc", "emp", "unemp"]
    return design_from(frame, "gsp", regressors, ("state", "year"), ["state"])


def fatalities(realdata: Path, effects: Sequence[str]) -> Design:
    """Traffic deaths on the beer tax, 48 states x 7 years."""
    frame = pd.read_csv(realdata / "canonical_panels" / "rdatasets_AER_Fatalities.csv")
    frame["frate"] = frame["fatal"] / frame["pop"] * 10_000
    return design_from(frame, "frate", ["beertax"], ("state", "year"), effects)


def voters(realdata: Path) -> Design:
    """The survey of fwildclusterboot: 300 voters in 40 groups, two categorical controls."""
    frame = pd.read_csv(realdata / "canonical_panels" / "fwildclusterboot_voters.csv")
    needed = ["proposition_vote", "treatment", "log_income", "Q1_immigration", "Q2_defense"]
    frame = frame.dropna(subset=[*needed, "group_id1"])
    frame["one"] = 0
    return design_from(
        frame,
        "proposition_vote",
        ["treatment", "log_income"],
        ("ID", "one"),
        ["Q1_immigration", "Q2_defense"],
        columns=["group_id1", "weights"],
    )


def wages(realdata: Path) -> Panel:
    """Cornwell and Rupert's 595 persons over seven years, who come as blocks without a name."""
    frame = pd.read_csv(realdata / "canonical_panels" / "rdatasets_plm_Wages.csv")
    person, year = np.divmod(np.arange(len(frame)), 7)
    yes = {
        name: (frame[name] == "yes").astype(float)
        for name in ("bluecol", "south", "smsa", "married", "union", "black")
    }
    male = (frame["sex"] == "male").astype(float)
    frame = frame.assign(**yes, sex=male, person=person, year=1976 + year)
    return panel_of(frame.drop(columns="rownames").astype(float), "person", "year")
