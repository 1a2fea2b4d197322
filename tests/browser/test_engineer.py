"""The engineer's panels, in a real browser: they show what the API gave of units that the twin's own code folded."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from schemas.effects import Effect
from schemas.instants import HOUR, format_instant, parse_instant
from tests.browser.conftest import Watched, violations
from tests.browser.course import belief
from tests.browser.folded import ALARMS, CULTURE, GOLDEN
from tests.browser.memory_log import estimate_of
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.postgres]

Open = Callable[..., Watched]
WIDE = (1280, 900)


def unit(site: Site, key: str, more: str = "") -> str:
    return f"{site.url}/unit?kind=bioreactor&key={key}{more}"


def api(site: Site, path: str, **params: Any) -> Any:
    answer = httpx.get(f"{site.url}/api/v1/{path}", params=params, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


def number(value: float, digits: int = 3) -> str:
    """Write a number as the pages do."""
    size = abs(value)
    if size != 0 and (size < 1e-4 or size >= 1e6):
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent):+d}"
    whole = len(str(int(size))) - 1 if size >= 1 else -next(n for n in range(1, 9) if size * 10**n >= 1) if size else 0
    decimals = 1 if size == 0 else max(0, min(6, digits - 1 - whole))
    return f"{value:.{decimals}f}".replace("-", "−")


def golden_of(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = api(site, "history", kind="bioreactor", key=GOLDEN, points=600)["golden"]
    return found


def shown_parts(page: Page, of: str) -> list[tuple[str, str]]:
    rows = page.locator(f'[data-parts="{of}"] tbody tr')
    return [(row.locator("th").inner_text(), row.locator("td").first.inner_text()) for row in rows.all()]


def said_parts(golden: dict[str, Any], of: str, i: int) -> list[tuple[str, str]]:
    names = {"ph": "pH", "temperature": "Temperature", "dissolved_oxygen": "Dissolved oxygen"}
    parts = sorted(golden[f"{of}_contributions"][i].items(), key=lambda part: -abs(part[1]))
    return [(names[tag], number(value)) for tag, value in parts]


def part(page: Page, heading: str) -> Locator:
    return page.locator(".part").filter(has=page.get_by_role("heading", name=heading))


def test_a_golden_batch_says_how_it_stands_and_where_to_look(folded_site: Site, watch: Open) -> None:
    golden = golden_of(folded_site)
    seen = watch(unit(folded_site, GOLDEN), *WIDE)
    page = seen.page
    standing = page.locator("#golden-standing")
    expect(standing).to_contain_text("Beyond the limits of the good runs")
    expect(standing).to_contain_text(f"SPE {number(golden['spe'][-1])}, beyond its limit of")
    expect(standing).to_contain_text(f"T2 {number(golden['t2'][-1])}, within its limit of")
    expect(standing).to_contain_text("Look first at pH")
    expect(standing).to_contain_text(golden["model"][-1])
    expect(page.locator('[data-figure="golden"]')).to_contain_text("Beyond limits")
    assert shown_parts(page, "spe") == said_parts(golden, "spe", -1)
    assert shown_parts(page, "t2") == said_parts(golden, "t2", -1)
    expect(page.locator("#golden .plot.score canvas")).to_have_count(2)
    assert not seen.troubles
    assert not seen.elsewhere


def test_points_of_a_golden_run_are_reached_by_keyboard_and_by_click(folded_site: Site, watch: Open) -> None:
    golden = golden_of(folded_site)
    page = watch(unit(folded_site, GOLDEN), *WIDE).page
    page.locator("#golden-point").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#golden-says")).to_contain_text(f"maturity {number(golden['maturity'][1] * 100)} %")
    assert shown_parts(page, "t2") == said_parts(golden, "t2", 1)
    said = page.locator("#golden-point").get_attribute("aria-valuetext") or ""
    assert f"T2 {number(golden['t2'][1])}, within its limit" in said
    over = page.locator("#golden .u-over").nth(1)
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 20)
    at = page.locator("#golden-point").input_value()
    assert 0.4 < int(at) / (len(golden["t"]) - 1) < 0.6
    assert shown_parts(page, "spe") == said_parts(golden, "spe", int(at))
    page.locator("#golden-from").click()
    expect(page.locator("#lineage")).to_contain_text(golden["id"][int(at)])
    expect(page.locator("#lineage")).to_contain_text(golden["model"][int(at)])


def test_golden_scores_are_a_table_a_csv_and_lie_along_maturity(folded_site: Site, watch: Open) -> None:
    golden = golden_of(folded_site)
    seen = watch(unit(folded_site, GOLDEN), *WIDE)
    page = seen.page
    page.locator("#golden").get_by_text("Maturity", exact=True).click()
    page.locator("#golden-table-toggle").click()
    rows = page.locator("#golden-table tbody tr")
    expect(rows).to_have_count(len(golden["t"]))
    expect(rows.first).to_contain_text(number(golden["spe"][-1]))
    with page.expect_download() as got:
        page.get_by_role("button", name="Golden batch as CSV").click()
    lines = Path(got.value.path()).read_text().splitlines()
    assert lines[-1].split(",")[1:] == [
        "SPE with its limit", repr(golden["spe"][-1]), "", repr(golden["spe_limit"][-1]), golden["id"][-1],
    ]  # fmt: skip
    assert not seen.troubles


def test_looking_back_golden_scores_and_marks_are_those_of_then(folded_site: Site, watch: Open) -> None:
    golden = golden_of(folded_site)
    middle = len(golden["t"]) // 2
    page = watch(unit(folded_site, GOLDEN, f"&at={format_instant(golden['t'][middle])}"), *WIDE).page
    expect(page.locator("#golden-standing")).to_contain_text("At the last score by then")
    expect(page.locator("#golden-standing")).to_contain_text(f"T2 {number(golden['t2'][middle])}, within")
    expect(page.locator("#golden-point")).to_have_attribute("max", str(middle))
    expect(page.locator("#timeline .is-feed .mark").last).to_have_class(re.compile("later"))


def test_a_unit_without_a_golden_model_shows_none(site: Site, watch: Open) -> None:
    page = watch(unit(site, "BR-01")).page
    expect(page.locator("#health")).to_be_visible()
    for panel in ("golden", "advice", "requests"):
        expect(page.locator(f"#{panel}")).to_be_hidden()


def test_the_alarm_page_shows_each_figure_with_target_and_verdict(folded_site: Site, watch: Open) -> None:
    seen = watch(f"{folded_site.url}/alarms?days=7", *WIDE)
    page = seen.page
    expect(page.locator(".operator")).to_have_count(1)
    found = api(folded_site, "alarms/kpis", start=format_instant(time.time_ns() // 1000 - 7 * 24 * HOUR))
    [all_units] = found["operators"]
    text = page.locator(".operator").inner_text()
    assert f"{all_units['alarms']} alarms shown" in text
    row = page.locator(".operator tr", has_text="Most in ten minutes").first
    expect(row).to_contain_text(str(int(all_units["figures"]["peak_per_10_minutes"]["value"])))
    expect(row).to_contain_text("up to 10")
    expect(row).to_contain_text("over target")
    expect(page.locator(".operator tr", has_text="Stale at once")).to_contain_text("acceptable")
    first = all_units["most_frequent"][0]
    frequent = part(page, "Ten most frequent").locator("tbody tr").first
    expect(frequent).to_contain_text(first["unit"])
    expect(frequent).to_contain_text(str(first["alarms"]))
    expect(page.locator(".operator")).to_contain_text("chattering")
    for priority, count in all_units["priorities"].items():
        row = part(page, "Priorities").locator("tr", has_text=priority.capitalize()).last
        expect(row).to_contain_text(str(count))
    standing = part(page, "Standing at the end")
    [stale] = all_units["stale"]
    expect(standing.locator("tr", has_text=stale)).to_contain_text("stale, stands")
    assert standing.locator("tbody tr").count() == len({*all_units["standing"], *all_units["stale"]})
    assert not seen.troubles
    assert not seen.elsewhere
    page.get_by_role("link", name=ALARMS).first.click()
    expect(page.locator(".ident h1")).to_have_text(ALARMS)


def test_the_alarm_page_has_a_period_operators_an_empty_state_and_a_print_view(folded_site: Site, watch: Open) -> None:
    page = watch(f"{folded_site.url}/alarms", *WIDE).page
    expect(page.locator(".operator")).to_have_count(1)
    page.select_option("#operators", "unit")
    expect(page.locator('[data-operator="GB-01"]')).to_be_visible()
    assert "operators=unit" in page.url
    expect(page.locator(".operator").first).to_have_attribute("data-operator", ALARMS)  # most figures over target
    page.emulate_media(media="print")
    expect(page.locator("#tools")).to_be_hidden()
    expect(page.locator("#period")).to_be_visible()
    page.emulate_media(media="screen")
    page.fill("#from", "2020-01-01 00:00")
    page.fill("#to", "2020-02-01 00:00")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#operators-shown")).to_contain_text("No alarm in this period")
    expect(page.locator("#period")).to_have_text("2020-01-01 00:00:00 to 2020-02-01 00:00:00 UTC")
    page.fill("#to", "2019-02-01 00:00")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#trouble")).to_contain_text("expected an end after the start")


def test_advice_says_how_much_by_when_what_otherwise_and_that_it_is_advice(folded_site: Site, watch: Open) -> None:
    [forecast] = api(folded_site, "forecasts", kind="bioreactor", key=CULTURE)["items"]
    advice = forecast["data"]["advice"]
    assert advice["verdict"] == "feed"
    seen = watch(unit(folded_site, CULTURE), *WIDE)
    page = seen.page
    panel = page.locator("#advice")
    expect(panel).to_contain_text("advisory: a person decides")
    expect(panel).to_contain_text(f"Feed at {number(advice['rate_litres_per_hour'] * 1e3)} mL/h from now on")
    by = advice["latest_time"].replace("T", " ").removesuffix("Z")
    expect(panel).to_contain_text(f"{number(advice['bolus_litres'] * 1e3)} mL at once, by {by}")
    crosses = advice["without"]["crosses_at"].replace("T", " ").removesuffix("Z")
    otherwise = f"Otherwise the chance that Glucose is below {number(advice['floor'])} mmol/L passes 5.0 % at {crosses}"
    expect(panel).to_contain_text(otherwise)
    limit = forecast["data"]["process"]["limits"]["glucose.low"]
    expect(panel.locator("tbody tr")).to_contain_text(f"{number(limit['probability'] * 100)} %")
    panel.get_by_role("button", name="Where from", exact=True).click()
    expect(page.locator("#lineage")).to_contain_text(forecast["id"])
    expect(page.locator("#lineage")).to_contain_text("advisory: no decision rests on it alone")
    assert not seen.troubles


def test_requests_say_why_when_and_what_of_the_budget_is_spent(folded_site: Site, watch: Open) -> None:
    found = api(folded_site, "requests", kind="bioreactor", key=CULTURE)
    page = watch(unit(folded_site, CULTURE), *WIDE).page
    expect(page.locator("#requests-title")).to_have_text("Re-simulation requests: 2")
    rows = page.locator("#requests tbody tr")
    expect(rows).to_have_count(2)
    for row, item in zip(rows.all(), found["items"], strict=True):
        expect(row).to_contain_text(item["data"]["reason"])
        expect(row).to_contain_text(f"{item['nth_that_day']} of {found['budget']['most_a_day']}")
        expect(row).to_contain_text(f"{item['data']['spec']['draws']} draws")
        expect(row).to_contain_text(item["id"])
    rows.last.get_by_role("button").click()
    expect(page.locator("#lineage")).to_contain_text(found["items"][1]["data"]["content_hash"])


def test_health_is_one_table_with_shapes_and_words(folded_site: Site, watch: Open) -> None:
    estimate = api(folded_site, f"twins/bioreactor/{CULTURE}")["estimate"]["data"]
    page = watch(unit(folded_site, CULTURE), *WIDE).page
    rows = page.locator("#health tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("consistent")
    gain = estimate["state"]["sensor_gain"]
    expect(rows.nth(0)).to_contain_text(f"gain {number(gain['mean'])} (sd {number(gain['sd'], 2)})")
    glucose = estimate["process"]["channels"]["glucose"]
    assert not glucose["consistent"]
    expect(rows.nth(2)).to_contain_text("not consistent")
    expect(rows.nth(2)).to_contain_text(f"{number(glucose['nis_mean'])} mean")
    expect(rows.nth(2)).to_contain_text(str(glucose["rejected_run"]))
    assert page.locator("#health .sign").count() == page.locator("#health .sign svg").count() > 4
    expect(page.locator("#health")).to_contain_text("qualified, filters not consistent")
    verdict = api(folded_site, "forecasts", kind="bioreactor", key=CULTURE)["items"][0]["data"]["process"]["verdict"]
    said = ", ".join(filter(None, ("qualified, filters not consistent", verdict)))
    expect(page.locator('[data-panel="biomass"] .legend')).to_contain_text(f"({said})")
    expect(page.locator("#process")).to_contain_text("no planned end was told with the batch")


def test_what_sensors_and_forecasts_say_more_is_shown_when_it_comes(site: Site, watch: Open) -> None:
    seen = watch(unit(site, "BR-10"), *WIDE)
    page = seen.page
    expect(page.locator(".link")).to_have_text("Live")
    expect(page.locator("#health thead")).not_to_contain_text("Sensor")
    batch = page.locator(".facts-row dd").first.inner_text()
    now = time.time_ns() // 1000
    stuck = {"kind": "drifted", "since": format_instant(now - HOUR), "other": "ph_second"}
    sensors = {
        "ph": {"trusted": False, "spikes": 0, **stuck},
        "biomass": {"trusted": True, "kind": None, "since": None, "other": None, "spikes": 2},
    }
    probe = {
        "unit": "[pH]", "probe": 7.05, "reconciled": belief(7.01, 0.02, "[pH]"), "offset": belief(0.04, 0.02, "[pH]"),
        "assay": 7.0, "assay_time": format_instant(now - HOUR), "reconciled_at": None, "refused_run": 1,
    }  # fmt: skip
    balance = {
        "at": format_instant(now - HOUR), "ph": 7.01, "ph_expected": 7.62, "difference_sd": 0.11, "consistent": False,
    }  # fmt: skip
    reconciled = {"probes": {"ph": probe}, "bicarbonate": balance}
    score = {
        "model": "golden-batch@1+0", "maturity": 0.5, "t2": 3.0, "t2_limit": 9.0, "t2_contributions": {"ph": 3.0},
        "spe": None, "spe_limit": 1.0, "spe_contributions": {},
    }  # fmt: skip
    site.say(estimate_of("BR-10", 59, 30.0, now - 1, batch=batch, golden=None))
    expect(page.locator("#golden")).to_contain_text("No score yet")
    site.say(estimate_of("BR-10", 60, 30.0, now, batch=batch, sensors=sensors, golden=score, reconciled=reconciled))
    table = page.locator("#health tbody")
    expect(table.locator("tr", has_text="Sensor: pH")).to_contain_text("not trusted")
    expect(table.locator("tr", has_text="Sensor: pH")).to_contain_text("drifted, or it is ")
    held = page.locator("#health tbody tr", has_text="7.05")
    expect(held).to_contain_text("7.01 (sd 0.020)")
    expect(held).to_contain_text("0.0400 (sd 0.020)")
    expect(held).to_contain_text("never")
    expect(page.locator("#health")).to_contain_text("pH, pCO2 and bicarbonate do not agree")
    expect(page.locator("#health")).to_contain_text("pH 7.010, called for 7.620")
    expect(table.locator("tr").first).to_contain_text("trusted 2 spikes")
    expect(page.locator("#golden-standing")).to_contain_text("Among the good runs")
    expect(page.locator("#golden-standing")).to_contain_text("SPE not known there")
    [forecast] = api(site, "forecasts", kind="bioreactor", key="BR-10")["items"]
    limit = {
        "limit": 0.1, "unit": "mmol/L", "probability": 0.6, "quantiles": [0.05, 0.5, 0.95],
        "reached_at": [format_instant(now + HOUR), format_instant(now + 2 * HOUR), None],
    }  # fmt: skip
    end = {
        "at": format_instant(now + 9 * HOUR), "hours": 96.0, "feed_litres_per_hour": 0.01, "volume": 2.5,
        "quantiles": [0.05, 0.25, 0.5, 0.75, 0.95], "values": {"viable_cells": [3.0, 4.0, 5.0, 6.0, 7.0]},
        "units": {"viable_cells": "10*6/mL"}, "used_up": {"glucose": limit}, "verdict": "outside calibration",
    }  # fmt: skip
    process = {"model": "m@1", "values": {}, "units": {}, "verdict": "too_wide", "end_of_run": end}
    data = forecast["data"] | {"process": process}
    named = {name: forecast[name] for name in ("lane", "twin", "key", "model")}
    when = format_instant(now)
    page.locator("#health").get_by_role("button", name="Where from").last.focus()
    site.say(Effect("bioreactor.events/0/300000/1", "forecast", event_time=when, record_time=when, data=data, **named))
    expect(page.locator("#health")).to_contain_text("qualified, filters consistent, too wide")
    believed = {"model": "m@1", "lane": "unscented", "state": {}, "outputs": {}, "parameters": {}, "channels": {}}
    more = {"sensors": sensors, "reconciled": reconciled, "process": believed}
    site.say(estimate_of("BR-10", 61, 30.0, now + 1, batch=batch, **more))
    ahead = page.locator("#process")
    expect(ahead).to_contain_text("outside calibration")
    expect(ahead.locator("tr", has_text="Viable cells")).to_contain_text("5.00 3.00 7.00".replace(" ", ""))
    expect(ahead.locator("tr", has_text="Glucose")).to_contain_text("60.0 %")
    expect(ahead.locator("tr", has_text="Glucose")).to_contain_text("not before the end")
    expect(page.locator("#health button:focus")).to_have_count(1)  # drawn anew, and the person left where they were
    assert not seen.troubles


def test_the_timeline_says_what_was_done_when_and_by_which_record(folded_site: Site, watch: Open) -> None:
    facts = api(folded_site, "history", kind="bioreactor", key=GOLDEN, part="facts")["facts"]
    seen = watch(unit(folded_site, GOLDEN), *WIDE)
    page = seen.page
    lanes = page.locator("#timeline .lane")
    expect(lanes).to_have_count(5)
    phases = [fact for fact in facts if fact["type"].endswith("phase_changed")]
    marks = page.locator("#timeline .is-phase .mark")
    expect(marks).to_have_count(len(phases))
    hold = next(fact for fact in facts if fact["type"].endswith(".held"))
    says = rf"Hold stirrer belt changed, from .* to .*; record bioreactor\.events/0/{hold['offset']}"
    expect(page.locator("#timeline .is-hold .mark")).to_have_attribute("aria-label", re.compile(says))
    first = page.locator('#timeline [tabindex="0"]')
    expect(first).to_have_count(1)
    first.focus()
    page.keyboard.press("End")
    last = page.locator("#timeline .mark:focus")
    expect(page.locator("#timeline-says")).to_have_text(last.get_attribute("title") or "")
    page.keyboard.press("Home")
    said = [page.locator("#timeline-says").inner_text()]
    for _ in range(page.locator("#timeline .mark").count() - 1):
        page.keyboard.press("ArrowRight")
        said.append(page.locator("#timeline-says").inner_text())
    assert len(set(said)) == len(said)
    for word in ("Inoculated", "Probe calibrated", "Medium exchanged", "Probe changed", "Sample", "Feed ×"):
        assert any(word in one for one in said), word
    feeds = [fact for fact in facts if fact["type"].endswith("feed_added")]
    assert sum(int(one) for text in said for one in re.findall(r"Feed ×(\d+)", text)) == len(feeds)
    marks.last.click()
    expect(page.locator("#lineage")).to_contain_text(f"partition 0 / offset {phases[-1]['offset']}")
    assert not seen.troubles


def test_the_timeline_lies_over_the_course_and_keeps_what_began_before_the_window(
    folded_site: Site, watch: Open
) -> None:
    page = watch(unit(folded_site, GOLDEN), *WIDE).page
    track = page.locator("#timeline .track").first.bounding_box()
    plot = page.locator('[data-panel="biomass"] .u-over').bounding_box()
    assert track is not None
    assert plot is not None
    assert abs(track["x"] - plot["x"]) < 2
    assert abs(track["width"] - plot["width"]) < 2
    page.get_by_text("1 h", exact=True).click()
    marks = page.locator("#timeline .is-phase .mark")
    expect(marks).to_have_count(1)
    expect(marks).to_have_text("fed-batch")
    begun = next(
        fact for fact in api(folded_site, "history", kind="bioreactor", key=GOLDEN, part="facts")["facts"]
        if fact["data"].get("phase") == "fed-batch"
    )  # fmt: skip
    when = format_instant(parse_instant(begun["event_time"])).replace("T", " ")[:19]
    expect(marks).to_have_attribute("aria-label", re.compile(f"from {when}, still"))


@pytest.mark.parametrize(
    ("path", "theme"),
    [
        ("/alarms", "dark"), ("/alarms", "light"), (f"/unit?kind=bioreactor&key={GOLDEN}", "dark"),
        (f"/unit?kind=bioreactor&key={CULTURE}", "light"),
    ],
)  # fmt: skip
def test_no_violation(folded_site: Site, watch: Open, axe: str, path: str, theme: str) -> None:
    page = watch(folded_site.url + path, *WIDE, color_scheme=theme, bypass_csp=True).page
    expect(page.locator(".operator, .panel").first).to_be_visible()
    if GOLDEN in path:
        page.locator("#golden-table-toggle").click()
    assert not violations(page, axe)


def test_nothing_sticks_out_sideways(folded_site: Site, watch: Open) -> None:
    page = watch(f"{folded_site.url}/alarms", 360, 900).page
    for address in ("", unit(folded_site, GOLDEN), unit(folded_site, CULTURE)):
        if address:
            page.goto(address)
        expect(page.locator(".operator, .panel").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, address


def test_what_is_old_is_not_shown_as_the_present(folded_database: str, watch: Open) -> None:
    site = Site(folded_database, stale_after_seconds=0.001)
    try:
        page = watch(unit(site, CULTURE), *WIDE).page
        expect(page.locator("#advice")).to_contain_text("Stale: advised before the unit fell silent")
        page.goto(unit(site, GOLDEN))
        expect(page.locator('[data-figure="golden"]')).to_contain_text("when last heard")
    finally:
        site.close()
