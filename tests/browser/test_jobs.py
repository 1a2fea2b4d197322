"""The pool's page, and what a unit's page shows of an answer, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import expect

from schemas.events import read_record
from schemas.placement import partition_of
from streams.log import install
from tests.browser.conftest import Watched, violations
from tests.browser.folded import CULTURE
from tests.browser.site import Site
from tests.support.job_rows import answered, put_job, running

pytestmark = [pytest.mark.browser, pytest.mark.postgres]

Open = Callable[..., Watched]
PARAMETERS = {
    "mu_m": {"median": 0.021, "sd_log": 0.05, "seen": True, "prior_median": 0.029, "prior_sd_log": 0.1},
    "Y_XS": {"median": 1.69e8, "sd_log": 0.2, "seen": False, "prior_median": 1.69e8, "prior_sd_log": 0.2},
}


@pytest.fixture
def ledger(units_database: str) -> Iterator[psycopg.Connection[Any]]:
    """The ledger of 32 units, with no job in it before and after."""
    yield from _without_jobs(units_database)


@pytest.fixture
def folded_ledger(folded_database: str) -> Iterator[psycopg.Connection[Any]]:
    """The ledger of folded units, likewise."""
    yield from _without_jobs(folded_database)


def _without_jobs(uri: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(uri, autocommit=True) as connection:
        install(connection)  # the topics: the answer of a job that never ran leaves with its end
        connection.execute("truncate job cascade")
        yield connection
        connection.execute("truncate job cascade")


def summary(hours: int = 24) -> dict[str, Any]:
    """Give an answer as a re-estimation says it."""
    line = [25.0 - 0.2 * hour for hour in range(hours)]
    spread = {"q05": -2.0, "q25": -1.0, "q50": 0.0, "q75": 1.0, "q95": 2.0}
    glucose = {"unit": "mmol/L", **{name: [one + by for one in line] for name, by in spread.items()}}
    change = {
        "probability": 0.93, "hour": {"q05": 2.0, "q50": 2.5, "q95": 3.0},
        "factor": {"q05": 0.7, "q50": 0.8, "q95": 0.9},
    }  # fmt: skip
    return {
        "batch": "CHO-12", "parameters": PARAMETERS, "change": change,
        "trajectory": {"hours": list(range(hours)), "quantities": {"glucose": glucose}}, "verdict": None,
    }  # fmt: skip


def test_the_page_shows_the_queue_live_and_ends_a_job_for_a_person(
    site: Site, watch: Open, ledger: psycopg.Connection[Any], axe: str
) -> None:
    no = put_job(ledger, "t/1/7/0", twin_key="BR-03", reasons=["growth slows", "assay surprised"], **running())
    put_job(ledger, "api/what-if", twin_key="BR-04", asked_by="Anna", priority=2, deadline="2031-05-01T00:00:00Z")
    done = answered("t/1/6/0", {"end": 3})
    put_job(ledger, "t/1/6/0", **done)
    seen = watch(f"{site.url}/jobs", 1280, 900)
    page = seen.page
    rows = page.locator("#list tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Anna")  # a what-if goes before background
    expect(rows.first).to_contain_text("2031-05-01 00:00:00")
    expect(rows.nth(1)).to_contain_text("25 % · smoothing · 40.0 draws per second")
    expect(page.locator("#glance")).to_contain_text("Wait: What-if")
    expect(page.locator("#devices")).to_contain_text("held")
    expect(page.locator("#cost tbody tr")).to_contain_text("7.0 s")
    ledger.execute("update job set share = 0.75, note = 'drawing' where no = %s", (no,))
    expect(rows.nth(1)).to_contain_text("75 % · drawing")
    assert not violations(page, axe)

    page.get_by_role("button", name="api/what-if").click()
    drawer = page.get_by_role("dialog", name="Job api/what-if")
    expect(drawer).to_contain_text('"draws": 100')
    drawer.get_by_role("button", name="Cancel…").click()
    asking = page.get_by_role("dialog", name="Cancel this job?")
    asking.get_by_label("Who decides").fill("Anna")
    asking.get_by_label("Why").fill("asked by mistake")
    asking.get_by_role("button", name="Cancel the job").click()
    expect(drawer).to_contain_text("cancelled by Anna: asked by mistake")
    page.keyboard.press("Escape")
    expect(rows).to_have_count(1)
    page.get_by_text("Answered", exact=True).click()
    expect(rows).to_contain_text("t/1/6/0")
    page.get_by_role("button", name="t/1/6/0").click()
    expect(page.get_by_role("dialog", name="Job t/1/6/0")).to_contain_text("numpy 2.3.4")
    assert not violations(page, axe)
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.querySelector('main').scrollWidth") <= 360
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ledger.execute("truncate job cascade")
    page.goto(f"{site.url}/jobs")
    expect(page.locator("#list .empty")).to_contain_text("Nothing waits, and nothing runs")
    assert not seen.troubles
    assert not seen.elsewhere


def test_a_unit_shows_before_and_after_and_a_person_adopts(
    folded_site: Site, watch: Open, folded_ledger: psycopg.Connection[Any], axe: str
) -> None:
    asked = httpx.get(
        f"{folded_site.url}/api/v1/requests", params={"kind": "bioreactor", "key": CULTURE}, timeout=20
    ).json()["items"]
    newest, older = asked[0], asked[1]
    more = {"twin_key": CULTURE, "event_time": newest["event_time"]}
    no = put_job(folded_ledger, newest["id"], **{**running(), **more})
    seen = watch(f"{folded_site.url}/unit?kind=bioreactor&key={CULTURE}", 1280, 900)
    page = seen.page
    panel = page.locator("#requests")
    expect(panel).to_contain_text("25 % · smoothing")
    result = answered(newest["id"], summary())
    folded_ledger.execute("delete from job where no = %s", (no,))
    put_job(folded_ledger, newest["id"], **{**result, **more})
    page.reload()
    rows = panel.locator("[aria-label='Parameters before and after'] tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("mu_m")
    expect(rows.nth(1)).to_contain_text("0.0210")
    expect(rows.nth(1).locator(".sign")).to_have_text(re.compile("−.* %"))  # outside of what was believed
    expect(rows.first).to_contain_text("not seen: its prior")
    expect(panel).to_contain_text(
        "a probability of 93.0 %; if so, at hour 2.50 (90 %: 2.00 to 3.00), by a factor of 0.800"
    )
    expect(panel.locator(".compare .readout")).to_have_text(
        re.compile(r"Glucose at .*: before 2.* mmol/L \(90 %: .* to .*\), after 22.* mmol/L")
    )
    expect(panel.locator(".compare canvas")).to_have_count(1)
    assert not violations(page, axe)

    panel.get_by_role("button", name="Adopt…").click()
    asking = page.get_by_role("dialog", name="Adopt this re-estimation?")
    expect(asking).to_contain_text("the qualified lane of CH-01 believes these parameters")
    asking.get_by_label("Who decides").fill("Anna")
    asking.get_by_label("Why").fill("the growth is slower indeed")
    asking.get_by_role("button", name="Adopt it").click()
    expect(asking).to_be_hidden()
    [record] = folded_site.log.topics["bioreactor.events"].pop(partition_of(CULTURE.encode(), 8))
    event = read_record(record.key, record.value, record.headers)
    assert (event.type, event.data.job, event.data.by) == ("bioreactor.estimate_adopted", newest["id"], "Anna")

    put_job(folded_ledger, older["id"], **{**result, **more, "event_time": older["event_time"]})
    page.reload()
    panel.get_by_role("button", name="Before and after").nth(1).click()
    expect(panel.locator(".adopt")).to_contain_text("Cannot be adopted: a newer re-estimation answered")
    expect(panel.get_by_role("button", name="Adopt…")).to_be_disabled()
    assert not seen.troubles
