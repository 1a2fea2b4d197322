from __future__ import annotations

import contextlib
from pathlib import Path

import httpx
import pytest

from schemas.errors import SettingsError
from streams.api import ApiConfig, create_app, new_key, read_keys, require_keys
from streams.api.keys import Keyring, is_loopback
from tests.browser.memory_log import MemoryLog
from tests.browser.site import Site


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.4", False), ("plant.example", False), ("127.0.0.1.example", False)],
)  # fmt: skip
def test_only_loopback_goes_without_keys(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    if loopback:
        require_keys(host, Keyring())
    else:
        with pytest.raises(SettingsError, match=r"expected API keys, received none.*TWINSTREAM_API_KEYS_FILE"):
            require_keys(host, Keyring())


def test_an_app_on_another_address_refuses_to_be_built_without_keys() -> None:
    log = MemoryLog()
    with pytest.raises(SettingsError, match=r"listens on 0\.0\.0\.0"):
        create_app(ApiConfig("postgresql:///nowhere", host="0.0.0.0"), reader=log, writer=log)


def test_a_key_opens_what_its_hash_stands_for_and_nothing_else(keys_file: Path) -> None:
    text, kept = new_key("historian")
    other, _ = new_key("historian")
    keys_file.write_text(f"# keys\n\n{kept.line()}\n")
    ring = read_keys(keys_file)
    assert ring.owner_of(text) == "historian"
    for wrong in (other, text[:-1], text + "x", "", "tw_", text.upper(), text.replace("tw_", "xx_"), "ü" * 50):
        assert ring.owner_of(wrong) is None
    assert text not in keys_file.read_text()
    assert len(text) > 50


@pytest.mark.parametrize("line", ["nonsense", "a:b:c", "name:0123abcd:short", ":0123abcd:" + "0" * 64])
def test_a_bad_key_file_is_told_by_its_line(keys_file: Path, line: str) -> None:
    keys_file.write_text(f"# first\n{line}\n")
    with pytest.raises(SettingsError, match="line 2"):
        read_keys(keys_file)


def test_a_missing_key_file_is_an_error(keys_file: Path) -> None:
    with pytest.raises(SettingsError, match="readable file of API keys"):
        read_keys(keys_file)


def test_a_name_that_would_break_the_file_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected a name"):
        new_key("a:b\n")


@pytest.mark.postgres
def test_with_keys_data_is_closed_and_pages_are_open(filled_uri: str, keys_file: Path) -> None:
    text, kept = new_key("desk")
    keys_file.write_text(kept.line())
    site = Site(filled_uri, keys_file=keys_file)
    with contextlib.closing(site), httpx.Client(base_url=site.url) as client:
        for path in ("/api/v1/twins", "/metrics", "/api/v1/openapi.json", "/api/v1/stream", "/api/v1/nothing"):
            answer = client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["status"] == 401
        for path in ("/", "/unit", "/alarms", "/static/js/overview.js", "/healthz", "/readyz"):
            assert client.get(path).status_code == 200, path
        right = {"Authorization": f"Bearer {text}"}
        assert client.get("/api/v1/twins", headers=right).status_code == 200
        assert client.get("/api/v1/twins", headers={"Authorization": f"Basic {text}"}).status_code == 401
        assert client.post("/api/v1/events", content=b"{}").status_code == 401
