"""Tells a supply twin facts one by one, and gives what it says and what it believes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from schemas import supply as s
from schemas.events import EVENTS, Event, write_headers, write_value
from schemas.fields import Fact, FactName
from schemas.instants import parse_instant
from schemas.partitions import TimePassed
from tests.support.supply_story import Story, records
from twins import checks
from twins.supply import SupplyModel, network_twin, patient, room
from twins.supply.twin import SupplyState

END = 900.0  # hour by which all is told


class Teller:
    """One block that is told event after event. `said` are its effects in order, as (kind, data, event)."""

    def __init__(self, **config: Any) -> None:
        self.model = SupplyModel.from_config(config)
        self.block = self.model.empty()
        self.effects: list[Any] = []
        self._offset = 0

    def tell(self, *events: Event) -> list[Any]:
        """Tell events; give the effects that they had."""
        new: list[Any] = []
        for event in events:
            record = checks.PlainRecord(
                self._offset, event.record_time // 1000, event.subject.encode() or None, write_value(event),
                write_headers(event),
            )  # fmt: skip
            self._offset += 1
            new += checks.fold(self.model, [record], block=self.block).effects
        self.effects += new
        return new

    def state(self, key: str) -> SupplyState[Any]:
        """Give a twin's state."""
        found: SupplyState[Any] = self.block._twins[key].state
        return found

    def restored(self) -> Teller:
        """Give one that goes on from a snapshot."""
        other = Teller()
        other.model, other.block, other._offset = self.model, self.model.empty(), self._offset
        other.block.restore(self.block.snapshot())
        return other


def alerts(effects: Iterable[Any], rule: str) -> list[str]:
    """Give what happened to an alert, in order."""
    return [one.data["action"] for one in effects if one.kind == "alert" and one.data["rule"] == rule]


def times(effects: Iterable[Any], of: str = "") -> list[int]:
    """Give when consequences happened [us], those told to subjects of a kind."""
    told = [one for one in effects if one.kind == "consequence" and one.data["subject"].startswith(of)]
    return [parse_instant(one.event_time) for one in told]


def refusals(effects: Iterable[Any]) -> list[tuple[str, str]]:
    """Give reason and field of each refusal."""
    return [(one.data["reason"], one.data["where"]) for one in effects if one.kind == "reject"]


def consequences(effects: Iterable[Any], kind: str) -> list[tuple[str, Any]]:
    """Give subject and data of each consequence of a type, checked to be an event of that type."""
    found = []
    for one in effects:
        if one.kind == "consequence" and one.data["type"] == kind:
            found.append((one.data["subject"], msgspec.convert(one.data["data"], EVENTS[kind])))
    return found


def withdraw(event: Event, number: int, hour: float | None = None) -> Event:
    """Give the withdrawal of a fact."""
    told = s.FactWithdrawn(fact=FactName(source=event.source, id=event.id), reason="wrong")
    later = 0 if hour is None else round(hour * 3_600_000_000)
    return Event(
        f"w{number}", "qa", "supply.fact_withdrawn", event.subject, event.event_time + later,  # type: ignore[arg-type]
        event.record_time + later, told,  # type: ignore[arg-type]
    )  # fmt: skip


def replace(event: Event, number: int, **changed: Any) -> Event:
    """Give the correction of a fact."""
    name = FactName(source=event.source, id=event.id)
    data = msgspec.structs.replace(event.data, supersedes=name, because="misread", **changed)
    return Event(f"r{number}", "qa", event.type, event.subject, event.event_time, event.record_time, data)


def disturbed(events: Sequence[Event], seed: int) -> tuple[list[Event], list[Event]]:
    """Give facts with some withdrawn or said anew, and the facts that count in the end."""
    rng = random.Random(seed)
    every, counting = list(events), []
    for number, event in enumerate(events):
        lot = rng.random()
        if isinstance(event.data, TimePassed) or lot < 0.6:
            counting.append(event)
        elif lot < 0.8 or not isinstance(event.data, Fact):
            every.append(withdraw(event, number))
        else:
            every.append(replace(event, number))
            counting.append(msgspec.structs.replace(every[-1], data=event.data))
    return every, counting


def last(word: str, subject: str) -> Event:
    """Give a fact of the end, which changes nothing but the time."""
    made = Story()
    named = FactName(source="nobody", id="nothing")
    return made.tell(END, subject, s.FactWithdrawn(fact=named, reason="none"), name=f"last-{word}")


def meaning(state: SupplyState[Any]) -> Any:
    """Give what a twin believes, without how many facts it took."""
    inner = state.inner
    if isinstance(inner, patient.PatientState):
        told = patient._estimate(inner, inner.journey.read())
        told["unjudged"] = []
        told["legs"] = {name: one.hours for name, one in inner.legs.items() if one.hash not in inner.kept.dead}
    elif isinstance(inner, room.RoomState):
        if inner.record is None:
            return None
        reading = inner.record.read(max(inner.kept.clock, inner.record.settled_to))
        plates = [one for one in inner.record.plates() if one.verdict.level != "within"]
        told = room._estimate(inner, inner.record, reading, room._exposures(inner, inner.record, plates))
    elif isinstance(inner, network_twin.NetworkState):
        described = inner.kept.newest(s.NetworkDescribed)
        if described is None:
            return None
        told = network_twin._estimate(inner, described)
        told["learned"] = sum(inner.learned._counts.values())
    else:
        folding = inner.folding
        return None if folding is None else [folding.folded.instants, folding.folded.values, folding.folded.tip]
    return {name: one for name, one in told.items() if name != "facts"}


def packed(**changed: Any) -> s.ShipperPacked:
    """Give a box that was packed."""
    said: dict[str, Any] = {
        "model": "DS-10", "patient": "A", "units": ("bag-A",), "limit_celsius": -130.0, "hold_hours": 240.0,
        "capacity_kg": 4.5, "fill_kg": 4.4, "fill_sd_kg": 0.1, "expected_arrival": "2026-03-12T00:00:00Z",
        "clock": "source",
    }  # fmt: skip
    return s.ShipperPacked(**{**said, **changed})


def order(coi: str, **changed: Any) -> s.TherapyOrdered:
    """Give an order with three legs."""
    legs = (s.PlannedLeg("apheresis", 3.0), s.PlannedLeg("receipt", 1.0, "L", "Q"), s.PlannedLeg("infusion", 20.0))
    said = {"product": "urgent", "order": coi, "site": "S1", "network": "N1", "legs": legs, "clock": "source"}
    return s.TherapyOrdered(**{**said, **changed})


__all__ = [
    "END", "Teller", "alerts", "consequences", "disturbed", "last", "meaning", "order", "packed", "records",
    "refusals", "replace", "times", "withdraw",
]  # fmt: skip
