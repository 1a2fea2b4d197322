"""One study's page, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched, violations
from tests.browser.site import Site
from tests.browser.studies import NEW, STUDY, TOPIC, UNPLANNED

pytestmark = [pytest.mark.browser, pytest.mark.postgres]

Open = Callable[..., Watched]


def study(site: Site, key: str = STUDY, more: str = "") -> str:
    return f"{site.url}/study?key={key}{more}"


def ready(page: Page) -> Page:
    expect(page.locator("#fan canvas")).to_be_visible()
    return page


def test_the_page_says_how_far_when_and_what_to_do(studies_site: Site, watch: Open) -> None:
    seen = watch(study(studies_site), 1920, 1200)
    page = ready(seen.page)
    expect(page.locator(".ident h1")).to_have_text(STUDY)
    figures = page.locator("#figures")
    expect(figures).to_contain_text("of 190")
    expect(figures.locator('[data-figure="on-time"]')).to_contain_text(re.compile(r"\d+ %"))
    expect(figures).to_contain_text(re.compile(r"90 %: 2027-\d\d-\d\d to 2027-\d\d-\d\d"))
    expect(page.locator("#fan-readout")).to_contain_text("counted, planned")
    expect(page.locator("#countries")).to_contain_text(re.compile(r"Enrollment fell about 2026-\d\d-\d\d"))
    expect(page.locator("#countries tbody tr").first).to_contain_text("DE")
    expect(page.locator("#moved")).to_contain_text("Since the forecast of")
    expect(page.locator("#funnel")).to_contain_text("renal function")
    expect(page.locator("#money")).to_contain_text("EUR")
    expect(page.locator("#quality")).to_contain_text("Unknown site")
    expect(page.locator("#alerts .alert-item").first).to_be_visible()
    assert not seen.troubles
    assert not seen.elsewhere


def test_actions_are_ranked_and_earlier_ones_tell_what_was_decided(studies_site: Site, watch: Open) -> None:
    page = ready(watch(study(studies_site), 1600, 1000).page)
    actions = page.locator("#actions")
    expect(actions.locator("tr", has_text="Recommended")).to_have_count(1)
    expect(actions.locator("tbody tr", has_text="Do nothing").first).to_be_visible()
    expect(actions).to_contain_text("advisory: a person decides")
    expect(actions).to_contain_text("of other draws")
    expect(actions.locator("details", has_text="Not possible")).to_contain_text("IT is a country of the study")
    earlier = actions.locator("#earlier")
    expect(earlier).to_contain_text("Declined")
    expect(earlier).to_contain_text("Anna Lind")
    actions.get_by_role("button", name="Where from").first.click()
    expect(page.locator("#lineage")).to_contain_text("twinstream explain")


def test_a_decision_is_an_event_of_the_study(studies_site: Site, watch: Open) -> None:
    page = ready(watch(study(studies_site)).page)
    page.locator("#decide-open").click()
    page.get_by_label("Overridden").check()
    page.get_by_label("What is done instead").fill("open 3 sites in FR")
    page.get_by_label("Holds until").fill("2027-02-01")
    page.get_by_label("Who decides").fill("Bert Holm")
    page.get_by_label("Why", exact=True).fill("FR has capacity")
    page.get_by_role("button", name="Keep this decision").click()
    expect(page.locator("#decide")).not_to_be_visible()
    records = [one for rows in studies_site.log.topics[TOPIC].values() for one in rows]
    said = json.loads(records[-1].value or b"")
    assert said == {
        "by": "Bert Holm",
        "correction": said["correction"],
        "decision": "overridden",
        "expires": "2027-02-01T23:59:59Z",
        "option": "open 3 sites in FR",
        "reason": "FR has capacity",
    }
    assert records[-1].key == STUDY.encode()
    expect(page.locator("#decision-sent")).to_contain_text("on the log")


def test_where_doing_nothing_is_best_it_is_said_and_later_checks_are_shown(studies_site: Site, watch: Open) -> None:
    page = watch(f"{studies_site.url}/jobs").page
    page.route(re.compile(r"/api/v1/corrections"), _nothing_is_best)
    page.goto(study(studies_site))
    actions = ready(page).locator("#actions")
    expect(actions.locator(".advice-head")).to_contain_text("Do nothing: no action is worth its price")
    expect(actions.locator(".advice")).to_contain_text("The target stays at risk")
    expect(actions).to_contain_text(
        "After 90 d: 150 subjects where 160 were promised (90 %: 140 to 175), within the interval."
    )
    expect(actions.locator("tr", has_text="Recommended")).to_contain_text("Do nothing")


def _nothing_is_best(route: Any) -> None:  # a playwright route
    answer = route.fetch()
    body = answer.json()
    newest = next(one for one in body["items"] if one["data"]["action"] == "recommend")
    record = newest["data"]["record"]
    record["chosen_place"] = next(n for n, one in enumerate(record["options"]) if one["words"] == "do nothing")
    told = {
        "days_since": 90.2, "subjects": 150, "subjects_median": 160.0, "subjects_interval": [140.0, 175.0],
        "subjects_within": True,
    }  # fmt: skip
    audit = {**newest["data"], "action": "audit", "summary": [], "record": told}
    body["items"].insert(0, {**newest, "data": audit})
    route.fulfill(response=answer, json=body)


def test_events_are_shown_where_they_are_said(studies_site: Site, watch: Open) -> None:
    seen = watch(f"{studies_site.url}/jobs")
    seen.page.route(re.compile(r"/api/v1/forecasts"), _events)
    seen.page.goto(study(studies_site))
    page = ready(seen.page)
    page.locator("#fan-of").select_option("events")
    expect(page.locator("#fan-readout")).to_contain_text("0 counted. By 2027-05-30: 24 expected")
    assert not seen.troubles


def _events(route: Any) -> None:  # a playwright route
    answer = route.fetch()
    body = answer.json()
    body["items"][0]["data"]["events"] = [[float(place + spread) for spread in (0, 1, 1, 2, 4)] for place in range(24)]
    route.fulfill(response=answer, json=body)


def test_a_refused_decision_keeps_what_was_typed(studies_site: Site, watch: Open) -> None:
    page = ready(watch(study(studies_site)).page)
    page.locator("#decide-open").click()
    page.get_by_label("Overridden").check()
    page.get_by_label("What is done instead").fill("wait")
    page.get_by_label("Holds until").fill("2020-01-01")
    page.get_by_label("Who decides").fill("Bert Holm")
    page.get_by_label("Why", exact=True).fill("no reason")
    page.get_by_role("button", name="Keep this decision").click()
    expect(page.locator("#decide .trouble")).to_contain_text("after the study's present")
    expect(page.get_by_label("Who decides")).to_have_value("Bert Holm")


def test_sites_are_sorted_and_filtered(studies_site: Site, watch: Open) -> None:
    page = ready(watch(study(studies_site), 1600, 1000).page)
    rows = page.locator("#sites tbody tr")
    expect(rows).to_have_count(14)
    expect(rows.first.locator("td").first).to_have_text("1")
    page.get_by_role("button", name="Counted").click()
    expect(page.locator("#sites th[aria-sort]")).to_have_attribute("aria-sort", "descending")
    counted = [int(text) for text in page.locator("#sites tbody td:nth-child(6)").all_inner_texts()]
    assert counted == sorted(counted, reverse=True)
    page.locator("#sites-country").select_option("FR")
    expect(rows).to_have_count(4)
    page.locator("#sites-country").select_option("")
    page.locator("#sites-status").select_option("paused")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("ES-02")
    page.locator("#sites-search").fill("nobody")
    expect(page.locator("#sites")).to_contain_text("No site matches")


def test_5000_sites_come_in_pages(studies_site: Site, watch: Open) -> None:
    page = watch(f"{studies_site.url}/jobs").page
    page.route(re.compile(r"/api/v1/twins/enrollment/"), _many_sites)
    page.goto(study(studies_site))
    ready(page)
    expect(page.locator("#sites-title")).to_have_text("Sites: 5,000")
    expect(page.locator("#sites tbody tr")).to_have_count(50)
    page.locator("#sites-pager").get_by_role("button", name="Next page").click()
    expect(page.locator("#sites-pager")).to_contain_text("51 to 100")
    page.locator("#sites-search").fill("S-4999")
    expect(page.locator("#sites tbody tr")).to_have_count(1)


def _many_sites(route: Any) -> None:  # a playwright route
    answer = route.fetch()
    body = answer.json()
    columns = body["estimate"]["data"]["sites"]
    body["estimate"]["data"]["sites"] = {
        name: [f"S-{place:04}" if name == "names" else values[place % len(values)] for place in range(5000)]
        for name, values in columns.items()
    }
    route.fulfill(response=answer, json=body)


def test_a_country_has_its_own_fan(studies_site: Site, watch: Open) -> None:
    seen = watch(study(studies_site))
    page = ready(seen.page)
    page.locator("#fan-of").select_option("DE")
    expect(page.locator("#fan-readout")).to_contain_text(re.compile(r"6\d counted"))
    page.locator("#fan").get_by_role("button", name="Table").click()
    expect(page.locator("#fan-table tbody tr")).to_have_count(24)
    assert not seen.troubles


def test_looking_back_shows_what_was_believed_then(studies_site: Site, watch: Open) -> None:
    page = ready(watch(study(studies_site, more="&at=2026-06-01T00:00:00Z")).page)
    expect(page.locator("#mode")).to_have_text("AS OF")
    expect(page.locator("#countries")).not_to_contain_text("Enrollment fell")
    expect(page.locator("#decide-open")).to_have_count(0)
    page.get_by_role("button", name="Back to live").click()
    expect(page.locator("#countries")).to_contain_text("Enrollment fell")


def test_no_plan_and_no_forecast_yet_are_told_apart(studies_site: Site, watch: Open) -> None:
    page = watch(study(studies_site, UNPLANNED)).page
    expect(page.locator("#figures")).to_contain_text("No plan of this study is known")
    expect(page.locator("#fan")).to_be_hidden()
    page.route(re.compile(r"/api/v1/forecasts"), lambda route: route.fulfill(json={"items": []}))
    page.goto(study(studies_site, NEW))
    expect(ready(page).locator("#figures")).to_contain_text("No forecast yet")
    expect(page.locator("#fan-readout")).to_contain_text("No forecast yet")
    expect(page.locator("#actions")).to_contain_text("Nothing is advised")
    expect(page.locator("#funnel")).to_contain_text("No screen failure yet")
    page.goto(study(studies_site, "nobody"))
    expect(page.locator("#trouble")).to_contain_text("expected a twin that was heard of")


def test_the_overview_leads_to_the_study(studies_site: Site, watch: Open) -> None:
    seen = watch(studies_site.url, 1600, 1000)
    card = seen.page.locator(f'[data-key="{STUDY}"]')
    expect(card).to_contain_text("of 190")
    expect(card).to_contain_text(re.compile(r"on time \d+ %"))
    seen.page.get_by_text("Table", exact=True).click()
    seen.page.locator(f'tr[data-key="{STUDY}"] a').click()
    expect(ready(seen.page).locator(".ident h1")).to_have_text(STUDY)
    assert not seen.troubles


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("key", [STUDY, NEW, UNPLANNED])
def test_no_violation(studies_site: Site, watch: Open, axe: str, key: str, theme: str) -> None:
    page = watch(study(studies_site, key), color_scheme=theme, bypass_csp=True).page
    expect(page.locator("#figures > *").first).to_be_visible()
    if key == STUDY:
        ready(page).locator("#fan").get_by_role("button", name="Table").click()
        assert not violations(page, axe)
        page.locator("#decide-open").click()
    assert not violations(page, axe)


@pytest.mark.parametrize("width", [1920, 1280, 360])
def test_nothing_sticks_out_sideways(studies_site: Site, watch: Open, width: int) -> None:
    page = ready(watch(study(studies_site), width, 900).page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
