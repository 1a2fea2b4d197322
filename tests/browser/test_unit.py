"""One unit's page, in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watched
from tests.browser.memory_log import estimate_of
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.postgres]

Open = Callable[..., Watched]


def unit(site: Site, key: str, more: str = "") -> str:
    return f"{site.url}/unit?kind=bioreactor&key={quote(key)}{more}"


def test_the_page_shows_charts_figures_alerts_and_the_run_log(site: Site, watch: Open) -> None:
    seen = watch(unit(site, "BR-01"), 1920, 1080)
    page = seen.page
    expect(page.locator(".ident h1")).to_have_text("BR-01")
    for name in ("biomass", "growth_rate", "innovations", "dissolved_oxygen", "temperature", "ph"):
        expect(page.locator(f'[data-panel="{name}"] canvas')).to_be_visible()
    biomass = page.locator('[data-panel="biomass"]')
    for word in ("measured", "assay", "estimate, 90 %", "forecast, 50 and 90 %", "feed", "sample"):
        expect(biomass.locator(".legend")).to_contain_text(word)
    expect(page.locator("#figures")).to_contain_text("Biomass expected at end")
    expect(page.locator("#alerts .alert-item")).to_have_count(2)
    expect(page.locator("#facts")).to_contain_text("Assay")
    assert not seen.troubles
    assert not seen.elsewhere


def test_a_process_model_shows_its_states_and_what_the_data_have_not_seen(site: Site, watch: Open) -> None:
    seen = watch(unit(site, "BR-02"), 1920, 1080)
    page = seen.page
    expect(page.locator("#process")).to_contain_text("Process model yeast@1")
    expect(page.locator("#process")).to_contain_text("not seen: its prior")
    expect(page.locator("#health")).to_contain_text("consistent")
    expect(page.locator('[data-panel="state-process.ethanol"] canvas')).to_be_visible()
    assert not seen.troubles
    other = watch(unit(site, "BR-01")).page
    expect(other.locator("#figures")).to_contain_text("Biomass")
    expect(other.locator("#process")).to_be_hidden()


def test_a_live_estimate_moves_figures_and_the_readout(site: Site, watch: Open) -> None:
    page = watch(unit(site, "BR-09")).page
    expect(page.locator(".link")).to_have_text("Live")
    batch = page.locator(".facts-row dd").first.inner_text()
    site.say(estimate_of("BR-09", 50, 88.8, time.time_ns() // 1000, batch=batch))
    expect(page.locator('[data-figure="biomass"] .big')).to_contain_text("88.8")
    expect(page.locator('[data-panel="biomass"] .readout')).to_contain_text("88.8")


def test_each_chart_has_a_table_with_the_source_of_every_number(site: Site, watch: Open) -> None:
    page = watch(unit(site, "BR-01")).page
    panel = page.locator('[data-panel="biomass"]')
    panel.get_by_role("button", name="Table").click()
    rows = panel.locator("tbody tr")
    expect(rows.first).to_be_visible()
    expect(panel.locator("tbody")).to_contain_text("forecast")
    panel.locator("tbody button", has_text=re.compile(r"^bioreactor\.events/\d+/\d+/\d+$")).last.click()
    expect(page.locator("#lineage")).to_contain_text("twinstream export | grep -F")
    page.keyboard.press("Escape")
    expect(page.locator("#lineage")).not_to_be_visible()


def test_a_click_on_a_point_tells_where_it_comes_from(site: Site, watch: Open) -> None:
    page = watch(unit(site, "BR-09"), 1920, 1080).page
    over = page.locator('[data-panel="temperature"] .u-over')
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    found = False
    for part in range(10, 60, 2):
        page.mouse.click(box["x"] + box["width"] * part / 100, box["y"] + box["height"] / 2)
        if page.locator("#lineage").is_visible():
            found = True
            break
    assert found
    expect(page.locator("#lineage")).to_contain_text(re.compile(r"bioreactor\.events / partition \d / offset \d+"))


def test_csv_holds_times_values_and_sources(site: Site, watch: Open) -> None:
    page = watch(unit(site, "BR-01")).page
    with page.expect_download() as got:
        page.get_by_role("button", name="Biomass as CSV").click()
    text = Path(got.value.path()).read_text()
    lines = text.splitlines()
    assert lines[0] == "event_time,what,value,low,high,source"
    assert any(re.match(r"2\d{3}-.*Z,\"measured, good\",[\d.]+,,,bioreactor.events/\d/\d+$", line) for line in lines)
    assert any(",forecast," in line for line in lines)


def test_looking_back_shows_what_was_believed_then_and_says_so(site: Site, watch: Open) -> None:
    page = watch(unit(site, "BR-01")).page
    expect(page.locator("#mode")).to_have_text("LIVE")
    slider = page.locator("#travel-at")
    expect(slider).to_be_enabled()
    before = page.locator('[data-figure="biomass"] .big b').inner_text()
    slider.focus()
    for _ in range(3):
        page.keyboard.press("PageDown")
    expect(page.locator("#mode")).to_have_text("AS OF")
    expect(page.locator('[data-figure="biomass"] .big b')).not_to_have_text(before)
    expect(page.locator(".link")).to_contain_text("the page shows the past")
    assert "at=" in page.url
    page.reload()
    expect(page.locator("#mode")).to_have_text("AS OF")
    page.get_by_role("button", name="Back to live").click()
    expect(page.locator("#mode")).to_have_text("LIVE")
    expect(page.locator('[data-figure="biomass"] .big b')).to_have_text(before)


def test_what_was_not_known_yet_is_not_shown(site: Site, watch: Open) -> None:
    page = watch(unit(site, "BR-01")).page
    assays = page.locator("#facts li", has_text="Assay")
    expect(assays.first).to_be_visible()
    now = assays.count()
    page.locator("#travel-known").focus()
    for _ in range(5):
        page.keyboard.press("PageDown")
    expect(page.locator("#mode")).to_have_text("AS OF")
    expect(assays).not_to_have_count(now)
    assert assays.count() < now


def test_clock_theme_and_span_can_be_chosen(site: Site, watch: Open) -> None:
    page = watch(unit(site, "BR-01"), timezone_id="America/New_York").page
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.get_by_text("Dark", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator(".zone")).to_have_text("UTC")
    page.get_by_text("Local", exact=True).click()
    expect(page.locator(".zone")).to_have_text("America/New_York")
    page.get_by_text("Run hours", exact=True).click()
    page.get_by_text("8 h", exact=True).click()
    expect(page.locator('[data-panel="biomass"] canvas')).to_be_visible()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_stale_unit_says_since_when(site: Site, watch: Open) -> None:
    page = watch(unit(site, "BR-06")).page
    expect(page.locator(".stale-note")).to_contain_text("Stale since")


def test_an_ended_run_shows_a_forecast_beside_what_came_of_it(site: Site, watch: Open) -> None:
    page = watch(unit(site, "BR-08")).page
    expect(page.locator(".ident .badge")).to_have_text("Ended")
    expect(page.locator('[data-panel="biomass"] .legend')).to_contain_text("forecast made")


@pytest.mark.parametrize("key", ["BR-07", "nobody"])
def test_nothing_known_and_nobody_are_told_apart(site: Site, watch: Open, key: str) -> None:
    page = watch(unit(site, key)).page
    text = {"BR-07": "Nothing is believed of this unit yet", "nobody": "expected a twin that was heard of"}[key]
    expect(page.locator("body")).to_contain_text(text)


def test_hostile_names_stay_text(site: Site, watch: Open) -> None:
    seen = watch(unit(site, "BR-04"))
    page = seen.page
    expect(page.locator("h2", has_text="</script>")).to_be_visible()
    expect(page.locator("#alerts")).to_contain_text("<img src=x onerror=")
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "BR-04 · twinstream"
    page.goto(unit(site, '<img src=x onerror="document.title=1">'))
    expect(page.locator("#trouble")).to_contain_text("<img src=x")
    page.goto(site.url)
    expect(page.locator(".card")).to_have_count(32)
    assert page.title() == "All units · twinstream"
    assert not [trouble for trouble in seen.troubles if "404" not in trouble]


def test_the_run_report_opens_from_the_page_of_its_unit(site: Site, watch: Open) -> None:
    seen = watch(unit(site, "BR-02"), 1920, 1080)
    link = seen.page.get_by_role("link", name="Run report")
    expect(link).to_be_visible()
    link.click()
    page = seen.page
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run report: BR-02")
    expect(page.get_by_role("heading", name="Signatures")).to_be_visible()
    expect(page.locator("figure svg").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse") == "collapse"
    assert not seen.troubles
    assert not seen.elsewhere
