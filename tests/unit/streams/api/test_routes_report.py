from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.api import new_key
from tests.browser.fill import HOSTILE_TAG
from tests.browser.site import Site
from tests.unit.streams.run_report.made import ledger, records_of
from tests.unit.twins.bioreactor.script import Script

pytestmark = pytest.mark.postgres


def ask(api: httpx.Client, key: str, **params: Any) -> httpx.Response:
    return api.get(f"/api/v1/twins/bioreactor/{key}/report", params=params)


@pytest.mark.parametrize("key", ["BR-01", "BR-02", "BR-03", "BR-04", "BR-08"])
def test_each_unit_has_a_report_that_stays_as_it_is(api: httpx.Client, key: str) -> None:
    first = ask(api, key)
    assert first.status_code == 200, first.text
    assert first.headers["content-type"].startswith("text/html")
    assert "script-src" not in first.headers["content-security-policy"]
    assert first.headers["content-security-policy"].startswith("default-src 'none'")
    assert ask(api, key).content == first.content
    document = ask(api, key, format="json").json()
    assert document["identity"]["unit"] == key
    assert document["id"] in first.text
    again = ask(api, key, known_at=document["origin"]["known_at"], batch=document["identity"]["batch"])
    assert again.content == first.content
    assert HOSTILE_TAG not in first.text


def test_the_report_of_then_shows_what_was_known_then(api: httpx.Client) -> None:
    now = ask(api, "BR-01", format="json").json()
    words = [word for assay in now["assays"] for word in assay["words"]]
    then = ask(api, "BR-01", format="json", known_at=words[2]["known_at"]).json()
    assert [word["value"] for assay in then["assays"] for word in assay["words"]] == [one["value"] for one in words[:3]]


def test_a_zone_is_written_beside_utc_and_changes_no_id(api: httpx.Client) -> None:
    plain, zoned = ask(api, "BR-01").text, ask(api, "BR-01", zone_minutes=-330).text
    assert "-05:30)" in zoned
    assert "-05:30)" not in plain
    assert plain.count("report ") == zoned.count("report ")
    name = ask(api, "BR-01", format="json").json()["id"]
    assert name in plain
    assert name in zoned


@pytest.mark.parametrize(
    ("key", "params", "status", "says"),
    [
        ("BR-404", {}, 404, "expected a unit that was heard of"),
        ("BR-01", {"batch": "B-404"}, 404, "expected a batch of 'BR-01'"),
        ("BR-07", {}, 404, "expected something known"),  # heard of, nothing known yet
        ("BR-01", {"known_at": "soon"}, 400, "RFC 3339"),
        ("BR-01", {"known_at": "1999-01-01T00:00:00Z"}, 404, "expected something known"),
        ("BR-01", {"format": "pdf"}, 400, "html"),
    ],
)
def test_what_cannot_be_reported_is_said(
    api: httpx.Client, key: str, params: dict[str, str], status: int, says: str
) -> None:
    answer = ask(api, key, **params)
    assert answer.status_code == status
    assert says in answer.json()["detail"]


def test_a_report_needs_the_key_that_other_reads_need(filled_uri: str, keys_file: Path) -> None:
    text, kept = new_key("qa")
    keys_file.write_text(kept.line() + "\n")
    site = Site(filled_uri, keys_file=keys_file)
    try:
        with httpx.Client(base_url=site.url, timeout=20) as client:
            assert ask(client, "BR-01").status_code == 401
            client.headers["Authorization"] = f"Bearer {text}"
            assert ask(client, "BR-01").status_code == 200
    finally:
        site.close()


def test_a_unit_may_be_named_like_the_address_of_a_report(postgres_server: Any) -> None:
    script = Script("plant/report")
    script.start()
    script.read(60, 1.0)
    site = Site(ledger(postgres_server, records_of(script.events)))
    try:
        with httpx.Client(base_url=site.url, timeout=20) as client:
            assert client.get("/api/v1/twins/bioreactor/plant/report").json()["key"] == "plant/report"
            assert "batch B-1" in ask(client, "plant/report").text
    finally:
        site.close()
