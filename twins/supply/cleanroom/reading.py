"""What a room's facts say at one instant: the fold of its steps, and the reading that is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from schemas.instants import HOUR
from twins.supply.cleanroom import facts as f
from twins.supply.cleanroom import flow, occupancy, pressure, room, suite
from twins.supply.cleanroom.config import RoomConfig
from twins.supply.cleanroom.limits import Level, Verdict, judge_particles, particle_limit
from twins.supply.cleanroom.violations import Violation

MOST_VIOLATIONS = 1000  # of the newest that a reading names; all are counted

# At one instant: ends before beginnings, then what is measured.
_ORDER = {
    "UnitClosed": 0, "cleaning_ends": 1, "Released": 2, "LineCleared": 3, "out": 4, "door_closes": 5,
    "cleaning_begins": 6, "Held": 7, "PlateRead": 8, "door_opens": 9, "in": 10, "UnitOpened": 11, "Moved": 12,
    "Pressure": 13, "Particles": 14,
}  # fmt: skip


class Step(NamedTuple):
    """A part of a fact at an instant; steps sort by it, then by what they do, then by the fact's name."""

    at: int
    order: int
    source: str
    id: str
    what: str
    fact: f.RoomFact


class State(Struct, frozen=True, array_like=True):
    """All that earlier steps leave behind: the belief, who is in, doors, pressures, the suite, what was broken."""

    at: int
    half: room.Belief
    five: room.Belief
    occupancy: occupancy.Occupancy
    suite: suite.Suite
    cascades: tuple[pressure.CascadeState, ...]
    doors: tuple[str, ...] = ()
    level: Level = "within"
    verdicts: tuple[tuple[str, Verdict], ...] = ()
    waits_for_recovery: int | None = None
    recoveries: int = 0
    recovery_us: int = 0
    longest_recovery_us: int = 0
    violations: tuple[Violation, ...] = ()
    broken: tuple[tuple[str, int], ...] = ()  # how often each rule


class RoomReading(Struct, frozen=True):
    """A room at an instant: its suite's word, the air with 90 % intervals, people, pressures, what was broken, sums."""

    at: int
    word: suite.SuiteWord
    holds: tuple[str, ...]
    people: tuple[str, ...]
    open_units: tuple[suite.OpenUnit, ...]
    half_um_per_m3: float
    half_um_interval: tuple[float, float]
    five_um_per_m3: float
    five_um_interval: tuple[float, float]
    source_factor: float
    level: Level  # of the last count
    over_limit: float  # probability that the air is above the limit that holds now, of either size
    pressures: tuple[tuple[str, str, float | None], ...]  # neighbour, word, Pa
    alarms: tuple[str, ...]  # neighbours over whom the pressure is too low
    violations: tuple[Violation, ...]
    broken: tuple[tuple[str, int], ...]
    occupied_hours: float
    person_hours: float
    idle_hours: tuple[tuple[str, float], ...]
    patient_minutes_above_alert: float
    recoveries: int
    mean_recovery_minutes: float | None
    below_pressure_seconds: tuple[tuple[str, float], ...]


def steps_of(fact: f.RoomFact) -> Iterable[Step]:
    """Lay a fact out as steps; facts about plates stand beside, but for the read that may hold the room."""
    kind = type(fact).__name__
    if isinstance(fact, f.Cleaned):
        pairs = [("cleaning_begins", fact.began_at), ("cleaning_ends", fact.at)] if fact.began_at < fact.at else []
    elif isinstance(fact, f.Badge):
        pairs = [("in" if fact.entered else "out", fact.at)]
    elif isinstance(fact, f.Door):
        pairs = [("door_opens" if fact.opened else "door_closes", fact.at)]
    else:
        pairs = [(kind, fact.at)] if kind in _ORDER else []
    return [Step(at, _ORDER[what], fact.source, fact.id, what, fact) for what, at in pairs]


def airs_of(config: RoomConfig) -> tuple[room.Air, room.Air]:
    """Give the room's air for 0.5 and 5 um."""
    values = config.volume_m3, config.air_changes_per_hour, config.effectiveness, config.garment
    return (
        room.air_of("half_um", *values, rest_per_m3=config.rest_per_m3(False)),
        room.air_of("five_um", *values, rest_per_m3=config.rest_per_m3(True)),
    )


def begin(config: RoomConfig, at: int) -> State:
    """Begin with an empty room of which nothing is known."""
    half, five = airs_of(config)
    return State(
        at, room.start(half, 0.0), room.start(five, 0.0), occupancy.Occupancy(at), suite.Suite(at),
        tuple(pressure.CascadeState(at) for _ in config.cascades),
    )  # fmt: skip


def fold(state: State, config: RoomConfig, steps: Iterable[Step], over: frozenset[str] | set[str]) -> State:
    """Take steps in their order; `over` names the plates that are above their action level."""
    airs = airs_of(config)
    for step in steps:
        state = _take(_pass(state, config, airs, step.at), config, airs, step, over)
    return state


def pass_to(state: State, config: RoomConfig, at: int) -> State:
    """Let time pass to an instant; the air's belief moves too."""
    airs = airs_of(config)
    state = _pass(state, config, airs, at)
    return _air(state, airs, at)


def read(state: State, config: RoomConfig) -> RoomReading:
    """Say what a state is to people."""
    in_operation = bool(state.occupancy.inside or state.suite.open)
    limits = (
        (state.half, particle_limit(config.grade, "half_um", in_operation)),
        (state.five, particle_limit(config.grade, "five_um", in_operation)),
    )
    words = [
        (rule.against, pressure.word(each, rule), each.difference_pa)
        for rule, each in zip(config.cascades, state.cascades, strict=True)
    ]
    spent = {name: us / HOUR for name, us in state.suite.spent_us}
    return RoomReading(
        state.at, suite.word(state.suite), state.suite.holds, tuple(sorted(who for _, who in state.occupancy.inside)),
        state.suite.open, room.mean_per_m3(state.half), room.interval(state.half), room.mean_per_m3(state.five),
        room.interval(state.five), room.source_factor(state.half), state.level,
        max((room.above(belief, limit) for belief, limit in limits if limit is not None), default=0.0),
        tuple(words), tuple(against for against, said, _ in words if said == "alarm"), state.violations, state.broken,
        state.occupancy.occupied_us / HOUR, state.occupancy.person_us / HOUR,
        tuple((name, hours) for name, hours in sorted(spent.items()) if name != "work"),
        state.suite.patient_above_us / 60e6, state.recoveries,
        state.recovery_us / state.recoveries / 60e6 if state.recoveries else None,
        tuple((rule.against, each.below_us / 1e6) for rule, each in zip(config.cascades, state.cascades, strict=True)),
    )  # fmt: skip


def _pass(state: State, config: RoomConfig, airs: tuple[room.Air, room.Air], to: int) -> State:
    while (expiry := occupancy.next_expiry(state.occupancy, config)) is not None and expiry <= to:
        gone, broken = occupancy.expire(state.occupancy, config)
        state = _people(_air(replace(state, at=expiry), airs, expiry), config, expiry, gone, [broken])
    if to <= state.at:
        return state
    return replace(
        state, at=to, occupancy=occupancy.advance(state.occupancy, to), suite=suite.advance(state.suite, to),
        cascades=tuple(
            pressure.advance(each, rule, to) for each, rule in zip(state.cascades, config.cascades, strict=True)
        ),
    )  # fmt: skip


def _air(state: State, airs: tuple[room.Air, room.Air], at: int) -> State:
    hours = at / HOUR
    if state.half.hours == 0.0:  # the belief begins with the first that is known
        return replace(state, half=replace(state.half, hours=hours), five=replace(state.five, hours=hours))
    return replace(state, half=room.predict(state.half, airs[0], hours), five=room.predict(state.five, airs[1], hours))


def _people(state: State, config: RoomConfig, at: int, now: occupancy.Occupancy, broken: list[Violation]) -> State:
    count = len(now.inside)
    waits = state.waits_for_recovery
    if count:
        waits = None
    elif state.occupancy.inside:
        waits = at
    return _break(
        replace(
            state, occupancy=now, suite=suite.set_people(state.suite, config, at, count), waits_for_recovery=waits,
            half=room.people(state.half, count), five=room.people(state.five, count),
        ),
        broken,
    )  # fmt: skip


def _break(state: State, broken: list[Violation]) -> State:
    if not broken:
        return state
    counts = dict(state.broken)
    for each in broken:
        counts[each.kind] = counts.get(each.kind, 0) + 1
    return replace(
        state, violations=(*state.violations, *broken)[-MOST_VIOLATIONS:], broken=tuple(sorted(counts.items()))
    )


def _take(
    state: State, config: RoomConfig, airs: tuple[room.Air, room.Air], step: Step, over: frozenset[str] | set[str]
) -> State:
    fact, at = step.fact, step.at
    if isinstance(fact, f.Particles):
        return _particles(_air(state, airs, at), config, fact)
    if isinstance(fact, f.Badge):
        now, broken = occupancy.badge(state.occupancy, config, at, fact.person, fact.entered)
        wrong = flow.way(config, fact.door, fact.person, fact.entered, True, at)
        return _people(_air(state, airs, at), config, at, now, broken + ([wrong] if wrong else []))
    if isinstance(fact, f.Moved):
        wrong = flow.way(config, fact.door, fact.item, fact.entered, False, at)
        return _break(state, [wrong] if wrong else [])
    if isinstance(fact, f.Door):
        return _door(state, config, fact)
    if isinstance(fact, f.Pressure):
        return replace(
            state,
            cascades=tuple(
                pressure.read(each, rule, at, fact.difference_pa) if rule.against == fact.against else each
                for each, rule in zip(state.cascades, config.cascades, strict=True)
            ),
        )
    return _suite(state, config, step, over)


def _suite(state: State, config: RoomConfig, step: Step, over: frozenset[str] | set[str]) -> State:
    fact, at, now, broken = step.fact, step.at, state.suite, list[Violation]()
    if isinstance(fact, f.UnitOpened):
        now, broken = suite.open_unit(now, config, suite.OpenUnit(fact.unit, fact.patient, fact.product, at))
    elif isinstance(fact, f.UnitClosed):
        now, broken = suite.close_unit(now, at, fact.unit)
    elif isinstance(fact, f.LineCleared):
        now, broken = suite.clear_line(now, at)
    elif isinstance(fact, f.Cleaned):
        now = suite.clean(now, at, step.what == "cleaning_begins")
    elif isinstance(fact, f.Held):
        now = suite.hold(now, at, fact.reason)
    elif isinstance(fact, f.Released):
        now = suite.release(now, at, fact.reason)
    elif isinstance(fact, f.PlateRead) and config.hold_on_plate and fact.plate in over:
        now = suite.hold(now, at, suite.PLATE + fact.plate)
    return _break(replace(state, suite=now), broken)


def _door(state: State, config: RoomConfig, fact: f.Door) -> State:
    cascades = tuple(
        pressure.door(each, rule, fact.at, fact.door, fact.opened)
        for each, rule in zip(state.cascades, config.cascades, strict=True)
    )
    broken = flow.interlocked(config, state.doors, fact.door, fact.at) if fact.opened else []
    doors = tuple(sorted({*state.doors, fact.door} if fact.opened else {*state.doors} - {fact.door}))
    return _break(replace(state, cascades=cascades, doors=doors), broken)


def _particles(state: State, config: RoomConfig, fact: f.Particles) -> State:
    in_operation = bool(state.occupancy.inside or state.suite.open)
    half, five, verdicts = state.half, state.five, dict(state.verdicts)
    if fact.count_half_um is not None:
        half = room.count(half, fact.count_half_um, fact.sample_m3)
        verdicts["half_um"] = judge_particles(
            config.grade, "half_um", in_operation, fact.count_half_um, fact.sample_m3, config.levels
        )
    if fact.count_five_um is not None:
        five = room.count(five, fact.count_five_um, fact.sample_m3)
        verdicts["five_um"] = judge_particles(
            config.grade, "five_um", in_operation, fact.count_five_um, fact.sample_m3, config.levels
        )
    levels = {verdict.level for verdict in verdicts.values()}
    level: Level = "action" if "action" in levels else "alert" if "alert" in levels else "within"
    now = suite.advance(state.suite, fact.at)
    state = replace(
        state, half=half, five=five, level=level, verdicts=tuple(sorted(verdicts.items(), key=lambda pair: pair[0])),
        suite=replace(now, above_alert=level != "within"),
    )  # fmt: skip
    return _recovered(state, config, fact)


def _recovered(state: State, config: RoomConfig, fact: f.Particles) -> State:
    """Note how long an emptied room took until a count was within the limit at rest."""
    limit, since = particle_limit(config.grade, "half_um", False), state.waits_for_recovery
    if since is None or limit is None or fact.count_half_um is None or fact.count_half_um > limit * fact.sample_m3:
        return state
    took = fact.at - since
    return replace(
        state, waits_for_recovery=None, recoveries=state.recoveries + 1, recovery_us=state.recovery_us + took,
        longest_recovery_us=max(state.longest_recovery_us, took),
    )  # fmt: skip
