"""Sites over filled ledgers, and a Chromium to look at them; skips loudly without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from streams.ledger.migrate import migrate
from tests.browser.fill import fill_many, fill_units, filled
from tests.browser.folded import CULTURE_CONFIG, fill_folded
from tests.browser.site import Site
from tests.browser.studies import fill_studies
from twins.bioreactor.config import read_config

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

AXE = "4.14.1"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "twinstream-tests"


@pytest.fixture(scope="session")
def units_database(postgres_server: Any) -> str:
    """A ledger with 32 units."""
    return filled(postgres_server, fill_units)


@pytest.fixture(scope="session")
def many_database(postgres_server: Any) -> str:
    """A ledger with 10,000 units."""
    return filled(postgres_server, fill_many)


@pytest.fixture(scope="session")
def folded_database(postgres_server: Any) -> str:
    """A ledger with units that the twin's code folded: golden batch, process model, alarms."""
    return fill_folded(postgres_server, time.time_ns() // 1000)


@pytest.fixture(scope="session")
def folded_site(folded_database: str) -> Iterator[Site]:
    """The API over them, configured as the unit with the process model is; for tests that leave it as it was."""
    one = Site(folded_database, bioreactor=read_config(CULTURE_CONFIG))
    yield one
    one.close()


@pytest.fixture(scope="session")
def studies_site(postgres_server: Any) -> Iterator[Site]:
    """The API over three studies; for tests that leave the ledger as it was."""
    one = Site(fill_studies(postgres_server))
    yield one
    one.close()


@pytest.fixture
def site(units_database: str) -> Iterator[Site]:
    """The API over 32 units."""
    one = Site(units_database)
    yield one
    one.close()


@pytest.fixture
def large_site(many_database: str) -> Iterator[Site]:
    """The API over 10,000 units."""
    one = Site(many_database)
    yield one
    one.close()


@pytest.fixture
def empty_site(postgres_uri: str) -> Iterator[Site]:
    """The API over a ledger without a unit."""
    with psycopg.connect(postgres_uri) as connection:
        migrate(connection)
    one = Site(postgres_uri)
    yield one
    one.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium that is on this machine."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if found is None:
        reason = "THE DASHBOARD WAS NOT TESTED: no Chromium found"
        if os.environ.get("TWINSTREAM_REQUIRE_ALL", "") not in ("", "0"):
            pytest.fail(reason)
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="twinstream-chromium-"), sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield one
        one.close()


class Watched:
    """A page with all that went wrong on it: script errors, refused rules, requests to elsewhere."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.troubles: list[str] = []
        self.elsewhere: list[str] = []
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", lambda message: self.troubles.append(message.text) if message.type == "error" else None)
        page.on(
            "request",
            lambda request: (
                self.elsewhere.append(request.url) if not request.url.startswith((origin, "blob:", "data:")) else None
            ),
        )


@pytest.fixture
def watch(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Open pages that are watched, each in a context of its own."""
    contexts = []

    def open_page(url: str, width: int = 1280, height: int = 800, **options: Any) -> Watched:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        parts = urlsplit(url)
        watched = Watched(page, f"{parts.scheme}://{parts.netloc}")
        page.goto(url)
        return watched

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script, from the cache or fetched once by npm; test-only, never shipped."""
    script = CACHE / f"axe-{AXE}.min.js"
    if not script.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(["npm", "pack", "--silent", f"axe-core@{AXE}"], cwd=CACHE, check=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            reason = f"ACCESSIBILITY WAS NOT TESTED: axe-core could not be fetched ({error})"
            if os.environ.get("TWINSTREAM_REQUIRE_ALL", "") not in ("", "0"):
                pytest.fail(reason)
            pytest.skip(reason)
        with tarfile.open(CACHE / f"axe-core-{AXE}.tgz") as packed:
            member = packed.extractfile("package/axe.min.js")
            assert member is not None
            script.write_bytes(member.read())
    return script.read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> list[tuple[str, str, list[str]]]:
    """Give what axe-core finds on a page: rule, its help, the first elements."""
    page.evaluate(axe)
    found = page.evaluate("tags => axe.run(document, { runOnly: { type: 'tag', values: tags } })", TAGS)
    return [
        (violation["id"], violation["help"], [node["html"][:160] for node in violation["nodes"][:4]])
        for violation in found["violations"]
    ]
