"""`ingest http`: poll an address that answers with events, or with a unit's latest values and a mapping for them.

An answer is a JSON array of structured events, one event, or one event a line; with `LatestValues`, one JSON object
of current values. Asked with `If-None-Match` and `If-Modified-Since`; what was told in the answer before is not told
again. Only the standard library is used.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from connectors.cells import check_zone, clock_reader
from connectors.jsonl import parse as parse_line
from connectors.outgoing import BadLine, Entry, Item
from schemas.bioreactor import Channel, Reading
from schemas.errors import InputError, UsageError
from schemas.events import Event
from schemas.ids import check_id, event_hash
from schemas.instants import SECOND, Instant, format_instant

TIMEOUT_SECONDS = 10.0
LARGEST_ANSWER = 16 << 20  # bytes
LONGEST_BACKOFF_SECONDS = 300.0
LARGEST_VALUE = 1e300  # beyond it a number is no measurement
LARGEST_MEMORY = 100_000  # facts of the answer before, remembered so as not to tell them twice
_SLICE_SECONDS = 0.2  # how soon a wait sees that it should stop


class Answer(NamedTuple):
    """What an address answered: status, body, and the headers wanted next time."""

    status: int
    body: bytes
    etag: str = ""
    modified: str = ""
    retry_after_seconds: float | None = None


class Fetch(Protocol):
    """How an address is asked; tests and other clients put their own here."""

    def __call__(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Ask once, within a bounded time. Raises OSError where no answer comes."""
        ...


Read = Callable[[bytes, Instant], tuple[Entry, ...]]


@dataclass(frozen=True, slots=True)
class LatestValues:
    """How an object of current values is read: dotted paths to tag and unit, whose they are, and when.

    `time` is a path to a time with its zone (or epoch seconds or milliseconds, `time_format` "s" or "ms");
    without it a value counts from when it was fetched.
    """

    subject: str
    source: str
    tags: Mapping[str, tuple[str, str]]  # path -> (tag, unit code)
    time: str | None = None
    time_format: str = "iso"

    def __post_init__(self) -> None:
        check_id(self.subject, "subject")
        check_id(self.source, "source")
        if not self.tags or self.time_format not in ("iso", "s", "ms"):
            raise UsageError(
                f"expected tags, and times as iso, s or ms, received {self.time_format!r}; correct the map"
            )


class Cursor(msgspec.Struct, frozen=True):
    """Where polling stands: what the server said to quote, and a digest of each fact it told last."""

    etag: str = ""
    modified: str = ""
    seen: tuple[int, ...] = ()


def parse(payload: bytes, record_time: Instant, latest: LatestValues | None = None) -> tuple[Entry, ...]:
    """Read an answer. Pure; never raises for bad input: what is no event comes as a BadLine."""
    if latest is not None:
        return _latest(payload, record_time, latest)
    stripped = payload.strip()
    if stripped.startswith(b"["):
        try:
            parts = [bytes(part) for part in msgspec.json.decode(stripped, type=list[msgspec.Raw])]
        except (msgspec.MsgspecError, RecursionError):
            return (BadLine(_shortened(stripped)),)
        return tuple(entry for part in parts for entry in parse_line(part, record_time))
    if stripped.startswith(b"{") and b"\n" in stripped and _is_one_object(stripped):
        return parse_line(b" ".join(stripped.splitlines()), record_time)
    return tuple(entry for line in stripped.splitlines() for entry in parse_line(line, record_time))


class HttpSource:
    """An address, polled.

    Parameters
    ----------
    url : str
        http or https.
    every_seconds : float
        From one request's start to the next, at least.
    once : bool
        Ask once (until one answer came) and end.
    stop : callable
        Asked often; true ends the source.
    latest : LatestValues, optional
    read : callable, optional
        Makes entries of an answer and the time it was read; without it an answer holds events, or `latest` values.
    headers : mapping, optional
        Such as an authorisation. They are not kept in positions and not printed.
    fetch, wait, clock : callables
        How to ask, how to wait [s], what time it is [us]: the system's by default.

    Notes
    -----
    A failed request is asked again after a growing, jittered time (at most 300 s, or what `Retry-After` says), for
    ever: a server that is away is no error of ours. 401, 403, 404 and 410 are: they raise UsageError.
    """

    def __init__(
        self,
        url: str,
        *,
        every_seconds: float = 10.0,
        once: bool = False,
        stop: Callable[[], bool] = lambda: False,
        latest: LatestValues | None = None,
        read: Read | None = None,
        headers: Mapping[str, str] | None = None,
        fetch: Fetch | None = None,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], Instant] = lambda: Instant(int(time.time() * SECOND)),
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        scheme = urllib.parse.urlsplit(url).scheme
        if scheme not in ("http", "https"):
            raise UsageError(f"expected an http or https address, received {url!r}; correct it")
        if not every_seconds > 0:
            raise UsageError(f"expected a time above 0 between requests, received {every_seconds}")
        self.url = url
        self._every, self._once, self._stop = every_seconds, once, stop
        self._read: Read = read or (lambda payload, record_time: parse(payload, record_time, latest))
        self._headers = dict(headers or {})
        self._fetch: Fetch = fetch or fetch_url
        self._wait, self._clock, self._on_trouble = wait, clock, on_trouble
        self._random = random.Random(url)  # noqa: S311  jitter, no secret

    def items(self, after: str | None = None) -> Iterator[Item]:
        """Give one item per answer that told something new, until stopped. An item's position is the cursor.

        Raises
        ------
        UsageError
            If the address refuses us for good, or the position is none of this source's.
        """
        cursor = _read_cursor(after)
        failures = 0
        while not self._stop():
            answer = self._ask(cursor)
            if isinstance(answer, str) or (answer.status >= 300 and answer.status != 304):
                failures += 1
                self._pause(self._backoff(failures, answer))
                continue
            failures = 0
            if answer.status != 304:
                entries, cursor = _unseen(self._read(answer.body, self._clock()), cursor, answer)
                if entries:
                    yield Item(msgspec.json.encode(cursor).decode(), entries)
            if self._once:
                return
            self._pause(self._every)

    def _ask(self, cursor: Cursor) -> Answer | str:
        headers = {"Accept": "application/json, application/x-ndjson", "User-Agent": "twinstream", **self._headers}
        if cursor.etag:
            headers["If-None-Match"] = cursor.etag
        if cursor.modified:
            headers["If-Modified-Since"] = cursor.modified
        try:
            answer = self._fetch(self.url, headers)
        except OSError as error:
            return str(error)
        if answer.status in (401, 403, 404, 410):
            raise UsageError(
                f"expected events, received status {answer.status}, from {self.url}; check address and key"
            )
        return answer

    def _backoff(self, failures: int, answer: Answer | str) -> float:
        """Double the pause with each failure in a row, with jitter, or keep to what the server asks for."""
        said = answer if isinstance(answer, str) else f"status {answer.status}"
        wanted = None if isinstance(answer, str) else answer.retry_after_seconds
        longest = min(LONGEST_BACKOFF_SECONDS, self._every * 2.0 ** min(failures - 1, 16))
        seconds = longest * (0.5 + 0.5 * self._random.random()) if wanted is None else wanted
        seconds = min(max(seconds, 0.0), LONGEST_BACKOFF_SECONDS)
        self._on_trouble(f"expected events, received {said}, from {self.url}; asked again in {seconds:.1f} s")
        return seconds

    def _pause(self, seconds: float) -> None:
        while seconds > 0 and not self._stop():
            self._wait(min(seconds, _SLICE_SECONDS))
            seconds -= _SLICE_SECONDS


def fetch_url(url: str, headers: Mapping[str, str]) -> Answer:
    """Ask with urllib: at most 10 s per read, at most 16 MiB. A redirect is followed within its host only."""
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310  the scheme was checked
    try:
        with _opener().open(request, timeout=TIMEOUT_SECONDS) as response:
            return _answer(response.status, _read(response), response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, b"", error.headers)
    except (http.client.HTTPException, ValueError) as error:  # a garbled answer
        raise OSError(f"{type(error).__name__} {error}") from None


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follow no redirect to another host or from https to http: a key in the headers would go along."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        here, there = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if here.hostname != there.hostname or (here.scheme == "https" and there.scheme != "https"):
            raise urllib.error.HTTPError(req.full_url, code, "redirect to another host", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Make an opener that knows http and https, and no files and no ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _SameHost(),
    ):
        opener.add_handler(handler)
    return opener


def _read(response: Any) -> bytes:  # Any: urllib's response has no public type
    deadline = time.monotonic() + 6 * TIMEOUT_SECONDS
    parts: list[bytes] = []
    size = 0
    while part := response.read1(1 << 16):
        size += len(part)
        if size > LARGEST_ANSWER:
            raise OSError(f"an answer over {LARGEST_ANSWER} bytes")
        if time.monotonic() > deadline:
            raise OSError(f"an answer that took over {6 * TIMEOUT_SECONDS:.0f} s")
        parts.append(part)
    return b"".join(parts)


def _answer(status: int, body: bytes, headers: Any) -> Answer:  # Any: an email.message.Message
    after = headers.get("Retry-After", "")
    seconds = float(after) if after.isdecimal() and len(after) < 8 else None
    return Answer(status, body, headers.get("ETag", ""), headers.get("Last-Modified", ""), seconds)


def _unseen(entries: tuple[Entry, ...], cursor: Cursor, answer: Answer) -> tuple[tuple[Entry, ...], Cursor]:
    """Leave out what the answer before told already; remember what this one told."""
    before = frozenset(cursor.seen)
    names = [_name(entry) for entry in entries]
    fresh = tuple(entry for entry, name in zip(entries, names, strict=True) if name not in before)
    return fresh, Cursor(answer.etag, answer.modified, tuple(names[-LARGEST_MEMORY:]))


def _name(entry: Entry) -> int:
    if isinstance(entry, Event):
        return event_hash(entry.source, entry.id)
    return event_hash("", hashlib.sha256(entry.raw).hexdigest())


def _read_cursor(after: str | None) -> Cursor:
    if after is None:
        return Cursor()
    try:
        return msgspec.json.decode(after, type=Cursor)
    except msgspec.MsgspecError:
        raise UsageError(f"expected a cursor of this source, received {after[:80]!r}; start without one") from None


def _is_one_object(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _latest(payload: bytes, record_time: Instant, latest: LatestValues) -> tuple[Entry, ...]:
    """Read one object of current values: a reading of those that are numbers, a bad line of those that are not."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return (BadLine(_shortened(payload)),)
    channels: list[Channel] = []
    wrong: list[dict[str, Any]] = []
    for path, (tag, unit) in latest.tags.items():
        value = _at(document, path)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_VALUE:
            channels.append(Channel(tag, float(value), unit))
        elif value is not None:
            wrong.append({"tag": tag, "value": str(value)[:80], "unit": unit})
    answer = payload[:2000].decode("utf-8", "replace")
    try:
        when = _time(document, record_time, latest)
    except InputError as error:
        return (_refused(payload, record_time, latest, {"error": str(error)[:300], "answer": answer}),)
    name = _id(payload) if latest.time is None else f"at-{when}"
    entries: list[Entry] = []
    if channels:
        data = Reading(tuple(channels))
        entries.append(Event(name, latest.source, "bioreactor.reading", latest.subject, when, record_time, data))
    if wrong:
        entries.append(_refused(payload, record_time, latest, {"channels": wrong}))
    if not entries:
        entries.append(_refused(payload, record_time, latest, {"error": "no value at any path", "answer": answer}))
    return tuple(entries)


def _refused(payload: bytes, record_time: Instant, latest: LatestValues, data: dict[str, Any]) -> BadLine:
    event = {
        "specversion": "1.0",
        "id": f"{_id(payload)}-refused",
        "source": latest.source,
        "type": "bioreactor.reading",
        "subject": latest.subject,
        "time": format_instant(record_time),
        "data": data,
    }
    return BadLine(json.dumps(event).encode(), latest.subject, record_time)


def _time(document: object, record_time: Instant, latest: LatestValues) -> Instant:
    if latest.time is None:
        return record_time
    value = _at(document, latest.time)
    text = value if isinstance(value, str) else json.dumps(value)
    origin = None if latest.time_format == "iso" else "1970-01-01T00:00:00Z"
    return clock_reader(latest.time_format, ".", origin, check_zone("UTC"))(text)


def _at(document: object, path: str) -> object:
    for name in path.split("."):
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        else:
            return None
    return document


def _id(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()[:32]


def _shortened(payload: bytes) -> bytes:
    """Keep what fits a record of a payload nobody can read."""
    if len(payload) <= 65536:
        return payload
    return json.dumps(
        {
            "unreadable_answer": {
                "bytes": len(payload),
                "sha256": hashlib.sha256(payload).hexdigest(),
                "head": payload[:512].decode("utf-8", "replace"),
            }
        }
    ).encode()
