"""What a journey says: each hard stop, when it is provisional, what ends it, and what is not to be stopped for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.instants import DAY, HOUR, MINUTE
from twins.supply.identity import (
    Closed,
    Decided,
    Disposition,
    Fact,
    Handover,
    Journey,
    JourneyReading,
    Labels,
    Opened,
    Ordered,
    Scan,
    Settings,
    ShipperPacked,
)

COI, OTHER = "W1234-COI", "W9999-COI"
START = 1_790_000_000_000_000
READ = {"bag": COI, "order": COI}
BEDSIDE = {**READ, "wristband": COI}
BOTH: dict[str, Any] = {"releaser": "one", "receiver": "two"}
LATE = Settings(lateness=12 * HOUR)


def scan(step: str, day: float, known: float | None = None, **more: Any) -> Scan:
    at = START + round(day * DAY)
    said = {"source": "s", "id": step, "known_at": at if known is None else START + round(known * DAY)}
    return Scan(**{**said, **more}, at=at, step=step)


def sound() -> dict[str, Fact]:
    """A sound journey, a step a day, by step."""
    at: dict[str, Any] = {"source": "s", "known_at": START}
    lot: dict[str, Any] = {"units": ("P",)}
    facts: list[tuple[str, Fact]] = [
        ("order", Ordered(id="order", at=START, coi=COI, **at)),
        ("eligibility", scan("eligibility", 1)),
        ("apheresis", scan("apheresis", 2, action="ADD", units=("B",), read=BEDSIDE)),
        ("fresh", scan("fresh", 2.5, units=("B",))),
        ("leg_in", scan("leg_in", 3, units=("B",), read=READ, **BOTH)),
        ("receipt", scan("receipt", 4, units=("B",), read=READ, **BOTH)),
        ("make", scan("make", 5, inputs=("B",), outputs=("P",), read=READ)),
        ("cryo_store", scan("cryo_store", 10, **lot)),
        ("qc", scan("qc", 14, **lot)),
        ("release", scan("release", 15, **lot)),
        ("leg_out", scan("leg_out", 16, read=READ, **lot, **BOTH)),
        ("site_receipt", scan("site_receipt", 17, read=READ, **lot, **BOTH)),
        ("lymphodepletion", scan("lymphodepletion", 18)),
        ("thaw", scan("thaw", 23, **lot)),
        ("infusion", scan("infusion", 23.1, read=BEDSIDE, **lot)),
    ]
    return dict(facts)


def read(facts: dict[str, Fact] | list[Fact], hours_after: float = 0, settings: Settings = LATE) -> JourneyReading:
    journey = Journey(COI, settings)
    for fact in facts.values() if isinstance(facts, dict) else facts:
        assert journey.take(fact) is None
    journey.pass_time(journey.clock + round(hours_after * HOUR))
    return journey.read()


def stops(reading: JourneyReading) -> list[str]:
    return [one.code for one in reading.violations if not one.provisional]


def upto(step: str, **changed: Fact) -> dict[str, Fact]:
    """A sound journey up to a step, with some of its facts changed."""
    facts = sound()
    place = list(facts).index(step)
    return {**dict(list(facts.items())[: place + 1]), **changed}


def without(*steps: str) -> dict[str, Fact]:
    return {step: fact for step, fact in sound().items() if step not in steps}


def test_a_sound_journey_has_nothing_against_it() -> None:
    reading = read(sound(), 1000)
    assert reading.violations == ()
    assert not reading.stopped
    assert (reading.step, reading.holder, reading.handing_over, reading.lot) == ("infusion", "two", False, "released")
    assert [one.step for one in reading.custody][:3] == ["eligibility", "apheresis", "fresh"]
    assert reading.unjudged == ()


@pytest.mark.parametrize("which", ["bag", "order", "wristband", "label"])
def test_a_mismatch_stops_at_once_and_names_what_was_read(which: str) -> None:
    facts = upto("apheresis", apheresis=scan("apheresis", 2, units=("B",), read={**BEDSIDE, which: OTHER}))
    reading = read(facts)
    (found,) = reading.violations
    assert (found.code, found.provisional, found.facts) == ("identity_mismatch", False, (("s", "apheresis"),))
    assert (found.expected, found.received) == (f"{COI} on {which}", f"{which} {OTHER}")


def test_an_order_for_somebody_else_stops() -> None:
    order = Ordered(source="s", id="order", at=START, known_at=START, coi=OTHER)
    assert stops(read({"order": order})) == ["identity_mismatch"]


def test_a_void_ends_a_stop_and_the_old_record_stays() -> None:
    wrong = scan("leg_in", 3, units=("B",), read={**READ, "bag": OTHER}, **BOTH)
    void = scan("leg_in", 3, id="void", known=3.1, voids="leg_in")
    right = scan("leg_in", 3, id="right", known=3.2, units=("B",), read=READ, **BOTH)
    reading = read([*upto("leg_in", leg_in=wrong).values(), void, right], 100)
    assert reading.violations == ()
    assert reading.voided == ((("s", "leg_in"), ("s", "void")),)


def test_a_void_that_is_itself_void_declares_nothing() -> None:
    wrong = scan("leg_in", 3, units=("B",), read={**READ, "bag": OTHER}, **BOTH)
    void = scan("leg_in", 3, id="void", known=3.1, voids="leg_in")
    again = scan("leg_in", 3, id="again", known=3.2, voids="void")
    assert stops(read([*upto("leg_in", leg_in=wrong).values(), void, again])) == ["identity_mismatch"]


def test_a_void_of_what_has_not_come_waits_for_it() -> None:
    void = scan("leg_in", 3, id="void", known=3.1, voids="leg_in")
    reading = read([*upto("fresh").values(), void])
    assert reading.unjudged == ("s void: the fact that it corrects has not come",)
    wrong = scan("leg_in", 3, read={**READ, "bag": OTHER}, **BOTH)
    assert stops(read([*upto("fresh").values(), void, wrong])) == []


def test_a_correction_years_later_stands_as_if_it_had_been_there() -> None:
    right = scan("leg_in", 3, id="right", known=400, units=("B",), read=READ, corrects="leg_in", **BOTH)
    wrong = scan("leg_in", 3, units=("B",), read={**READ, "bag": OTHER}, **BOTH)
    assert read([*{**sound(), "leg_in": wrong}.values(), right], 100).violations == ()


def test_another_source_voids_only_what_is_named_worldwide() -> None:
    wrong = scan("leg_in", 3, id="urn:uuid:1", units=("B",), read={**READ, "bag": OTHER}, **BOTH)
    facts = list(upto("leg_in", leg_in=wrong).values())
    void = scan("leg_in", 3, source="plant", id="v", known=3.1, voids="urn:uuid:1")
    assert stops(read([*facts, void])) == []
    facts[-1] = scan("leg_in", 3, id="7", units=("B",), read={**READ, "bag": OTHER}, **BOTH)
    void = scan("leg_in", 3, source="plant", id="v", known=3.1, voids="7")
    assert stops(read([*facts, void])) == ["identity_mismatch"]


def test_a_person_decides_and_the_decision_stays_beside_it() -> None:
    wrong = scan("leg_in", 3, units=("B",), read={**READ, "bag": OTHER}, **BOTH)
    facts = list(upto("leg_in", leg_in=wrong).values())
    (found,) = read(facts).violations
    word: dict[str, Any] = {
        "source": "q",
        "at": START + 9 * DAY,
        "known_at": START + 9 * DAY,
        "by": "A. Keller",
        "reason": "typed",
    }
    decided = Decided(id="d", violation=found.key, **word)
    reading = read([*facts, decided])
    assert (stops(reading), reading.clock) == ([], START + 3 * DAY)
    assert [(one.key, one.decided_by, one.reason) for one in reading.decided] == [(found.key, "A. Keller", "typed")]
    other = scan("receipt", 4, units=("B",), read={**READ, "bag": OTHER}, **BOTH)
    assert stops(read([*facts, decided, other])) == ["identity_mismatch"]  # another scan is another thing
    undone = Decided(id="d2", voids="d", violation=found.key, **{**word, "known_at": START + 10 * DAY})
    assert stops(read([*facts, decided, undone])) == ["identity_mismatch"]


@pytest.mark.parametrize("half", ["releaser", "receiver"])
def test_a_missing_signature_is_provisional_until_the_bound_then_a_stop(half: str) -> None:
    facts = upto("leg_in", leg_in=scan("leg_in", 3, units=("B",), read=READ, **{**BOTH, half: ""}))
    (gap,) = read(facts).violations
    assert (gap.code, gap.provisional) == ("custody_gap", True)
    assert gap.deadline == START + 3 * DAY + 120 * MINUTE + 12 * HOUR
    assert read(facts).gaps == (gap,)
    assert stops(read(facts, 14.0)) == []
    assert stops(read(facts, 14.01)) == ["custody_gap"]


def along(facts: list[Fact]) -> JourneyReading:
    """Read after each fact: what one reading spares the next is what it would find itself."""
    journey = Journey(COI, LATE)
    for fact in facts:
        journey.take(fact)
        assert journey.read() == Journey.restore(journey.write(), LATE).read()
    return journey.read()


def test_a_second_handover_at_a_step_in_order_is_judged_too() -> None:
    again = scan("leg_in", 3.5, id="again", units=("B",), read=READ, releaser="one")
    reading = along([*halves(30), again])
    assert [(one.code, one.received) for one in reading.violations] == [("custody_gap", "no receipt")]


def test_an_order_that_comes_last_may_name_another_workflow() -> None:
    other = Ordered(source="s", id="order 2", at=START + DAY, known_at=START + DAY, coi=COI, workflow="unheard of")
    reading = along([scan("eligibility", 0.5), other])
    assert "workflow: unheard of is not configured, so that steps are judged by autologous" in reading.unjudged


def test_a_step_in_order_is_judged_anew_when_a_signature_of_it_is_declared_wrong() -> None:
    journey = Journey(COI, LATE)
    for fact in halves(30):
        journey.take(fact)
    assert journey.read().violations == ()
    at = journey.clock
    journey.take(
        Handover(source="c", id="no", at=at, known_at=at, voids="h", step="leg_in", half="receipt", party="two")
    )
    (gap,) = journey.read().violations
    assert (gap.code, gap.received) == ("custody_gap", "no receipt")
    assert journey.read().custody == Journey.restore(journey.write(), LATE).read().custody


def halves(minutes: float, known: float | None = None, units: tuple[str, ...] = ("B",)) -> list[Fact]:
    first = scan("leg_in", 3, units=("B",), read=READ, releaser="one")
    at = first.at + round(minutes * MINUTE)
    known_at = at if known is None else START + round(known * DAY)
    second = Handover(
        source="c", id="h", at=at, known_at=known_at, step="leg_in", half="receipt", party="two", units=units
    )
    return [*upto("leg_in", leg_in=first).values(), second]


def test_two_halves_make_a_handover_if_they_are_near_each_other() -> None:
    assert read(halves(100), 50).violations == ()
    assert stops(read(halves(300), 50)) == ["custody_gap"]
    assert read(halves(300), 50).violations[0].received == "300 min between them"


def test_a_half_that_is_late_within_the_bound_is_no_stop_and_beyond_it_stays_one() -> None:
    assert read(halves(30, known=3.5), 50).violations == ()
    assert stops(read(halves(30, known=5), 50)) == ["custody_gap"]


def test_release_and_receipt_are_of_the_same_bags() -> None:
    (found,) = read(halves(30, units=("C",)), 100).violations[:1]
    assert (found.code, found.received) == ("custody_gap", "released B, received C")


def test_a_signature_at_a_step_that_is_no_handover_asks_for_the_other() -> None:
    facts = {**sound(), "infusion": scan("infusion", 23.1, units=("P",), read=BEDSIDE, releaser="laboratory")}
    assert stops(read(facts, 100)) == ["custody_gap"]


def test_a_second_look_without_signature_is_no_second_handover() -> None:
    look = scan("leg_in", 3.4, id="look", units=("B",))
    assert read([*sound().values(), look], 100).violations == ()


def test_identities_must_be_read_where_the_workflow_says() -> None:
    facts = upto("apheresis", apheresis=scan("apheresis", 2, units=("B",), read=READ))
    assert stops(read(facts, 100)) == ["identity_unread"]
    assert read(facts).gaps[0].received == "no wristband in time"


@pytest.mark.parametrize("step", ["eligibility", "leg_in", "receipt", "qc", "cryo_store", "site_receipt", "thaw"])
def test_a_missing_step_is_provisional_then_a_stop(step: str) -> None:
    reading = read(without(step), 100)
    assert [(one.code, one.key) for one in reading.violations] == [("missing_step", f"missing_step:{step}")]


def test_a_step_whose_scan_is_late_is_provisional_until_it_is_known() -> None:
    facts = upto("receipt")
    del facts["leg_in"]
    assert [one.provisional for one in read(facts).violations] == [True]
    late = scan("leg_in", 3, known=4.4, units=("B",), read=READ, **BOTH)
    assert read([*facts.values(), late], 50).violations == ()
    too_late = scan("leg_in", 3, known=5, units=("B",), read=READ, **BOTH)
    assert stops(read([*facts.values(), too_late], 10)) == ["missing_step"]


def test_no_step_before_its_cause() -> None:
    facts = {**sound(), "infusion": scan("infusion", 22, units=("P",), read=BEDSIDE)}
    (found,) = read(facts).violations
    assert (found.code, found.provisional) == ("before_cause", False)
    assert found.facts == (("s", "infusion"), ("s", "thaw"))


def test_a_step_that_is_over_does_not_come_again() -> None:
    again = scan("leg_out", 18, id="again", units=("P",), read=READ)
    assert stops(read([*sound().values(), again], 100)) == ["wrong_step"]
    other = scan("leg_out", 18, id="again", units=("Q",), read=READ, **BOTH)  # of other bags it may
    more = scan("make", 5.1, id="more", inputs=("B",), outputs=("Q",), read=READ)
    assert stops(read([*sound().values(), more, other], 100)) == []


def test_a_rejected_lot_is_made_again() -> None:
    rejected = Disposition(source="q", id="r", at=START + 14 * DAY + HOUR, known_at=START + 14 * DAY, status="rejected")
    again = [
        scan("make", 14.3, id="again", inputs=("B",), outputs=("P",), read=READ),
        scan("qc", 14.6, id="qc2", units=("P",)),
    ]
    assert read([*sound().values(), rejected, *again], 100).violations == ()
    assert stops(read([*sound().values(), *again], 100)) == ["wrong_step"]


def test_a_word_that_no_workflow_has_stops_and_those_of_partners_do_not() -> None:
    facts = [*upto("make").values()]
    assert stops(read([*facts, scan("irradiation", 5.5)])) == ["wrong_step"]
    assert stops(read([*facts, scan("inspecting", 5.5), scan("https://example.org/step", 5.6)])) == []


def test_shipping_and_receiving_are_the_legs_before_and_after_making() -> None:
    facts = sound()
    for step, word in (("leg_in", "shipping"), ("receipt", "receiving")):
        facts[step] = scan(word, {"leg_in": 3, "receipt": 4}[step], id=step, units=("B",), read=READ, **BOTH)
    for step, word in (("leg_out", "shipping"), ("site_receipt", "receiving")):
        facts[step] = scan(word, {"leg_out": 16, "site_receipt": 17}[step], id=step, units=("P",), read=READ, **BOTH)
    reading = read(facts, 100)
    assert reading.violations == ()
    assert [one.step for one in reading.custody if one.receiver] == ["leg_in", "receipt", "leg_out", "site_receipt"]
    assert along([*facts.values()]).custody == reading.custody


def lot(status: Any, day: float, by: tuple[str, ...] = (), known: float | None = None) -> Disposition:
    at = START + round(day * DAY)
    known_at = at if known is None else START + round(known * DAY)
    return Disposition(source="q", id=f"{status}{day}{by}", at=at, known_at=known_at, status=status, by=by)


def test_an_unreleased_lot_does_not_ship() -> None:
    facts = without("release")
    assert [one.code for one in read(upto("leg_out")).violations] == []
    (found,) = read(facts, 100).violations
    assert (found.code, found.received) == ("unreleased", "a lot that was not released")
    assert read([*facts.values(), lot("released", 15, known=16.4)], 100).violations == ()
    assert stops(read([*facts.values(), lot("released", 15, known=20)], 100)) == ["unreleased"]
    assert stops(read([*facts.values(), lot("released", 17)])) == ["unreleased"]
    assert stops(read([*sound().values(), lot("rejected", 15.5)], 100)) == ["unreleased"]
    assert read([*sound().values(), lot("quarantined", 10)], 100).violations == ()


def test_out_of_specification_it_ships_with_two_approvals() -> None:
    facts = [*without("release").values(), lot("rejected", 15)]
    one, two = lot("oos_approved", 15.2, ("physician",)), lot("oos_approved", 15.3, ("sponsor",))
    assert read([*facts, one, two], 100).violations == ()
    assert read([*facts, lot("oos_approved", 15.2, ("physician", "sponsor"))], 100).violations == ()
    assert stops(read([*facts, one], 100)) == ["unreleased"]
    assert stops(read([*facts, one, lot("oos_approved", 15.3, ("physician",))], 100)) == ["unreleased"]
    early = lot("oos_approved", 14.5, ("sponsor",))  # before the rejection that it would have to know of
    assert stops(read([*facts, one, early], 100)) == ["unreleased"]


def packed(day: float, hours: float, shipper: str = "D1") -> ShipperPacked:
    at = START + round(day * DAY)
    return ShipperPacked(
        source="c", id=f"p{day}", at=at, known_at=at, shipper=shipper, hold_until=at + round(hours * HOUR)
    )


def test_a_shipper_is_unpacked_before_its_hold_is_over() -> None:
    on_the_way = [*upto("leg_out").values(), packed(15.9, 30)]
    assert read(on_the_way, 20).violations == ()
    assert [one.provisional for one in read(on_the_way, 29).violations] == [True]
    assert stops(read(on_the_way, 40)) == ["hold_expired"]
    assert read([*sound().values(), packed(15.9, 30)], 100).violations == ()
    assert stops(read([*sound().values(), packed(15.9, 20)], 100)) == ["hold_expired"]
    charged = [packed(15.9, 20), packed(16.5, 20)]
    assert read([*sound().values(), *charged], 100).violations == ()


def test_cells_that_nobody_unpacked_are_told_as_the_missing_scan_they_are() -> None:
    reading = read([*without("receipt").values(), packed(2.9, 30)], 100)
    assert stops(reading) == ["missing_step"]
    assert reading.unjudged == ("hold of shipper D1: nobody scanned when it was unpacked",)


def labels(day: float, place: str = "plant", known: float | None = None, **counts: Any) -> Labels:
    at = START + round(day * DAY)
    known_at = at if known is None else START + round(known * DAY)
    return Labels(source="l", id=f"l{day}{place}", at=at, known_at=known_at, type="bag", place=place, **counts)


def test_labels_balance_when_their_line_is_cleared() -> None:
    told = [labels(5, received=6), labels(6, used=4)]
    assert read([*upto("qc").values(), *told], 100).unjudged == ("labels: no line was cleared yet",)
    facts = [*sound().values(), *told]
    assert stops(read(facts, 100)) == ["labels_unbalanced"]
    assert read([*facts, labels(7, destroyed=2)], 100).violations == ()
    assert read([*facts, labels(7, known=15.4, destroyed=2)], 100).violations == ()
    assert stops(read([*facts, labels(7, known=16, destroyed=2)], 100)) == ["labels_unbalanced"]
    assert read([*facts, labels(7, passed_on=2), labels(8, "site", received=2, used=2)], 100).violations == ()


def test_the_clearance_of_one_place_is_not_that_of_another() -> None:
    told = [labels(2, "site", received=2), labels(2.1, "site", used=1)]
    release = scan("release", 15, units=("P",), place="plant")
    facts = [*upto("leg_out", release=release).values(), *told]
    assert stops(read(facts, 100)) == []
    cleared = scan("line_clearance", 2.5, place="site")
    assert stops(read([*facts, cleared], 100)) == ["labels_unbalanced"]


def test_as_many_labels_as_were_ordered() -> None:
    order = Ordered(source="s", id="order", at=START, known_at=START, coi=COI, labels={"bag": 6})
    facts = [*{**sound(), "order": order}.values()]
    assert stops(read(facts, 100)) == ["labels_unbalanced"]
    assert read([*facts, labels(5, received=6, used=6)], 100).violations == ()
    assert stops(read([*facts, labels(5, received=7, used=7)], 100)) == ["labels_unbalanced"]


def cell(kind: Any, day: float, coi: str = "") -> Fact:
    at = START + round(day * DAY)
    fact: Fact = kind(source="w", id=f"{kind.__name__}{day}{coi}", at=at, known_at=at, workcell="W1", coi=coi)
    return fact


def test_two_patients_are_never_open_in_one_workcell() -> None:
    facts = [*upto("make").values(), cell(Opened, 4.5), cell(Closed, 5.5)]
    other = [cell(Opened, 4.8, OTHER), cell(Closed, 4.9, OTHER)]
    assert stops(read([*facts, *other])) == ["two_patients_open"]
    assert read([*facts, cell(Opened, 4.1, OTHER), cell(Closed, 4.2, OTHER)], 100).violations == ()
    assert read([*facts, cell(Opened, 5.6, OTHER)], 100).violations == ()
    before = [*facts, cell(Opened, 4.1, OTHER)]  # was it closed in time? its scan may be late
    assert [one.provisional for one in read(before).violations] in ([True], [False])
    assert stops(read(before, 100)) == ["two_patients_open"]


def test_a_unit_that_is_nobodys_is_not_this_patients() -> None:
    facts = {**sound(), "qc": scan("qc", 14, units=("X",))}
    (found,) = read(facts, 100).violations
    assert (found.code, found.received) == ("foreign_unit", "unit X at qc")
    added = scan("commissioning", 13.9, action="ADD", units=("X",))
    assert read([*facts.values(), added], 100).violations == ()
    plain = scan("make", 5, units=("P",), read=READ)  # of a maker who names no inputs: the label read tells
    assert read({**sound(), "make": plain}, 100).violations == ()


def test_material_does_not_outlast_its_limit() -> None:
    late = {**sound()}
    for step, day in (("leg_in", 6), ("receipt", 7.4), ("make", 8)):
        late[step] = scan(step, day, **{n: getattr(sound()[step], n) for n in ("units", "inputs", "outputs", "read")},
                          releaser=sound()[step].releaser, receiver=sound()[step].receiver)  # type: ignore[union-attr]  # fmt: skip
    assert stops(read(late, 100)) == ["material_expired"]
    assert stops(read(upto("fresh"), 5 * 24 + 13)) == ["material_expired"]
    assert read(upto("fresh"), 5 * 24 - 1).violations == ()


def test_an_upload_of_everything_at_the_end_is_no_gap() -> None:
    """All facts known within minutes, weeks after they happened, in any order: nothing was missing when it was told."""
    facts: list[Fact] = []
    for place, fact in enumerate(reversed(sound().values())):
        known = START + 40 * DAY + place * MINUTE // 2
        facts.append(msgspec.structs.replace(fact, known_at=known))
    assert read(facts, 100).violations == ()


def test_facts_that_cannot_be_used_say_why_and_change_nothing() -> None:
    journey = Journey(COI)
    good = scan("qc", 1)
    assert journey.take(good) is None
    before = journey.write()
    unusable: list[tuple[Fact, str]] = [
        (scan("qc", 1, id="a", action="MOVE"), "action"),
        (scan("qc", 1, id="b", read={"neck": COI}), "read"),
        (scan("", 1, id="c"), "step"),
        (scan("qc", -30_000, id="d"), "at"),
        (scan("qc", 1, id=""), "id"),
        (scan("qc", 1, id="e", place="x" * 300), "place"),
        (scan("qc", 1, id="f", units=tuple(map(str, range(300)))), "units"),
        (labels(1, received=-1), "received"),
        (lot("oos_approved", 1), "by"),
    ]
    for wrong, where in unusable:
        error = journey.take(wrong)
        assert error is not None
        assert (error.reason, error.where) == ("invalid_field", where)
        assert error.advice
    error = journey.take(good)
    assert error is not None
    assert error.reason == "duplicate"
    assert journey.write() == before
