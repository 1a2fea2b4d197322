from __future__ import annotations

import httpx
import pytest

pytestmark = pytest.mark.postgres

PAGES = ["/", "/unit", "/study", "/network", "/patient", "/box", "/room", "/what-if", "/alarms", "/jobs"]


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8080", 200), ("localhost:9", 200), ("[::1]:8080", 200), ("LOCALHOST", 200),
     ("evil.example", 421), ("127.0.0.1.evil.example:8080", 421), ("", 421), ("[", 421),
     ("127.0.0.1@evil.example", 421)],
)  # fmt: skip
def test_on_loopback_only_its_own_names_are_answered(api: httpx.Client, host: str, status: int) -> None:
    assert api.get("/api/v1/twins", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080"}, 415),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 415),
    ],
)
def test_pages_of_others_may_not_write(api: httpx.Client, headers: dict[str, str], status: int) -> None:
    assert api.post("/api/v1/events", content=b"{}", headers=headers).status_code == status


@pytest.mark.parametrize("path", [*PAGES, "/api/v1/twins", "/api/v1/nothing", "/static/css/base.css"])
def test_every_answer_carries_the_rules_for_browsers(api: httpx.Client, path: str) -> None:
    headers = api.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] in ("no-store", "no-cache")


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_no_script_or_style_of_their_own_and_nothing_from_elsewhere(api: httpx.Client, path: str) -> None:
    page = api.get(path).text
    assert "<style" not in page
    assert " style=" not in page
    assert " on" not in page.replace(" one", "").replace(" only", "").replace(" on this", "")
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("<script") == page.count('<script type="module" src="/static/')


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"]
)
def test_nothing_but_the_dashboards_files_is_served(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_docs_that_load_scripts_from_elsewhere_are_off(api: httpx.Client) -> None:
    assert api.get("/docs").status_code == 404
    assert api.get("/redoc").status_code == 404
