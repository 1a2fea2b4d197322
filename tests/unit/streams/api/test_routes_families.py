"""The API over two families: what holds for bioreactors holds for twins whose words have another shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from schemas.placement import partition_of
from tests.browser.site import Site
from tests.support.engines import Bench, prepared
from tests.support.families import STUDIES, AdvisingModel, paused
from tests.support.records import record
from twins.frame import RawRecord

pytestmark = pytest.mark.postgres
SEED = 20261220
KEYS = ("ST-1", "ST-2", "ST-10")
FACTS = 15  # of each study: three estimates


def log() -> dict[int, Sequence[RawRecord]]:
    found: dict[int, list[RawRecord]] = {}
    for second in range(FACTS):
        for key in KEYS:
            rows = found.setdefault(partition_of(key.encode(), 8), [])
            rows.append(record(paused(key, second), len(rows), second))
    return dict(found)


@pytest.fixture(scope="module")
def uri(postgres_server: Any) -> Iterator[str]:
    """A ledger of studies and of bioreactors that bear the name of one."""
    made = prepared(postgres_server.database())
    bench = Bench(made, AdvisingModel(), topic=STUDIES)
    bench.feed(log(), SEED)
    bench.stop()
    assert not bench.codes
    yield made
    postgres_server.drop(made)


@pytest.fixture(scope="module")
def api(uri: str) -> Iterator[httpx.Client]:
    site = Site(uri)
    with httpx.Client(base_url=f"{site.url}/api/v1/", timeout=20) as client:
        yield client
    site.close()


def get(api: httpx.Client, path: str, code: int = 200, **params: Any) -> Any:
    answer = api.get(path, params=params)
    assert answer.status_code == code, answer.text
    return answer.json()


def test_twins_of_a_kind_say_what_they_have(api: httpx.Client) -> None:
    page = get(api, "twins", kind="enrollment", sort="name")
    assert [one["key"] for one in page["items"]] == list(KEYS)
    assert page["counts"]["all"] == page["counts"]["high"] == 3
    first = page["items"][0]
    assert first["values"] == {"counted": FACTS, "target": 100, "milestone": "enrolled"}
    assert [target["probability"] for target in first["targets"]] == [0.25]
    assert not get(api, "twins", kind="bioreactor")["items"]


def test_one_study_its_course_and_its_forecast(api: httpx.Client) -> None:
    twin = get(api, "twins/enrollment/ST-1")
    assert twin["topic"] == STUDIES
    assert twin["estimate"]["data"]["counted"] == FACTS
    course = get(api, "history", kind="enrollment", key="ST-1")
    assert course["estimates"]["numbers"] == {"counted": [5, 10, 15], "target": [100, 100, 100]}
    assert course["estimates"]["quantities"] == {}
    assert [fact["type"] for fact in course["facts"]] == ["enrollment.site_paused"] * (
        FACTS - 4
    )  # from the first belief
    (forecast,) = get(api, "forecasts", kind="enrollment", key="ST-1")["items"]
    assert forecast["data"]["study"] == [[1.0, 2.0, 3.0]]
    assert get(api, "requests", kind="enrollment", key="ST-1")["budget"] is None


def test_alerts_of_a_study(api: httpx.Client) -> None:
    assert get(api, "alerts", kind="enrollment")["total"] == 9
    assert get(api, "alerts", kind="bioreactor")["total"] == 0
    assert len(get(api, "alerts", kind="enrollment", key="ST-2")["items"]) == 3


def test_corrections_by_page_twin_and_time(api: httpx.Client) -> None:
    whole = get(api, "corrections")
    assert whole["next"] is None
    ids = [one["id"] for one in whole["items"]]
    assert len(set(ids)) == 9
    assert {one["kind"] for one in whole["items"]} == {"correction"}
    paged: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = get(api, "corrections", limit=2, **cursor)
        paged += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert paged == ids
    of_one = get(api, "corrections", kind="enrollment", key="ST-10")["items"]
    assert [one["key"] for one in of_one] == ["ST-10"] * 3
    assert [one["event_time"] for one in of_one] == sorted((one["event_time"] for one in of_one), reverse=True)
    earlier = get(api, "corrections", kind="enrollment", key="ST-10", at=of_one[1]["event_time"])["items"]
    assert earlier == of_one[1:]
    assert (
        get(api, "corrections", kind="enrollment", key="ST-10", known_at=of_one[2]["known_at"])["items"] == of_one[2:]
    )
    assert get(api, "corrections", known_at="2025-01-01T00:00:00Z")["items"] == []
    assert len(get(api, "corrections", action="recommend")["items"]) == 3
    assert get(api, "corrections", kind="bioreactor")["items"] == []


def test_what_is_not_there_is_told(api: httpx.Client) -> None:
    get(api, "corrections", 400, key="ST-1")
    get(api, "corrections", 404, kind="enrollment", key="nobody")
    get(api, "corrections", 400, action="nothing")
