"""EPCIS 2.0's named queries and their subscriptions: webhooks, told as events come or by a schedule."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Depends, Request
from msgspec import Meta, Struct
from starlette.responses import Response

from connectors.epcis.moments import moment_at
from streams.api.asking import read_shape
from streams.api.ingest import read_body
from streams.api.problems import ProblemError
from streams.api.routes_epcis import answer_query
from streams.api.services import Services, now, owner_of, services_of
from streams.api.shapes import body_of
from streams.epcis import EpcisServices, epcis_of
from streams.epcis.answering import VERSIONS, answered, check_version, next_link
from streams.epcis.asked import PAGING, given_of, read_page, read_query, read_stored, refuse
from streams.epcis.schedule import Schedule, next_due
from streams.epcis.sending import check_destination
from streams.ledger import epcis_queries as kept
from streams.ledger.reads import read_cursor, text_of, write_cursor

MOST_BODY_BYTES = 256 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,99}", re.ASCII)

router = APIRouter(prefix="/api/v1/epcis/queries", tags=["epcis"])

With = Annotated[Services, Depends(services_of)]
Epcis = Annotated[EpcisServices, Depends(epcis_of)]


class NamedQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A query under a name. `query` holds parameters: a text or a list of texts each."""

    name: str
    query: dict[str, Any]  # Any: JSON; read by `read_stored`


class Wanted(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Where to send what a query finds: with `stream` as it comes, or by a `schedule`. `signatureToken` signs it."""

    dest: str
    signature_token: Annotated[str, Meta(max_length=256)] = ""
    stream: bool = False
    schedule: Schedule | None = None
    report_if_empty: bool = False
    initial_record_time: str | None = None


@router.post("", summary="Name a query", status_code=201, openapi_extra=body_of(NamedQuery))
async def name_query(request: Request, epcis: Epcis) -> Response:
    """201 with the query's address; 409 if the name is taken. A query is checked here, and never changed."""
    check_version(request.headers.get("GS1-EPCIS-Version", ""))
    wish = read_shape(await read_body(request, MOST_BODY_BYTES), NamedQuery)
    if _NAME.fullmatch(wish.name) is None:
        raise refuse("name", "a name of 1 to 100 letters, digits or . _ ~ -", wish.name)
    given = read_stored(wish.query)
    read_query(given)
    try:
        async with epcis.store.connection() as connection:
            added = await kept.add_query(connection, wish.name, owner_of(request), given)
    except kept.UniqueViolation:
        raise ProblemError(
            409,
            f"expected a new name, received {wish.name!r}; delete that query first",
            VERSIONS,
            type="epcisException:ResourceAlreadyExistsException",
        ) from None
    if not added:
        raise ProblemError(429, f"expected fewer than {kept.MOST_QUERIES} queries; delete one", VERSIONS)
    headers = {"Location": f"{request.url.path}/{quote(wish.name)}"}
    return answered(msgspec.json.encode({"name": wish.name, "query": given}), "application/json", headers, 201)


@router.get("", summary="Named queries")
async def list_queries(request: Request, services: With) -> Response:
    """By name, in pages."""
    size, after = _page(request, str, "")
    async with services.reads.connection() as connection:
        found = await kept.list_queries(connection, size + 1, after)
    token = write_cursor(found[size - 1]["name"]) if len(found) > size else None
    return _listed(request, [_shown(row) for row in found[:size]], token)


@router.get("/{name}", summary="One named query")
async def one_query(name: str, services: With) -> Response:
    """Its parameters, and who named it."""
    return answered(msgspec.json.encode(_shown(await _find(services, name))), "application/json")


@router.delete("/{name}", summary="Remove a named query and its subscriptions", status_code=204)
async def drop_query(name: str, epcis: Epcis) -> Response:
    """Its subscribers are told nothing more."""
    async with epcis.store.connection() as connection:
        if not await kept.drop_query(connection, name):
            raise _unknown("query", name)
    return Response(None, 204, VERSIONS)


@router.get("/{name}/events", summary="What a named query finds now")
async def events(request: Request, name: str, services: With, epcis: Epcis) -> Response:
    """As GET /events does; `perPage` and `nextPageToken` may stand beside."""
    found = await _find(services, name)
    for parameter in given_of(request.query_params.multi_items()):
        if parameter not in PAGING:
            raise refuse(parameter, " or ".join(PAGING), parameter)
    return await answer_query(request, services, epcis, found["query"], name)


@router.post("/{name}/subscriptions", summary="Subscribe to a query", status_code=201, openapi_extra=body_of(Wanted))
async def subscribe(request: Request, name: str, services: With, epcis: Epcis) -> Response:
    """201 with the subscription's address. What is found is posted to `dest`; without `initialRecordTime`, what is
    recorded from now on."""
    check_version(request.headers.get("GS1-EPCIS-Version", ""))
    await _find(services, name)
    wish = read_shape(await read_body(request, MOST_BODY_BYTES), Wanted)
    check_destination(wish.dest, epcis.subscriber.loopback)
    if wish.stream == (wish.schedule is not None):
        raise refuse("stream", "stream or schedule, one of them", "both" if wish.stream else "neither")
    if not (wish.signature_token.isascii() and (wish.signature_token.isprintable() or not wish.signature_token)):
        raise refuse("signatureToken", "printable ASCII characters", "others")
    first = now() if wish.initial_record_time is None else moment_at(wish.initial_record_time, "initialRecordTime")
    due = now() if wish.schedule is None else next_due(wish.schedule, now())
    schedule = None if wish.schedule is None else msgspec.to_builtins(wish.schedule)
    subscription = kept.Subscription(
        uuid4().hex, name, wish.dest, wish.signature_token, schedule, wish.report_if_empty, first, 0, 0, {}
    )
    async with epcis.store.connection() as connection:
        added = await kept.add_subscription(connection, subscription, owner_of(request), due)
    if not added:
        raise ProblemError(429, f"expected fewer than {kept.MOST_SUBSCRIPTIONS} subscriptions; delete one", VERSIONS)
    headers = {"Location": f"{request.url.path}/{subscription.id}"}
    body = msgspec.json.encode({"subscriptionID": subscription.id, "queryName": name})
    return answered(body, "application/json", headers, 201)


@router.get("/{name}/subscriptions", summary="Who is told of a query")
async def list_subscriptions(request: Request, name: str, services: With) -> Response:
    """How each goes: events delivered, failures in a row and the last reason; secrets are never told."""
    await _find(services, name)
    size, after = _page(request, int, 0)
    async with services.reads.connection() as connection:
        found = await kept.list_subscriptions(connection, name, size + 1, after)
    token = write_cursor(found[size - 1]["no"]) if len(found) > size else None
    return _listed(request, [kept.shown(row) for row in found[:size]], token)


@router.get("/{name}/subscriptions/{subscription}", summary="One subscription")
async def one_subscription(name: str, subscription: str, services: With) -> Response:
    """`minRecordTime` is the record time of the newest event that the subscriber took."""
    async with services.reads.connection() as connection:
        found = await kept.read_subscription(connection, name, subscription)
    if found is None:
        raise _unknown("subscription", subscription)
    return answered(msgspec.json.encode(kept.shown(found)), "application/json")


@router.delete("/{name}/subscriptions/{subscription}", summary="Unsubscribe", status_code=204)
async def unsubscribe(name: str, subscription: str, epcis: Epcis) -> Response:
    """A message under way may still arrive."""
    async with epcis.store.connection() as connection:
        if not await kept.drop_subscription(connection, name, subscription):
            raise _unknown("subscription", subscription)
    return Response(None, 204, VERSIONS)


async def _find(services: Services, name: str) -> dict[str, Any]:
    async with services.reads.connection() as connection:
        found = await kept.read_query(connection, name)
    if found is None:
        raise _unknown("query", name)
    return found


def _page(request: Request, kind: type, first: Any) -> tuple[int, Any]:  # Any: what the list is ordered by
    given = given_of(request.query_params.multi_items())
    for name in given:
        if name not in PAGING:
            raise refuse(name, " or ".join(PAGING), name)
    size, token = read_page(given)
    return size, first if token is None else read_cursor(token[:1000], kind)[0]


def _listed(request: Request, members: list[dict[str, Any]], token: str | None) -> Response:
    links = next_link(request.url.path, given_of(request.query_params.multi_items()), token)
    return answered(msgspec.json.encode(members), "application/json", links)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": row["name"],
        "query": row["query"],
        "createdAt": text_of(row["created_at"]),
        "createdBy": row["owner"],
    }


def _unknown(what: str, name: str) -> ProblemError:
    return ProblemError(
        404, f"expected a {what}, received {name!r:.100}", VERSIONS, type="epcisException:NoSuchResourceException"
    )
