"""EPCIS 2.0's query interface: events by the standard's parameters, one event, and what values ever came."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from connectors.epcis.writer import CONTEXT
from streams.api.problems import ProblemError
from streams.api.services import Services, reply, services_of
from streams.epcis import EpcisServices, epcis_of
from streams.epcis.answering import VERSIONS, answered, check_version, document_of, listed, next_link, one_document
from streams.epcis.answering import page_of as read_page_of
from streams.epcis.asked import KINDS, PAGING, given_of, read_page, read_query, refuse
from streams.ledger import epcis_index as index
from streams.ledger import epcis_reads
from streams.ledger.reads import read_cursor, write_cursor

router = APIRouter(prefix="/api/v1/epcis", tags=["epcis"])

With = Annotated[Services, Depends(services_of)]
Epcis = Annotated[EpcisServices, Depends(epcis_of)]

# Top-level resources: what they list, and the parameter that finds a value's events.
RESOURCES = {
    "eventTypes": (index.KINDS, "eventType"),
    "epcs": (index.EPCS, "MATCH_anyEPC"),
    "bizSteps": (index.STEPS, "EQ_bizStep"),
    "bizLocations": (index.LOCATIONS, "EQ_bizLocation"),
    "readPoints": (index.POINTS, "EQ_readPoint"),
    "dispositions": (index.DISPOSITIONS, "EQ_disposition"),
}


@router.get("/lag", summary="How far queries are behind what was captured")
async def lag(epcis: Epcis) -> Response:
    """By partition of `supply.events`: the next offset to be read, and its end."""
    follower = epcis.follower
    places = [
        {"partition": partition, "next": follower.positions.get(partition, 0), "end": end}
        for partition, end in sorted(follower.ends.items())
    ]
    return reply({"lag": follower.lag, "events": follower.newest, "trouble": follower.trouble, "partitions": places})


@router.get("/events", summary="Events by the standard's query parameters")
async def events(request: Request, services: With, epcis: Epcis) -> Response:
    """An EPCISQueryDocument; `Link` leads to the next page. docs/supply_epcis_api.md lists the parameters."""
    return await answer_query(request, services, epcis, {})


@router.get("/events/{event_id:path}", summary="One event by its eventID or hash id")
async def event(request: Request, event_id: str, services: With) -> Response:
    """The newest that has the id: where an error was declared, the declaration."""
    check_version(request.headers.get("GS1-EPCIS-Version", ""))
    async with services.reads.connection() as connection:
        found = await epcis_reads.read_event(connection, event_id)
    if found is None:
        raise ProblemError(
            404,
            f"expected the id of an event, received {event_id!r:.120}; /lag tells whether the newest are there yet",
            VERSIONS,
            type="epcisException:NoSuchResourceException",
        )
    return answered(one_document(found), request.headers.get("accept", ""))


@router.delete("/nextPageToken/{token}", summary="Say that a page token is needed no more", status_code=204)
async def forget_token(token: str) -> Response:
    """Tokens hold all that they stand for, so nothing is kept here."""
    return Response(None, 204, VERSIONS)


def _add_resource(name: str) -> None:
    """Give a top-level resource its list, and its values their events."""
    kind, parameter = RESOURCES[name]

    @router.get(f"/{name}", summary=f"Values that came: {name}", operation_id=f"epcis_{name}")
    async def values(request: Request, services: With) -> Response:
        given = _paging(request)
        size, token = read_page(given)
        after = "" if token is None else str(read_cursor(token[:8000], str)[0])
        if name == "eventTypes":
            found = [each for each in sorted(KINDS) if each > after]
        else:
            async with services.reads.connection() as connection:
                found = await epcis_reads.list_values(connection, kind, size + 1, after)
        token = write_cursor(found[size - 1]) if len(found) > size else None
        links = next_link(request.url.path, given, token)
        return answered(listed(found[:size]), request.headers.get("accept", ""), links)

    @router.get(
        f"/{name}/{{value:path}}/events", summary=f"Events of one of {name}", operation_id=f"epcis_{name}_events"
    )
    async def events_of(request: Request, value: str, services: With, epcis: Epcis) -> Response:
        return await answer_query(request, services, epcis, {parameter: [value]})

    @router.get(f"/{name}/{{value:path}}", summary=f"What there is of one of {name}", operation_id=f"epcis_{name}_one")
    async def one(request: Request, value: str) -> Response:
        body = msgspec.json.encode({"@context": CONTEXT, "@set": ["events"]})
        return answered(body, request.headers.get("accept", ""))


async def answer_query(
    request: Request,
    services: Services,
    epcis: EpcisServices,
    more: dict[str, list[str]],
    name: str = "SimpleEventQuery",
) -> Response:
    """Answer what the address asks, together with what `more` asks."""
    check_version(request.headers.get("GS1-EPCIS-Version", ""))
    given = given_of(request.query_params.multi_items())
    for parameter in more:
        if parameter in given:
            raise refuse(parameter, "not to be asked twice", "it is in the address already")
    whole = {**given, **more}
    asked = read_query({key: values for key, values in whole.items() if key not in PAGING})
    size, token = read_page(given)
    async with services.reads.connection() as connection:
        newest = await index.newest(connection)
        page = await read_page_of(connection, asked, whole, size, token, newest)
    links = next_link(request.url.path, given, page.token)
    body = await asyncio.to_thread(document_of, page.events, name)
    return answered(body, request.headers.get("accept", ""), links)


for _name in RESOURCES:
    _add_resource(_name)


def _paging(request: Request) -> dict[str, list[str]]:
    given = given_of(request.query_params.multi_items())
    for name in given:
        if name not in PAGING:
            raise refuse(name, " or ".join(PAGING), name)
    return given
