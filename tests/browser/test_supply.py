"""Patients, boxes, rooms and their network, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import psycopg
import pytest
from playwright.sync_api import Page, expect

from schemas.jobs import SimulationSpec
from schemas.topics import OUTPUTS
from tests.browser.conftest import Watched, violations
from tests.browser.site import Site
from tests.browser.supplies import BOX, LATE, NETWORK, NEW, PLAN, ROOM, STOPPED, TOPIC, WAITS, fill_supplies
from tests.support.job_rows import answered, put_job
from twins.engine import Device
from twins.supply.network.engine import SupplyNetwork

pytestmark = [pytest.mark.browser, pytest.mark.postgres]

Open = Callable[..., Watched]
PATHS = {STOPPED: "/patient", WAITS: "/patient", LATE: "/patient", NEW: "/patient", BOX: "/box", ROOM: "/room",
         NETWORK: "/network"}  # fmt: skip
EMPTY = {"/patient": "supply.therapy_ordered", "/box": "supply.shipper_packed", "/room": "supply.room_described",
         "/network": "supply.network_described"}  # fmt: skip


@pytest.fixture(scope="module")
def supplies_database(postgres_server: Any) -> str:
    """A ledger with the story."""
    return fill_supplies(postgres_server)


@pytest.fixture(scope="module")
def supplies_site(supplies_database: str) -> Iterator[Site]:
    """The API over it."""
    one = Site(supplies_database)
    yield one
    one.close()


def at(site: Site, key: str, more: str = "") -> str:
    return f"{site.url}{PATHS[key]}?key={key}{more}"


def ready(page: Page) -> Page:
    expect(page.locator("#figures > *").first).to_be_visible()
    return page


def test_a_stop_says_what_was_expected_what_was_read_and_what_to_do(supplies_site: Site, watch: Open) -> None:
    seen = watch(at(supplies_site, STOPPED), 1600, 1000)
    page = ready(seen.page)
    stop = page.locator("#stop")
    expect(stop).to_contain_text("STOP: these cells must not move on")
    expect(stop).to_contain_text("COI-1 on bag")
    expect(stop.locator(".received")).to_have_text("bag COI-2")
    expect(stop).to_contain_text("do not use these cells for this patient")
    red = page.evaluate("getComputedStyle(document.getElementById('stop')).backgroundColor")
    assert red == page.evaluate("""() => { const one = document.createElement('i'); one.style.color = 'var(--critical)';
        document.body.append(one); return getComputedStyle(one).color; }""")
    expect(page.locator('[data-figure="identity"]')).to_contain_text("STOP")
    page.locator("#custody tr", has_text="Identity mismatch").get_by_role("button").click()
    expect(page.locator("#lineage")).to_contain_text("supply.identity_read")
    expect(page.locator("#lineage")).to_contain_text(re.compile(r"supply.events / partition \d / offset \d+"))
    assert not seen.troubles
    assert not seen.elsewhere


def test_a_gap_stands_with_its_deadline_and_the_box_of_the_patient_is_shown(supplies_site: Site, watch: Open) -> None:
    seen = watch(at(supplies_site, WAITS), 1600, 1000)
    page = ready(seen.page)
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator(".gaps li").first).to_contain_text("Custody gap, provisional until 2026-03-08 09:00 UTC")
    expect(page.locator("#custody")).to_contain_text("no receipt")
    expect(page.locator("#figures")).to_contain_text("released, not received yet")
    rows = page.locator("#custody tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.nth(1)).to_contain_text(re.compile(r"Receipt\s*B\s*C"))
    box = page.locator(f'[data-box="{BOX}"]')
    expect(box).to_contain_text("P(warm before opened) 100 %")
    expect(box.locator(".course svg polyline")).to_have_count(1)
    expect(box.locator(".course")).to_have_attribute("aria-label", re.compile("limit −130"))
    expect(page.locator("#quality")).to_contain_text("sterility")
    assert not seen.troubles


def test_the_infusion_is_a_date_with_its_spread_against_slot_and_latest(supplies_site: Site, watch: Open) -> None:
    page = ready(watch(at(supplies_site, LATE), 1600, 1000).page)
    infusion = page.locator("#infusion")
    expect(infusion).to_contain_text("After the slot 2026-03-12 06:00 UTC")
    expect(infusion).to_contain_text("100 %")
    expect(infusion).to_contain_text("After the latest day 2026-04-19 06:00 UTC")
    strip = infusion.locator(".strip")
    expect(strip).to_have_attribute("aria-label", re.compile(r"Expected 2026-04-\d\d .* 90 %: 2026-0\d-\d\d"))
    place = "one => one.getBoundingClientRect().x"
    assert strip.locator(".mark-slot").evaluate(place) < strip.locator(".median").evaluate(place)
    assert strip.locator(".median").evaluate(place) < strip.locator(".mark-latest").evaluate(place)
    legs = page.locator("#legs tbody tr")
    expect(legs).to_have_count(8)
    expect(page.locator("#legs tr", has_text="explains most of the risk")).to_have_count(1)
    page.get_by_text("Local", exact=True).click()
    expect(page.locator("#infusion")).not_to_contain_text("06:00 UTC") if page.evaluate(
        "new Date().getTimezoneOffset()"
    ) else expect(page.locator("#infusion")).to_contain_text("06:00")


def test_a_room_names_whom_its_plate_exposed_and_the_patient_says_so(supplies_site: Site, watch: Open) -> None:
    seen = watch(at(supplies_site, ROOM), 1600, 1000)
    page = ready(seen.page)
    expect(page.locator('[data-figure="state"]')).to_contain_text("Held")
    plate = page.locator("#plates tr", has_text="PL-0")
    expect(plate).to_contain_text("action level")
    expect(plate).to_contain_text("bag-COI-0")
    expect(page.locator("#pressures")).to_contain_text("12.0 Pa")
    page.goto(f"{supplies_site.url}/patient?key=patient:COI-0")
    expect(page.locator("#exposures")).to_contain_text("Hold these units until quality decides")
    page.locator("#exposures a", has_text="R1").click()
    expect(page.locator(".ident h1")).to_have_text("R1")
    assert not seen.troubles


def test_a_box_shows_its_temperature_and_how_long_it_holds(supplies_site: Site, watch: Open) -> None:
    seen = watch(at(supplies_site, BOX))
    page = ready(seen.page)
    expect(page.locator('[data-figure="warm"]')).to_contain_text("100 %")
    expect(page.locator('[data-figure="hold"]')).to_contain_text("used up")
    expect(page.locator('[data-aging="kinetic"]')).to_contain_text("no mean kinetic temperature for cryogenic storage")
    expect(page.locator("#course")).to_contain_text("Last known −190 °C, limit −130 °C")
    expect(page.locator("#excursions")).to_contain_text("kept")
    page.locator(".ident").get_by_role("link", name="COI-2").click()
    expect(page.locator(".ident h1")).to_have_text("COI-2")
    page.goto(f"{supplies_site.url}/box?key=shipper:B1")
    expect(page.locator('[data-figure="hold"]')).to_contain_text("Opened")
    expect(page.locator('[data-figure="warm"]')).to_contain_text("arrived within its limits")
    expect(page.locator("#course .course-to")).to_contain_text("2026-03-06 2")
    assert not seen.troubles


def test_the_network_says_who_is_where_what_is_late_and_what_holds_it_up(supplies_site: Site, watch: Open) -> None:
    seen = watch(at(supplies_site, NETWORK), 1920, 1200)
    page = ready(seen.page)
    expect(page.locator('[data-step="culture"]')).to_contain_text("2")
    expect(page.locator('[data-step="culture"]')).to_contain_text("P-02")
    steps = page.locator(".flow li").evaluate_all("all => all.map(one => one.dataset.step)")
    assert steps[:3] == ["apheresis", "courier out", "set up"]
    rows = page.locator("#late tbody tr")
    expect(rows).to_have_count(15)
    expect(rows.filter(has_text="COI-1")).to_contain_text("STOPPED")
    late = rows.filter(has_text="P-03")
    expect(late).to_contain_text(re.compile(r"100 %\s*\d+ % \(\d+ % to \d+ %\)"))
    risks = [int(found.group()) for text in page.locator("#late tbody td:nth-child(3)").all_inner_texts()
             if (found := re.search(r"\d+(?= %)", text))]  # fmt: skip
    assert risks == sorted(risks, reverse=True)
    expect(page.locator('[data-figure="lost"]')).to_contain_text("4 of 6 suite")
    expect(page.locator('[data-figure="bottleneck"]')).to_contain_text("suite")
    expect(page.locator('[data-figure="vein-to-vein"]')).to_contain_text("Vein to vein")
    expect(page.locator('[data-figure="out-of-specification"]')).to_contain_text("within a year")
    suite = page.locator("#capacity tbody tr").first
    expect(suite).to_contain_text("2 lost")
    expect(suite).to_contain_text(re.compile(r"9\d % \(\d+ to \d+\)"))
    expect(page.locator("#future")).to_contain_text("30 futures of 60.0 days")
    expect(page.locator("#lanes")).to_contain_text("LYS-AMS")
    expect(page.locator("#boxes")).to_contain_text("B2")
    expect(page.locator("#rooms")).to_contain_text("Held")
    expect(page.locator("#standing")).to_contain_text("patient:COI-1")
    page.locator("#standing").get_by_role("link", name="shipper:B2").first.click()
    expect(page.locator(".ident h1")).to_have_text("B2")
    assert not seen.troubles
    assert not seen.elsewhere


def test_a_plan_is_taken_by_a_person(supplies_site: Site, watch: Open) -> None:
    page = ready(watch(at(supplies_site, NETWORK)).page)
    plans = page.locator("#plans")
    expect(plans).to_contain_text("advisory: a person decides")
    expect(plans).to_contain_text("at most 3 % worse than the best there can be")
    expect(plans).to_contain_text("infusion 2 days later: suite 5 is gone (leak)")
    plans.get_by_role("button", name="Take…").click()
    page.get_by_label("Who decides").fill("Anna Lind")
    page.get_by_label("Why", exact=True).fill("the suite stays shut")
    page.get_by_role("button", name="Take the plan").click()
    expect(page.locator("#decide")).not_to_be_visible()
    records = [one for rows in supplies_site.log.topics[TOPIC].values() for one in rows]
    said = json.loads(records[-1].value or b"")
    assert {name: said[name] for name in ("by", "correction", "decision", "reason")} == {
        "by": "Anna Lind", "correction": PLAN, "decision": "taken", "reason": "the suite stays shut",
    }  # fmt: skip
    assert records[-1].key == NETWORK.encode()
    expect(page.locator("#decision-sent")).to_contain_text("on the log")


def test_looking_back_shows_what_was_believed_then(supplies_site: Site, watch: Open) -> None:
    page = ready(watch(at(supplies_site, STOPPED, "&at=2026-03-06T12:00:00Z")).page)
    expect(page.locator("#mode")).to_have_text("AS OF")
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#custody-title")).to_have_text("Custody: 5 lines")
    page.get_by_role("button", name="Back to live").click()
    expect(page.locator("#stop")).to_be_visible()


def test_the_overview_groups_them_those_at_risk_first(supplies_site: Site, watch: Open) -> None:
    seen = watch(supplies_site.url, 1600, 1000)
    page = seen.page
    heads = page.locator(".group-head")
    expect(heads).to_have_text(["Networks: 1", "Patients: 16", "Boxes: 2", "Rooms: 2"])
    patients = page.get_by_role("list", name="Patients").locator("li")
    expect(patients.first).to_contain_text("STOP")
    expect(page.locator(f'[data-key="{BOX}"]')).to_contain_text("100 %")
    for view in ("Tiles", "Table"):
        page.get_by_text(view, exact=True).click()
        expect(page.locator(f'[data-key="{NETWORK}"]')).to_be_visible()
    page.locator(f'tr[data-key="{LATE}"] a').click()
    expect(ready(page).locator(".ident h1")).to_have_text("P-03")
    assert not seen.troubles


def test_nobody_and_nothing_yet_are_told_apart(supplies_site: Site, watch: Open) -> None:
    page = watch(f"{supplies_site.url}/patient?key=patient:nobody").page
    expect(page.locator("#trouble")).to_contain_text("expected a twin that was heard of")
    page.goto(f"{supplies_site.url}/patient")
    expect(page.locator("#trouble")).to_contain_text("No patient named")
    page.goto(at(supplies_site, NEW))
    expect(ready(page).locator("#infusion")).to_be_hidden()
    expect(page.locator("#figures")).to_contain_text("No forecast")
    page.route(re.compile(r"/api/v1/twins/supply/"), _nothing)
    for path, wanted in EMPTY.items():
        page.goto(f"{supplies_site.url}{path}?key={next(key for key, one in PATHS.items() if one == path)}")
        expect(page.locator("#figures .empty")).to_contain_text(wanted)


def _nothing(route: Any) -> None:  # a playwright route
    answer = route.fetch()
    route.fulfill(response=answer, json={**answer.json(), "estimate": None})


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("key", [STOPPED, WAITS, NEW, BOX, ROOM, NETWORK, "/what-if", "/"])
def test_no_violation(supplies_site: Site, watch: Open, axe: str, key: str, theme: str) -> None:
    url = f"{supplies_site.url}{key}" if key.startswith("/") else at(supplies_site, key)
    page = watch(url, color_scheme=theme, bypass_csp=True).page
    expect(page.locator("#figures > *, #question-body > *, #units > *").first).to_be_visible()
    assert not violations(page, axe)


@pytest.mark.parametrize("width", [1920, 1280, 360])
@pytest.mark.parametrize("key", [STOPPED, WAITS, BOX, ROOM, NETWORK, "/what-if", "/"])
def test_nothing_sticks_out_sideways(supplies_site: Site, watch: Open, width: int, key: str) -> None:
    page = watch(f"{supplies_site.url}{key}" if key.startswith("/") else at(supplies_site, key), width, 900).page
    expect(page.locator("#figures > *, #question-body > *, #units > *").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_paper_there_is_no_button_and_the_stop_is_framed(supplies_site: Site, watch: Open) -> None:
    page = ready(watch(at(supplies_site, STOPPED)).page)
    page.emulate_media(media="print")
    expect(page.locator(".ident button")).to_be_hidden()
    expect(page.locator("#stop")).to_be_visible()
    assert "double" in page.evaluate("getComputedStyle(document.getElementById('stop')).borderTopStyle")


def test_a_question_is_asked_and_its_answer_is_shown_against_how_it_stands(
    supplies_site: Site, supplies_database: str, watch: Open, axe: str
) -> None:
    seen = watch(f"{supplies_site.url}/what-if?key={NETWORK}", 1600, 1200, bypass_csp=True)
    page = seen.page
    form = page.locator("#question")
    expect(form).to_contain_text("12 patients where they were")
    form.get_by_role("button", name="Ask the pool").click()
    expect(form.locator(".trouble")).to_contain_text("Add a blow first")
    form.get_by_label("Its name").fill("suites lost")
    form.get_by_label("Resource").select_option("suite")
    form.get_by_label("Until day").fill("0")
    form.get_by_role("button", name="Add this blow").click()
    expect(form.locator(".trouble")).to_contain_text("expected a day after the first")
    form.get_by_label("Until day").fill("20")
    form.get_by_label("Units there are then").fill("1")
    form.get_by_role("button", name="Add this blow").click()
    expect(form.locator("#blows")).to_contain_text("1 of 6 units of suite from day 0 until day 20")
    form.get_by_role("button", name="Another scenario").click()
    form.get_by_label("What happens").select_option("Demand")
    form.get_by_role("button", name="Add this blow").click()
    form.get_by_label("Futures drawn").fill("30")
    form.get_by_label("Who asks").fill("Anna Lind")
    form.get_by_label("Why", exact=True).fill("the leak may take longer")
    form.get_by_role("button", name="Ask the pool").click()
    expect(page.locator("#answer")).to_contain_text("Waiting for the pool")
    job, request = _asked(supplies_site)
    assert [one["name"] for one in request["spec"]["inputs"]["scenarios"]] == ["suites lost", "scenario 2"]
    assert request["spec"]["inputs"]["scenarios"][0]["blows"] == [
        {"blow": "capacity", "resource": "suite", "begin": 0, "end": 20, "units": 1}
    ]
    _answer(supplies_database, job, request)
    answer = page.locator("#answer")
    expect(answer.locator("h3", has_text="As it stands")).to_be_visible()
    lost = answer.locator('[data-scenario="suites lost"]')
    expect(lost.locator("tr", has_text="suite").locator(".worse").first).to_be_visible()
    expect(lost).to_contain_text(re.compile(r"P-\d\d"))
    expect(answer.locator('[data-scenario="scenario 2"]')).to_contain_text("may be chance")
    expect(page.locator("#earlier")).to_contain_text("the leak may take longer")
    assert not violations(page, axe)
    page.reload()
    expect(answer.locator('[data-scenario="suites lost"]')).to_be_visible()
    assert [one for one in seen.troubles if "404" not in one] == []


def _asked(site: Site) -> tuple[str, dict[str, Any]]:
    """Give the question that was appended to the log, and its job's id."""
    effects = [json.loads(one.value or b"") for rows in site.log.topics[OUTPUTS["request"]].values() for one in rows]
    return effects[-1]["id"], effects[-1]["data"]


def _answer(database: str, job: str, request: dict[str, Any]) -> None:
    """Answer a question as the pool would."""
    spec = msgspec.convert(request["spec"], SimulationSpec)
    run = SupplyNetwork().prepare(spec, (), Device())
    while (standing := run.run(1.0)).done < standing.total:
        pass
    told = run.answer()
    body = answered(job, told.summary, document=told.document, spec=request["spec"], kind="supply", twin_kind="supply",
                    twin_key=NETWORK, asked_by="Anna Lind", reasons=[request["reason"]], priority=2)  # fmt: skip
    with psycopg.connect(database) as connection:
        put_job(connection, job, **body)
