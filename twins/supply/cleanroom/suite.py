"""The state of a suite: at rest, in operation, cleaning, recovering, held; whose unit is open; what the time went to.

Held comes before cleaning, this before operation (people in or a unit open), this before recovering. Two patients'
units open at once break a rule that names both; so do a patient's after another's without line clearance, an opening
before the changeover was over, and one in a room that is held or being cleaned.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from twins.supply.cleanroom.config import RoomConfig
from twins.supply.cleanroom.violations import Violation

SuiteWord = Literal["at_rest", "operation", "cleaning", "recovering", "held"]
PLATE = "plate:"  # how the reason of a hold begins that a plate made


class OpenUnit(Struct, frozen=True, array_like=True):
    """A patient's unit that is open since an instant [us]."""

    unit: str
    patient: str
    product: str
    since: int


class Suite(Struct, frozen=True, array_like=True):
    """The suite at `at` [us]; `spent_us` are sums of what its time went to, by cause."""

    at: int
    open: tuple[OpenUnit, ...] = ()
    people: int = 0
    cleanings: int = 0
    holds: tuple[str, ...] = ()
    recovers_until: int = 0
    last: OpenUnit | None = None
    last_closed: int = 0
    cleared: bool = True  # the line, since the last unit was closed
    above_alert: bool = False
    open_us: int = 0
    patient_above_us: int = 0  # patients times time above the alert level
    spent_us: tuple[tuple[str, int], ...] = ()


def word(state: Suite) -> SuiteWord:
    """Say in which state a suite is."""
    if state.holds:
        return "held"
    if state.cleanings:
        return "cleaning"
    if state.people or state.open:
        return "operation"
    return "recovering" if state.at < state.recovers_until else "at_rest"


def cause(state: Suite) -> str:
    """Say what the suite's time goes to now: work, or why it idles."""
    said = word(state)
    if state.open:
        return "work"
    if said in ("held", "cleaning", "recovering"):
        return said
    if state.last is not None and not state.cleared:
        return "line_clearance"
    return "people_without_work" if said == "operation" else "free"


def advance(state: Suite, to: int) -> Suite:
    """Let time pass [us] in which nothing happens but the end of a recovery."""
    if state.at < state.recovers_until < to:
        state = _pass(state, state.recovers_until)
    return _pass(state, to) if to > state.at else state


def _pass(state: Suite, to: int) -> Suite:
    passed, why = to - state.at, cause(state)
    spent = dict(state.spent_us)
    spent[why] = spent.get(why, 0) + passed
    patients = len({unit.patient for unit in state.open})
    return replace(
        state, at=to, spent_us=tuple(sorted(spent.items())), open_us=state.open_us + (passed if state.open else 0),
        patient_above_us=state.patient_above_us + (passed * patients if state.above_alert else 0),
    )  # fmt: skip


def open_unit(state: Suite, config: RoomConfig, unit: OpenUnit) -> tuple[Suite, list[Violation]]:
    """Open a unit; give also the rules that this breaks."""
    state, at = advance(state, unit.since), unit.since
    broken = [
        Violation(at, "two_patients_open", tuple(sorted((patient, unit.patient))), f"units of {config.room}")
        for patient in sorted({other.patient for other in state.open} - {unit.patient})
    ]
    if word(state) in ("held", "cleaning"):
        why = ", ".join(state.holds) or "cleaning"
        broken.append(Violation(at, "opened_while_" + word(state), (unit.unit, unit.patient), why))
    elif word(state) == "recovering":
        broken.append(Violation(at, "opened_while_recovering", (unit.unit, unit.patient)))
    last = state.last
    if last is not None and last.patient != unit.patient and not state.open:
        pair = (last.patient, unit.patient)
        if not state.cleared:
            broken.append(Violation(at, "line_clearance_missing", pair))
        short = state.last_closed + config.changeover_us(last.product, unit.product) - at
        if short > 0:
            broken.append(Violation(at, "changeover_short", pair, f"by {short / 60_000_000:.1f} minutes"))
    rest = tuple(other for other in state.open if other.unit != unit.unit)
    return replace(state, open=tuple(sorted((*rest, unit), key=_key))), broken


def close_unit(state: Suite, at: int, name: str) -> tuple[Suite, list[Violation]]:
    """Close a unit; one that was not open is named."""
    state = advance(state, at)
    found = next((unit for unit in state.open if unit.unit == name), None)
    if found is None:
        return state, [Violation(at, "closed_not_open", (name,))]
    rest = tuple(unit for unit in state.open if unit.unit != name)
    return replace(state, open=rest, last=found, last_closed=at, cleared=False), []


def clear_line(state: Suite, at: int) -> tuple[Suite, list[Violation]]:
    """Clear the line; with a unit open it is no clearance."""
    state = advance(state, at)
    if state.open:
        return state, [Violation(at, "cleared_while_open", tuple(unit.unit for unit in state.open))]
    return replace(state, cleared=True), []


def set_people(state: Suite, config: RoomConfig, at: int, now: int) -> Suite:
    """Let people come or go; when the last leaves, the room recovers."""
    state = advance(state, at)
    until = at + config.recovery_us() if state.people and not now else state.recovers_until
    return replace(state, people=now, recovers_until=until if not now else 0)


def hold(state: Suite, at: int, reason: str) -> Suite:
    """Hold the room for a reason."""
    state = advance(state, at)
    return replace(state, holds=tuple(sorted({*state.holds, reason})))


def release(state: Suite, at: int, reason: str) -> Suite:
    """Lift a hold, or all."""
    state = advance(state, at)
    return replace(state, holds=tuple(held for held in state.holds if reason and held != reason))


def clean(state: Suite, at: int, begins: bool) -> Suite:
    """Begin or end a cleaning."""
    state = advance(state, at)
    return replace(state, cleanings=max(0, state.cleanings + (1 if begins else -1)))


def _key(unit: OpenUnit) -> tuple[int, str]:
    return unit.since, unit.unit
