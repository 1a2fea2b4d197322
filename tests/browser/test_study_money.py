"""The money of a study's page as its twin says it: lines, cash by month, scenarios, what drives cost; and strata."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Watched, violations
from tests.browser.site import Site
from tests.browser.studies import NEW, STUDY

pytestmark = [pytest.mark.browser, pytest.mark.postgres]

Open = Callable[..., Watched]
AMOUNT = re.compile(r"\d[\d,]*")


def shown(page: Page) -> Locator:
    money = page.locator("#money")
    expect(money.locator("#money-says")).to_contain_text("At completion")
    return money


def amounts(text: str) -> list[float]:
    return [float(found.replace(",", "")) for found in AMOUNT.findall(text)]


def test_booked_stands_beside_accrued_and_adds_up(studies_site: Site, watch: Open) -> None:
    seen = watch(f"{studies_site.url}/study?key={STUDY}", 1600, 1000)
    money = shown(seen.page)
    expect(money.locator("#money-says")).to_contain_text(
        re.compile(r"At completion [\d,]+ EUR \(90 %: [\d,]+ to [\d,]+\)\. So far [\d,]+ EUR booked")
    )
    rows = money.get_by_role("region", name="Money by line").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="team")).to_contain_text("runs with the clock")
    patients, team, whole = (
        [amounts(cell)[0] for cell in row.locator("td").all_inner_texts()[:4]] for row in rows.all()
    )
    assert patients[0] > 500_000.0 == round(team[0]) + 500_000.0
    for place in (0, 1, 3):
        assert patients[place] + team[place] == pytest.approx(whole[place], abs=2.0)
    expect(money).to_contain_text(re.compile(r"Booked, and not counted here, .*: sites [\d,]+ EUR and [\d,]+ USD"))
    assert not seen.troubles


def test_cash_flow_is_drawn_and_told_as_a_table_by_keyboard(studies_site: Site, watch: Open) -> None:
    page = watch(f"{studies_site.url}/study?key={STUDY}", 1600, 1000).page
    money = shown(page)
    charts = money.locator("svg.cash")
    expect(charts).to_have_count(2)
    expect(charts.first).to_have_attribute("aria-label", re.compile("90 % interval, in EUR"))
    assert charts.first.locator("rect.booked").count() >= 9
    assert charts.first.locator("rect.outer").count() >= 6
    table = money.get_by_role("region", name="Cash flow by month")
    expect(table).to_be_hidden()
    money.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(table).to_be_visible()
    last = table.locator("tbody tr").last.locator("td").all_inner_texts()
    (low, high), middle = amounts(last[5]), amounts(last[4])[0]
    says = amounts(money.locator("#money-says").inner_text().replace("90 %", ""))
    assert [middle, low, high] == pytest.approx(says[:3], abs=1.0)  # the running sum ends at the cost at completion


def test_scenarios_stand_side_by_side_and_a_tornado_says_what_drives(studies_site: Site, watch: Open) -> None:
    seen = watch(f"{studies_site.url}/study?key={STUDY}", 1600, 1000)
    table = shown(seen.page).get_by_role("region", name="Scenarios side by side")
    rows = table.locator("tbody tr")
    expect(rows.first).to_contain_text("As it stands")
    longer = rows.filter(has_text="91 days longer")
    expect(longer).to_contain_text("+91")
    expect(longer).to_contain_text("on team")
    expect(rows.filter(has_text="of what is expected").first).to_contain_text(re.compile(r"\+[\d,]+ ± [\d,]+"))
    expect(rows.filter(has_text="amendment")).to_contain_text("535,000")
    tornado = shown(seen.page).get_by_role("region", name="What drives cost and date")
    expect(tornado.locator("tbody tr").filter(has_text="price of team")).to_contain_text("0 to 0")
    expect(tornado.locator("tbody tr").filter(has_text="enrollment of all")).to_contain_text(
        re.compile(r"\+\d+ to −\d+")
    )
    assert tornado.locator("svg.swing rect").count() >= 4
    assert not seen.troubles


def test_strata_stand_against_their_caps_with_what_is_in_flight(studies_site: Site, watch: Open) -> None:
    page = watch(f"{studies_site.url}/jobs").page
    page.route(re.compile(r"/api/v1/forecasts"), _capped)
    page.goto(f"{studies_site.url}/study?key={STUDY}")
    funnel = page.locator("#funnel")
    expect(funnel).to_contain_text(re.compile(r"In the funnel now: \d+ subjects?, of whom about"))
    rows = funnel.get_by_role("region", name="Strata").locator("tbody tr")
    expect(rows.filter(has_text="young")).to_contain_text("stop screening")
    expect(rows.filter(has_text="young")).to_contain_text("96 %")
    expect(rows.filter(has_text="old")).to_contain_text("no cap")


def _capped(route: Any) -> None:  # a playwright route
    answer = route.fetch()
    body = answer.json()
    young = {"stratum": "young", "counted": 38, "coming": 3.4, "cap": 40, "exceeds": 0.96, "free": 0.0, "stop": True}
    body["items"][0]["data"]["strata"].append(young)
    route.fulfill(response=answer, json=body)


def test_without_a_budget_or_by_an_older_twin_the_page_says_what_it_has(studies_site: Site, watch: Open) -> None:
    page = watch(f"{studies_site.url}/study?key={NEW}").page
    expect(page.locator("#money")).to_contain_text("12,000")
    expect(page.locator("#money")).to_contain_text(re.compile("holds no budget|No forecast yet"))
    seen = watch(f"{studies_site.url}/jobs")
    seen.page.route(re.compile(r"/api/v1/forecasts"), _older)
    seen.page.goto(f"{studies_site.url}/study?key={STUDY}")
    expect(shown(seen.page)).to_contain_text("2,100,000 EUR")
    assert not seen.troubles


def _older(route: Any) -> None:  # a playwright route
    answer = route.fetch()
    body = answer.json()
    data = body["items"][0]["data"]
    new = ("lines", "past", "scenarios", "running", "paid_mean", "arising_mean", "later", "accrued", "outstanding")
    data["money"] = {name: value for name, value in data["money"].items() if name not in new}
    data["money"]["at_completion"] = [1.8e6, 1.9e6, 2.1e6, 2.2e6, 2.5e6]
    for name in ("strata", "in_flight"):
        del data[name]
    route.fulfill(response=answer, json=body)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_open_tables_and_charts_have_no_violation(studies_site: Site, watch: Open, axe: str, theme: str) -> None:
    page = watch(f"{studies_site.url}/study?key={STUDY}", color_scheme=theme, bypass_csp=True).page
    shown(page).locator("summary").click()
    assert not violations(page, axe)


def test_on_paper_the_charts_fit_and_the_tables_stay(studies_site: Site, watch: Open) -> None:
    page = watch(f"{studies_site.url}/study?key={STUDY}", 760, 1000).page
    money = shown(page)
    page.emulate_media(media="print")
    expect(money.locator("svg.cash").first).to_be_visible()
    wide = money.evaluate("one => one.scrollWidth - one.clientWidth")
    assert wide <= 1, wide
