"""The re-simulation pool over HTTP: pages of jobs, one job, wishes, cancellations, adoptions, figures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from schemas.events import read_record
from schemas.instants import HOUR, MINUTE, format_instant, parse_instant
from schemas.jobs import PRIORITIES, ResimulationRequest
from schemas.placement import partition_of
from streams.ledger import audit
from streams.log import install
from tests.browser.fill import fill_units, filled
from tests.browser.memory_log import MemoryLog
from tests.browser.site import Site
from tests.support.job_rows import SPEC, answered, put_job, running

pytestmark = pytest.mark.postgres

DONE = "bioreactor.events/3/120/1"
TAKEN = "bioreactor.events/3/121/1"
_RUN = (
    "select t.no, f.data ->> 'batch' from twin t join fact f on f.twin_no = t.no where t.key = 'BR-01'"
    " and f.type = 'bioreactor.batch_started' order by f.event_time desc limit 1"
)


@pytest.fixture(scope="module")
def uri(postgres_server: Any) -> Iterator[str]:
    """A ledger with two units of its own, and no job."""
    found = filled(postgres_server, lambda connection, seed, now: fill_units(connection, seed, now, 2, hours=10))
    yield found
    postgres_server.drop(found)


@pytest.fixture(scope="module")
def site_of_jobs(uri: str) -> Iterator[Site]:
    one = Site(uri, heartbeat_seconds=0.2)
    yield one
    one.close()


@pytest.fixture
def ledger(uri: str) -> Iterator[psycopg.Connection[Any]]:
    """The ledger, with no job in it."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("truncate job restart identity cascade")
        yield connection


@pytest.fixture
def own(site_of_jobs: Site, ledger: psycopg.Connection[Any]) -> Site:
    """The API, with nothing in its log."""
    site_of_jobs.log.topics.clear()
    return site_of_jobs


@pytest.fixture
def client(own: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{own.url}/api/v1", timeout=20) as one:
        yield one


def get(client: httpx.Client, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def wish(**more: Any) -> dict[str, Any]:
    return {
        "twin_kind": "bioreactor", "twin_key": "BR-01", "spec": SPEC, "reason": "what if it is fed more",
        "asked_by": "Anna", **more,
    }  # fmt: skip


def wishes(log: MemoryLog, key: str = "BR-01") -> list[dict[str, Any]]:
    return [json.loads(one.value or b"") for one in log.topics["resim.requests"][partition_of(key.encode(), 8)]]


def test_pages_of_jobs_give_each_once_in_either_order(client: httpx.Client, ledger: psycopg.Connection[Any]) -> None:
    for n in range(7):
        put_job(ledger, f"t/0/{n}/0", priority=n % 4, deadline="2030-01-01T00:00:00Z" if n > 4 else "infinity")
    put_job(ledger, "t/0/8/0", **answered("t/0/8/0", {}))
    seen: dict[str, list[str]] = {}
    for order in ("newest", "next"):
        cursor, ids = None, []
        while True:
            page = get(client, "/jobs", order=order, limit=3, **({"cursor": cursor} if cursor else {}))
            ids += [one["id"] for one in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        seen[order] = ids
    assert seen["newest"] == ["t/0/8/0", *(f"t/0/{n}/0" for n in reversed(range(7)))]
    assert seen["next"] == [f"t/0/{n}/0" for n in (0, 4, 5, 1, 6, 2, 3)]  # by rank, then deadline, then age
    assert client.get("/jobs", params={"cursor": "x"}).status_code == 400
    assert client.get("/jobs", params={"order": "next", "cursor": "WzEsInh4IiwxXQ"}).status_code == 400


def test_jobs_are_chosen_by_state_twin_kind_tenant_and_priority(
    client: httpx.Client, ledger: psycopg.Connection[Any]
) -> None:
    put_job(ledger, "a", priority=0, tenant="north")
    put_job(ledger, "b", twin_key="BR-02", **running())
    put_job(ledger, "c", kind="md", twin_kind="molecule")
    for params, ids in (
        ({"state": "queued"}, {"a", "c"}),
        ({"state": ["running", "queued"]}, {"a", "b", "c"}),
        ({"twin_kind": "bioreactor", "twin_key": "BR-02"}, {"b"}),
        ({"twin_kind": "molecule"}, {"c"}),
        ({"kind": "md"}, {"c"}),
        ({"tenant": "north"}, {"a"}),
        ({"priority": "patient_safety"}, {"a"}),
        ({"priority": "release"}, set()),
    ):
        assert {one["id"] for one in get(client, "/jobs", **params)["items"]} == ids, params
    [b] = get(client, "/jobs", state="running")["items"]
    assert (b["share"], b["note"], b["device"], b["rates"]) == (0.25, "smoothing", "cpu", {"draws_per_second": 40.0})
    assert (b["deadline"], b["priority"], b["cached"]) == (None, "background", False)
    assert client.get("/jobs", params={"state": "lost"}).status_code == 400


def test_one_job_has_its_specification_answer_and_checkpoints(
    client: httpx.Client, ledger: psycopg.Connection[Any]
) -> None:
    no = put_job(ledger, DONE, **answered(DONE, {"parameters": {}}))
    for seq in (1, 2):
        ledger.execute(
            "insert into job_checkpoint (job, attempt, seq, versions, device, sha256, body)"
            " values (%s, 1, %s, '{\"engine\": \"1\"}', 'cpu', 'h', 'body!')",
            (no, seq),
        )
    found = get(client, f"/jobs/{DONE}")
    assert found["spec"] == SPEC
    assert found["result"]["provenance"]["inputs"] == ["bioreactor.events/3/120"]
    assert [(one["seq"], one["bytes"]) for one in found["checkpoints"]] == [(2, 5), (1, 5)]
    assert found["adoption"] == {"allowed": True, "why": "", "adopted": False}
    assert "body!" not in json.dumps(found)
    document = client.get(f"/jobs/{DONE}/document")
    assert document.json() == {"all": [1, 2, 3]}
    assert "attachment" in document.headers["content-disposition"]
    put_job(ledger, "waits")
    for path in ("/jobs/waits/document", "/jobs/nobody", "/jobs/nobody/document"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "expected" in answer.json()["detail"]


def test_a_persons_wish_is_in_the_log_as_the_pool_reads_it(client: httpx.Client, own: Site) -> None:
    asked = {**SPEC, "inputs": {**SPEC["inputs"], "batch": "B-7"}}
    answer = client.post("/jobs", json=wish(spec=asked, deadline="2026-12-01T10:00:00+02:00", tenant="north"))
    assert answer.status_code == 202, answer.text
    job = answer.json()["id"]
    assert answer.headers["location"] == f"/api/v1/jobs/{job}"
    [line] = wishes(own.log)
    assert (line["id"], line["kind"], line["lane"], line["twin"], line["key"], line["model"]) == (
        job, "request", "advisory", "bioreactor", "BR-01", "Anna",
    )  # fmt: skip
    request = msgspec.convert(line["data"], ResimulationRequest)
    assert msgspec.to_builtins(request.spec) == asked
    assert (request.priority, request.deadline, request.tenant) == ("what_if", "2026-12-01T08:00:00Z", "north")


def test_a_key_makes_a_second_sending_the_same_job(
    client: httpx.Client, own: Site, ledger: psycopg.Connection[Any]
) -> None:
    key = {"Idempotency-Key": "once-only-1"}
    first = client.post("/jobs", json=wish(), headers=key).json()["id"]
    assert client.post("/jobs", json=wish(), headers=key).json()["id"] == first == "api/once-only-1"
    put_job(ledger, first, twin_key="BR-01")  # as the dispatcher takes it in
    assert client.post("/jobs", json=wish(), headers=key).status_code == 202
    assert len(wishes(own.log)) == 2, "what the ledger has is not asked again"
    other = client.post("/jobs", json=wish(spec={**SPEC, "seed": 8}), headers=key)
    assert other.status_code == 409
    assert client.post("/jobs", json=wish(), headers={"Idempotency-Key": "a b"}).status_code == 400


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"twin_key": "nobody"}, 404, "heard of"),
        ({"spec": {**SPEC, "kind": "shell"}}, 422, "bioreactor.reestimate"),
        ({"spec": {**SPEC, "draws": 0}}, 422, "draws"),
        ({"spec": {**SPEC, "code": "x"}}, 422, "code"),
        ({"tenant": "*"}, 422, "tenant"),
        ({"reason": ""}, 422, "reason"),
        ({"priority": "now"}, 422, "priority"),
        ({"deadline": "tomorrow"}, 400, "deadline"),
        ({"asked_by": "x" * 300_000}, 413, "fewer"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_with_what_was_expected(
    client: httpx.Client, own: Site, change: dict[str, Any], status: int, says: str
) -> None:
    answer = client.post("/jobs", json=wish(**change))
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]
    assert not wishes(own.log)


def test_the_description_says_what_a_wish_must_be(client: httpx.Client) -> None:
    body = get(client, "/openapi.json")["paths"]["/api/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["required"] == ["twin_kind", "twin_key", "spec", "reason", "asked_by"]
    assert body["schema"]["properties"]["spec"]["properties"]["draws"]["minimum"] == 1
    assert "$ref" not in json.dumps(body)


def test_a_wish_of_patient_safety_is_audited(client: httpx.Client, ledger: psycopg.Connection[Any]) -> None:
    job = client.post("/jobs", json=wish(priority="patient_safety")).json()["id"]
    row = ledger.execute("select actor, action, object, reason from audit order by seq desc limit 1").fetchone()
    assert row == ("Anna", "asked for a re-simulation of patient safety", job, "what if it is fed more")
    assert audit.check(ledger) is None


def test_a_job_is_ended_by_a_person_and_audited(client: httpx.Client, ledger: psycopg.Connection[Any]) -> None:
    install(ledger)  # the topics: the answer of a job that never ran leaves with its end
    ledger.commit()
    put_job(ledger, "t/0/1/0")
    put_job(ledger, "t/0/2/0", **running())
    told = {"by": "Anna", "reason": "not needed"}
    for job in ("t/0/1/0", "t/0/2/0"):
        assert client.post(f"/jobs/{job}/cancel", json=told).status_code == 202
    states = ledger.execute("select state, wish, finished_at is not null from job order by no").fetchall()
    assert states == [("cancelled", "", True), ("running", "cancel", False)]
    assert client.post("/jobs/t/0/1/0/cancel", json=told).status_code == 409
    assert client.post("/jobs/t/0/2/0/cancel", json={"by": "Anna"}).status_code == 422
    rows = ledger.execute(
        "select actor, object, reason from audit where action = 'cancelled a re-simulation' order by seq"
    )
    assert rows.fetchall() == [("Anna", "t/0/1/0", "not needed"), ("Anna", "t/0/2/0", "not needed")]


def test_a_question_about_a_run_is_made_to_name_its_batch_and_refused_where_none_goes_on(
    client: httpx.Client, own: Site, ledger: psycopg.Connection[Any]
) -> None:
    row = ledger.execute(_RUN).fetchone()
    assert row is not None
    no, batch = row
    key = {"Idempotency-Key": "what-if-1"}
    told = client.post("/jobs", json=wish(), headers=key)
    assert told.status_code == 202, told.text
    [line] = wishes(own.log)
    assert line["data"]["spec"]["inputs"] == {**SPEC["inputs"], "batch": batch}
    put_job(ledger, told.json()["id"], spec=line["data"]["spec"])
    assert client.post("/jobs", json=wish(), headers=key).status_code == 202  # the same question, as it was sent
    other = wish(spec={**SPEC, "inputs": {**SPEC["inputs"], "batch": "B-0"}})
    assert client.post("/jobs", json=other, headers=key).status_code == 409
    ledger.execute(
        "insert into fact select known_at, twin_no, event_time + interval '1 s', record_time, rec_offset, event_hash,"
        " 'bioreactor.batch_ended', source, 'over', data from fact where twin_no = %s and type = %s"
        " order by event_time desc limit 1",
        (no, "bioreactor.batch_started"),
    )
    refused = client.post("/jobs", json=wish())
    assert (refused.status_code, "spec.inputs.batch" in refused.text) == (409, True)
    assert client.post("/jobs", json=other).status_code == 202  # it names one: the twin has the last word
    assert client.post("/jobs", json=wish(spec={**SPEC, "kind": "md"})).status_code == 202  # about no run
    assert [line["data"]["spec"]["inputs"].get("batch") for line in wishes(own.log)] == [batch, "B-0", None]
    ledger.execute("delete from fact where id = 'over'")


def test_an_answer_is_adopted_by_an_event_of_the_twin(
    client: httpx.Client, own: Site, ledger: psycopg.Connection[Any]
) -> None:
    put_job(ledger, DONE, **answered(DONE, {}))
    told = {"job": DONE, "by": "Anna", "reason": "the culture is slower"}
    for _ in range(2):
        answer = client.post("/twins/bioreactor/BR-01/adopt", json=told)
        assert answer.status_code == 202, answer.text
    records = own.log.topics["bioreactor.events"][partition_of(b"BR-01", 8)]
    events = [read_record(one.key, one.value, one.headers) for one in records]
    assert [one.id for one in events] == [f"adopt/{DONE}"] * 2
    assert (events[0].type, events[0].data.by, events[0].data.job) == ("bioreactor.estimate_adopted", "Anna", DONE)
    for path, status in (("bioreactor/BR-02", 404), ("nobody/BR-01", 404)):
        assert client.post(f"/twins/{path}/adopt", json=told).status_code == status
    soon = format_instant(time.time_ns() // 1000 + HOUR)
    assert client.post("/twins/bioreactor/BR-01/adopt", json={**told, "time": soon}).status_code == 422


def test_of_a_replayed_run_an_adoption_and_a_question_hold_from_its_newest_moment_on(
    client: httpx.Client, own: Site, ledger: psycopg.Connection[Any]
) -> None:
    put_job(ledger, DONE, twin_key="BR-02", **answered(DONE, {}))
    told = {"job": DONE, "by": "Anna", "reason": "slower"}
    live = client.post("/twins/bioreactor/BR-02/adopt", json=told).json()["time"]
    assert abs(parse_instant(live) - time.time_ns() // 1000) < MINUTE
    ledger.execute("update twin set event_time = event_time - interval '40 days' where key = 'BR-02'")
    row = ledger.execute("select event_time from twin where key = 'BR-02'").fetchone()
    assert row is not None
    answer = client.post("/twins/bioreactor/BR-02/adopt", json=told).json()
    assert parse_instant(answer["time"]) == round(row[0].timestamp() * 1e6)
    said = client.post("/jobs", json=wish(twin_key="BR-02"))
    assert said.status_code == 202, said.text
    [line] = wishes(own.log, "BR-02")  # so does a question: its answer must not carry the run on to today
    assert parse_instant(line["event_time"]) == round(row[0].timestamp() * 1e6)
    assert abs(parse_instant(line["record_time"]) - time.time_ns() // 1000) < MINUTE
    ledger.execute("update twin set event_time = event_time + interval '40 days' where key = 'BR-02'")


def test_what_the_run_left_behind_cannot_be_adopted(client: httpx.Client, ledger: psycopg.Connection[Any]) -> None:
    put_job(ledger, "old", **answered("old", {}), event_time="2020-01-01T00:00:00Z")
    standing = get(client, "/jobs/old")["adoption"]
    assert not standing["allowed"]
    assert "another run began" in standing["why"]
    put_job(ledger, TAKEN, **answered(TAKEN, {}))
    assert "a newer re-estimation" in get(client, "/jobs/old")["adoption"]["why"]
    put_job(ledger, "t/0/1/0", twin_key="BR-01", **running())
    put_job(ledger, "t/0/2/0", kind="md")
    assert "running" in get(client, "/jobs/t/0/1/0")["adoption"]["why"]
    assert "only answers of bioreactor.reestimate" in get(client, "/jobs/t/0/2/0")["adoption"]["why"]
    for job in ("old", "t/0/1/0"):
        told = {"job": job, "by": "Anna", "reason": "why not"}
        assert client.post("/twins/bioreactor/BR-01/adopt", json=told).status_code == 409
    no, at = ledger.execute("select no, now() from twin where key = 'BR-01'").fetchone() or (0, None)
    ledger.execute(
        "insert into fact values (%s, %s, %s, %s, 9, 9, 'bioreactor.estimate_adopted', 'api', 'x', %s)",
        (at, no, at, at, json.dumps({"job": TAKEN, "by": "Bert", "reason": "r"})),
    )
    standing = get(client, f"/jobs/{TAKEN}")["adoption"]
    assert standing["adopted"]
    assert standing["why"].startswith("Bert adopted it")


def test_the_pool_at_a_glance_and_as_figures(client: httpx.Client, own: Site, ledger: psycopg.Connection[Any]) -> None:
    for n in range(3):
        put_job(ledger, f"q{n}", priority=n and 3)
    put_job(ledger, "r", **running(device="cuda:0"))
    put_job(ledger, "x", **running(lease_until="2020-01-01T00:00:00Z"))
    put_job(ledger, "d", **answered("d", {}))
    put_job(ledger, "e", **{**answered("e", {}), "answered_by": "d", "seconds": 0.0})
    ledger.execute("insert into job_budget values ('north', '*', 60, 600, 10, now() - interval '1 hour')")
    found = get(client, "/jobs/summary")
    queue = {(one["state"], one["priority"]): one["count"] for one in found["queue"]}
    assert queue == {("queued", "patient_safety"): 1, ("queued", "background"): 2, ("running", "background"): 2}
    assert all(290 < one["oldest_seconds"] < 400 for one in found["queue"])
    assert {one["device"]: (one["running"], one["expired"]) for one in found["devices"]} == {
        "cuda:0": (1, 0), "cpu": (1, 1),
    }  # fmt: skip
    assert found["spent"] == [{"tenant": "site", "kind": "bioreactor.reestimate", "seconds": 9.5, "jobs": 4}]
    assert found["day"] == [{"kind": "bioreactor.reestimate", "outcome": "done", "count": 2, "cached": 1}]
    assert found["expired"] == 1
    [budget] = found["budgets"]
    assert budget["left_seconds"] == pytest.approx(70, abs=1)
    metrics = httpx.get(f"{own.url}/metrics").text
    for line in (
        'twinstream_jobs_queued{kind="bioreactor.reestimate",priority="background",tenant="site"} 2.0',
        'twinstream_jobs_running{device="cuda:0"} 1.0',
        "twinstream_jobs_leases_expired 1.0",
        'twinstream_jobs_cached_day{kind="bioreactor.reestimate"} 1.0',
        'twinstream_jobs_device_seconds_day{kind="bioreactor.reestimate",tenant="site"} 9.5',
        "twinstream_jobs_known 1.0",
    ):
        assert line in metrics, line
    assert PRIORITIES[0] in metrics


def test_a_follower_sees_the_present_and_then_what_moves(own: Site, uri: str, ledger: psycopg.Connection[Any]) -> None:
    no = put_job(ledger, "r", **running())
    put_job(ledger, "q")
    put_job(ledger, "gone", **answered("gone", {}))
    with httpx.stream("GET", f"{own.url}/api/v1/jobs/stream", timeout=10) as answer:
        events = _events(answer)
        name, present = next(events)
        assert name == "present"
        assert {(one["job"], one["state"]) for one in present} == {("r", "running"), ("q", "queued")}
        ledger.execute("update job set share = 0.5 where no = %s", (no,))
        assert next(events) == ("job", _progress("r", "running", 0.5))
        put_job(ledger, "new")
        assert next(events)[1]["job"] == "new"
        ledger.execute("update job set state = 'done', share = 1, finished_at = now() where no = %s", (no,))
        assert next(events) == ("job", _progress("r", "done", 1.0))
        ledger.execute("update job set state = 'superseded', finished_at = now() where id = 'q'")
        assert next(events)[1] == {**_progress("q", "superseded", 0.0), "note": "", "rates": {}}
        put_job(ledger, "cached", **{**answered("cached", {}), "answered_by": "r"})
        assert next(events) == ("job", {**_progress("cached", "done", 1.0), "note": "", "rates": {}})


def _progress(job: str, state: str, share: float) -> dict[str, Any]:
    return {"job": job, "state": state, "share": share, "note": "smoothing", "rates": {"draws_per_second": 40.0}}


def _events(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
