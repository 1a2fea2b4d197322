"""The figures of ISA-18.2 and EEMUA 191: exact edges, and a slow reading of the definitions as their oracle."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InvalidFieldError, SettingsError
from schemas.instants import DAY, HOUR, MINUTE, SECOND
from twins.alarming import AlarmRecord, KpiSettings, OperatorReport, Period, assess, period_of
from twins.alarming.floods import Flood, Windows
from twins.alarming.kpis import BARS, PRIORITIES, Bar
from twins.alarming.nuisance import Source

TEN = 10 * MINUTE


def alarm(name: object, at: int, clear: int | None = None, **other: Any) -> AlarmRecord:
    fields: dict[str, Any] = {"rule": "ph.high", "unit": "BR-1", "operator": "north", "priority": "low"}
    return AlarmRecord(id=str(name), raised_at=at, cleared_at=clear, **{**fields, **other})


def raised(instants: list[int], **other: Any) -> list[AlarmRecord]:
    return [alarm(f"{at}#{n}", at, at + 5 * MINUTE, **other) for n, at in enumerate(instants)]


def one(records: list[AlarmRecord], period: Period | None = None, **chosen: Any) -> OperatorReport:
    (report,) = assess(records, period or period_of(0, DAY), KpiSettings(**chosen))
    return report


@pytest.mark.parametrize(
    ("count", "verdict"), [(150, "acceptable"), (151, "manageable"), (300, "manageable"), (301, "over")]
)
def test_alarms_a_day_are_judged_at_150_and_300(count: int, verdict: str) -> None:
    report = one(raised([n * DAY // count for n in range(count)]))
    figure = report.figures["alarms_per_day"]
    assert (figure.value, figure.verdict) == (count, verdict)


@pytest.mark.parametrize(
    ("name", "hours", "count", "verdict"),
    [
        ("alarms_per_hour", 1, 6, "acceptable"),
        ("alarms_per_hour", 1, 7, "manageable"),
        ("alarms_per_hour", 1, 12, "manageable"),
        ("alarms_per_hour", 1, 13, "over"),
        ("alarms_per_10_minutes", 10, 60, "acceptable"),
        ("alarms_per_10_minutes", 10, 61, "manageable"),
        ("alarms_per_10_minutes", 10, 121, "over"),
    ],
)
def test_averages_an_hour_and_ten_minutes_have_bars_of_their_own(
    name: str, hours: int, count: int, verdict: str
) -> None:
    report = one(raised([n * hours * HOUR // count for n in range(count)]), period_of(0, hours * HOUR))
    assert report.figures[name].verdict == verdict


@pytest.mark.parametrize(("begins_at", "count", "floods"), [(10, 9, 0), (10, 10, 1), (11, 10, 0), (11, 11, 1)])
@pytest.mark.parametrize("windows", ["fixed", "sliding"])
def test_ten_or_more_than_ten_is_a_setting(windows: Windows, begins_at: int, count: int, floods: int) -> None:
    report = one(raised([n * SECOND for n in range(count)]), windows=windows, flood_begins_at=begins_at)
    assert len(report.floods) == floods


def test_a_fixed_window_begins_with_its_first_instant_and_ends_before_its_last() -> None:
    inside = [TEN + n for n in range(9)] + [2 * TEN - 1]
    assert one(raised(inside)).floods == (Flood(TEN, 2 * TEN, 10, 10, over=True),)
    assert one(raised([*inside[:-1], 2 * TEN])).floods == ()
    assert one(raised([TEN - 1, *inside[1:]])).floods == ()


def test_a_sliding_window_has_lost_what_is_exactly_ten_minutes_old() -> None:
    first = [n * SECOND for n in range(9)]
    assert one(raised([*first, TEN - 1]), windows="sliding").floods[0].start == TEN - 1
    assert one(raised([*first, TEN]), windows="sliding").floods == ()
    # fixed windows cut the same burst in two
    burst = [TEN - n for n in range(1, 6)] + [TEN + n for n in range(5)]
    assert one(raised(burst), windows="fixed").floods == ()
    assert len(one(raised(burst), windows="sliding").floods) == 1


def test_a_flood_ends_below_five() -> None:
    burst = list(range(10))
    five = [TEN + n for n in range(5)]
    four = [2 * TEN + n for n in range(4)]
    assert one(raised(burst + five + four)).floods == (Flood(0, 2 * TEN, 15, 10, over=True),)
    assert one(raised(burst + five[:4])).floods == (Flood(0, TEN, 10, 10, over=True),)
    # sliding: 10 at 0..9, so at TEN + 5 there are 4 of them left
    assert one(raised(burst), windows="sliding").floods == (Flood(9, TEN + 5, 10, 10, over=True),)
    # with one more at 5 min there are 4 left one instant later
    assert one(raised([*burst, TEN // 2]), windows="sliding").floods[0].end == TEN + 6


def test_an_alarm_at_the_very_end_of_a_flood_is_not_of_it_nor_is_an_end_at_that_of_the_period() -> None:
    records = raised([0] * 10 + [TEN])
    assert one(records, windows="sliding").floods == (Flood(0, TEN, 10, 10, over=True),)
    for end, over in ((TEN, False), (TEN + 1, True)):
        (flood,) = one(records[:10], period_of(0, end), windows="sliding").floods
        assert flood == Flood(0, TEN, 10, 10, over)


@pytest.mark.parametrize("windows", ["fixed", "sliding"])
def test_a_flood_at_the_end_is_open_and_its_time_counts(windows: Windows) -> None:
    period = period_of(0, 100 * MINUTE)
    report = one(raised([95 * MINUTE] * 12), period, windows=windows)
    (flood,) = report.floods
    assert not flood.over
    assert flood.end == period.end
    assert report.figures["flood_percent"].value == (10 if windows == "fixed" else 5)
    assert report.figures["flood_percent"].verdict == "over"


def test_one_percent_of_time_in_flood_is_too_much_and_less_is_not() -> None:
    burst = raised([0] * 10)
    assert one(burst, period_of(0, 100 * TEN)).figures["flood_percent"].value == 1
    assert one(burst, period_of(0, 100 * TEN)).figures["flood_percent"].verdict == "over"
    assert one(burst, period_of(0, 100 * TEN + 1)).figures["flood_percent"].verdict == "acceptable"


@pytest.mark.parametrize(("last", "chatters"), [(MINUTE - 1, True), (MINUTE, False)])
def test_three_within_a_minute_chatter(last: int, chatters: bool) -> None:
    records = raised([0, 30 * SECOND, last])
    assert one(records).chattering == ((Source("BR-1", "ph.high"),) if chatters else ())
    other = [*records[:2], alarm("x", last, unit="BR-2")]
    assert one(other).chattering == ()  # two sources
    assert one(records[:2]).chattering == ()
    assert one(records[:2], chattering_count=2).chattering != ()


@pytest.mark.parametrize(("held", "fleets"), [(MINUTE - 1, True), (MINUTE, False)])
def test_one_that_clears_within_a_minute_is_fleeting(held: int, fleets: bool) -> None:
    report = one([alarm("a", 5, 5 + held)])
    assert report.fleeting == ((Source("BR-1", "ph.high"),) if fleets else ())
    assert report.figures["fleeting"].verdict == ("over" if fleets else "acceptable")
    assert one([alarm("a", 5, None)]).fleeting == ()


def test_what_chatters_is_not_fleeting_as_well() -> None:
    report = one([alarm(n, n * 10 * SECOND, n * 10 * SECOND + 1) for n in range(3)])
    assert len(report.chattering) == 1
    assert report.fleeting == ()


def test_an_alarm_is_stale_after_more_than_a_day() -> None:
    period = period_of(0, 3 * DAY)
    assert one([alarm("a", HOUR, HOUR + DAY)], period).stale == ()
    assert one([alarm("a", HOUR, HOUR + DAY + 1)], period).stale == ("a",)
    assert one([alarm("a", -2 * DAY, 1)], period).stale == ("a",)  # raised before the period
    assert one([alarm("a", 2 * DAY, None)], period).stale == ()  # a day old only when the period ends
    assert one([alarm("a", 2 * DAY - 1, None)], period).stale == ("a",)


@pytest.mark.parametrize(("count", "verdict"), [(4, "acceptable"), (5, "over")])
def test_five_stale_alarms_on_a_day_are_too_many(count: int, verdict: str) -> None:
    period = period_of(0, 3 * DAY)
    together = [alarm(n, 0, 2 * DAY) for n in range(count)]
    assert one(together, period).figures["stale_peak"].verdict == verdict
    # four on one day, and one on the next: never five on a day
    apart = [alarm(n, 0, 2 * DAY) for n in range(4)] + [alarm("x", DAY, 3 * DAY)]
    assert one(apart, period).figures["stale_peak"].value == 4


def test_standing_alarms_are_those_not_cleared_by_the_end() -> None:
    records = [alarm("a", -5, None), alarm("b", 5, DAY), alarm("c", 5, DAY - 1), alarm("d", DAY, None)]
    assert one(records).standing == ("a", "b")


def test_the_share_of_the_ten_most_frequent() -> None:
    many = [alarm(f"{n}/{k}", (n + 100 * k) * MINUTE, rule=f"r{n:03}") for n in range(100) for k in range(10)]
    assert (one(many, period_of(0, 7 * DAY)).figures["top_10_percent"].value) == 10
    bad = many + [alarm(f"bad{n}", n * MINUTE, rule="r000") for n in range(1000)]
    report = one(bad, period_of(0, 7 * DAY))
    assert report.figures["top_10_percent"].value == 100 * (1010 + 90) / 2000
    assert report.figures["top_10_percent"].verdict == "over"
    assert report.most_frequent[0] == (Source("BR-1", "r000"), 1010)
    assert [source.rule for source, _ in report.most_frequent[1:]] == [f"r{n:03}" for n in range(1, 10)]
    few = one([alarm(n, n, rule=f"r{n}") for n in range(10)])
    assert few.figures["top_10_percent"].verdict is None


def test_priorities_are_held_against_80_15_5() -> None:
    def shares(*counts: int) -> dict[str, Any]:
        names = [name for name, count in zip(PRIORITIES, counts, strict=True) for _ in range(count)]
        report = one([alarm(n, n, priority=name) for n, name in enumerate(names)])
        assert tuple(report.priorities.values()) == counts
        return {name: report.figures[f"{name}_percent"].verdict for name in ("above_low", "above_medium", "critical")}

    fine = {"above_low": "acceptable", "above_medium": "acceptable", "critical": "acceptable"}
    assert shares(80, 15, 5, 0) == fine
    assert shares(95, 4, 1, 0) == fine
    assert shares(79, 16, 5, 0) == {**fine, "above_low": "over"}
    assert shares(80, 14, 6, 0) == {**fine, "above_medium": "over"}
    assert shares(80, 15, 4, 1) == {**fine, "critical": "over"}


def test_peaks_by_day_hour_and_ten_minutes() -> None:
    instants = [DAY - 1] + [DAY + n * 6 * MINUTE for n in range(30)]
    report = one(raised(instants), period_of(0, 2 * DAY))
    assert report.figures["peak_per_day"].value == 30
    assert report.figures["peak_per_day"].verdict is None
    assert report.figures["peak_per_hour"].value == 10
    assert report.figures["peak_per_10_minutes"].value == 2
    hour = one(raised(list(range(31))), period_of(0, 100 * HOUR))
    assert hour.figures["hours_over_30_percent"].value == 1
    assert one(raised(list(range(30))), period_of(0, 100 * HOUR)).figures["hours_over_30_percent"].value == 0
    ten = one(raised(list(range(11))), period_of(0, 100 * TEN))
    assert ten.figures["ten_minutes_over_10_percent"].value == 1
    assert ten.figures["peak_per_10_minutes"].verdict == "over"
    ten = one(raised(list(range(10))), period_of(0, 100 * TEN))
    assert ten.figures["ten_minutes_over_10_percent"].value == 0
    assert ten.figures["peak_per_10_minutes"].verdict == "acceptable"


def test_days_are_those_of_the_zone_even_where_one_has_23_hours() -> None:
    # Berlin, 29 March 2026: the day of the spring clock change begins at 23:00 UTC and ends at 22:00
    start = 1_774_738_800 * SECOND  # 2026-03-28T23:00Z
    change = Period(start - DAY, start + 23 * HOUR, (start - DAY, start, start + 23 * HOUR))
    report = one(raised([start - 1, start, start + 23 * HOUR - 1]), change)
    assert report.figures["peak_per_day"].value == 2
    assert report.figures["alarms_per_day"].value == pytest.approx(3 * 24 / 47)
    assert period_of(start - DAY, start, 60).days == (start - DAY, start)
    assert period_of(start - DAY, start, 0).days == (start - DAY - 23 * HOUR, start - 23 * HOUR, start + HOUR)


def test_alarms_belong_to_the_period_in_which_they_were_raised() -> None:
    report = one([alarm("a", -1, 5), alarm("b", 0, 5), alarm("c", DAY - 1, None), alarm("d", DAY, None)])
    assert report.alarms == 2


def test_suppressed_alarms_count_only_as_such() -> None:
    hidden = [alarm(n, n, None, suppressed=True) for n in range(50)]
    report = one([*hidden, alarm("x", 5, None, acknowledged_at=9), alarm("y", 5, None)])
    assert (report.alarms, report.suppressed, report.unacknowledged) == (2, 50, 1)
    assert report.floods == ()
    assert report.standing == ("x", "y")
    assert report.chattering == ()


def test_each_operator_has_figures_of_their_own() -> None:
    records = [*raised([1, 2, 3]), alarm("s", 4, operator="south")]
    reports = assess(records, period_of(0, DAY))
    assert [(report.operator, report.alarms) for report in reports] == [("north", 3), ("south", 1)]
    assert assess([], period_of(0, DAY)) == ()


def test_an_operator_whose_alarms_were_all_suppressed_has_no_shares() -> None:
    report = one([alarm("a", 1, 2, suppressed=True)])
    assert set(BARS) - set(report.figures) == {
        "top_10_percent", "above_low_percent", "above_medium_percent", "critical_percent",
    }  # fmt: skip
    assert {figure.verdict for figure in report.figures.values()} == {"acceptable", None}


def slow_floods(instants: list[int], end: int, windows: str, begins: int, ends: int) -> list[tuple[int, int]]:
    """Instant by instant (sliding) or window by window (fixed)."""
    width = 60
    found: list[tuple[int, int]] = []
    start: int | None = None
    for now in range(0, end, width if windows == "fixed" else 1):
        if windows == "fixed":
            count = sum(now <= at < now + width for at in instants)
        else:
            count = sum(now - width < at <= now for at in instants)
        if start is None and count >= begins:
            start = now
        elif start is not None and count < ends:
            found.append((start, now))
            start = None
    return found if start is None else [*found, (start, end)]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 399) | st.sampled_from([0, 1, 59, 60, 61, 119, 120, 121, 180]), max_size=40),
    st.sampled_from(["fixed", "sliding"]),
    st.sampled_from([(3, 2), (4, 4), (5, 1), (2, 2)]),
    st.sampled_from([400, 420, 437]),
)
def test_floods_agree_with_a_slow_reading(
    instants: list[int], windows: Windows, edges: tuple[int, int], end: int
) -> None:
    unit = TEN // 60  # so that ten minutes are 60 steps
    period = period_of(0, end * unit)
    reports = assess(
        raised([at * unit for at in instants]),
        period,
        KpiSettings(windows=windows, flood_begins_at=edges[0], flood_ends_below=edges[1]),
    )
    expected = slow_floods(instants, end, windows, *edges)
    found = reports[0].floods if reports else ()
    assert [(flood.start // unit, flood.end // unit) for flood in found] == expected
    for flood, (start, stop) in zip(found, expected, strict=True):
        lead = 0 if windows == "fixed" else 60 - 1
        assert flood.alarms == sum(start - lead <= at < stop for at in instants)
        counts = (
            [sum(now <= at < now + 60 for at in instants) for now in range(start, stop, 60)]
            if windows == "fixed"
            else [sum(now - 60 < at <= now for at in instants) for now in range(start, stop)]
        )
        assert flood.peak == max(counts)
    share = sum(stop - start for start, stop in expected) / end
    if reports:
        assert reports[0].figures["flood_percent"].value == pytest.approx(100 * share)


RECORDS = st.lists(
    st.builds(
        lambda at, held, rule, unit, operator, priority, hidden: (at, held, rule, unit, operator, priority, hidden),
        st.integers(-200, 400),
        st.none() | st.integers(0, 300),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["u", "v"]),
        st.sampled_from(["north", "south"]),
        st.sampled_from(PRIORITIES),
        st.booleans(),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(RECORDS, st.sampled_from([(2, 10), (3, 25)]), st.integers(1, 30), st.integers(20, 150))
def test_figures_agree_with_a_slow_reading(
    rows: list[tuple[Any, ...]], chatter: tuple[int, int], fleeting: int, stale: int
) -> None:
    start, end, days = 0, 300, (-10, 90, 200, 310)
    records = [
        AlarmRecord(str(n), rule, unit, operator, priority, at, None if held is None else at + held, None, hidden)
        for n, (at, held, rule, unit, operator, priority, hidden) in enumerate(rows)
    ]
    chosen = KpiSettings(
        chattering_count=chatter[0], chattering_width=chatter[1], fleeting_width=fleeting, stale_after=stale
    )
    reports = assess(records, Period(start, end, days), chosen)
    assert [report.operator for report in reports] == sorted({record.operator for record in records})
    for report in reports:
        mine = [record for record in records if record.operator == report.operator and not record.suppressed]
        shown = [record for record in mine if start <= record.raised_at < end]
        assert report.alarms == len(shown)
        chattering: set[str] = set()
        for record in shown:
            group = [
                other.id
                for other in shown
                if (other.unit, other.rule) == (record.unit, record.rule)
                and 0 <= other.raised_at - record.raised_at < chatter[1]
            ]
            chattering |= set(group) if len(group) >= chatter[0] else set()
        named = {(record.unit, record.rule) for record in shown if record.id in chattering}
        assert set(report.chattering) == named
        brief = {
            (record.unit, record.rule)
            for record in shown
            if record.cleared_at is not None
            and record.cleared_at - record.raised_at < fleeting
            and record.id not in chattering
        }
        assert set(report.fleeting) == brief

        def stands(record: AlarmRecord, now: float) -> bool:
            return record.raised_at <= now and (record.cleared_at is None or now < record.cleared_at)

        by_day = [
            {
                record.id
                for record in mine
                for now in range(max(first, start), min(last, end))
                if stands(record, now + 0.5) and now + 0.5 - record.raised_at > stale
            }
            for first, last in pairwise(days)
        ]
        assert report.figures["stale_peak"].value == max(map(len, by_day))
        assert set(report.stale) == set().union(*by_day)
        counts = Counter((record.unit, record.rule) for record in shown)
        assert dict(report.most_frequent) == dict(counts)
        assert report.figures["peak_per_day"].value == max(
            sum(first <= record.raised_at < last for record in shown) for first, last in pairwise(days)
        )
        assert set(report.standing) == {record.id for record in mine if stands(record, end - 0.5)}


@settings(deadline=None)
@given(RECORDS, st.randoms(use_true_random=False))
def test_the_order_of_records_changes_nothing(rows: list[tuple[Any, ...]], random: Any) -> None:
    records = [
        AlarmRecord(str(n), rule, unit, operator, priority, at, None if held is None else at + held, None, hidden)
        for n, (at, held, rule, unit, operator, priority, hidden) in enumerate(rows)
    ]
    shuffled = random.sample(records, len(records))
    period = Period(0, 300, (0, 300))
    assert assess(shuffled, period) == assess(records, period)


def test_bars_say_at_or_below() -> None:
    assert [Bar(1, 2).judge(value) for value in (1, 1.01, 2, 2.01)] == [
        "acceptable", "manageable", "manageable", "over",
    ]  # fmt: skip
    assert [Bar(1, below=True).judge(value) for value in (0.99, 1)] == ["acceptable", "over"]


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([alarm("a", 5, 4)], "cleared_at"),
        ([alarm("a", 5, None, acknowledged_at=4)], "acknowledged_at"),
        ([alarm("a", 5), alarm("a", 6)], "a again"),
    ],
)
def test_records_that_contradict_themselves_are_refused(records: list[AlarmRecord], says: str) -> None:
    with pytest.raises(InvalidFieldError, match=says):
        assess(records, period_of(0, DAY))


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [(5, 5, (0, 10)), (0, 10, (0, 9)), (0, 10, (1, 10)), (0, 10, (0, 5, 5, 10)), (0, 10, (0,))],
)
def test_a_period_that_cannot_be_is_refused(start: int, end: int, days: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError):
        Period(start, end, days)


@pytest.mark.parametrize(
    "chosen",
    [
        {"windows": "rolling"},
        {"flood_begins_at": 4},
        {"flood_ends_below": 0},
        {"chattering_count": 1},
        {"stale_after": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(chosen: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        KpiSettings(**chosen)
