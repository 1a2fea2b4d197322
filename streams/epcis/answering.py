"""Answers of EPCIS' interfaces: documents of events, pages with their Link, the headers that every answer has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from connectors.epcis import write_event, write_query_document
from connectors.epcis.writer import CONTEXT
from schemas.epcis import EpcisEvent
from schemas.errors import InputError
from schemas.instants import LATEST, format_instant
from streams.api.problems import ProblemError
from streams.api.services import now
from streams.epcis.asked import Asked, Given, refuse
from streams.ledger.epcis_reads import Place, Stored, count_events, read_events
from streams.ledger.reads import Connection, read_cursor, write_cursor

LD_JSON = "application/ld+json"
VERSIONS = {
    "GS1-EPCIS-Version": "2.0",
    "GS1-EPCIS-Min": "2.0",
    "GS1-EPCIS-Max": "2.0",
    "GS1-CBV-Version": "2.0",
    "GS1-CBV-Min": "2.0",
    "GS1-CBV-Max": "2.0",
}
SIMPLE = "SimpleEventQuery"
_MOST = 1 << 62  # beyond any number of an event


class Page(NamedTuple):
    """A page of events, and the token of the next one."""

    events: list[Stored]
    token: str | None


def told(stored: Stored) -> EpcisEvent:
    """Give an event as a repository tells it: with the time at which it was recorded, and with an id."""
    event = stored.event
    recorded = format_instant(stored.record_time)
    return msgspec.structs.replace(event, event_id=event.event_id or event.hash, record_time=recorded)


def document_of(events: Sequence[Stored], query: str = SIMPLE, subscription: str | None = None) -> bytes:
    """Write an EPCISQueryDocument of events."""
    return write_query_document((told(each) for each in events), format_instant(now()), query, subscription)


def one_document(stored: Stored) -> bytes:
    """Write one event with its context."""
    context, document = write_event(told(stored))
    return msgspec.json.encode({"@context": [CONTEXT, context] if context else [CONTEXT], **document})


def listed(members: Sequence[object]) -> bytes:
    """Write a collection of values."""
    return msgspec.json.encode({"@context": [CONTEXT], "type": "Collection", "member": members})


def answered(body: bytes, accept: str, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Answer with JSON-LD, as plain JSON to who asks for that. Raises ProblemError 406 to who wants neither."""
    return Response(body, status, {**VERSIONS, **(headers or {})}, media_of(accept))


def media_of(accept: str) -> str:
    """Choose the media type by what is accepted."""
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",") if part.strip()]
    if not wanted or any(each in (LD_JSON, "*/*", "application/*") for each in wanted):
        return LD_JSON
    if "application/json" in wanted:
        return "application/json"
    raise ProblemError(
        406,
        f"expected to be asked for {LD_JSON} or application/json, received {accept[:80]!r}",
        VERSIONS,
        title="Not a format that is written here",
    )


def check_version(wanted: str) -> None:
    """Refuse to speak another version than 2.0."""
    if wanted and wanted.strip() not in ("2.0", "2.0.0", "2"):
        raise ProblemError(
            406, f"expected GS1-EPCIS-Version 2.0, received {wanted[:20]!r}", VERSIONS, title="Not a version of ours"
        )


def next_link(path: str, given: Given, token: str | None) -> dict[str, str]:
    """Give the Link to the next page, if there is one."""
    if token is None:
        return {}
    pairs = [(name, value) for name, values in given.items() if name != "nextPageToken" for value in values]
    return {"Link": f'<{path}?{urlencode([*pairs, ("nextPageToken", token)])}>; rel="next"'}


async def page_of(
    connection: Connection, asked: Asked, given: Given, size: int, token: str | None, newest: int
) -> Page:
    """Read the page of a token, or the first. `newest` bounds what a first page and those behind it hold.

    Raises
    ------
    ProblemError
        400 for a token of another query; 413 if there are more events than the query allows.
    """
    digest = _digest(given)
    after: Place | None = None
    bound, left = newest, asked.most if asked.most is not None else -1
    if token is not None:
        bound, when, no, left = _read_token(token, digest)
        after = Place(when, no)
    elif asked.too_many is not None:
        await _check_count(connection, asked, bound)
    limit = size if left < 0 else min(size, left)
    shown, more = await read_events(connection, asked.query, limit, bound, after)
    left = left if left < 0 else left - len(shown)
    if not more or not shown or left == 0:
        return Page(shown, None)
    last = shown[-1]
    return Page(shown, write_cursor(bound, last.event_time, last.no, left, digest))


async def _check_count(connection: Connection, asked: Asked, bound: int) -> None:
    assert asked.too_many is not None
    if await count_events(connection, asked.query, bound, asked.too_many + 1) > asked.too_many:
        raise ProblemError(
            413,
            f"expected at most {asked.too_many} events, found more; ask for less, or leave maxEventCount out",
            VERSIONS,
            type="epcisException:QueryTooLargeException",
        )


def _read_token(token: str, digest: str) -> tuple[int, int, int, int]:
    try:
        bound, when, no, left, wanted = read_cursor(token[:1000], int, int, int, int, str)
        if not (0 <= when < LATEST and 0 <= no < _MOST and 0 <= bound < _MOST and left < _MOST):
            raise refuse("nextPageToken", "a token of an earlier page", token)
    except InputError:
        raise refuse("nextPageToken", "a token of an earlier page", token) from None
    if wanted != digest:
        raise refuse("nextPageToken", "the parameters of the page before beside its token", "others")
    return bound, when, no, left


def _digest(given: Given) -> str:
    """Know a query again, whatever the size of its pages."""
    kept = sorted((name, tuple(values)) for name, values in given.items() if name not in ("perPage", "nextPageToken"))
    return hashlib.sha256(msgspec.json.encode(kept)).hexdigest()[:16]
