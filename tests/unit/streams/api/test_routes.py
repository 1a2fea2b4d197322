from __future__ import annotations

import contextlib
from typing import Any

import httpx
import psycopg
import pytest

from schemas.instants import HOUR, format_instant, parse_instant
from streams.ledger.reads import moment
from tests.browser.fill import HOSTILE_TAG
from tests.browser.site import Site

pytestmark = pytest.mark.postgres


def get(api: httpx.Client, path: str, **params: Any) -> Any:
    answer = api.get(f"/api/v1/{path}", params={name: value for name, value in params.items() if value is not None})
    assert answer.status_code == 200, answer.text
    return answer.json()


def pages(api: httpx.Client, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = get(api, "twins", **params, **({"cursor": cursor} if cursor else {}))
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items


@pytest.mark.parametrize("sort", ["urgency", "name", "biomass", "growth_rate", "hours", "updated"])
@pytest.mark.parametrize("limit", [1, 5, 32, 100])
def test_pages_hold_every_twin_once_in_one_order(api: httpx.Client, sort: str, limit: int) -> None:
    if limit == 1 and sort != "biomass":
        limit = 3
    whole = [item["key"] for item in pages(api, sort=sort, limit=1000)]
    assert len(set(whole)) == 32
    assert [item["key"] for item in pages(api, sort=sort, limit=limit)] == whole


def test_names_sort_as_people_count(filled_uri: str) -> None:
    with psycopg.connect(filled_uri) as connection:
        names = ["R10", "R2", "r1", "R-3", "7", "10", "A" + "9" * 30, "ünit 2"]
        rows = connection.execute('select n from unnest(%s::text[]) n order by natural_key(n) collate "C"', (names,))
        assert [row[0] for row in rows] == ["7", "10", "A" + "9" * 30, "R-3", "r1", "R2", "R10", "ünit 2"]


def test_states_search_and_counts_agree(api: httpx.Client) -> None:
    page = get(api, "twins", limit=100)
    states = [item["state"] for item in page["items"]]
    for state, count in page["counts"].items():
        if state not in ("all", "stale"):
            assert states.count(state) == count
    assert page["counts"]["all"] == 32
    assert page["counts"]["no_data"] == page["counts"]["ended"] == 1
    assert [item["key"] for item in get(api, "twins", state="high")["items"]] == ["BR-02", "BR-04"]
    assert [item["key"] for item in get(api, "twins", q="br-07")["items"]] == ["BR-07"]
    assert get(api, "twins", q="%")["items"] == []
    assert get(api, "twins", q="_")["items"] == []
    assert len(get(api, "twins", q="fed-batch")["items"]) > 20
    assert page["items"][0]["alert"]["message"].startswith("Dissolved oxygen")


def test_at_gives_the_latest_estimate_up_to_then(api: httpx.Client) -> None:
    now = get(api, "twins/bioreactor/BR-01")
    at = parse_instant(now["last_event_time"]) - 10 * HOUR
    then = get(api, "twins/bioreactor/BR-01", at=format_instant(at))
    found = parse_instant(then["estimate"]["event_time"])
    assert at - 6 * 60_000_000 < found <= at
    assert not then["live"]
    assert now["live"]
    before = get(api, "twins/bioreactor/BR-01", at="1999-01-01T00:00:00+01:00")
    assert before["estimate"] is None


def test_known_at_decides_between_two_estimates_of_one_time(api: httpx.Client, filled_uri: str) -> None:
    first = get(api, "twins/bioreactor/BR-11")["estimate"]
    when, known = parse_instant(first["event_time"]), parse_instant(first["known_at"])
    with psycopg.connect(filled_uri, autocommit=True) as connection:
        line = connection.execute(
            "select line from effect where topic = %s and partition = %s and rec_offset = %s and n = %s",
            (*first["id"].rsplit("/", 3)[:1], *map(int, first["id"].rsplit("/", 3)[1:])),
        ).fetchone()
        assert line is not None
        for n, late in ((7, HOUR // 60), (8, HOUR // 60)):
            connection.execute(
                "insert into effect (known_at, twin_no, kind, lane, topic, partition, rec_offset, n, event_time,"
                " record_time, line) select %s, no, 'estimate', 'qualified', 'bioreactor.events', 1, %s, 0, %s, %s, %s"
                " from twin where key = 'BR-11'",
                (
                    moment(known + late), 900_000 + n, moment(when), moment(when),
                    line[0].replace(first["id"].encode(), f"bioreactor.events/1/{900_000 + n}/0".encode()),
                ),
            )  # fmt: skip
    try:
        assert get(api, "twins/bioreactor/BR-11")["estimate"]["id"] == "bioreactor.events/1/900008/0"
        then = get(api, "twins/bioreactor/BR-11", known_at=format_instant(known))
        assert then["estimate"]["id"] == first["id"]
    finally:
        with psycopg.connect(filled_uri, autocommit=True) as connection:
            connection.execute("delete from effect where rec_offset in (900007, 900008)")


def test_history_keeps_extremes_and_says_where_each_comes_from(api: httpx.Client, filled_uri: str) -> None:
    coarse = get(api, "history", kind="bioreactor", key="BR-01", points=20)
    fine = get(api, "history", kind="bioreactor", key="BR-01", points=2000)
    for tag, channel in fine["channels"].items():
        values = channel["good"]["value"]
        few = coarse["channels"][tag]["good"]["value"]
        assert (min(values), max(values)) == (min(few), max(few))
        assert len(few) <= 40
        assert channel["count"] == coarse["channels"][tag]["count"]
    good = coarse["channels"]["biomass"]["good"]
    with psycopg.connect(filled_uri) as connection:
        for i in range(0, len(good["t"]), 7):
            row = connection.execute(
                "select r.vals[1], (extract(epoch from r.event_time) * 1e6)::bigint"
                " from reading r join twin t on t.no = r.twin_no where t.key = 'BR-01' and r.rec_offset = %s",
                (good["offset"][i],),
            ).fetchone()
            assert row == (good["value"][i], good["t"][i])
    assert good["t"] == sorted(good["t"])
    assert len(fine["estimates"]["t"]) == 360
    assert len(coarse["estimates"]["t"]) <= 20
    assert len(coarse["estimates"]["quantities"]["biomass"]["low"]) == len(coarse["estimates"]["t"])


def test_decimated_innovations_keep_what_the_gate_refused(api: httpx.Client) -> None:
    every = get(api, "history", kind="bioreactor", key="BR-05", points=2000, part="innovations")["innovations"]
    few = get(api, "history", kind="bioreactor", key="BR-05", points=30, part="innovations")["innovations"]
    refused = every["gate"].count("rejected")
    assert refused
    assert few["gate"].count("rejected") == min(refused, few["gate"].count("rejected"))
    assert few["gate"].count("rejected") > 0
    assert max(few["nis"]) == max(every["nis"])


def test_what_was_not_known_is_not_in_history(api: httpx.Client) -> None:
    now = get(api, "history", kind="bioreactor", key="BR-01")
    known_at = format_instant(now["window"]["end"] - 10 * HOUR)
    then = get(api, "history", kind="bioreactor", key="BR-01", known_at=known_at)
    assert then["window"]["end"] <= parse_instant(known_at)
    assert all(fact["known_at"] <= known_at for fact in then["facts"])
    assert len(then["facts"]) < len(now["facts"])
    looked = get(api, "history", kind="bioreactor", key="BR-01", at=known_at)
    assert max(looked["estimates"]["t"]) <= parse_instant(known_at)
    assert max(looked["channels"]["ph"]["good"]["t"]) > parse_instant(known_at)


def test_a_window_and_tags_can_be_chosen(api: httpx.Client) -> None:
    end = get(api, "history", kind="bioreactor", key="BR-04", part="facts")["window"]["end"]
    body = get(
        api, "history", kind="bioreactor", key="BR-04", start=format_instant(end - HOUR), end=format_instant(end),
        part="channels", tag=HOSTILE_TAG,
    )  # fmt: skip
    assert list(body["channels"]) == [HOSTILE_TAG]
    assert min(body["channels"][HOSTILE_TAG]["good"]["t"]) >= end - HOUR
    assert "estimates" not in body


def test_forecasts_are_the_newest_as_of_a_moment(api: httpx.Client) -> None:
    items = get(api, "forecasts", kind="bioreactor", key="BR-01", limit=3)["items"]
    times = [item["event_time"] for item in items]
    assert times == sorted(times, reverse=True)
    [then] = get(api, "forecasts", kind="bioreactor", key="BR-01", at=times[1])["items"]
    assert then["id"] == items[1]["id"]
    assert len(then["data"]["values"]["biomass"]) == len(then["data"]["at"])


def test_forecasts_of_the_advisory_lane_stand_apart(api: httpx.Client) -> None:
    assert get(api, "forecasts", kind="bioreactor", key="BR-01", lane="qualified")["items"]
    assert get(api, "forecasts", kind="bioreactor", key="BR-01", lane="advisory")["items"] == []
    assert api.get("/api/v1/forecasts?kind=bioreactor&key=BR-01&lane=other").status_code == 400


def test_alerts_open_of_one_and_all_messages(api: httpx.Client) -> None:
    opened = get(api, "alerts")
    assert opened["total"] == 5
    assert [item["last"]["data"]["priority"] for item in opened["items"]][:3] == ["critical", "high", "high"]
    of_one = get(api, "alerts", kind="bioreactor", key="BR-03")["items"]
    assert [alert["open"] for alert in of_one] == [True, False]
    assert len(of_one[1]["messages"]) == 2
    raised = parse_instant(of_one[1]["raised_at"])
    then = get(api, "alerts", kind="bioreactor", key="BR-03", at=format_instant(raised + HOUR // 2))["items"]
    assert [alert["open"] for alert in then] == [True]
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = get(api, "alerts", show="messages", limit=2, cursor=cursor or None)
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == 7


def test_rejects_are_counted_by_reason(api: httpx.Client) -> None:
    body = get(api, "rejects", limit=7)
    assert body["counts"]["total"] == 40
    assert {reason["reason"] for reason in body["counts"]["reasons"]} == {"malformed", "unit", "duplicate"}
    assert len(body["items"]) == 7
    assert get(api, "rejects", limit=7, cursor=body["next"])["items"][0]["id"] not in [
        one["id"] for one in body["items"]
    ]


def test_corrections_are_none_where_no_twin_gave_any(api: httpx.Client) -> None:
    body = get(api, "corrections")
    assert body == {"items": [], "next": None}


def test_status_tells_lag_and_readiness(api: httpx.Client) -> None:
    status = get(api, "status")
    assert len(status["partitions"]) == 8
    assert status["rejects"]["total"] == 40
    assert api.get("/readyz").json()["ok"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("twins/bioreactor/nobody", 404),
        ("twins/bioreactor/a/b?at=2026-01-01T00:00:00Z", 404),
        ("twins/bioreactor/%00", 400),
        ("twins/bioreactor/BR-01?at=yesterday", 400),
        ("twins/bioreactor/BR-01?at=2026-01-01T00:00:00", 400),
        ("twins?limit=0", 400),
        ("twins?sort=evil", 400),
        ("twins?cursor=WzFd", 400),
        ("twins?cursor=%C3%A9", 400),
        ("history?kind=bioreactor", 400),
        ("history?kind=bioreactor&key=BR-01&points=100000", 400),
        ("history?kind=bioreactor&key=BR-01&start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", 400),
        ("history?kind=bioreactor&key=BR-01&start=1980-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", 400),
        ("alerts?key=BR-01", 400),
        ("alerts?at=2026-01-01T00:00:00Z", 400),
        ("alerts?show=messages&cursor=WyJ4IiwidCIsMSwxLDFd", 400),
        ("rejects?cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsInQiLDEsOTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LDFd", 400),
        ("jobs/nobody", 404),
        ("nothing", 404),
    ],
)
def test_wrong_requests_get_a_problem(api: httpx.Client, path: str, status: int) -> None:
    answer = api.get(f"/api/v1/{path}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["detail"]
    assert "Traceback" not in answer.text


def test_an_unescaped_plus_in_a_time_is_understood(api: httpx.Client) -> None:
    assert api.get("/api/v1/twins/bioreactor/BR-01?at=2199-01-01T00:00:00+01:00").status_code == 200


def test_alarm_figures_of_a_period_with_their_verdicts(api: httpx.Client) -> None:
    whole = get(api, "alarms/kpis", kind="bioreactor")
    [one] = whole["operators"]
    assert (one["operator"], one["alarms"], one["suppressed"]) == ("all", 6, 0)
    assert len(one["standing"]) == 5
    assert one["priorities"] == {"low": 1, "medium": 2, "high": 2, "critical": 1}
    assert one["figures"]["alarms_per_day"] == {"value": 6 / 30, "verdict": "acceptable"}
    assert one["figures"]["critical_percent"]["verdict"] == "over"
    assert set(whole["named"]) == {*one["standing"], *one["stale"]}
    open_ones = {item["alert"]: item for item in get(api, "alerts", kind="bioreactor")["items"]}
    for name in one["standing"]:
        said = whole["named"][name]
        assert (said["unit"], said["raised_at"]) == (open_ones[name]["key"], open_ones[name]["raised_at"])
        assert said["cleared_at"] is None
    assert whole["targets"]["alarms_per_day"] == {"acceptable": 150, "manageable": 300, "below": False}
    assert set(whole["targets"]) >= {name for name, figure in one["figures"].items() if figure["verdict"]}
    by_unit = get(api, "alarms/kpis", operators="unit")["operators"]
    assert sum(unit["alarms"] for unit in by_unit) == 6
    assert [unit["operator"] for unit in by_unit] == sorted(unit["operator"] for unit in by_unit)
    before = get(api, "alarms/kpis", end="2020-01-01T00:00:00Z")
    assert before["operators"] == []
    assert get(api, "alarms/kpis", kind="enrollment")["operators"] == []
    for wrong in ("start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", "zone_minutes=9000", "operators=nobody"):
        assert api.get(f"/api/v1/alarms/kpis?{wrong}").status_code in (400, 422)


def test_openapi_names_every_route(api: httpx.Client) -> None:
    paths = api.get("/api/v1/openapi.json").json()["paths"]
    for path in (
        "twins",
        "twins/{kind}/{key}",
        "history",
        "forecasts",
        "requests",
        "alerts",
        "alarms/kpis",
        "corrections",
        "events",
        "stream",
    ):
        assert f"/api/v1/{path}" in paths


def test_a_database_that_is_away_is_503_with_what_to_do() -> None:
    site = Site("postgresql://nobody@127.0.0.1:1/none")
    with contextlib.closing(site), httpx.Client(base_url=site.url, timeout=20) as api:
        assert api.get("/healthz").status_code == 200
        answer = api.get("/api/v1/twins")
        assert answer.status_code == 503
        assert "twinstream doctor" in answer.json()["detail"]
        assert api.get("/readyz").json()["checks"]["ledger"].startswith("the database does not answer")
