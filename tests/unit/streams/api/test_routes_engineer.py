"""What the engineer's panels read: golden scores over time, requests, what stood when a window began."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from schemas.effects import order_of
from schemas.instants import HOUR, MINUTE, format_instant, parse_instant
from streams.ledger import reads_history
from tests.browser.folded import CULTURE, CULTURE_CONFIG, GOLDEN, fill_folded
from tests.browser.site import Site
from twins.bioreactor.config import read_config

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def folded_uri(postgres_server: Any) -> str:
    return fill_folded(postgres_server, time.time_ns() // 1000, (GOLDEN, CULTURE))


@pytest.fixture(scope="module")
def client(folded_uri: str) -> Iterator[httpx.Client]:
    site = Site(folded_uri, bioreactor=read_config(CULTURE_CONFIG))
    with httpx.Client(base_url=f"{site.url}/api/v1", timeout=20) as one:
        yield one
    site.close()


def get(client: httpx.Client, path: str, key: str = GOLDEN, **params: Any) -> Any:
    answer = client.get(path, params={"kind": "bioreactor", "key": key, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def golden(client: httpx.Client, **params: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = get(client, "history", part="golden", **params)["golden"]
    assert len({len(column) for column in found.values()}) == 1
    return found


def out(found: dict[str, list[Any]], i: int) -> float:
    """How far out a score is: its greater statistic over its limit."""
    spe = 0.0 if found["spe"][i] is None else float(found["spe"][i])
    return max(float(found["t2"][i]) / float(found["t2_limit"][i]), spe / float(found["spe_limit"][i]))


def test_golden_scores_are_those_of_the_estimates_they_name(client: httpx.Client, folded_uri: str) -> None:
    found = golden(client, points=2000)
    assert len(found["t"]) > 20
    assert found["t"] == sorted(found["t"])
    with psycopg.connect(folded_uri) as connection:
        rows = connection.execute("select line from effect where kind = 'estimate'").fetchall()
    lines = {one["id"]: one for one in (json.loads(row[0]) for row in rows)}
    scored = [one for one in lines.values() if one["data"].get("golden")]
    assert sorted(found["id"], key=order_of) == sorted((one["id"] for one in scored), key=order_of)
    for i, name in enumerate(found["id"]):
        data = lines[name]["data"]
        assert {column: found[column][i] for column in data["golden"]} == data["golden"]
        assert found["hours"][i] == data["hours"]
        assert found["t"][i] == parse_instant(lines[name]["event_time"])


def test_few_points_keep_what_is_furthest_out_and_the_newest(client: httpx.Client) -> None:
    fine, coarse = golden(client, points=2000), golden(client, points=4)
    assert len(coarse["t"]) <= 5
    assert coarse["id"][-1] == fine["id"][-1]
    assert set(coarse["id"]) <= set(fine["id"])
    window = get(client, "history", part="golden", points=4)["window"]
    buckets: dict[int, list[int]] = {}
    for i, t in enumerate(fine["t"][:-1]):
        buckets.setdefault((t - window["start"]) // window["bucket"], []).append(i)
    furthest = {fine["id"][max(places, key=lambda i: out(fine, i))] for places in buckets.values()}
    assert furthest | {fine["id"][-1]} == set(coarse["id"])


def test_golden_scores_are_as_of_both_times(client: httpx.Client) -> None:
    whole = golden(client, points=2000)
    middle = len(whole["t"]) // 2
    then = golden(client, points=2000, at=format_instant(whole["t"][middle]))
    assert then["id"] == whole["id"][: middle + 1]
    known = golden(client, points=2000, known_at=format_instant(whole["known_at"][middle]))
    assert known["id"] == whole["id"][: middle + 1]


def test_a_unit_without_a_golden_model_has_no_scores(client: httpx.Client) -> None:
    found = golden(client, key=CULTURE)
    assert found["t"] == []
    assert found["spe_contributions"] == []


def test_requests_come_newest_first_with_their_place_in_the_day(client: httpx.Client) -> None:
    found = get(client, "requests", CULTURE)
    assert found["budget"] == {"most_a_day": 5, "cooldown_hours": 0}
    assert found["total"] == len(found["items"]) == 2
    newest, first = found["items"]
    assert newest["data"]["reason"] == "the phase became fed-batch"
    assert "an assay of glucose is" in first["data"]["reason"]
    assert {newest["lane"], first["lane"]} == {"advisory"}
    day = newest["event_time"][:10] == first["event_time"][:10]
    assert (newest["nth_that_day"], first["nth_that_day"]) == (2 if day else 1, 1)
    [one] = get(client, "requests", CULTURE, limit=1)["items"]
    assert (one["id"], one["nth_that_day"]) == (newest["id"], newest["nth_that_day"])
    then = get(client, "requests", CULTURE, at=format_instant(parse_instant(newest["event_time"]) - MINUTE))
    assert [item["id"] for item in then["items"]] == [first["id"]]
    assert get(client, "requests", GOLDEN) == {"items": [], "total": 0, "budget": found["budget"]}


@pytest.mark.parametrize(("params", "status"), [({"key": "nobody"}, 404), ({"limit": 0}, 400), ({"at": "noon"}, 400)])
def test_requests_refuse_what_they_cannot_answer(client: httpx.Client, params: dict[str, Any], status: int) -> None:
    answer = client.get("requests", params={"kind": "bioreactor", "key": CULTURE, **params})
    assert answer.status_code == status


def test_a_window_says_what_stood_when_it_began(client: httpx.Client) -> None:
    whole = get(client, "history", part="facts")
    assert whole["facts_before"] == []
    late = get(client, "history", part="facts", start=format_instant(whole["window"]["end"] - HOUR))
    names = [fact["type"].partition(".")[2] for fact in late["facts_before"]]
    assert names == ["batch_started", "inoculated", "held", "resumed", "phase_changed"]
    assert late["facts_before"][-1]["data"]["phase"] == "fed-batch"
    assert all(fact["t"] < late["window"]["start"] for fact in late["facts_before"])
    by_offset = {fact["offset"]: fact for fact in whole["facts"]}
    assert all(by_offset[fact["offset"]] == fact for fact in late["facts_before"])
    start, known_at = format_instant(late["window"]["start"]), whole["facts"][2]["known_at"]
    known = get(client, "history", part="facts", start=start, known_at=known_at)
    assert len(known["facts_before"]) < len(late["facts_before"])


def test_too_many_feeds_leave_no_phase_out(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = get(client, "history", part="facts")["facts"]
    others = [fact for fact in whole if not fact["type"].endswith("feed_added")]
    monkeypatch.setattr(reads_history, "MOST_FACTS", len(others) + 3)
    few = get(client, "history", part="facts")["facts"]
    assert len(few) == len(others) + 3
    assert [fact for fact in few if not fact["type"].endswith("feed_added")] == others
    assert few == sorted(few, key=lambda fact: (fact["t"], fact["offset"]))
