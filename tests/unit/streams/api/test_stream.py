from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from schemas.errors import LogError
from tests.browser.memory_log import alert_of, estimate_of
from tests.browser.site import Site, wait_for

pytestmark = pytest.mark.postgres


class Events:
    """What a stream says, read one by one."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()
        self.last: str | None = None

    def next(self, kind: str | None = None) -> dict[str, Any]:
        """Give the next event with data (of a kind)."""
        found: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(": ")
                if name:
                    found[name] = value
                continue
            self.last = found.get("id", self.last)
            if "data" in found and kind in (None, found["event"]):
                document: dict[str, Any] = json.loads(found["data"])
                return document
            found = {}
        raise AssertionError("expected another event, the stream ended")

    def heartbeat(self) -> None:
        """Read up to the next comment."""
        for line in self._lines:
            if line.startswith(": "):
                self.last = next(self._lines).removeprefix("id: ")
                return


@contextmanager
def streaming(site: Site, query: str = "", last: str | None = None) -> Iterator[Events]:
    headers = {"Last-Event-ID": last} if last else {}
    with httpx.stream("GET", f"{site.url}/api/v1/stream{query}", headers=headers, timeout=10) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        events = Events(response)
        if last is None and "cursor" not in query:
            events.heartbeat()  # the stream is joined, and `last` known
        yield events


def now_us() -> int:
    return time.time_ns() // 1000


def keys_of(events: Events, count: int) -> list[str]:
    return [events.next()["id"] for _ in range(count)]


def test_effects_come_as_their_own_lines(site: Site) -> None:
    with streaming(site) as events:
        site.say(estimate_of("BR-01", 1, 3.0, now_us()))
        effect = events.next("estimate")
        assert effect["key"] == "BR-01"
        assert effect["data"]["state"]["biomass"]["mean"] == 3.0


def test_filters_by_key_kind_and_every_alert(site: Site) -> None:
    with streaming(site, "?key=BR-01&kind=estimate&kind=alert&every_alert=true") as events:
        site.say(estimate_of("BR-02", 1, 3.0, now_us()))
        site.say(alert_of("BR-03", 2, now_us()))
        site.say(estimate_of("BR-01", 3, 3.0, now_us()))
        assert {events.next()["key"], events.next()["key"]} == {"BR-03", "BR-01"}


def test_after_a_break_all_that_was_missed_comes_once(site: Site) -> None:
    with streaming(site) as events:
        site.say(estimate_of("BR-01", 0, 1.0, now_us()))
        events.next()
        last = events.last
    said = []
    for n in range(1, 40):
        key = f"BR-{n % 7:02d}"
        effect = estimate_of(key, n, 1.0, now_us()) if n % 5 else alert_of(key, n, now_us())
        site.say(effect)
        said.append(effect.id)
    with streaming(site, last=last) as events:
        got = keys_of(events, len(said))
        assert sorted(got) == sorted(said)
        site.say(estimate_of("BR-01", 99, 1.0, now_us()))
        assert events.next()["id"].endswith("/100099/0")


def test_a_break_in_the_middle_of_what_was_missed_loses_nothing(site: Site) -> None:
    with streaming(site) as events:
        last = events.last
    said = [estimate_of(f"BR-{n % 7:02d}", n, 1.0, now_us()) for n in range(60)]
    for effect in said:
        site.say(effect)
    got: list[str] = []
    while len(got) < len(said):
        with streaming(site, last=last) as events:
            got += keys_of(events, min(7, len(said) - len(got)))
            last = events.last
    assert sorted(got) == sorted(effect.id for effect in said)


def test_a_page_and_its_stream_leave_no_gap(site: Site) -> None:
    cursor = httpx.get(f"{site.url}/api/v1/twins?limit=1").json()["stream"]
    site.say(estimate_of("BR-01", 5, 1.0, now_us()))
    with streaming(site, f"?cursor={cursor}") as events:
        assert events.next()["key"] == "BR-01"


def test_a_quiet_filter_still_moves_its_cursor(site: Site) -> None:
    with streaming(site, "?key=BR-01") as events:
        first = events.last
        site.say(estimate_of("BR-02", 1, 1.0, now_us()))
        beats = 0
        while events.last == first:
            events.heartbeat()
            beats += 1
            assert beats < 50


def test_a_log_begun_anew_is_told(site: Site) -> None:
    with streaming(site) as events:
        for n in range(3):
            site.say(estimate_of("BR-01", n, 1.0, now_us()))
        for _ in range(3):
            events.next()
        last = events.last
    site.log.topics.clear()
    with streaming(site, last=last) as events:
        assert events.next("notice") == {"notice": "reset"}


def test_a_log_that_is_away_is_told_and_the_stream_goes_on(site: Site) -> None:
    with streaming(site) as events:
        site.log.fail = LogError("away")
        assert "does not answer" in events.next("notice")["trouble"]
        assert httpx.get(f"{site.url}/readyz").status_code == 503
        site.log.fail = None
        assert events.next("notice")["trouble"] == ""
        site.say(estimate_of("BR-01", 7, 1.0, now_us()))
        assert events.next("estimate")["key"] == "BR-01"


def test_streams_are_bounded_in_number_and_given_back(filled_uri: str) -> None:
    site = Site(filled_uri, stream_clients=2, heartbeat_seconds=0.1)
    try:
        with streaming(site), streaming(site):
            answer = httpx.get(f"{site.url}/api/v1/stream", timeout=5)
            assert answer.status_code == 503
            assert "all 2 streams are taken" in answer.json()["detail"]
        wait_for(lambda: "twinstream_api_stream_clients 0.0" in httpx.get(f"{site.url}/metrics").text, 5)
    finally:
        site.close()


def test_stopping_does_not_wait_for_open_streams(filled_uri: str) -> None:
    site = Site(filled_uri, heartbeat_seconds=30)
    with httpx.stream("GET", f"{site.url}/api/v1/stream", timeout=10) as response:
        began = time.monotonic()
        site.close()
        list(response.iter_lines())
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "query", ["?cursor=nonsense", "?kind=reject", "?" + "&".join(f"key=k{n}" for n in range(1001))]
)
def test_what_cannot_be_followed_is_400(site: Site, query: str) -> None:
    answer = httpx.get(f"{site.url}/api/v1/stream{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
