"""The client against a publisher who does everything publishers do, and against some who cheat.

The server is real, on this machine's loopback; time is not: pauses are written down, not waited.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import time
import zipfile
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from data.errors import BadInput, SourceOutOfReach
from data.fetch.answers import Fault, Ticket, judge
from data.fetch.client import Client, Known
from data.fetch.pace import Clock, Pace
from tests.scripted_publisher import (
    DATASET,
    EDITION,
    NOW,
    PACKED,
    SHORT,
    TABLE,
    Hours,
    Publisher,
    Reply,
    make_client,
)


def soap_fault(code: int, text: str) -> bytes:
    return (
        f'<?xml version="1.0"?><S:Fault xmlns:S="urn:s"><faultcode>{code}</faultcode>'
        f"<faultstring>{text}</faultstring></S:Fault>"
    ).encode()


def test_a_file_arrives_whole_with_its_provenance(
    publisher: Publisher, client: Client, tmp_path: Path
) -> None:
    publisher.will(Reply(headers=EDITION))
    got = client.fetch(publisher.url(), tmp_path / "raw" / "made_up.tsv.gz")
    assert got.path == tmp_path / "raw" / "made_up.tsv.gz"
    assert got.path.read_bytes() == PACKED
    assert (got.etag, got.last_modified) == (EDITION["ETag"], EDITION["Last-Modified"])
    assert (got.size, got.sha256) == (len(PACKED), hashlib.sha256(PACKED).hexdigest())
    assert [p.name for p in got.path.parent.iterdir()] == ["made_up.tsv.gz"]


def test_nothing_is_fetched_if_the_edition_is_known(
    publisher: Publisher, client: Client, tmp_path: Path
) -> None:
    publisher.will(Reply(304, b""))
    known = Known(EDITION["ETag"], EDITION["Last-Modified"])
    got = client.fetch(publisher.url(), tmp_path / "made_up.tsv.gz", known)
    assert got.path is None
    assert (got.etag, got.last_modified) == (known.etag, known.last_modified)
    assert publisher.headers_asked("If-None-Match") == [known.etag]
    assert publisher.headers_asked("If-Modified-Since") == [known.last_modified]


PASSING = {
    "429": (Reply(429, b"slow down"), 1.0),
    "429 with a wish": (Reply(429, b"", {"Retry-After": "7"}), 7.0),
    "500": (Reply(500, b"oops"), 1.0),
    "502": (Reply(502, b""), 1.0),
    "503": (Reply(503, b""), 1.0),
    "503 with a wish that is no number": (Reply(503, b"", {"Retry-After": "²"}), 1.0),
    "503 with a date": (Reply(503, b"", {"Retry-After": formatdate(NOW + 60)}), 60.0),
    "fault 500 in 200": (Reply(body=soap_fault(500, "INTERNAL")), 1.0),
    "not yet available": (Reply(body=soap_fault(100, "DATA_NOT_YET_AVAILABLE")), 1.0),
    "not yet, with 404": (Reply(404, soap_fault(100, "DATA_NOT_YET_AVAILABLE")), 1.0),
    "silence": (Reply(silence=0.6), 1.0),
    "reset": (Reply(reset=True), 1.0),
    "half a body": (Reply(cut=len(PACKED) // 2), 1.0),
    "half a body, length unsaid": (Reply(cut=len(PACKED) // 2, unframed=True), 1.0),
    "gzip cut before it was sent": (Reply(body=PACKED[:-9]), 1.0),
    "gzip with one bit turned": (Reply(body=PACKED[:-6] + b"\x00" + PACKED[-5:]), 1.0),
    "zip cut before it was sent": (Reply(body=b"PK\x03\x04" + bytes(40)), 1.0),
    "an empty body": (Reply(body=b""), 1.0),
    "a web page": (Reply(body=b"<!DOCTYPE html><title>Maintenance</title>"), 1.0),
    "a part nobody asked for": (Reply(206, headers={"Content-Range": "bytes 9-12/99"}), 1.0),
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_waited_out(
    fault: str, publisher: Publisher, client: Client, hours: Hours, tmp_path: Path
) -> None:
    reply, pause = PASSING[fault]
    publisher.will(reply, reply, Reply())
    got = client.fetch(publisher.url(), tmp_path / "made_up.tsv.gz")
    assert got.path is not None
    assert got.path.read_bytes() == PACKED
    assert len(publisher.asked) == 3
    assert hours.pauses[0] >= pause
    assert sum(hours.pauses) >= 2.9
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made_up.tsv.gz", "pace.json"]


BOMB = gzip.compress(bytes(3_000_000), mtime=0)
LASTING: dict[str, tuple[Reply, type[Exception], str, int]] = {
    "503": (Reply(503, b""), SourceOutOfReach, "answers 503 (asked 5 times)", 5),
    "silence": (Reply(silence=0.4), SourceOutOfReach, "fell silent", 5),
    "a wish too long": (Reply(429, b"", {"Retry-After": "9000"}), SourceOutOfReach, "429", 1),
    "403": (Reply(403, b"no"), SourceOutOfReach, "answers 403", 1),
    "404": (Reply(404, b"gone"), BadInput, "answers 404; correct the url", 1),
    "400": (
        Reply(400, soap_fault(150, "INVALID_QUERY_DIMENSION_VALUE: UNIT=XX")),
        BadInput,
        "UNIT=XX (fault 150)",
        1,
    ),
    "SOAP fault in 200": (
        Reply(body=soap_fault(100, "ERR_NOT_FOUND_2: DATA_SET:X")),
        BadInput,
        "ERR_NOT_FOUND_2: DATA_SET:X (fault 100); correct",
        1,
    ),
    "413": (Reply(413, b""), BadInput, "answers 413; ask for fewer", 1),
    "too big in 200": (
        Reply(body=soap_fault(413, "EXTRACTION_TOO_BIG: 9 rows")),
        BadInput,
        "EXTRACTION_TOO_BIG: 9 rows (fault 413); ask for fewer",
        1,
    ),
    "JSON error in 200": (
        Reply(body=b'{"error":[{"status":413,"id":1,"label":"ASYNCHRONOUS_RESPONSE"}]}'),
        BadInput,
        "ASYNCHRONOUS_RESPONSE",
        1,
    ),
    "another JSON error": (
        Reply(400, b'{"code":"query.bad","error":true,"message":"No such column: esf"}'),
        BadInput,
        "No such column: esf",
        1,
    ),
    "gzip bomb": (Reply(body=BOMB), SourceOutOfReach, "unpacks to more than 1,000,000", 1),
    "too many bytes": (
        Reply(body=b"1\t2\n" * 200_000),
        SourceOutOfReach,
        "sends more than 500,000 bytes",
        1,
    ),
    "another host": (
        Reply(302, b"", {"Location": "https://elsewhere.example/x"}),
        SourceOutOfReach,
        "redirects to https://elsewhere.example, which no recipe names",
        1,
    ),
    "no TLS elsewhere": (
        Reply(301, b"", {"Location": "ftp://127.0.0.1/x"}),
        SourceOutOfReach,
        "redirects to ftp://127.0.0.1",
        1,
    ),
    "a circle": (Reply(302, b"", {"Location": DATASET}), SourceOutOfReach, "in a circle", 6),
    "declared XML": (
        Reply(body=b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        SourceOutOfReach,
        "declarations of its own",
        5,
    ),
}


@pytest.mark.parametrize("fault", LASTING)
def test_what_lasts_is_one_clear_message(
    fault: str, publisher: Publisher, hours: Hours, tmp_path: Path
) -> None:
    reply, kind, words, attempts = LASTING[fault]
    client = make_client(tmp_path, hours, replace(SHORT, unpacked=1_000_000, size=500_000))
    publisher.will(reply)
    held = tmp_path / "made_up.tsv.gz"
    held.write_bytes(b"the edition before")
    with pytest.raises(kind) as caught:
        client.fetch(publisher.url(), held)
    assert words in str(caught.value)
    assert str(caught.value).startswith(publisher.url())
    assert len(publisher.asked) == attempts
    assert held.read_bytes() == b"the edition before"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(drip=0.02, lines=1000),
        Reply(drip=0.02, body=TABLE),
        Reply(drip=0.02, body=TABLE, unframed=True),
    ],
    ids=["headers", "body", "body of unsaid length"],
)
def test_an_answer_that_drips_in_is_cut_off(
    reply: Reply, publisher: Publisher, hours: Hours, tmp_path: Path
) -> None:
    publisher.will(reply)
    client = make_client(tmp_path, hours, replace(SHORT, transfer=0.3, attempts=2))
    began = time.monotonic()
    with pytest.raises(SourceOutOfReach, match=r"was not done after 0\.3 s \(asked 2 times\)"):
        client.fetch(publisher.url(), tmp_path / "made_up.tsv")
    assert time.monotonic() - began < 3
    assert not (tmp_path / "made_up.tsv").exists()


def test_a_zip_bomb_is_not_kept(publisher: Publisher, hours: Hours, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sheet.xml", bytes(3_000_000))
    publisher.will(Reply(body=(tmp_path / "bomb.zip").read_bytes()))
    client = make_client(tmp_path, hours, replace(SHORT, unpacked=1_000_000))
    with pytest.raises(SourceOutOfReach, match="unpacks to more than"):
        client.fetch(publisher.url(), tmp_path / "table.xlsx")
    assert not (tmp_path / "table.xlsx").exists()
    assert not (tmp_path / "table.xlsx.part").exists()


def test_nobody_there(client: Client, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(SourceOutOfReach, match="the connection failed"):
        client.fetch(f"http://127.0.0.1:{port}/x", tmp_path / "x")


def test_tls_is_required_and_checked(publisher: Publisher, client: Client, tmp_path: Path) -> None:
    strict = Client(client.hosts, client.pace, client.limits)
    with pytest.raises(BadInput, match="not a place to fetch from"):
        strict.fetch(publisher.url(), tmp_path / "x")
    with pytest.raises(SourceOutOfReach, match="SSL"):
        strict.fetch(publisher.url().replace("http:", "https:"), tmp_path / "x")
    with pytest.raises(BadInput, match="not a place to fetch from"):
        strict.fetch("https://elsewhere.example/x", tmp_path / "x")
    assert publisher.asked == []


def test_gzip_under_a_wrong_name_is_checked_and_kept_as_it_came(
    publisher: Publisher, client: Client, tmp_path: Path
) -> None:
    two_members = PACKED + gzip.compress(b"more", mtime=0) + bytes(8)
    publisher.will(Reply(body=two_members, headers={"Content-Type": "text/plain"}))
    got = client.fetch(publisher.url(), tmp_path / "made_up.tsv")
    assert got.path is not None
    assert got.path.read_bytes() == two_members


def test_redirects_within_the_recipes_hosts_are_followed(
    publisher: Publisher, client: Client, tmp_path: Path
) -> None:
    publisher.will(Reply(301, b"", {"Location": "/moved?x=1"}))
    publisher.will(Reply(body=TABLE), path="/moved?x=1")
    got = client.fetch(publisher.url(), tmp_path / "made_up.tsv")
    assert got.size == len(TABLE)


def test_the_pace_is_kept_across_runs(tmp_path: Path) -> None:
    clock = Clock(now=lambda: 1000.0)
    file = tmp_path / "home" / "pace.json"
    first, second = (Pace(file, 2.0, clock=clock) for _ in range(2))
    waits = [first.reserve("a"), second.reserve("a"), first.reserve("a"), second.reserve("b")]
    assert waits == [0.0, 2.0, 4.0, 0.0]
    slower = Pace(file, 2.0, {"c": 30.0}, clock)
    assert [slower.reserve("c"), first.reserve("c"), slower.reserve("a")] == [0.0, 30.0, 6.0]
    second.rest("b", 90.0)
    assert first.reserve("b") == 90.0
    file.write_text('{"a": "spoilt')
    assert first.reserve("a") == 0.0
    file.write_text(json.dumps({"a": 1e12}))  # the clock was set back
    assert first.reserve("a") == 0.0


def test_a_publisher_who_asked_for_rest_is_not_asked_by_the_next_run(
    publisher: Publisher, hours: Hours, tmp_path: Path
) -> None:
    publisher.will(Reply(429, b"", {"Retry-After": "900"}))
    for words in ("answers 429", "left alone for another"):
        with pytest.raises(SourceOutOfReach, match=words):
            make_client(tmp_path, hours).fetch(publisher.url(), tmp_path / "x")
    assert len(publisher.asked) == 1


@pytest.mark.realdata
def test_real_answers_are_told_apart(realdata: Path) -> None:
    specimens = realdata / "api_specimens"
    errors = {path.stem: judge(path, 10**6) for path in (specimens / "errors").glob("*.xml")}
    ticket = errors.pop("async_queued_http200")
    assert ticket == Ticket("e3d39a1b-27eb-4ce4-936d-8f95b23bf74f", "SUBMITTED")
    kinds = {name: fault.kind for name, fault in errors.items() if isinstance(fault, Fault)}
    assert kinds == dict.fromkeys(errors, "wrong question")
    data = [
        *(specimens / "tsv").iterdir(),
        *(specimens / "json_stat").iterdir(),
        *(specimens / "sdmx_csv_v2").iterdir(),
        *(realdata / "eurostat_bulk_tsv_2017").glob("ilc_*.gz"),
        *(realdata / "eurostat_databrowser_xlsx_2024").glob("demo_*.xlsx"),
    ]
    assert len(data) > 30
    assert [path.name for path in data if judge(path, 10**9) is not None] == []
    footer = judge(specimens / "sdmx_ml" / "ESTAT" / "footer.xml", 10**6)
    assert isinstance(footer, Fault)
    assert "413" in footer.text or "large query" in footer.text
