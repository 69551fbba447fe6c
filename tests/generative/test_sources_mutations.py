"""Damaged files: each is read as it stands or refused with its place, none silently wrong.

Each mutated file is also read by a second, deliberately plain reader below (text methods, `csv`
and `json`; no SQL). Where that one finds the file unreadable, so must the product; where the
product reads it, both must have found the same observations.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from data import contracts
from data.errors import BadInput, ContractBroken
from data.recipes import DatasetRecipe, FileLayout
from data.sources import reader
from data.sources.staged import Load, SourceFile
from data.warehouse.writer import STAGING

MUTATIONS = 525  # of each kind of file
Cells = dict[tuple[str, ...], tuple[float | None, str]]

TSV = b"\r\n".join(
    (
        b"freq,unit,sex,geo\\TIME_PERIOD\t2011 \t2012 \t2013 ",
        b"A,THS,F,AT11\t12.5 \t13.0 b\t: ",
        b"A,THS,F,BE10\t7 u\t: c\t-8.25 bu",
        b"A,THS,M,AT11\t1.5 \t2 \t3 e",
        b"A,THS,M,BE10\t: @C\t0.0 \t100 ",
        b"",
    )
)
OLD_TSV = b"\n".join(
    (
        b"unit,sex,geo\\time\t2013 \t2012 \t2011 ",
        b"THS,F,AT11\t: \t13.0 b\t12.5 ",
        b"THS,M,BE10\t100 \t0.0 \t: u",
        b"",
    )
)
ABOUT = b'dataflow,ESTAT:X(1.0),"A title, with a comma",A,Annual,PC,Percentage'
SDMX = b"\n".join(
    (
        b"STRUCTURE,STRUCTURE_ID,STRUCTURE_NAME,freq,Time frequency,unit,Unit of measure,geo,"
        b'"Region, reporting",TIME_PERIOD,Time,OBS_VALUE,Observation value,OBS_FLAG,'
        b"Observation status,CONF_STATUS,Confidentiality",
        ABOUT + b",AT11,Burgenland,2012,,12.5,,b,break,,",
        ABOUT + b",AT11,Burgenland,2013,,13,,,,,",
        ABOUT + b",BE10,Bruxelles,2012,,,,u,,C,confidential",
        ABOUT + b",BE10,Bruxelles,2013,,-0.25,,bu,,,",
        b"",
    )
)
JSON = json.dumps(
    {
        "version": "2.0",
        "class": "dataset",
        "updated": "2024-06-13T23:00:00+0200",
        "id": ["freq", "unit", "geo", "time"],
        "size": [1, 1, 2, 2],
        "dimension": {
            "freq": {"category": {"index": {"A": 0}}},
            "unit": {"category": {"index": {"PC": 0}}},
            "geo": {"category": {"index": {"AT11": 0, "BE10": 1}}},
            "time": {"category": {"index": {"2012": 0, "2013": 1}}},
        },
        "value": {"0": 12.5, "1": 13, "3": -0.25},
        "status": {"0": "b", "2": ":c", "3": "bu"},
    },
    indent=1,
).encode()
PIECES = [*b"0159.-:,;\t\n\r \"'{}[]@abcuXZ\\/_#\xe9\xff\x00", *range(48, 58)]


PLACE = re.compile(
    r"^mutated\.txt, (line \d+|byte \d+|document|dimension|position|size|id|value|status)"
    r"|rule .*, file mutated\.txt$"
)


class Unreadable(Exception):
    """What the plain reader says of a file it cannot make sense of."""


def wrong_if(test: object) -> None:
    if test:
        raise Unreadable


def number(text: str) -> float | None:
    if text in ("", ":"):
        return None
    wrong_if(not re.fullmatch(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text, re.ASCII))
    wrong_if(not math.isfinite(float(text)))
    return float(text)


def period(text: str) -> str:
    wrong_if(not re.fullmatch(r"\d{4}", text, re.ASCII))
    return text


def flags(text: str) -> str:
    wrong_if(not re.fullmatch(r"[a-z]*", text))
    return "".join(sorted(set(text)))


def plain_tsv(raw: bytes) -> Cells:
    wrong_if(not raw.endswith(b"\n"))
    lines = raw.decode("utf-8-sig").removesuffix("\n").split("\n")
    head, *columns = lines[0].removesuffix("\r").split("\t")
    keys, slash, across = head.rpartition("\\")
    wrong_if(not slash or across.strip().lower() not in ("time", "time_period"))
    names = [name.strip().lower() for name in keys.split(",")]
    wrong_if(sorted(set(names) - {"freq"}) != ["geo", "sex", "unit"])
    wrong_if(len(set(names)) < len(names))
    periods = [period(column.strip()) for column in columns]
    wrong_if(len(set(periods)) < len(periods) or len(lines) < 2)
    found: Cells = {}
    for line in lines[1:]:
        key, *cells = line.removesuffix("\r").split("\t")
        codes = key.split(",")
        wrong_if(len(codes) != len(names) or "" in codes or len(cells) != len(periods))
        named = dict(zip(names, codes, strict=True))
        wrong_if(named.pop("freq", "A") != "A")
        for when, cell in zip(periods, cells, strict=True):
            figure, _, marks = cell.partition(" ")
            wrong_if(figure == "")
            marks = marks.replace(" ", "").replace("@C", "c")
            place = (named["geo"], named["sex"], when, named["unit"])
            wrong_if(place in found)
            found[place] = (number(figure), flags(marks))
    return found


def plain_sdmx(raw: bytes) -> Cells:
    wrong_if(not raw.endswith(b"\n"))
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8"), newline=""), strict=True))
    head = [name.strip() for name in rows[0]]
    wanted = ("freq", "unit", "geo", "TIME_PERIOD", "OBS_VALUE", "OBS_FLAG", "CONF_STATUS")
    wrong_if(any(head.count(name) != 1 for name in wanted) or len(rows) < 2)
    at = [head.index(name) for name in wanted]
    found: Cells = {}
    for row in rows[1:]:
        if row:
            wrong_if(len(row) != len(head))
            freq, unit, geo, when, value, flag, conf = (row[i].strip() for i in at)
            wrong_if(freq != "A" or not unit or not geo or (geo, period(when), unit) in found)
            marks = re.sub("[ ,;|]", "", flag + conf).lower()
            found[geo, when, unit] = (number(value.replace("NaN", ":")), flags(marks))
    return found


def plain_json(raw: bytes) -> Cells:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        wrong_if(len({key for key, _ in pairs}) < len(pairs))
        return dict(pairs)

    document = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=once)
    names = [name.lower() for name in document["id"]]
    wrong_if(sorted(names) != ["freq", "geo", "time", "unit"])
    axes = []
    for name, size in zip(document["id"], document["size"], strict=True):
        index = document["dimension"][name]["category"]["index"]
        wrong_if(sorted(index.values()) != list(range(size)))
        axes.append(sorted(index, key=index.__getitem__))
    found: Cells = {}
    value, status = document["value"], document.get("status", {})
    count = math.prod(document["size"])
    wrong_if(any(not 0 <= int(key) < count for key in (*value, *status)))
    for position, codes in enumerate(itertools.product(*axes)):
        named = dict(zip(names, codes, strict=True))
        figure, mark = value.get(str(position)), status.get(str(position))
        wrong_if(isinstance(figure, str | bool | list | dict))
        wrong_if(named["freq"] != "A" or "" in codes)
        if figure is not None or mark is not None:
            place = (named["geo"], period(named["time"]), named["unit"])
            marks = (mark or "").replace(":", "").replace(" ", "").lower()
            found[place] = (None if figure is None else number(str(figure)), flags(marks))
    return found


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """One or two random injuries."""
    for _ in range(chance.choice((1, 1, 2))):
        raw = chance.choice((injured_byte, injured_line, injured_form))(raw, chance) or b"x"
    return raw


def injured_byte(raw: bytes, chance: random.Random) -> bytes:
    """A byte changed, put in or taken out, or some bytes taken out, or all from one on."""
    at, piece = chance.randrange(len(raw)), bytes([chance.choice(PIECES)])
    after = chance.choice((at + 1, at + 1, at + chance.randrange(40), len(raw)))
    return raw[:at] + chance.choice((piece, piece, b"")) + raw[chance.choice((at, after)) :]


def injured_line(raw: bytes, chance: random.Random) -> bytes:
    """A line lost, there twice, in another place, or without one of its fields."""
    lines = raw.split(b"\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    fields = re.split(rb"([\t,])", lines[one])
    field = chance.randrange(len(fields))
    shorter = b"".join([*fields[:field], *fields[field + 1 :]])
    middle = chance.choice(([], [lines[other]], [lines[other], lines[one]], [shorter]))
    return b"\n".join([*lines[:one], *middle, *lines[one + 1 :]])


def injured_form(raw: bytes, chance: random.Random) -> bytes:
    """Other line ends, a mark of byte order, or a word of the format spoilt."""
    olds = (b"\r\n", b"\n", b"TIME", b"geo", b"2013", b"A,", b'"value"', b"[")
    old, new = chance.choice(olds), chance.choice((b"\n", b"\r\n", b"", b"2012", b"unit", b"x"))
    return chance.choice((b"\xef\xbb\xbf" + raw, raw.replace(old, new), raw.replace(old, new, 1)))


def recipe_of(dims: tuple[str, ...], name: str) -> tuple[DatasetRecipe, FileLayout]:
    layout = FileLayout((name,), name, dropped={"freq": "A"})
    return DatasetRecipe("p/d", "t", "p", "l", "regional", "", dims, (layout,)), layout


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def by_the_product(
    con: duckdb.DuckDBPyConnection, raw: bytes, kind: str, dims: tuple[str, ...], folder: Path
) -> Cells:
    """What the product stages of the file, each time in a schema of its own."""
    recipe, layout = recipe_of(dims, kind)
    path = folder / "mutated.txt"
    path.write_bytes(raw)
    con.execute("DROP SCHEMA IF EXISTS staging CASCADE; CREATE SCHEMA staging; USE staging")
    con.execute(STAGING)
    reader(kind)(Load(con, SourceFile(path, "mutated.txt", folder), recipe, layout))
    contracts.check(con, recipe, "mutated.txt")
    order = [*dims, "value", "flags"]
    order.insert(len(dims) - 1, "time")
    rows = con.execute(f"SELECT {', '.join(order)} FROM staged").fetchall()
    assert len({row[:-2] for row in rows}) == len(rows)
    return {row[:-2]: row[-2:] for row in rows}


def judged(raw: bytes, plain: Callable[[bytes], Cells]) -> Cells | None:
    """What the plain reader finds, or None if it cannot read the file."""
    try:
        return plain(raw)
    except (Unreadable, ValueError, KeyError, TypeError, AttributeError, IndexError, csv.Error):
        return None


KINDS: tuple[tuple[str, bytes, Callable[[bytes], Cells], tuple[str, ...]], ...] = (
    ("eurostat_tsv", TSV, plain_tsv, ("geo", "sex", "unit")),
    ("eurostat_tsv", OLD_TSV, plain_tsv, ("geo", "sex", "unit")),
    ("eurostat_sdmx_csv", SDMX, plain_sdmx, ("geo", "unit")),
    ("json_stat", JSON, plain_json, ("geo", "unit")),
)


@pytest.mark.parametrize("number_of_kind", range(len(KINDS)))
def test_no_damaged_file_is_read_silently_wrong(
    con: duckdb.DuckDBPyConnection, number_of_kind: int, tmp_path: Path
) -> None:
    kind, sound, plain, dims = KINDS[number_of_kind]
    assert by_the_product(con, sound, kind, dims, tmp_path) == plain(sound)
    chance = random.Random(20260101 + number_of_kind)
    read, refusals = 0, []
    for _ in range(MUTATIONS):
        raw = mutated(sound, chance)
        try:
            found = by_the_product(con, raw, kind, dims, tmp_path)
        except (BadInput, ContractBroken) as fault:
            refusals.append((fault.where, raw))
        else:
            read += 1
            assert found == judged(raw, plain), raw.decode("utf-8", "replace")
    for where, raw in refusals:
        assert PLACE.search(where), (where, raw.decode("utf-8", "replace"))
    # a test of which one half never happens tests nothing
    assert read > MUTATIONS // 20
    assert len(refusals) > MUTATIONS // 4
