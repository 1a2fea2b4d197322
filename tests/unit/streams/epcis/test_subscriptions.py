"""Subscribers are told each event once, in order, whatever fails in between; and nobody is sent where none may be."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from schemas.errors import InvalidFieldError
from streams.epcis import subscribing
from streams.epcis.sending import SendError, check_destination, post
from streams.ledger.epcis_queries import Subscription
from tests.browser.site import wait_for
from tests.unit.streams.epcis.partner import LoggedSite, Partner, document, seen
from tests.unit.streams.epcis.receiver import Receiver

pytestmark = pytest.mark.postgres

SECRET = "a secret of the subscriber"


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribing, "FIRST_RETRY_SECONDS", 0.1)


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(status: Callable[[int], int | None] = lambda _: 200) -> Receiver:
        made.append(Receiver(status))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def query(partner: Partner, box: str) -> Iterator[str]:
    """A named query for one box; the name is the box's."""
    name = box[-6:]
    answer = partner.client.post("/queries", json={"name": name, "query": {"MATCH_epc": [box]}})
    assert answer.status_code == 201, answer.text
    yield name
    partner.client.delete(f"/queries/{name}")


def subscribe(partner: Partner, query: str, dest: str, **more: Any) -> str:
    body = {"dest": dest, "signatureToken": SECRET, **({"stream": True} if "schedule" not in more else {}), **more}
    answer = partner.client.post(f"/queries/{query}/subscriptions", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["subscriptionID"])


def state(partner: Partner, query: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = partner.client.get(f"/queries/{query}/subscriptions/{name}").json()
    return found


def minutes(events: list[dict[str, Any]]) -> list[int]:
    return [int(event["eventTime"][14:16]) for event in events]


def taken(server: Receiver, expected: list[int]) -> bool:
    return minutes(server.taken) == expected


def test_each_event_is_taken_once_though_the_server_fails_at_first(
    partner: Partner, box: str, query: str, receive: Callable[..., Receiver]
) -> None:
    server = receive(lambda n: 500 if n < 2 else 200)
    name = subscribe(partner, query, server.url)
    began = state(partner, query, name)
    assert SECRET not in str(began)
    partner.capture(document(seen(box, 1), seen(box, 2)))
    wait_for(lambda: len(server.messages) >= 2, 20)
    wait_for(lambda: minutes(server.taken) == [1, 2], 20)
    wait_for(lambda: bool(state(partner, query, name)["delivered"] == 2), 20)
    ended = state(partner, query, name)
    assert (ended["failures"], ended["lastError"]) == (0, "")
    assert ended["minRecordTime"] > began["minRecordTime"]
    assert ended["minRecordTime"] == server.taken[-1]["recordTime"]
    partner.capture(document(seen(box, 3), seen(box, 2)))
    partner.capture(document(seen("urn:epc:id:sgtin:4012345.011111.OTHER", 4)))
    wait_for(lambda: minutes(server.taken) == [1, 2, 3], 20)
    told = server.messages[-1]
    expected = hmac.new(SECRET.encode(), told.body, hashlib.sha256).hexdigest()
    assert told.headers["gs1-signature"] == f"sha256={expected}"
    assert told.headers["content-type"] == "application/ld+json"
    assert b'"subscriptionID":"' + name.encode() in told.body


def test_a_failure_leaves_the_place_where_it_was(
    partner: Partner, box: str, query: str, receive: Callable[..., Receiver]
) -> None:
    well = threading.Event()
    server = receive(lambda _: 200 if well.is_set() else 302)
    name = subscribe(partner, query, server.url)
    began = state(partner, query, name)
    partner.capture(document(seen(box, 1)))
    wait_for(lambda: state(partner, query, name)["failures"] >= 2, 20)
    failing = state(partner, query, name)
    assert (failing["delivered"], failing["minRecordTime"]) == (0, began["minRecordTime"])
    assert "302" in failing["lastError"]
    well.set()
    wait_for(lambda: minutes(server.taken) == [1], 20)  # at its own address: the redirect was not followed


def test_one_that_does_not_answer_holds_nobody_up(
    partner: Partner, box: str, query: str, receive: Callable[..., Receiver]
) -> None:
    silent = [receive(lambda _: None) for _ in range(5)]
    for each in silent:
        subscribe(partner, query, each.url)
    subscribe(partner, query, "http://127.0.0.1:9/")  # nobody listens there
    server = receive()
    subscribe(partner, query, server.url)
    partner.capture(document(seen(box, 1)))
    wait_for(lambda: all(each.messages for each in silent), 20)
    partner.capture(document(seen(box, 2)))
    wait_for(lambda: minutes(server.taken) == [1, 2], 15)
    assert all(len(each.messages) == 1 for each in silent)


def test_two_processes_tell_a_subscriber_once_and_one_goes_on_for_the_other(
    partner: Partner, box: str, query: str, receive: Callable[..., Receiver]
) -> None:
    well = threading.Event()
    server = receive(lambda n: 200 if n < 3 or well.is_set() else 503)
    second = LoggedSite(partner.database)
    other = Partner(second, partner.database)
    try:
        name = subscribe(other, query, server.url)
        for minute in range(3):
            (partner, other)[minute % 2].capture(document(seen(box, minute)))
            wait_for(partial(taken, server, list(range(minute + 1))), 20)
        other.capture(document(seen(box, 3)))
        wait_for(lambda: state(other, query, name)["failures"] >= 1, 20)
    finally:
        other.client.close()
        second.close()
    well.set()
    wait_for(lambda: minutes(server.taken) == [0, 1, 2, 3], 20)
    wait_for(lambda: bool(state(partner, query, name)["delivered"] == 4), 20)


def test_what_was_recorded_before_is_told_from_the_initial_record_time_on(
    partner: Partner, box: str, query: str, receive: Callable[..., Receiver]
) -> None:
    partner.capture(document(seen(box, 1)))
    late, early = receive(), receive()
    subscribe(partner, query, late.url)
    subscribe(partner, query, early.url, initialRecordTime="2026-01-01T00:00:00Z")
    wait_for(lambda: minutes(early.taken) == [1], 20)
    partner.capture(document(seen(box, 2)))
    wait_for(lambda: minutes(early.taken) == [1, 2] and minutes(late.taken) == [2], 20)


def test_a_schedule_tells_when_it_is_due_even_that_there_is_nothing(
    partner: Partner, query: str, receive: Callable[..., Receiver]
) -> None:
    server, quiet = receive(), receive()
    subscribe(partner, query, server.url, schedule={"second": "[0-59]"}, reportIfEmpty=True)
    subscribe(partner, query, quiet.url, schedule={"second": "[0-59]"})
    wait_for(lambda: len(server.messages) >= 2, 20)
    assert server.taken == []
    assert quiet.messages == []


def test_a_query_is_kept_asked_and_removed_with_its_subscriptions(
    partner: Partner, box: str, query: str, receive: Callable[..., Receiver]
) -> None:
    partner.capture(document(seen(box, 1)))
    assert minutes(partner.events(f"/queries/{query}/events")) == [1]
    assert partner.client.get(f"/queries/{query}").json()["query"] == {"MATCH_epc": [box]}
    assert query in [each["name"] for each in partner.client.get("/queries", params={"perPage": 1000}).json()]
    again = partner.client.post("/queries", json={"name": query, "query": {}})
    assert (again.status_code, again.json()["type"]) == (409, "epcisException:ResourceAlreadyExistsException")
    name = subscribe(partner, query, receive().url)
    listed = partner.client.get(f"/queries/{query}/subscriptions")
    assert [each["subscriptionID"] for each in listed.json()] == [name]
    assert SECRET not in listed.text
    assert partner.client.delete(f"/queries/{query}").status_code == 204
    assert partner.client.get(f"/queries/{query}").status_code == 404
    assert partner.client.get(f"/queries/{query}/subscriptions/{name}").status_code == 404
    assert partner.client.get(f"/queries/{query}/events").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "query": {"EQ_colour": "red"}},
        {"name": "a/b", "query": {}},
        {"name": "x", "query": {"eventType": {"no": "list"}}},
        {"name": "x", "query": {"perPage": "10"}},
    ],
)
def test_a_query_that_cannot_be_asked_is_not_kept(partner: Partner, body: dict[str, Any]) -> None:
    assert partner.client.post("/queries", json=body).status_code == 400


@pytest.mark.parametrize(
    "more",
    [
        {"dest": "http://example.com/hook"},
        {"dest": "https://10.0.0.1/hook"},
        {"dest": "ftp://127.0.0.1/"},
        {"dest": "http://127.0.0.1:1/", "stream": True, "schedule": {"second": "0"}},
        {"dest": "http://127.0.0.1:1/", "stream": False},
        {"dest": "http://127.0.0.1:1/", "stream": False, "schedule": {"hour": "25"}},
    ],
)
def test_a_subscription_that_cannot_be_told_is_refused(partner: Partner, query: str, more: dict[str, Any]) -> None:
    body = {"stream": True, **more}
    assert partner.client.post(f"/queries/{query}/subscriptions", json=body).status_code == 400


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://10.1.2.3/",
        "https://192.168.0.1/",
        "https://169.254.169.254/latest",
        "https://[::ffff:10.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://100.64.0.1/",
        "https://user:word@example.com/",
        "https://example.com/#part",
        "https://example.com/\r\nX: y",
        "https:///nowhere",
        "https://example.com:0/",
        "https://0.0.0.0/",
        "gopher://127.0.0.1/",
        "https://127.0.0.1/",
        "http://localhost:8080/",
    ],
)
def test_an_address_that_may_not_be_reached_is_refused(url: str) -> None:
    with pytest.raises(InvalidFieldError):
        check_destination(url, loopback=False)


def test_loopback_is_reached_only_where_the_interface_itself_listens() -> None:
    assert check_destination("http://127.0.0.1:8080/x", loopback=True).port == 8080
    assert check_destination("https://example.com/x", loopback=False).hostname == "example.com"


def test_a_secret_does_not_print() -> None:
    one = Subscription("id", "query", "https://example.com/", SECRET, None, False, 0, 0, 0, {})
    assert SECRET not in repr(one)


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1", "::1", "fd00::1"])
def test_a_name_that_leads_to_a_private_address_is_not_followed(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answer = [(family, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(SendError, match="a private one"):
        asyncio.run(post("https://partner.example/", b"{}", {}, loopback=True, seconds=5.0))
