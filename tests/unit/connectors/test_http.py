"""Polling an address: what it says, what it does not say twice, and what happens when it is away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import http
from connectors.checks import HOSTILE, check_bad_input_never_raises, check_entries, check_parse_is_pure
from connectors.http import Answer, HttpSource, LatestValues, fetch_url, parse
from connectors.outgoing import BadLine
from schemas.errors import UsageError
from schemas.events import Event
from schemas.instants import SECOND, Instant, format_instant

NOON = Instant(1_772_366_400 * SECOND)
LATEST = LatestValues("BR-1", "skid", {"probes.ph": ("ph", "[pH]"), "t.0": ("temperature", "K")}, time="at")


def event(name: str) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": name,
        "source": "skid",
        "type": "bioreactor.phase_changed",
        "subject": "BR-1",
        "time": "2026-03-01T11:00:00Z",
        "data": {"phase": "feed"},
    }


class Server:
    """A server that gives its answers in turn, and asks to stop after the last."""

    def __init__(self, *answers: Answer | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[Mapping[str, str]] = []
        self.waited = 0.0

    def __call__(self, url: str, headers: Mapping[str, str]) -> Answer:
        self.asked.append(dict(headers))
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def wait(self, seconds: float) -> None:
        self.waited += seconds

    def source(self, every: float = 1.0, latest: LatestValues | None = None) -> HttpSource:
        return HttpSource(
            "http://skid.test/events",
            every_seconds=every,
            stop=lambda: not self.answers,
            latest=latest,
            fetch=self,
            wait=self.wait,
            clock=lambda: NOON,
        )


def ids(source: HttpSource, after: str | None = None) -> list[str]:
    return [entry.id if isinstance(entry, Event) else "bad" for item in source.items(after) for entry in item.entries]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([event("1"), event("2")]),
        json.dumps([event("1"), event("2")], indent=2),
        json.dumps(event("1")) + "\n" + json.dumps(event("2")) + "\n",
    ],
)
def test_array_and_lines_are_read_and_recorded_now(body: str) -> None:
    entries = parse(body.encode(), NOON)
    check_entries(entries)
    assert [(e.id, e.record_time) for e in entries if isinstance(e, Event)] == [("1", NOON), ("2", NOON)]


def test_one_event_over_many_lines_is_one_event() -> None:
    (entry,) = parse(json.dumps(event("1"), indent=2).encode(), NOON)
    assert isinstance(entry, Event)


def test_bad_event_stays_in_its_place() -> None:
    good, bad, last = parse(json.dumps([event("1"), 7, event("2")]).encode(), NOON)
    assert (type(good), bad, type(last)) == (Event, BadLine(b"7"), Event)


@given(st.binary(max_size=100))
def test_any_answer_never_raises_and_parse_is_pure(payload: bytes) -> None:
    for latest in (None, LATEST):
        check_parse_is_pure(lambda body, latest=latest: parse(body, NOON, latest), payload)  # type: ignore[misc]
        check_bad_input_never_raises(lambda body, latest=latest: parse(body, NOON, latest), [payload])  # type: ignore[misc]


def test_hostile_answers_never_raise() -> None:
    check_bad_input_never_raises(lambda body: parse(body, NOON), HOSTILE)
    check_bad_input_never_raises(lambda body: parse(body, NOON, LATEST), HOSTILE)


def test_latest_values_become_a_reading_of_their_own_time() -> None:
    body = {"at": "2026-03-01T11:59:00Z", "probes": {"ph": 7.1, "do": 40}, "t": [310.15]}
    (entry,) = parse(json.dumps(body).encode(), NOON, LATEST)
    assert isinstance(entry, Event)
    assert (format_instant(entry.event_time), entry.record_time) == ("2026-03-01T11:59:00Z", NOON)
    assert [(c.tag, c.value, c.unit) for c in entry.data.channels] == [
        ("ph", 7.1, "[pH]"),
        ("temperature", 310.15, "K"),
    ]


def test_latest_value_that_is_no_number_costs_itself_alone() -> None:
    body = {"at": "2026-03-01T11:59:00Z", "probes": {"ph": "n/a"}, "t": [310.15]}
    entries = parse(json.dumps(body).encode(), NOON, LATEST)
    check_entries(entries)
    assert [type(entry) for entry in entries] == [Event, BadLine]


@pytest.mark.parametrize("body", [{"at": "x", "t": [1]}, {"t": [1]}, {"at": "2026-03-01T11:59:00Z"}, [], 5])
def test_latest_values_without_a_time_or_a_value_are_refused_and_kept(body: object) -> None:
    entries = parse(json.dumps(body).encode(), NOON, LATEST)
    check_entries(entries)
    assert [type(entry) for entry in entries] == [BadLine]


def test_what_the_answer_before_told_is_not_told_again() -> None:
    first, second = json.dumps([event("1"), event("2")]).encode(), json.dumps([event("2"), event("3")]).encode()
    assert ids(Server(Answer(200, first), Answer(200, second)).source()) == ["1", "2", "3"]


def test_position_resumes_after_a_restart() -> None:
    body = json.dumps([event("1")]).encode()
    (item,) = Server(Answer(200, body, etag='"a"')).source().items()
    server = Server(Answer(304, b""), Answer(200, json.dumps([event("1"), event("2")]).encode(), etag='"b"'))
    assert ids(server.source(), item.position) == ["2"]
    assert [headers.get("If-None-Match") for headers in server.asked] == ['"a"', '"a"']
    with pytest.raises(UsageError, match="cursor"):
        list(server.source().items("no cursor"))


def test_server_that_is_away_is_asked_again_ever_more_rarely() -> None:
    troubles: list[str] = []
    server = Server(*[OSError("refused")] * 4, Answer(503, b"", retry_after_seconds=7.0), Answer(200, b"[]"))
    source = server.source(every=10.0)
    source._on_trouble = troubles.append  # the test listens in
    assert ids(source) == []
    assert len(troubles) == 5
    # 10, 20, 40, 80 with jitter down to a half, and the 7 the server asked for
    assert 75 + 7 <= server.waited <= 150 + 7 + 1


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refusal_for_good_is_an_error(status: int) -> None:
    with pytest.raises(UsageError, match=str(status)):
        list(Server(Answer(status, b""), Answer(200, b"")).source().items())


@pytest.mark.parametrize("url", ["ftp://x", "file:///etc/passwd", "x"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="http"):
        HttpSource(url)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://elsewhere.test/")
            self.end_headers()
        elif self.headers.get("If-None-Match") == '"a"':
            self.send_response(304)
            self.end_headers()
        else:
            body = json.dumps([event("1")]).encode() if self.path == "/events" else b"x" * 200
            self.send_response(200)
            self.send_header("ETag", '"a"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@contextmanager
def serving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(5)


def test_real_server_is_asked_with_its_etag(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as address:
        (item,) = HttpSource(f"{address}/events", once=True).items()
        assert [entry.id for entry in item.entries if isinstance(entry, Event)] == ["1"]
        assert list(HttpSource(f"{address}/events", once=True).items(item.position)) == []
        assert fetch_url(f"{address}/away", {"Authorization": "key"}).status == 302
        monkeypatch.setattr(http, "LARGEST_ANSWER", 100)
        with pytest.raises(OSError, match="over 100 bytes"):
            fetch_url(f"{address}/big", {})


def test_nobody_there_is_an_os_error() -> None:
    with serving() as address:
        pass
    with pytest.raises(OSError, match="refused"):
        fetch_url(address, {})
