"""EPCIS 2.0's capture interface: documents taken in and worked on in the background; one event at once."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from schemas.errors import MalformedError
from streams.api.ingest import read_body
from streams.api.problems import ProblemError
from streams.api.services import Services, owner_of, services_of
from streams.epcis import EpcisServices, epcis_of
from streams.epcis.answering import VERSIONS, answered, check_version, next_link
from streams.epcis.asked import given_of, read_page, refuse
from streams.epcis.capturing import MOST_BYTES, MOST_EVENTS, error_of
from streams.ledger import epcis_captures as captures
from streams.ledger.reads import read_cursor, write_cursor

JSON_TYPES = ("application/ld+json", "application/json")
XML_TYPES = ("application/xml", "text/xml")
LIMITS = {
    **VERSIONS,
    "GS1-EPCIS-Capture-Limit": str(MOST_EVENTS),
    "GS1-EPCIS-Capture-File-Size-Limit": str(MOST_BYTES),
    "GS1-Capture-Error-Behaviour": "rollback",
}
_FIRST = 1 << 62
_XML_EVENT = re.compile(
    rb"<(?:[\w.-]{1,64}:)?(?:Object|Aggregation|Transaction|Transformation|Association|Quantity)Event[\s>/]"
)

router = APIRouter(prefix="/api/v1/epcis", tags=["epcis"])

With = Annotated[Services, Depends(services_of)]
Epcis = Annotated[EpcisServices, Depends(epcis_of)]


@router.post("/capture", summary="Capture an EPCIS document (JSON-LD or XML)", status_code=202)
async def capture(request: Request, epcis: Epcis) -> Response:
    """202 with the job's address in `Location`: the document is durable then, and read in the background.

    `GS1-Capture-Error-Behaviour: rollback` (the default) captures nothing of a document with a fault, `proceed` all
    that can be read. A document sent twice counts once.
    """
    epcis.pace.check(owner_of(request))
    media = _media(request, JSON_TYPES + XML_TYPES)
    behaviour = request.headers.get("GS1-Capture-Error-Behaviour", "rollback").strip().lower()
    if behaviour not in ("rollback", "proceed"):
        raise refuse("GS1-Capture-Error-Behaviour", "rollback or proceed", behaviour)
    body = await _read_limited(request)
    count = await asyncio.to_thread(_count_xml if media in XML_TYPES else _count_json, body)
    if count > MOST_EVENTS:
        raise _too_large(f"expected at most {MOST_EVENTS} events, received {count}; send several documents")
    name = uuid4().hex
    async with epcis.store.connection() as connection:
        taken = await captures.add(connection, name, owner_of(request), behaviour, media, body)
    if not taken:
        raise ProblemError(
            429, f"expected fewer than {captures.MOST_OPEN} captures to wait; send it again soon", {"Retry-After": "5"}
        )
    epcis.capturer.nudge()
    place = f"{request.url.path}/{name}"
    body = msgspec.json.encode({"captureID": name})
    headers = {**LIMITS, "Location": place, "GS1-Capture-Error-Behaviour": behaviour}
    return Response(body, 202, headers, "application/json")


@router.get("/capture", summary="Jobs of capture, the newest first")
async def list_captures(request: Request, services: With) -> Response:
    """`perPage` and, from the `Link` of the page before, `nextPageToken`."""
    given = given_of(request.query_params.multi_items())
    for name in given:
        if name not in ("perPage", "nextPageToken"):
            raise refuse(name, "perPage or nextPageToken", name)
    size, token = read_page(given)
    below = _FIRST if token is None else read_cursor(token[:1000], int)[0]
    async with services.reads.connection() as connection:
        found = await captures.page(connection, size + 1, below)
    token = write_cursor(found[size - 1][0]) if len(found) > size else None
    body = msgspec.json.encode([document for _, document in found[:size]])
    return answered(body, "application/json", next_link(request.url.path, given, token))


@router.get("/capture/{capture_id}", summary="One job of capture: whether it runs, and what could not be captured")
async def read_capture(capture_id: str, services: With) -> Response:
    """`success` turns false with the first event refused; `errors` has for each the reason and the field."""
    async with services.reads.connection() as connection:
        found = await captures.read(connection, capture_id)
    if found is None:
        raise _unknown(f"expected the id of a capture, received {capture_id!r:.80}")
    return answered(msgspec.json.encode(found), "application/json")


@router.post("/events", summary="Capture one event (JSON-LD)", status_code=201)
async def capture_event(request: Request, epcis: Epcis) -> Response:
    """201 with the event's address in `Location`, once it is durable; 400 with reason and field if it is refused."""
    epcis.pace.check(owner_of(request))
    _media(request, JSON_TYPES)
    body = await _read_limited(request)
    if _count_json(body) != 1:
        raise refuse("body", "one event with its @context", "a list or document; POST /capture takes those")
    prepared = await epcis.capturer.read(body)
    epcis.capturer.count(len(prepared.events), len(prepared.errors))
    for error, number in zip(prepared.errors, prepared.numbers, strict=True):
        problem = error_of(error, number)
        raise ProblemError(400, str(problem.pop("detail")), VERSIONS, **problem)
    await epcis.capturer.append(prepared.rows)
    name = prepared.events[0].event_id or prepared.events[0].hash
    location = f"{request.url.path}/{quote(name, safe='')}"
    return answered(msgspec.json.encode({"eventID": name}), "application/json", {"Location": location}, 201)


def _media(request: Request, known: tuple[str, ...]) -> str:
    check_version(request.headers.get("GS1-EPCIS-Version", ""))
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in known:
        raise ProblemError(415, f"expected a Content-Type of {', '.join(known)}, received {media[:80]!r}", VERSIONS)
    return media


async def _read_limited(request: Request) -> bytes:
    """Read the body, or say what may be sent at once."""
    try:
        return await read_body(request, MOST_BYTES)
    except ProblemError as error:
        if error.status != 413:
            raise
        raise _too_large(error.detail, error.headers) from None


def _count_json(body: bytes) -> int:
    """Count the events of a document before any is looked at."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        malformed = MalformedError(expected="a JSON document", received=str(error)[:200], where="body")
        raise ProblemError(
            400, str(malformed), VERSIONS, type="epcisException:ValidationException", field="body", reason="malformed"
        ) from None
    for name in ("epcisBody", "queryResults", "resultsBody"):
        if isinstance(document, dict) and isinstance(document.get(name), dict):
            document = document[name]
    if isinstance(document, dict):
        document = document.get("eventList", [document])
    return len(document) if isinstance(document, list) else 1


def _count_xml(body: bytes) -> int:
    return sum(1 for _ in _XML_EVENT.finditer(body))


def _too_large(detail: str, headers: dict[str, str] | None = None) -> ProblemError:
    return ProblemError(413, detail, {**LIMITS, **(headers or {})}, type="epcisException:CaptureLimitExceededException")


def _unknown(detail: str) -> ProblemError:
    return ProblemError(404, detail, VERSIONS, type="epcisException:NoSuchResourceException")
