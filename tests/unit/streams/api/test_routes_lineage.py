"""Lineage over HTTP, on two units that share a lot, one of them shipped before trouble entered it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from schemas.instants import parse_instant
from streams.ledger.lineage_write import write_facts
from streams.ledger.migrate import migrate
from streams.lineage.facts import Fact, Link, Source, Thing
from tests.browser.site import Site

pytestmark = pytest.mark.postgres

LOT, BAG_A, BAG_B = Thing("vector_lot", "urn:lot:1"), Thing("unit", "urn:bag:a"), Thing("unit", "urn:bag:b")
PATIENT_A, PATIENT_B = Thing("patient", "patient:A"), Thing("patient", "patient:B")
TROUBLE, SITE, ROOM = Thing("equipment", "urn:valve:1"), Thing("site", "urn:site:x"), Thing("room", "urn:room:1")
LATE = "2026-03-09T00:00:00Z"


def day(n: int) -> int:
    return int(parse_instant(f"2026-03-{n:02d}T00:00:00Z"))


def fact(name: str, at: int, known: int | None = None, **said: Any) -> Fact:
    return Fact(name, day(at), day(known or at), Source("supply.events", 0, at), **said)


FACTS = [
    fact("ni:make-a", 2, inputs=(LOT,), outputs=(BAG_A,), links=(Link("meant_for", BAG_A, PATIENT_A, True),)),
    fact("ni:trouble", 3, links=(Link("derived_from", TROUBLE, LOT),)),
    fact("ni:make-b", 4, inputs=(LOT,), outputs=(BAG_B,), links=(Link("meant_for", BAG_B, PATIENT_B, True),)),
    fact("ni:room", 1, things=(ROOM,), place=SITE),
    fact("ni:placed", 5, things=(BAG_B,), place=ROOM),
    fact("ni:make-b#error", 8, voids="ni:make-b"),
]


@pytest.fixture(scope="module")
def client(postgres_server: Any) -> Iterator[httpx.Client]:
    database = postgres_server.database()
    with psycopg.connect(database, autocommit=True) as connection:
        migrate(connection)
        write_facts(connection, FACTS, {("twin.alerts", 0): 7})
    site = Site(database)
    with httpx.Client(base_url=f"{site.url}/api/v1", timeout=20) as one:
        yield one
    site.close()


def get(client: httpx.Client, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


BEFORE = {"known_at": "2026-03-07T00:00:00Z"}


def test_back_and_forward_as_of_what_was_known(client: httpx.Client) -> None:
    now = get(client, f"/lineage/{BAG_B.key}", types="vector_lot,equipment")
    assert now["items"] == []
    then = get(client, f"/lineage/{BAG_B.key}", types="vector_lot,equipment", paths=True, **BEFORE)
    assert [(item["id"], item["depth"]) for item in then["items"]] == [(LOT.key, 2), (TROUBLE.key, 3)]
    assert [(edge["event"], edge["known_until"]) for edge in then["items"][1]["path"]] == [
        ("ni:make-b", "2026-03-08T00:00:00Z"),
        ("ni:make-b", "2026-03-08T00:00:00Z"),
        ("ni:trouble", None),
    ]
    assert (then["truncated"], then["counts"]["equipment"]) == (False, 1)
    used = get(client, "/where-used", id=LOT.key, **BEFORE)
    assert {item["id"] for item in used["items"]} == {BAG_A.key, BAG_B.key, PATIENT_A.key, PATIENT_B.key}


def test_impact_holds_only_what_came_after_the_trouble_and_says_why(client: httpx.Client) -> None:
    found = get(client, "/impact", ids=TROUBLE.key, **BEFORE)
    assert found["patients"] == 1
    (site,) = found["sites"]
    assert site["site"] == SITE.key
    (patient,) = site["patients"]
    assert (patient["patient"], patient["hold"]) == (PATIENT_B.key, [BAG_B.key])
    assert [edge["kind"] for edge in patient["path"]] == ["derived_from", "used", "generated", "meant_for"]
    assert patient["affected_from"] == "2026-03-04T00:00:00Z"
    assert get(client, "/impact", ids=TROUBLE.key)["patients"] == 0, "the event was declared an error"


def test_common_cause_and_difference(client: httpx.Client) -> None:
    shared = get(client, "/common-cause", ids=[PATIENT_A.key, PATIENT_B.key], **BEFORE)
    assert [item["id"] for item in shared["items"]] == [LOT.key]
    assert shared["items"][0]["left_by"] == "2026-03-02T00:00:00Z"
    changed = get(client, "/lineage/diff", id=LOT.key, direction="forward", known_before=BEFORE["known_at"])
    assert {one["id"] for one in changed["removed"]} == {BAG_B.key, PATIENT_B.key, "ni:make-b"}
    assert changed["added"] == []
    late = get(client, "/lineage/diff", id=LOT.key, direction="forward", known_before="2026-03-01T00:00:00Z")
    assert {one["id"] for one in late["added"]} == {BAG_A.key, PATIENT_A.key, "ni:make-a"}


def test_status_says_how_far_each_partition_was_read(client: httpx.Client) -> None:
    found = get(client, "/lineage/status")
    (one,) = found["partitions"]
    assert (one["topic"], one["partition"], one["next_offset"]) == ("twin.alerts", 0, 7)
    assert found["behind"] == one["behind"] == 0


def test_bounds_are_marked(client: httpx.Client) -> None:
    short = get(client, f"/lineage/{LOT.key}", direction="forward", depth=1)
    assert (short["truncated"], short["limits"]) == (True, ["depth"])
    narrow = get(client, f"/lineage/{LOT.key}", direction="forward", fan_out=1, **BEFORE)
    assert narrow["limits"] == ["fan_out"]


def test_files(client: httpx.Client) -> None:
    prov = get(client, "/lineage/export", id=PATIENT_A.key)
    assert [one["prov:entity"] for one in prov["used"].values()] == ["twin:urn:lot:1"]
    assert len(prov["wasGeneratedBy"]) == 1
    assert [one["twin:kind"] for one in prov["wasInfluencedBy"].values()] == ["meant_for"]
    answer = client.get("/lineage/export", params={"id": PATIENT_A.key, "form": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {(row["kind"], row["event"]) for row in rows} == {
        (k, "ni:make-a") for k in ("used", "generated", "meant_for")
    }
    assert (len(rows), answer.headers["x-truncated"]) == (3, "false")


@pytest.mark.parametrize(
    ("path", "params", "status", "says"),
    [
        ("/lineage/urn:nobody", {}, 404, "expected the id of a thing"),
        (f"/lineage/{LOT.key}", {"types": "unicorn"}, 400, "unicorn"),
        (f"/lineage/{LOT.key}", {"since": LATE, "at": "2026-03-01T00:00:00Z"}, 400, "since <= at"),
        (f"/lineage/{LOT.key}", {"at": "yesterday"}, 400, "RFC 3339"),
        ("/common-cause", {"ids": LOT.key}, 400, "2 to 100 ids"),
        ("/lineage/diff", {"id": LOT.key, "known_before": ""}, 400, "known_before"),
    ],
)
def test_what_cannot_be_answered_is_a_problem(
    client: httpx.Client, path: str, params: dict[str, str], status: int, says: str
) -> None:
    answer = client.get(path, params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]
