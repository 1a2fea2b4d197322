"""A ledger with supply twins that the twin's own code folded: a stop, a gap, a late slot, a warm box, a held room, and
a network that lost suites, was told its future and was advised a plan.

Everything follows from the seed. Times are the source's own (`clock: source`), so nothing hangs on the day of the test.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from typing import Any

import msgspec

from schemas import supply as s
from schemas.events import Event
from schemas.instants import HOUR, Instant, format_instant
from schemas.jobs import Provenance, ResimulationResult, SimulationSpec
from schemas.partitions import TimePassed
from schemas.placement import partition_of
from schemas.topics import PARTITIONS, input_topic
from streams.consequences import told_of
from tests.support.engines import Bench, prepared
from tests.support.supply_story import BEGAN, LEGS, Story, records
from twins import checks
from twins.engine import Device
from twins.frame import RawRecord
from twins.supply import SupplyModel
from twins.supply.network.engine import SupplyNetwork

SEED = 7
TOPIC = input_topic("supply").name
STOPPED, WAITS, LATE = "patient:COI-1", "patient:COI-2", "patient:P-03"
BOX, ROOM, NETWORK, PLAN = "shipper:B2", "room:R1", "network:N1", "plan-1"
NEW = "patient:COI-NEW"  # of whom nothing but one scan is known
ASKED = 52.0  # hour at which the network asks, after it lost suites
STEPS = ("apheresis", "set up", "culture", "quality control", "courier back")
DRAWS = 30


def told() -> list[Event]:
    """Tell the story; without what one twin says to another."""
    rng = random.Random(SEED)
    made = Story()
    cois = [f"COI-{place}" for place in range(3)]
    for coi in cois:
        made.patient(coi, rng.uniform(0, 5))
    for place in range(12):
        _ordered(made, f"P-{place:02}", place)
    _wrong(made)
    made.box("B1", cois[0], 101, 12, rng)
    made.box("B2", cois[2], 101, 16, rng)
    made.events = [one for one in made.events if not (one.subject == BOX and isinstance(one.data, s.ShipperOpened))]
    made.room("R1", cois, 6)
    made.tell(126, ROOM, s.RoomStated(what="held", by="QA", reason="plate PL-0"))
    made.network("N1", 0.5, cois)
    for hour in (20, 60, 110, 130):
        made.passed(hour)
    return sorted(made.events, key=lambda event: (event.record_time, event.id))


def _ordered(made: Story, name: str, place: int) -> None:
    """Order a therapy of which a planner's system tells the network; the fourth is late."""
    slot = format_instant(Instant(BEGAN + (10 if f"patient:{name}" == LATE else 34 + place) * 24 * HOUR))
    latest = format_instant(Instant(BEGAN + 48 * 24 * HOUR))
    legs = tuple(s.PlannedLeg(step, days, lane, carrier) for step, days, lane, carrier in LEGS)
    made.tell(1 + place / 10, f"patient:{name}", s.TherapyOrdered(
        product="standard", order=name, site=f"S{place % 3 + 1}", slot=slot, latest=latest, legs=legs,
        priority=place % 7, clock="source",
    ))  # fmt: skip
    step = STEPS[place % len(STEPS)]
    made.tell(2 + 3 * place, NETWORK, s.Moved(
        patient=name, step=step, kind="standard", lane="LYS-AMS", carrier="QX", leg_hours=30.0 + place, slot=slot,
    ))  # fmt: skip


def _wrong(made: Story) -> None:
    """Read another patient's label on one's bag; release another's bag that nobody receives."""
    made.tell(112, STOPPED, s.IdentityRead(
        step="receipt", unit="bag-COI-1", bag="COI-2", order="COI-1", place="Amsterdam", by="C. Dahl",
    ))  # fmt: skip
    made.tell(121, WAITS, s.HandedOver(half="release", step="make", units=("bag-COI-2",), party="C", by="C. Dahl",
                                       other_party="D", place="Amsterdam"))  # fmt: skip
    made.tell(122, WAITS, s.Tested(test="sterility", result="passed", units=("bag-COI-2",)))
    made.scan(124, "COI-NEW", "apheresis")


def answered(events: list[Event]) -> list[Event]:
    """Add what twins tell one another, and the pool's answers to the network, in the order they would come."""
    fold = checks.fold(SupplyModel(), records(events))
    tell = [told_of(one) for one in fold.effects if one.kind == "consequence"]
    asked = [one for one in fold.effects if one.kind == "request" and one.data["spec"]["kind"] == "supply"]
    spec = msgspec.convert(asked[-1].data["spec"], SimulationSpec)
    run = SupplyNetwork().prepare(msgspec.structs.replace(spec, draws=DRAWS), (), Device())
    while (standing := run.run(1.0)).done < standing.total:
        pass
    late = Story()
    late.tell(128, NETWORK, _result("pool-1", "supply", run.answer().summary), name="answer-1")
    late.tell(128.5, NETWORK, _result(PLAN, "supply.plan", _plan()), name="answer-2")
    made = [msgspec.structs.replace(one, data=_struct(one)) for one in tell]
    return sorted([*events, *made, *late.events], key=lambda event: (event.record_time, event.id))


def _struct(event: Event) -> Any:  # Any: one of the structs
    return msgspec.convert(event.data, s.EVENTS[event.type])


def _result(job: str, kind: str, summary: dict[str, Any]) -> ResimulationResult:
    return ResimulationResult(job, kind, "done", Provenance(SEED, {}, "cpu", "exact"), summary)


def _plan() -> dict[str, Any]:
    words = "P-03 (priority 3): infusion 2 days later: suite 5 is gone (leak)"
    move = {"patient": "P-03", "priority": 3, "by": 48, "slot_was": 240, "slot": 288, "stages": ["make"],
            "why": "suite 5 is gone (leak)", "words": words}  # fmt: skip
    return {
        "network": "reference", "status": "complete", "feasible": True, "cost": 412, "greedy_cost": 460, "bound": 400,
        "gap": 0.029126, "proved": False, "wall_limit_hit": False, "work": 10.0, "steps": 40, "terms": {},
        "nervousness": {"slots_moved": 1, "slots_moved_share": 0.083, "slots_moved_hours_most": 48.0},
        "broken": [], "unplaced": [], "moves": [move],
        "risks": [{"patient": "P-05", "limit": "latest slot", "left": 10, "words": "P-05: latest slot, 10 h left"}],
        "left_out": 0,
    }  # fmt: skip


def fill_supplies(server: Any) -> str:
    """Make a database with these twins."""
    print(f"seed {SEED}")
    uri = prepared(str(server.database()))
    events = answered(told())
    places = {partition_of(event.subject.encode(), PARTITIONS) for event in events if event.subject}
    log: dict[int, list[RawRecord]] = defaultdict(list)
    for event in events:
        everywhere = isinstance(event.data, TimePassed)
        for place in places if everywhere else {partition_of(event.subject.encode(), PARTITIONS)}:
            log[place].append(replace(records([event])[0], offset=len(log[place])))
    bench = Bench(uri, SupplyModel(), topic=TOPIC)
    bench.feed(dict(log), SEED)
    bench.stop()
    assert not bench.codes
    return uri
