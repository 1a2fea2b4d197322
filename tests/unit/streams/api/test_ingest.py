from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from schemas.errors import LogError
from schemas.events import read_record
from schemas.instants import MINUTE, SECOND, format_instant
from schemas.placement import partition_of
from tests.browser.memory_log import MemoryLog
from tests.browser.site import Site

pytestmark = pytest.mark.postgres

JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def own(site: Site) -> Iterator[httpx.Client]:
    """A client of an API of the test's own."""
    with httpx.Client(base_url=site.url, timeout=20) as client:
        yield client


def event(n: int, **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"e{n}",
        "source": "test",
        "type": "bioreactor.reading",
        "subject": f"BR-{n:02d}",
        "time": "2026-03-01T08:00:00Z",
        "data": {"channels": [{"tag": "ph", "value": 7.0, "unit": "[pH]"}]},
        **more,
    }


def test_one_event_is_appended_where_its_key_belongs(own: httpx.Client, log: MemoryLog) -> None:
    before = time.time_ns() // 1000
    answer = own.post("/api/v1/events", json=event(1))
    assert answer.status_code == 202
    [entry] = answer.json()["events"]
    place = partition_of(b"BR-01", 8)
    assert (entry["partition"], entry["offset"], entry["topic"]) == (place, 0, "bioreactor.events")
    record = log.topics["bioreactor.events"][place][0]
    read = read_record(record.key, record.value, record.headers)
    assert read.id == "e1"
    assert before - SECOND <= read.record_time <= before + MINUTE


def test_a_record_time_that_came_is_kept(own: httpx.Client, log: MemoryLog) -> None:
    own.post("/api/v1/events", json=event(1, recordtime="2026-03-01T09:00:00Z"))
    [record] = log.topics["bioreactor.events"][partition_of(b"BR-01", 8)]
    assert format_instant(read_record(record.key, record.value, record.headers).record_time) == "2026-03-01T09:00:00Z"


@pytest.mark.parametrize("form", ["array", "lines", "batch"])
def test_bad_ones_are_told_and_their_neighbours_kept(own: httpx.Client, log: MemoryLog, form: str) -> None:
    pieces = [
        json.dumps(event(1)),
        json.dumps(event(2, type="bioreactor.nonsense")),
        json.dumps(event(3, data={"channels": [{"tag": "ph", "value": 7.0, "unit": "g/L"}]})),
        json.dumps(event(4, time="2026-03-01T08:00:00")),
        json.dumps(event(5, time="2199-03-01T08:00:00Z")),
        json.dumps(event(6)),
    ]
    if form == "lines":
        pieces.insert(3, "{not json")
        answer = own.post("/api/v1/events", content="\n".join(pieces) + "\n\n", headers=LINES)
    else:
        media = {"Content-Type": "application/cloudevents-batch+json"} if form == "batch" else JSON
        answer = own.post("/api/v1/events", content=f"[{','.join(pieces)}]", headers=media)
    assert answer.status_code == 207
    body = answer.json()
    accepted = [one["id"] for one in body["events"] if one["status"] == "accepted"]
    assert accepted == ["e1", "e6"]
    assert body["accepted"] == 2
    assert body["rejected"] == len(pieces) - 2
    reasons = [one["reason"] for one in body["events"] if one["status"] == "rejected"]
    assert reasons[:2] == ["unknown_type", "unit"]
    assert all("expected" in one["detail"] for one in body["events"] if one["status"] == "rejected")
    assert sum(len(records) for records in log.topics["bioreactor.events"].values()) == 2


def test_nothing_usable_is_422_with_every_reason(own: httpx.Client) -> None:
    answer = own.post("/api/v1/events", content=b"{}\n[]\nnull\n", headers=LINES)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [one["reason"] for one in answer.json()["events"]] == ["unknown_type", "malformed", "malformed"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"[" * 100_000, JSON, 422),
        (b'{"a":' * 50_000, JSON, 422),
        (b"[1,", JSON, 422),
        (b"\xff\xfe", JSON, 422),
        (b"", JSON, 422),
        (b"[]", JSON, 422),
        (b"", LINES, 422),
        (b"x" * ((1 << 20) + 1), LINES, 413),
        (b"{}\n" * 10_001, LINES, 413),
        (b"{}", {"Content-Type": "text/html"}, 415),
        (b"{}", {"Content-Type": ""}, 415),
    ],
)
def test_hostile_bodies_get_a_reason(own: httpx.Client, body: bytes, headers: dict[str, str], status: int) -> None:
    answer = own.post("/api/v1/events", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_a_body_without_length_is_cut_at_the_limit(own: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    assert own.post("/api/v1/events", content=pieces(), headers=LINES).status_code == 413


def test_passed_time_goes_to_every_partition_of_the_family_named(own: httpx.Client, log: MemoryLog) -> None:
    passed = {"id": "t", "source": "clock", "type": "time.passed", "time": "2026-03-01T08:00:00Z", "data": {}}
    assert own.post("/api/v1/events", json=passed).status_code == 422
    assert own.post("/api/v1/events?family=bioreactor", json=passed).status_code == 202
    assert [len(log.topics["bioreactor.events"][p]) for p in range(8)] == [1] * 8
    assert own.post("/api/v1/events?family=bioreactor.events", json=passed).status_code == 422


def test_a_log_that_is_away_is_503_and_nothing_is_claimed(own: httpx.Client, log: MemoryLog) -> None:
    log.fail = LogError("away")
    answer = own.post("/api/v1/events", json=event(1))
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "accepted" not in answer.json()


def test_what_came_is_counted(own: httpx.Client) -> None:
    own.post("/api/v1/events", json=event(1))
    own.post("/api/v1/events", json=event(1, type="no"))
    text = own.get("/metrics").text
    assert 'twinstream_api_events_total{outcome="accepted"} 1.0' in text
    assert 'twinstream_api_events_total{outcome="rejected"} 1.0' in text
