"""Downloads that take a while: tables in Eurostat's queue, and files cut off half way."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import SourceOutOfReach
from data.fetch.client import Client
from tests.scripted_publisher import (
    DATASET,
    EDITION,
    PACKED,
    SHORT,
    TABLE,
    Hours,
    Publisher,
    Reply,
    make_client,
)

TICKET = "0f0f0f0f-1111-2222-3333-444444444444"
STATUS = f"/eurostat/api/dissemination/1.0/async/status/{TICKET}"
DATA = f"/eurostat/api/dissemination/1.0/async/data/{TICKET}"


def queue_says(status: str) -> bytes:
    return (
        '<?xml version="1.0"?><e:Envelope xmlns:e="urn:e"><e:Body><q:answer xmlns:q="urn:q">'
        f"<queued><id>{TICKET}</id><status>{status}</status></queued></q:answer></e:Body>"
        "</e:Envelope>"
    ).encode()


def test_the_queue_is_waited_in(
    publisher: Publisher, client: Client, hours: Hours, tmp_path: Path
) -> None:
    publisher.will(Reply(body=queue_says("SUBMITTED")))
    steps = ("SUBMITTED", "PROCESSING", "AVAILABLE")
    publisher.will(*(Reply(body=queue_says(step)) for step in steps), path=STATUS)
    publisher.will(Reply(), path=DATA)
    got = client.fetch(publisher.url(), tmp_path / "made_up.tsv.gz")
    assert got.url == publisher.url()
    assert got.path is not None
    assert got.path.read_bytes() == PACKED
    assert [path for path, _ in publisher.asked] == [DATASET, *3 * [STATUS], DATA]
    assert hours.pauses == [5.0, 7.5, 11.25]


def test_an_expired_ticket_is_renewed_once(
    publisher: Publisher, client: Client, tmp_path: Path
) -> None:
    publisher.will(Reply(body=queue_says("SUBMITTED")), Reply())
    publisher.will(Reply(body=queue_says("EXPIRED")), path=STATUS)
    got = client.fetch(publisher.url(), tmp_path / "made_up.tsv.gz")
    assert got.size == len(PACKED)
    publisher.will(Reply(body=queue_says("SUBMITTED")))
    with pytest.raises(SourceOutOfReach, match="let it expire"):
        client.fetch(publisher.url(), tmp_path / "other.tsv.gz")
    assert [p.name for p in tmp_path.glob("*.tsv.gz*")] == ["made_up.tsv.gz"]


def test_the_queue_is_left_after_its_time(
    publisher: Publisher, client: Client, hours: Hours, tmp_path: Path
) -> None:
    publisher.will(Reply(body=queue_says("PROCESSING")))
    publisher.will(Reply(body=queue_says("PROCESSING")), path=STATUS)
    with pytest.raises(SourceOutOfReach, match="still queued after 1800 s"):
        client.fetch(publisher.url(), tmp_path / "made_up.tsv.gz")
    assert 1700 < sum(hours.pauses) <= 1800


def test_a_strange_ticket_is_not_followed(
    publisher: Publisher, client: Client, tmp_path: Path
) -> None:
    publisher.will(Reply(body=queue_says("SUBMITTED").replace(TICKET.encode(), b"../../x")))
    with pytest.raises(SourceOutOfReach, match="a ticket for a queue"):
        client.fetch(publisher.url(), tmp_path / "made_up.tsv.gz")
    assert len(publisher.asked) == 1


HALF = len(PACKED) // 2
REST = {**EDITION, "Content-Range": f"bytes {HALF}-{len(PACKED) - 1}/{len(PACKED)}"}


def test_a_download_is_continued(publisher: Publisher, client: Client, tmp_path: Path) -> None:
    publisher.will(Reply(headers=EDITION, cut=HALF), Reply(206, PACKED[HALF:], REST))
    got = client.fetch(publisher.url(), tmp_path / "made_up.tsv.gz")
    assert got.sha256 == hashlib.sha256(PACKED).hexdigest()
    assert publisher.headers_asked("Range") == [None, f"bytes={HALF}-"]
    assert publisher.headers_asked("If-Range") == [None, EDITION["ETag"]]


def test_a_download_is_continued_by_the_next_run(
    publisher: Publisher, hours: Hours, tmp_path: Path
) -> None:
    publisher.will(Reply(headers=EDITION, cut=HALF))
    once = make_client(tmp_path, hours, replace(SHORT, attempts=1))
    with pytest.raises(SourceOutOfReach, match="the connection failed"):
        once.fetch(publisher.url(), tmp_path / "x.tsv.gz")
    publisher.will(Reply(206, PACKED[HALF:], REST))
    got = make_client(tmp_path, hours).fetch(publisher.url(), tmp_path / "x.tsv.gz")
    assert got.sha256 == hashlib.sha256(PACKED).hexdigest()


def test_a_new_edition_in_the_middle_starts_afresh(
    publisher: Publisher, client: Client, tmp_path: Path
) -> None:
    newer = gzip.compress(TABLE + TABLE, mtime=0)
    publisher.will(Reply(headers=EDITION, cut=HALF), Reply(body=newer))
    got = client.fetch(publisher.url(), tmp_path / "made_up.tsv.gz")
    assert got.sha256 == hashlib.sha256(newer).hexdigest()


@pytest.mark.parametrize("wrong", [{"Content-Range": "bytes 3-9/10"}, {}])
def test_a_wrong_part_starts_afresh(
    wrong: dict[str, str], publisher: Publisher, client: Client, tmp_path: Path
) -> None:
    publisher.will(Reply(headers=EDITION, cut=HALF), Reply(206, PACKED[3:10], wrong), Reply())
    got = client.fetch(publisher.url(), tmp_path / "made_up.tsv.gz")
    assert got.sha256 == hashlib.sha256(PACKED).hexdigest()
    assert publisher.headers_asked("Range") == [None, f"bytes={HALF}-", None]
