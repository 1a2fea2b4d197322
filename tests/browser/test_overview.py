"""All units at a glance, in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from playwright.sync_api import expect

from schemas.effects import Effect, write_effect
from tests.browser.conftest import Watched
from tests.browser.memory_log import alert_of, estimate_of
from tests.browser.site import Cable, Site

pytestmark = [pytest.mark.browser, pytest.mark.postgres]

Open = Callable[..., Watched]


def now_us() -> int:
    return time.time_ns() // 1000


def told(site: Site, key: str, n: int, biomass: float) -> Effect:
    """An estimate of the run that the ledger knows of a unit."""
    found = httpx.get(f"{site.url}/api/v1/twins/bioreactor/{key}").json()
    return estimate_of(key, n, biomass, now_us(), batch=found["estimate"]["data"]["batch"])


def test_all_units_are_shown_with_state_in_colour_shape_and_word(site: Site, watch: Open) -> None:
    seen = watch(site.url, 1920, 1080)
    page = seen.page
    expect(page.locator(".card")).to_have_count(32)
    for key, word in {
        "BR-01": "Critical",
        "BR-06": "Stale",
        "BR-07": "No data",
        "BR-08": "Ended",
        "BR-09": "Normal",
    }.items():
        card = page.locator(f'.card[data-key="{key}"]')
        expect(card.locator(".word")).to_contain_text(word)
        expect(card.locator("svg.symbol path")).to_have_count(1)
    shapes = page.locator(".chip svg path").evaluate_all("all => all.map(one => one.getAttribute('d'))")
    assert len(set(shapes)) == 8
    expect(page.locator(".card .spark polyline").first).to_be_attached()
    expect(page.locator("#alerts-title")).to_have_text("Open alerts: 5")
    assert not seen.troubles
    assert not seen.elsewhere


def test_the_most_urgent_come_first_and_a_stale_value_is_never_shown_as_live(site: Site, watch: Open) -> None:
    page = watch(site.url).page
    keys = page.locator(".card")
    expect(keys.first).to_have_attribute("data-key", "BR-01")
    stale = page.locator('.card[data-key="BR-06"]')
    expect(stale).to_contain_text("stale since")
    expect(stale).to_contain_text("last known biomass")
    assert "line-through" in stale.locator(".big b").evaluate("one => getComputedStyle(one).textDecorationLine")


def test_an_estimate_on_the_stream_moves_its_card(site: Site, watch: Open) -> None:
    page = watch(site.url).page
    card = page.locator('.card[data-key="BR-09"]')
    expect(page.locator(".link")).to_have_text("Live")
    site.say(told(site, "BR-09", 1, 77.7))
    expect(card.locator(".big")).to_contain_text("77.7")


def test_after_a_broken_connection_nothing_is_missing(site: Site, watch: Open) -> None:
    cable = Cable(site.port)
    page = watch(f"http://127.0.0.1:{cable.port}").page
    expect(page.locator(".link")).to_have_text("Live")
    site.say(told(site, "BR-09", 1, 61.1))
    expect(page.locator('.card[data-key="BR-09"] .big')).to_contain_text("61.1")
    cable.pull()
    expect(page.locator(".link")).to_have_text("Reconnecting")
    for n, key in enumerate(("BR-09", "BR-10", "BR-11"), 2):
        site.say(told(site, key, n, 60.0 + n))
    cable.plug()
    expect(page.locator(".link")).to_have_text("Live")
    for n, key in enumerate(("BR-09", "BR-10", "BR-11"), 2):
        expect(page.locator(f'.card[data-key="{key}"] .big')).to_contain_text(f"{60.0 + n:.1f}")
    cable.close()


def test_search_states_and_sort_change_what_is_listed_and_the_address(site: Site, watch: Open) -> None:
    page = watch(site.url).page
    expect(page.locator(".card")).to_have_count(32)
    page.fill("#search", "BR-1")
    expect(page.locator(".card")).to_have_count(10)
    page.fill("#search", "")
    expect(page.locator(".card")).to_have_count(32)
    page.locator('.chip:has(input[value="high"])').click()
    expect(page.locator(".card")).to_have_count(2)
    assert "state=high" in page.url
    page.locator('.chip:has(input[value="high"])').click()
    page.select_option("#sort", "name")
    expect(page.locator(".card").nth(9)).to_have_attribute("data-key", "BR-10")
    page.get_by_text("Table", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(32)
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(32)


def test_the_keyboard_reaches_everything(site: Site, watch: Open) -> None:
    page = watch(site.url).page
    expect(page.locator(".card")).to_have_count(32)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the units"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.locator(".card a").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.closest('li').dataset.key") == "BR-02"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.closest('li').dataset.key") == "BR-02"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/unit\\?kind=bioreactor&key=BR-02"))


def test_a_new_alert_is_said_aloud(site: Site, units_database: str, watch: Open) -> None:
    page = watch(site.url).page
    expect(page.locator("#alerts-title")).to_have_text("Open alerts: 5")
    alert = alert_of("BR-12", 1, now_us())
    with open_alert_row(units_database, alert):
        site.say(alert)
        expect(page.locator("#alerts-title")).to_have_text("Open alerts: 6")
        expect(page.locator("#say-now")).to_contain_text("New alert. BR-12: pH 4.6 is below 4.8")
        expect(page.locator('.card[data-key="BR-12"] .word')).to_contain_text("Critical")


def test_ten_thousand_units_are_paged_and_searched(large_site: Site, watch: Open) -> None:
    seen = watch(large_site.url, 1920, 1080)
    page = seen.page
    expect(page.locator(".tile")).to_have_count(600)
    expect(page.locator("#pager")).to_contain_text("1 to 600")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#pager")).to_contain_text("601 to 1,200")
    page.get_by_role("button", name="Previous page").click()
    expect(page.locator("#pager")).to_contain_text("1 to 600")
    page.fill("#search", "U9999")
    expect(page.locator(".tile")).to_have_count(1)
    assert not seen.troubles


def test_an_empty_ledger_says_what_to_do(empty_site: Site, watch: Open) -> None:
    page = watch(empty_site.url).page
    expect(page.locator("#units")).to_contain_text("No unit has been heard of yet")
    expect(page.locator("#units")).to_contain_text("twinstream replay FILE")


@contextmanager
def open_alert_row(database: str, alert: Effect) -> Iterator[None]:
    """Have an alert stand open in the ledger for a while, as a worker's commit would."""
    data = alert.data
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "insert into open_alert (id, twin_no, rule, priority, raised_at, last) select %s, no, %s, %s, %s, %s"
            " from twin where key = %s",
            (alert.id, data["rule"], data["priority"], alert.event_time, write_effect(alert).decode(), alert.key),
        )
        try:
            yield
        finally:
            connection.execute("delete from open_alert where id = %s", (alert.id,))
