"""A person's decision on what a twin advises: what is refused, and what stands in the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.browser.site import Site
from tests.browser.studies import STUDY, TOPIC, fill_studies

pytestmark = pytest.mark.postgres

WHO = {"by": "Bert Holm", "reason": "FR has capacity"}


@pytest.fixture(scope="module")
def site(postgres_server: Any) -> Iterator[Site]:
    one = Site(fill_studies(postgres_server))
    yield one
    one.close()


@pytest.fixture(scope="module")
def api(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{site.url}/api/v1/", timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def advised(api: httpx.Client) -> str:
    """The newest recommendation's identity."""
    found = api.get("corrections", params={"kind": "enrollment", "key": STUDY, "action": "recommend"}).json()["items"]
    return str(found[0]["data"]["correction"])


def decide(api: httpx.Client, said: dict[str, Any], path: str = f"enrollment/{STUDY}") -> httpx.Response:
    return api.post(f"twins/{path}/decide", json=said)


def test_a_decision_is_one_event_however_often_it_is_sent(api: httpx.Client, site: Site, advised: str) -> None:
    said = {"correction": advised, "decision": "taken", **WHO}
    first, again = decide(api, said), decide(api, said)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    other = decide(api, {**said, "reason": "another reason"})
    assert other.json()["id"] != first.json()["id"]
    record = next(iter(rows for rows in site.log.topics[TOPIC].values() if rows))[0]
    assert record.key == STUDY.encode()
    assert json.loads(record.value or b"")["decision"] == "taken"
    headers = dict(record.headers)
    assert headers["ce_type"] == b"enrollment.correction_decided"
    # within the study's own time, whose record ends long before the wall's
    assert headers["ce_time"].startswith(b"2026-1")


def test_nothing_is_appended_for_what_was_never_advised(api: httpx.Client, advised: str) -> None:
    said = {"correction": advised, "decision": "taken", **WHO}
    assert decide(api, {**said, "correction": "enrollment.events/0/999999/1"}).status_code == 404
    assert decide(api, said, "enrollment/ST-2").status_code == 404
    assert decide(api, said, "enrollment/nobody").status_code == 404
    assert decide(api, said, f"bioreactor/{STUDY}").status_code == 404


def test_an_override_says_what_instead_and_until_when(api: httpx.Client, advised: str) -> None:
    said = {"correction": advised, "decision": "overridden", **WHO}
    until = "2027-06-01T00:00:00Z"
    assert decide(api, said).status_code == 422
    assert decide(api, {**said, "option": "wait"}).status_code == 422
    past = decide(api, {**said, "option": "wait", "expires": "2020-01-01T00:00:00Z"})
    assert past.status_code == 422
    assert "after the study's present" in past.json()["detail"]
    assert decide(api, {**said, "option": "wait", "expires": until}).status_code == 202


def test_a_decision_names_who_and_why(api: httpx.Client, advised: str) -> None:
    assert decide(api, {"correction": advised, "decision": "taken", "by": "", "reason": "x"}).status_code == 422
    assert decide(api, {"correction": advised, "decision": "postponed", **WHO}).status_code == 422
