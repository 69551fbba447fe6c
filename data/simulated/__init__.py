"""Publishes the simulated world the way Eurostat does: gzipped bulk TSV files, defects included.

The ordinary reader loads them; only their recipe says that they are simulated. The defects are
those of the real files: small cells flagged or suppressed where few are unemployed, breaks in
series, provisional last years, countries that start late, and regions whose codes change in the
middle of one file but not in the others.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.simulated.world import COUNTRIES, TRUTH, Floats, Strings, World, draw_world

# Seconds since 1970 of 2 January 2026, noon: in the files' headers and as their time stamp, so
# that the same seed gives the same bytes and the same date of publication.
PUBLISHED = 1_767_355_200

BREAKS = {"QT": 2009, "QV": 2014, "XE": 2005}  # a new survey counts six per cent more unemployed
BREAK_RATIO = 1.06
FIRST_SURVEY = {"XI": 2003, "QZ": 2002}  # countries whose labour force survey starts late
CONFIDENTIAL = COUNTRIES[:9]  # these suppress with c, the others with u
UNRELIABLE_BELOW, SUPPRESSED_BELOW = 5.0, 2.5  # thousand unemployed
MALE_SHARE = 0.54


@dataclass(frozen=True)
class CodeChange:
    """Until CODES_CHANGED, `share` of region `new` was published as region `old`."""

    old: str
    new: str
    share: float = 1.0


CODES_CHANGED = 2011
CODE_CHANGES = (
    *(CodeChange(f"QR5{digit}", f"QR1{digit}") for digit in range(1, 10)),
    *(CodeChange(f"QR6{digit}", f"QR2{digit}") for digit in range(1, 4)),
    CodeChange("XA71", "XA21", share=0.6),
    CodeChange("XA72", "XA21", share=0.4),
)


@dataclass(frozen=True)
class Cells:
    """Part of a published table: `key` (the dimensions before geo), geo (n,), the rest (n, T)."""

    key: str
    geo: Strings
    values: Floats  # NaN where nothing is published
    flags: Strings  # the publisher's letters, sorted


def write_simulated(folder: Path, seed: int = TRUTH.seed, only: str | None = None) -> None:
    """Writes the files of the simulated world into `folder`, under their publisher's names.

    `only` names a single dataset. Raises KeyError for one that the world does not publish.
    """
    world = draw_world(replace(TRUTH, seed=seed))
    folder.mkdir(parents=True, exist_ok=True)
    for name in (only,) if only else _PUBLICATIONS:
        dimensions, form, parts = _PUBLICATIONS[name]
        _write(folder / f"{name}.tsv.gz", dimensions, form, world, parts(world))


def _unemployed(world: World) -> Iterable[Cells]:
    for key, share, age in _by_age_and_sex(MALE_SHARE):
        yield _survey(world, key, share * _counts(world, age)[0], suppress=True)


def _employed(world: World) -> Iterable[Cells]:
    for key, share, age in _by_age_and_sex(MALE_SHARE):
        yield _survey(world, key, share * _counts(world, age)[1], suppress=False)


def _by_age_and_sex(male: float) -> Iterable[tuple[str, float, str]]:
    for age in ("Y15-24", "Y55-64", "Y_GE15"):
        for sex, share in (("F", 1 - male), ("M", male), ("T", 1.0)):
            yield f"THS,{age},{sex}", share, age


def _counts(world: World, age: str) -> tuple[Floats, Floats]:
    """Unemployed and employed (R, T) in thousand, with the jump at the country's break."""
    ages = tuple(world.labour_force) if age == "Y_GE15" else (age,)
    active = sum((world.labour_force[a] for a in ages), np.zeros(1)) / 1e3
    unemployed = sum(
        (world.labour_force[a] * world.unemployment_rate[a] / 1e5 for a in ages), np.zeros(1)
    )
    since = np.array([BREAKS.get(c, 9999) for c in COUNTRIES])[world.country]
    unemployed = np.where(world.years >= since[:, None], BREAK_RATIO * unemployed, unemployed)
    return unemployed, active - unemployed


def _survey(world: World, key: str, values: Floats, *, suppress: bool) -> Cells:
    """A labour force survey's table: changed codes, late starts, breaks and small cells."""
    geo, values = _under_codes_of_the_day(world, values)
    country = np.array([code[:2] for code in geo])
    since = np.array([FIRST_SURVEY.get(c, 0) for c in country])
    values = np.where(world.years >= since[:, None], values, np.nan)
    broken = np.array([BREAKS.get(c, 9999) for c in country])[:, None] == world.years
    flags = np.where(broken & ~np.isnan(values), "b", "")
    if suppress:
        small = values < SUPPRESSED_BELOW
        letter = np.where(np.isin(country, CONFIDENTIAL), "c", "u")[:, None]
        doubtful = np.where(small, letter, np.where(values < UNRELIABLE_BELOW, "u", ""))
        flags = np.char.add(flags, doubtful)
        values = np.where(small, np.nan, values)
    return Cells(key, geo, values, flags)


def _branches(world: World) -> Iterable[Cells]:
    employed = _counts(world, "Y_GE15")[1]
    yield _survey(world, "THS,TOTAL", employed, suppress=False)
    yield _survey(world, "THS,B-E", employed * world.industry_share, suppress=False)


def _population(world: World) -> Iterable[Cells]:
    for age in ("TOTAL", "Y15-24"):
        yield _plain(world, f"NR,{age}", world.population[age])


def _gdp(world: World) -> Iterable[Cells]:
    cells = _plain(world, "MIO_EUR", world.gdp)
    flags = cells.flags.copy()
    flags[:, -1] = "p"
    yield replace(cells, flags=flags)


def _payments(world: World) -> Iterable[Cells]:
    """Payments keep the codes under which the programmes were adopted, in all years."""
    geo, values = _old_codes(world, world.payments, before=9999)
    yield Cells("MIO_EUR,ESF", geo, values, _no_flags(values))


def _spending(world: World) -> Iterable[Cells]:
    for code, name in (("GF08", "culture"), ("GF09", "education")):
        values = world.spending[name]
        yield Cells(f"EUR_Y15-24,{code}", world.countries, values, _no_flags(values))


def _plain(world: World, key: str, values: Floats) -> Cells:
    """Countries and regions under today's codes."""
    geo = np.concatenate([world.countries, world.regions])
    values = np.concatenate([_country_sums(world, values), values])
    return Cells(key, geo, values, _no_flags(values))


def _under_codes_of_the_day(world: World, values: Floats) -> tuple[Strings, Floats]:
    """Codes (n,) and values (n, T): countries, then regions under old and new codes."""
    geo, regional = _old_codes(world, values, before=CODES_CHANGED)
    changed = np.isin(world.regions, [change.new for change in CODE_CHANGES])
    today = np.where(world.years >= CODES_CHANGED, values[changed], np.nan)
    geo = np.concatenate([world.countries, geo, world.regions[changed]])
    return geo, np.concatenate([_country_sums(world, values), regional, today])


def _old_codes(world: World, values: Floats, before: int) -> tuple[Strings, Floats]:
    """Regions (n,) under the codes valid before the change; nothing for them from `before` on."""
    kept = ~np.isin(world.regions, [change.new for change in CODE_CHANGES])
    row = {code: position for position, code in enumerate(world.regions)}
    source = [row[change.new] for change in CODE_CHANGES]
    shares = np.array([[change.share] for change in CODE_CHANGES])
    old = np.where(world.years < before, shares * values[source], np.nan)
    codes = np.array([change.old for change in CODE_CHANGES])
    return np.concatenate([world.regions[kept], codes]), np.concatenate([values[kept], old])


def _country_sums(world: World, values: Floats) -> Floats:
    sums = np.zeros((len(world.countries), values.shape[1]))
    np.add.at(sums, world.country, values)
    return sums


def _no_flags(values: Floats) -> Strings:
    return np.full(values.shape, "", dtype="<U2")


# of each dataset: its dimensions before geo, how numbers are written, and its cells
_PUBLICATIONS: dict[str, tuple[str, str, Callable[[World], Iterable[Cells]]]] = {
    "sim_r_lfu3pers": ("unit,age,sex", "%.1f", _unemployed),
    "sim_r_lfe2emp": ("unit,age,sex", "%.1f", _employed),
    "sim_r_lfe2en2": ("unit,nace_r2", "%.1f", _branches),
    "sim_r_d2jan": ("unit,age", "%.0f", _population),
    "sim_10r_2gdp": ("unit", "%.1f", _gdp),
    "sim_r_payments": ("unit,fund", "%.3f", _payments),
    "sim_gov_exp": ("unit,cofog99", "%.1f", _spending),
}


def _write(path: Path, dimensions: str, form: str, world: World, parts: Iterable[Cells]) -> None:
    """One bulk file in the layout of before 2023: years descending, a blank before each flag."""
    years = "\t".join(f"{year} " for year in world.years[::-1])
    lines = [f"{dimensions},geo\\time\t{years}"]
    for part in parts:
        order = np.argsort(part.geo)
        numbers = np.where(np.isnan(part.values), ":", np.char.mod(form, part.values))
        cells = np.char.add(np.char.add(numbers, " "), part.flags)[order, ::-1]
        lines += [
            f"{part.key},{geo}\t" + "\t".join(row)
            for geo, row in zip(part.geo[order], cells, strict=True)
        ]
    # not the highest compression, whose mark in the header reads as packed anew by somebody else
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode(), 6, mtime=PUBLISHED))
    os.utime(path, (PUBLISHED, PUBLISHED))
