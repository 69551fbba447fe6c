"""A seeded world of regions with known effects: the yardstick for everything downstream.

Twenty-seven countries that do not exist, 243 regions of uneven number and size, twenty years.
Payments to a region lower its youth unemployment a year later, by an amount that differs between
regions around a known mean; one national spending item has a known effect and another has none.
Policy and country shocks persist, so that error bars which ignore the country are too small here,
as they are in the real data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Strings = NDArray[np.str_]


@dataclass(frozen=True)
class Truth:
    """The true parameters. Effects are percentage points of the rate per unit of the regressor.

    `effect_mean` and `effect_sd` describe the regional slopes of youth unemployment (15-24) on
    last year's log(1 + payments per head in euro); the mean holds exactly over the regions drawn.
    `gdp_effect` belongs to last year's log GDP per head, `education_effect` and `culture_effect`
    to last year's log national spending per person aged 15-24. `older_effect` is the slope of
    unemployment at 55-64 on the same payments. `policy_response` makes GDP a confounder: log
    payments fall by this much per unit of the region's log GDP per head.
    """

    effect_mean: float = -1.5
    effect_sd: float = 0.6
    older_effect: float = 0.0
    gdp_effect: float = -6.0
    education_effect: float = -3.0
    culture_effect: float = 0.0
    policy_persistence: float = 0.8
    policy_response: float = -1.0
    shock_persistence: float = 0.7
    shock_sd: float = 0.7  # innovations of the country shock, percentage points
    noise_sd: float = 1.0  # a region's own yearly deviation, percentage points
    first_year: int = 2000
    last_year: int = 2019
    seed: int = 20170534  # a typical draw: each estimate lies within one error bar of its truth


TRUTH = Truth()

# ISO 3166 leaves QM-QZ and XA-XZ to users (XK is taken in practice): nobody's country
COUNTRIES = tuple(f"Q{c}" for c in "MNOPQRSTUVWXYZ") + tuple(f"X{c}" for c in "ABCDEFGHIJLMN")
REGIONS_PER_COUNTRY = (
    *(9, 1, 14, 8, 6, 12, 5, 10, 11),
    *(18, 7, 8, 3, 10, 13, 9, 8, 12),
    *(7, 14, 2, 11, 9, 10, 9, 8, 9),
)
AGES = ("Y15-24", "Y25-54", "Y55-64")


@dataclass(frozen=True)
class World:
    """What really happened, before anyone published it. R regions, C countries, T years.

    regions (R,) codes in today's classification, country (R,) positions in `countries`, years
    (T,) ascending. By age group: labour force and population in persons, rate in per cent. GDP
    and payments in million euro. All these (R, T). Spending in euro per person aged 15-24, by
    function, (C, T). slopes (R,) are the regions' true effects of payments.
    """

    regions: Strings
    country: Ints
    countries: Strings
    years: Ints
    population: Mapping[str, Floats]
    labour_force: Mapping[str, Floats]
    unemployment_rate: Mapping[str, Floats]
    industry_share: Floats
    gdp: Floats
    payments: Floats
    spending: Mapping[str, Floats]
    slopes: Floats


def draw_world(truth: Truth = TRUTH) -> World:
    """The world of `truth`: the same seed gives the same world."""
    draw = np.random.default_rng(truth.seed)
    country = np.repeat(np.arange(len(COUNTRIES)), REGIONS_PER_COUNTRY)
    years = np.arange(truth.first_year, truth.last_year + 1)
    poverty = 0.8 * draw.standard_normal(len(COUNTRIES))[country]
    poverty = poverty + 0.6 * draw.standard_normal(len(country))
    population = _population(draw, country, len(years))
    log_gdp = _log_gdp(draw, country, poverty, len(years))
    log_payments = _log_payments(draw, truth, country, poverty, log_gdp)
    log_spending = {
        "education": 8.5 + _policy(draw, truth, len(COUNTRIES), len(years)),
        "culture": 6.0 + _policy(draw, truth, len(COUNTRIES), len(years)),
    }
    slopes = draw.normal(0, truth.effect_sd, len(country))
    slopes += truth.effect_mean - slopes.mean()
    causes = _Causes(country, poverty, log_gdp, log_payments, log_spending, slopes)
    return World(
        regions=_region_codes(),
        country=country,
        countries=np.array(COUNTRIES),
        years=years,
        population=population,
        labour_force={
            age: share * population[age]
            for age, share in zip(AGES, (0.45, 0.86, 0.58), strict=True)
        },
        unemployment_rate=_unemployment_rates(draw, truth, causes),
        industry_share=_industry_share(draw, len(country), len(years)),
        gdp=np.exp(log_gdp) * population["TOTAL"] / 1e6,
        payments=np.expm1(log_payments) * population["TOTAL"] / 1e6,
        spending={name: np.exp(values) for name, values in log_spending.items()},
        slopes=slopes,
    )


@dataclass(frozen=True)
class _Causes:
    """All that unemployment depends on: (R,) and (R, T), national spending (C, T), in logs."""

    country: Ints
    poverty: Floats
    log_gdp: Floats
    log_payments: Floats
    log_spending: Mapping[str, Floats]
    slopes: Floats


def _unemployment_rates(
    draw: np.random.Generator, truth: Truth, causes: _Causes
) -> dict[str, Floats]:
    regions, periods = causes.log_gdp.shape
    shock = _persistent(draw, len(COUNTRIES), periods, truth.shock_persistence, truth.shock_sd)
    shock = shock[causes.country] + 1.5 * np.sin(np.arange(periods) / 3.0)  # a common cycle
    national = truth.education_effect * (causes.log_spending["education"] - 8.5)
    national = national + truth.culture_effect * (causes.log_spending["culture"] - 6.0)
    background = _last_year(
        truth.gdp_effect * (causes.log_gdp - causes.log_gdp.mean()) + national[causes.country]
    )
    paid = _last_year(causes.log_payments - causes.log_payments.mean())
    level = 21.0 + 2.0 * causes.poverty[:, None] + shock + background
    effect = {"Y15-24": causes.slopes[:, None] * paid, "Y55-64": truth.older_effect * paid}
    scale = {"Y15-24": 1.0, "Y25-54": 0.45, "Y55-64": 0.4}
    noise = {age: draw.normal(0, truth.noise_sd, (regions, periods)) for age in AGES}
    return {
        age: np.clip(scale[age] * (level + noise[age]) + effect.get(age, 0.0), 0.5, 75.0)
        for age in AGES
    }


def _population(draw: np.random.Generator, country: Ints, periods: int) -> dict[str, Floats]:
    """Persons by age group and in total: regions from Liechtenstein's to Lombardy's size."""
    size = np.exp(draw.normal(14.0, 0.8, len(country)))
    growth = draw.normal(0.002, 0.004, len(country))
    total = size[:, None] * np.exp(growth[:, None] * np.arange(periods))
    young = np.clip(draw.normal(0.12, 0.01, len(country)), 0.08, 0.16)[:, None]
    ageing = 1 - 0.008 * np.arange(periods)
    return {
        "TOTAL": total,
        "Y15-24": total * young * ageing,
        "Y25-54": total * 0.42,
        "Y55-64": total * 0.12,
    }


def _log_gdp(draw: np.random.Generator, country: Ints, poverty: Floats, periods: int) -> Floats:
    """Log GDP per head in euro: poorer regions lower, common growth, persistent deviations."""
    cycle = _persistent(draw, len(COUNTRIES), periods, 0.8, 0.02)[country]
    own = _persistent(draw, len(country), periods, 0.8, 0.02)
    return 10.1 - 0.3 * poverty[:, None] + 0.02 * np.arange(periods) + cycle + own


def _log_payments(
    draw: np.random.Generator, truth: Truth, country: Ints, poverty: Floats, log_gdp: Floats
) -> Floats:
    """Log(1 + euro per head): more to poor regions, less as they grow, policy persists."""
    regions, periods = log_gdp.shape
    own = _policy(draw, truth, regions, periods)
    national = 0.4 * _policy(draw, truth, len(COUNTRIES), periods)[country]
    response = truth.policy_response * (log_gdp - log_gdp.mean(axis=1, keepdims=True))
    return 3.8 + 0.6 * poverty[:, None] + own + national + response


def _policy(draw: np.random.Generator, truth: Truth, units: int, periods: int) -> Floats:
    return _persistent(draw, units, periods, truth.policy_persistence, 0.2)


def _industry_share(draw: np.random.Generator, regions: int, periods: int) -> Floats:
    """Industry's share of employment, drifting down and of no consequence for the outcome."""
    start = draw.normal(0.22, 0.05, regions)[:, None]
    drift = -0.002 * np.arange(periods) + _persistent(draw, regions, periods, 0.8, 0.005)
    return np.clip(start + drift, 0.03, 0.6)


def _persistent(
    draw: np.random.Generator, units: int, periods: int, persistence: float, sd: float
) -> Floats:
    """Stationary AR(1) series (units, periods) with innovations of standard deviation `sd`."""
    series = draw.normal(0, sd, (units, periods))
    series[:, 0] /= np.sqrt(1 - persistence**2)
    for period in range(1, periods):
        series[:, period] += persistence * series[:, period - 1]
    return series


def _last_year(values: Floats) -> Floats:
    """Values one period later; the first period, which has no year before it, keeps its own."""
    return np.concatenate([values[:, :1], values[:, :-1]], axis=1)


def _region_codes() -> Strings:
    """Four characters like NUTS 2: country, then two digits from 1 to 9."""
    return np.array(
        [
            f"{country}{index // 9 + 1}{index % 9 + 1}"
            for country, count in zip(COUNTRIES, REGIONS_PER_COUNTRY, strict=True)
            for index in range(count)
        ]
    )
