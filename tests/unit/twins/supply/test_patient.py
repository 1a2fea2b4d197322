"""A patient's twin: alerts raised and cleared, what the network is told, corrections, and the time of what is said."""

from __future__ import annotations

from typing import Any, Literal

from schemas import supply as s
from schemas.instants import parse_instant
from tests.support.supply_story import BEGAN, Story
from tests.unit.twins.supply.telling import Teller, alerts, consequences, order, refusals, times, withdraw

KEY = "patient:A"
HOUR = 3_600_000_000


def exposed(units: tuple[str, ...] = ("bag-A",), plate: str = "PL") -> s.Exposed:
    when = "2026-03-02T08:00:00Z"
    return s.Exposed(room="R1", first=when, after=when, plate=plate, cfu=5.0, limit=1.0, units=units)


def at_risk(standing: bool, warned: bool) -> s.BoxAtRisk:
    return s.BoxAtRisk(
        shipper="B1", units=("bag-A",), standing=standing, warned=warned, p_warm=0.9, limit_celsius=-130.0,
        hours_to_limit=(1.0, 2.0, 3.0), reason="it warms",
    )  # fmt: skip


def test_an_exposure_is_raised_at_once_and_cleared_by_the_room_or_a_withdrawal() -> None:
    made, told = Story(), Teller()
    first = made.tell(1, KEY, exposed())
    assert alerts(told.tell(first), "exposed.R1.PL") == ["raise"]
    assert alerts(told.tell(made.tell(2, KEY, exposed(()))), "exposed.R1.PL") == ["clear"]
    second = made.tell(3, KEY, exposed())
    assert alerts(told.tell(second), "exposed.R1.PL") == ["raise"]
    assert alerts(told.tell(withdraw(second, 1)), "exposed.R1.PL") == ["clear"]


def test_a_box_is_raised_updated_and_cleared_by_its_newest_word() -> None:
    made, told = Story(), Teller()
    assert alerts(told.tell(made.tell(1, KEY, at_risk(True, False))), "box.B1") == ["raise"]
    assert alerts(told.tell(made.tell(2, KEY, at_risk(True, True))), "box.B1") == ["update"]
    assert alerts(told.tell(made.tell(1.5, KEY, at_risk(False, False))), "box.B1") == []  # late, and older
    assert alerts(told.tell(made.tell(3, KEY, at_risk(False, False))), "box.B1") == ["clear"]


def test_a_slot_at_risk_is_cleared_once_nobody_waits_for_it() -> None:
    made, told = Story(), Teller()
    early = "2026-03-10T00:00:00Z"  # the legs take 24 days
    assert alerts(told.tell(made.tell(0, KEY, order("A", slot=early))), "slot.infusion") == ["raise"]
    assert alerts(told.tell(made.tell(30, KEY, s.Treated(what="cancelled"))), "slot.infusion") == ["clear"]


def test_a_stop_is_critical_and_no_fact_of_another_patient_is_taken_for_this_one() -> None:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, order("A")))
    said = told.tell(made.scan(1, "A", "apheresis", coiBag="B", coiOrder="A", coiWristband="A"))
    stops = [one for one in said if one.kind == "alert" and one.data["rule"].startswith("stop.")]
    assert stops, said
    assert {(one.data["action"], one.data["priority"]) for one in stops} == {("raise", "critical")}


def test_what_is_expected_is_as_of_the_newest_fact_whatever_its_kind() -> None:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, order("A")))
    said = told.tell(made.tell(50, KEY, s.SlotBooked(what="infusion", at="2026-04-20T00:00:00Z")))
    (forecast,) = [one for one in said if one.kind == "forecast"]
    assert parse_instant(forecast.event_time) >= BEGAN + 50 * HOUR
    assert parse_instant(forecast.data["infusion"][0]) >= BEGAN + 50 * HOUR


def test_the_network_is_told_of_each_step_once_and_last_that_the_patient_left() -> None:
    made, told, network = Story(), Teller(), "network:N1"
    told.tell(made.tell(0, KEY, order("A")))
    told.tell(made.scan(70, "A", "apheresis"), made.scan(71, "A", "apheresis"))
    told.tell(made.scan(95, "A", "receipt"), made.tell(95, KEY, s.Treated(what="cancelled")))
    moved = consequences(told.effects, "supply.moved")
    assert [(subject, one.step) for subject, one in moved] == [
        (network, "apheresis"), (network, "receipt"), (network, None),
    ]  # fmt: skip
    assert [one.leg_hours for _, one in moved] == [70.0, 25.0, None]  # from the first scan of each step
    at = times(told.effects)
    assert at == sorted(set(at))  # of two words the network believes the later: no two are of one time


def test_a_scan_that_was_withdrawn_puts_the_patient_back_and_teaches_no_leg_twice() -> None:
    made, told = Story(), Teller()
    wrong = made.scan(95, "A", "receipt")
    told.tell(made.tell(0, KEY, order("A")), made.scan(70, "A", "apheresis"), wrong)
    told.tell(withdraw(wrong, 1, 1))
    said = [one for one in told.effects if one.kind == "consequence"]
    assert [one.data["data"]["step"] for one in said] == ["apheresis", "receipt", "apheresis"]
    assert parse_instant(said[2].event_time) > parse_instant(said[1].event_time)
    assert said[2].data["data"]["leg_hours"] is None


def test_a_patient_of_whom_no_scan_is_left_is_nowhere_in_the_network() -> None:
    made, told = Story(), Teller()
    wrong = made.scan(70, "A", "apheresis")
    told.tell(made.tell(0, KEY, order("A")), wrong, withdraw(wrong, 1))
    assert [one.step for _, one in consequences(told.effects, "supply.moved")] == ["apheresis", None]


def test_the_newest_word_on_a_leg_holds_and_one_that_was_withdrawn_does_not() -> None:
    def learned(hours: float) -> s.LegsLearned:
        quantiles = (hours * 0.9, hours, hours * 1.1)
        return s.LegsLearned((0.05, 0.5, 0.95), (s.LegExpected("apheresis", "", "", quantiles, 9),))

    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, order("A")), made.tell(2, KEY, learned(500.0)), made.tell(1, KEY, learned(5.0)))
    word = told.effects[-1].data["legs"][0]
    assert word["learned_from"] == 9
    assert word["hours"][2] > 400
    said = told.tell(withdraw(made.events[1], 1, 1))
    (forecast,) = [one for one in said if one.kind == "forecast"]
    assert forecast.data["legs"][0]["learned_from"] == 0  # the plan, until the next word


def test_silence_is_spoken_of_only_now_and_then_and_only_where_the_wall_counts() -> None:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, order("A", clock="wall")), made.tell(0, "patient:B", order("B")))
    for hour in (1, 11, 13, 14):
        made.passed(hour)
    counts = [
        [(one.key, one.kind) for one in told.tell(event) if one.kind == "forecast"] for event in made.events[2:]
    ]  # fmt: skip
    assert counts[0] == counts[1] == counts[3] == []
    assert (KEY, "forecast") in counts[2]


def test_facts_that_cannot_be_used_name_their_field_and_change_nothing() -> None:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, order("A")))
    before = told.block.snapshot()
    bad = [
        (s.SlotBooked(what="infusion", at="tomorrow"), "at"), (order("A", slot="2026-13-01T00:00:00Z"), "slot"),
        (order("A", latest="x"), "latest"), (s.Milestone(status="booked", step="receipt", expected="soon"), "expected"),
        (s.Exposed(room="R", first="x", after="x", plate="P", cfu=1.0, limit=1.0, units=()), "first"),
        (s.ShipperTipped(tipped=True), "type"),
    ]  # fmt: skip
    for data, field in bad:
        assert [where for _, where in refusals(told.tell(made.tell(1, KEY, data)))] == [field], field
    assert told.block.snapshot() == before


def test_it_goes_on_from_a_snapshot_as_if_nothing_had_been() -> None:
    made, told = Story(), Teller()
    made.patient("A", 0.0)
    told.tell(*made.events[:4], made.tell(75, KEY, at_risk(True, True)))
    other = told.restored()
    rest = [*made.events[4:6], made.tell(120, KEY, s.Treated(what="infused"))]
    assert [one.data for one in other.tell(*rest)] == [one.data for one in told.tell(*rest)]
    assert other.block.snapshot() == told.block.snapshot()


def decided(stop: str, decision: Literal["go_on", "end"] = "go_on") -> s.StopDecided:
    return s.StopDecided(stop=stop, decision=decision, by="QA", reason="looked into")


def test_quality_s_word_on_an_exposure_holds_until_the_room_says_more() -> None:
    made, told = Story(), Teller()
    rule = "exposed.R1.PL"
    told.tell(made.tell(1, KEY, exposed()), made.tell(1, KEY, exposed(plate="P2")))
    word = made.tell(2, KEY, decided(rule))
    assert alerts(told.tell(word), rule) == ["clear"]
    assert alerts(told.effects, "exposed.R1.P2") == ["raise"]  # of another plate nobody decided
    assert alerts(told.tell(made.tell(3, KEY, exposed(("bag-A", "bag-B")))), rule) == ["raise"]
    assert alerts(told.tell(made.tell(4, KEY, decided(rule))), rule) == ["clear"]


def test_quality_s_word_on_an_exposure_counts_in_any_order_and_may_be_withdrawn() -> None:
    made, told = Story(), Teller()
    first, word = made.tell(1, KEY, exposed()), made.tell(2, KEY, decided("exposed.R1.PL"))
    assert alerts(told.tell(word, first), "exposed.R1.PL") == []
    other = Teller()
    other.tell(first, word)
    assert other.block.belief(KEY) == told.block.belief(KEY)
    assert alerts(told.tell(withdraw(word, 1)), "exposed.R1.PL") == ["raise"]


def test_a_journey_that_was_ended_is_expected_no_more_and_its_cells_may_not_move() -> None:
    made, told, network = Story(), Teller(), "network:N1"
    told.tell(made.tell(0, KEY, order("A")), made.scan(70, "A", "apheresis"))
    said = told.tell(made.tell(80, KEY, decided("supply.events/1/5/2", "end")))
    assert not [one for one in said if one.kind == "forecast"]
    assert [(subject, one.step) for subject, one in consequences(said, "supply.moved")] == [(network, None)]
    (estimate,) = [one.data for one in said if one.kind == "estimate"]
    assert (estimate["ended"]["by"], estimate["ended"]["reason"]) == ("QA", "looked into")
    moved = told.tell(made.scan(95, "A", "receipt"))
    assert alerts(moved, "ended") == ["raise"]
    assert told.state(KEY).inner.talk.raised["ended"].priority == "critical"
    given = told.tell(made.tell(100, KEY, s.Treated(what="infused")))
    assert not [one for one in given if one.kind == "forecast"]
    back = told.tell(made.tell(101, KEY, decided("supply.events/1/5/2")))
    assert alerts(back, "ended") == ["clear"]  # taken back by a later decision on the same stop
    assert told.restored().block.belief(KEY) == told.block.belief(KEY)


def test_the_network_hears_how_a_patient_left_and_hears_it_again_where_that_changes() -> None:
    made, told = Story(), Teller()
    told.tell(made.tell(0, KEY, order("A")), made.scan(70, "A", "apheresis", releasedBy="N", receivedBy="C"))
    infused = made.tell(70 + 24 * 21, KEY, s.Treated(what="infused"))
    (left,) = consequences(told.tell(infused), "supply.moved")
    assert left[1].vein_to_vein_days == 21.0
    assert left[1].out_of_specification is None  # nobody tested
    passed = made.tell(600, KEY, s.Tested(test="sterility", result="passed"))
    failed = made.tell(601, KEY, s.Tested(test="viability", result="failed"))
    said = [one.out_of_specification for _, one in consequences(told.tell(passed, failed), "supply.moved")]
    assert said == [False, True]
    assert consequences(told.tell(made.tell(602, KEY, s.Tested(test="other", result="passed"))), "supply.moved") == []
    assert [one.out_of_specification for _, one in consequences(told.tell(withdraw(failed, 1)), "supply.moved")] == [
        False
    ]


def ordered(departs: s.Departures | None) -> s.TherapyOrdered:
    legs = (s.PlannedLeg("apheresis", 1.0), s.PlannedLeg("receipt", 1.0, "L", "Q", departs=departs))
    return s.TherapyOrdered(product="urgent", order="A", site="S", network="N1", legs=legs, clock="source")


def legs_of(effects: list[Any]) -> dict[str, list[float]]:
    (*_, newest) = [one.data for one in effects if one.kind == "forecast"]
    return {one["step"]: one["hours"] for one in newest["legs"]}


def test_a_leg_waits_for_its_departure_and_is_learned_without_the_wait() -> None:
    made, plain, told = Story(), Teller(), Teller()  # the story begins on a Monday at 06:00
    wednesday = s.Departures(hours=(66.0,))  # 18:00
    free, bound = made.tell(0, KEY, ordered(None)), made.tell(0, KEY, ordered(wednesday), name="bound")
    scan = made.scan(36, "A", "apheresis", releasedBy="N", receivedBy="C")  # Tuesday 18:00
    without, waits = legs_of(plain.tell(free, scan)), legs_of(told.tell(bound, scan))
    assert [round(b - a, 1) for a, b in zip(without["receipt"], waits["receipt"], strict=True)] == [24.0] * 5
    there = made.scan(75, "A", "receipt", releasedBy="C", receivedBy="M")
    (moved,) = consequences(told.tell(there), "supply.moved")
    assert moved[1].leg_hours == 15.0  # of 39 h, 24 were a wait
    (moved,) = consequences(plain.tell(there), "supply.moved")
    assert moved[1].leg_hours == 39.0


def test_a_later_leg_waits_in_each_draw_for_its_own_departure_and_closed_days_are_skipped() -> None:
    made, told, other = Story(), Teller(), Teller()
    daily = tuple(12.0 + 24 * day for day in range(7))
    said = legs_of(told.tell(made.tell(0, KEY, ordered(s.Departures(hours=daily)))))
    shut = s.Departures(hours=daily, closed=("2026-03-03", "2026-03-04"))
    later = legs_of(other.tell(made.tell(0, KEY, ordered(shut), name="shut")))
    assert said["apheresis"] == later["apheresis"]
    assert later["receipt"][2] > said["receipt"][2] + 24.0


def test_departures_that_do_not_rise_or_are_no_date_are_refused_by_their_field() -> None:
    made, told = Story(), Teller()
    for departs, field in (
        (s.Departures(hours=(5.0, 4.0)), "legs.departs.hours"),
        (s.Departures(hours=(5.0,), closed=("2026-02-30",)), "legs.departs.closed"),
    ):
        assert [where for _, where in refusals(told.tell(made.tell(0, KEY, ordered(departs))))] == [field]
