"""Make bioreactor records for tests: by hand, one call an event, or at random from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from schemas import bioreactor as b
from schemas.events import Event, write_headers, write_value
from schemas.fields import Quantity
from schemas.instants import SECOND, Instant, parse_instant
from schemas.partitions import TimePassed
from twins.checks import PlainRecord

BEGIN = parse_instant("2026-03-01T08:00:00Z")


@dataclass
class Script:
    """A list of events in the order they are told; `seconds` are since BEGIN."""

    unit: str = "BR-1"
    events: list[Event] = field(default_factory=list)

    def say(self, seconds: float, type_name: str, data: Any, known: float | None = None, **also: Any) -> Event:
        """Add any event."""
        time = Instant(BEGIN + round(seconds * SECOND))
        recorded = time if known is None else Instant(BEGIN + round(known * SECOND))
        given: dict[str, Any] = {"id": f"e{len(self.events)}", "source": "test", "subject": self.unit, **also}
        event = Event(type=type_name, event_time=time, record_time=recorded, data=data, **given)
        self.events.append(event)
        return event

    def start(self, seconds: float = 0, batch: str = "B-1", volume: float | None = 1.0, **more: Any) -> Event:
        also = {name: more.pop(name) for name in ("id", "source", "subject") if name in more}
        amount = None if volume is None else Quantity(volume, "L")
        return self.say(seconds, "bioreactor.batch_started", b.BatchStarted(batch, volume=amount, **more), **also)

    def end(self, seconds: float, batch: str = "B-1", **also: Any) -> Event:
        return self.say(seconds, "bioreactor.batch_ended", b.BatchEnded(batch), **also)

    def read(self, seconds: float, biomass: Any = None, also: dict[str, Any] | None = None, **tags: Any) -> Event:
        """Add a reading; a tag's value is a number, or (number, unit), or (number, unit, quality)."""
        units = {"biomass": "g/L", "dissolved_oxygen": "%", "ph": "[pH]", "temperature": "Cel"}
        values = ({} if biomass is None else {"biomass": biomass}) | tags
        channels = []
        for tag, value in values.items():
            parts = value if isinstance(value, tuple) else (value, units.get(tag, "1"))
            channels.append(b.Channel(tag, *parts))
        return self.say(seconds, "bioreactor.reading", b.Reading(tuple(channels)), **(also or {}))

    def feed(self, seconds: float, litres: float, **also: Any) -> Event:
        return self.say(seconds, "bioreactor.feed_added", b.FeedAdded(Quantity(litres, "L")), **also)

    def sample(self, seconds: float, litres: float, name: str = "S-1", **also: Any) -> Event:
        return self.say(seconds, "bioreactor.sample_drawn", b.SampleDrawn(Quantity(litres, "L"), name), **also)

    def assay(self, seconds: float, value: float, name: str = "S-1", tag: str = "biomass", **also: Any) -> Event:
        return self.say(seconds, "bioreactor.assay_resulted", b.AssayResulted(name, tag, value, "g/L"), **also)

    def correct(self, seconds: float, value: float, name: str = "S-1", tag: str = "biomass", **also: Any) -> Event:
        data = b.AssaySuperseded(name, tag, value, "g/L", "second reading")
        return self.say(seconds, "bioreactor.assay_superseded", data, **also)

    def withdraw(self, seconds: float, name: str = "S-1", tag: str = "biomass", **also: Any) -> Event:
        return self.say(seconds, "bioreactor.assay_withdrawn", b.AssayWithdrawn(name, tag, "spilt"), **also)

    def phase(self, seconds: float, name: str, **also: Any) -> Event:
        return self.say(seconds, "bioreactor.phase_changed", b.PhaseChanged(name), **also)

    def calibrate(self, seconds: float, gain_sd: float | None = None, tag: str = "biomass", **also: Any) -> Event:
        return self.say(seconds, "bioreactor.probe_calibrated", b.ProbeCalibrated(tag, "two_point", gain_sd), **also)

    def change_probe(self, seconds: float, gain_sd: float | None = None, tag: str = "biomass", **also: Any) -> Event:
        return self.say(seconds, "bioreactor.probe_changed", b.ProbeChanged(tag, "SN-2", gain_sd), **also)

    def inoculate(self, seconds: float, **also: Any) -> Event:
        return self.say(seconds, "bioreactor.inoculated", b.Inoculated(), **also)

    def hold(self, seconds: float, reason: str = "pump stopped", **also: Any) -> Event:
        return self.say(seconds, "bioreactor.held", b.Held(reason), **also)

    def resume(self, seconds: float, **also: Any) -> Event:
        return self.say(seconds, "bioreactor.resumed", b.Resumed(), **also)

    def exchange(self, seconds: float, litres: float, retained: bool = True, **also: Any) -> Event:
        data = b.MediumExchanged(Quantity(litres, "L"), retained, also.pop("composition", {}))
        return self.say(seconds, "bioreactor.medium_exchanged", data, **also)

    def passed(self, seconds: float, **also: Any) -> Event:
        return self.say(seconds, "time.passed", TimePassed(), **{"subject": "", **also})


def records_of(events: Sequence[Event], first: int = 0) -> list[PlainRecord]:
    """Write events as raw records, offsets from `first`."""
    return [
        PlainRecord(
            first + n,
            event.record_time // 1000,
            event.subject.encode() or None,
            write_value(event),
            write_headers(event),
        )
        for n, event in enumerate(events)
    ]


def wild_events(seed: int, count: int, units: int = 3, hours: float = 3.0, disorder: float = 600.0) -> list[Event]:
    """Make events of every kind, out of order by up to `disorder` seconds, some twice, some wrong."""
    rng = np.random.default_rng(seed)
    script = Script()
    for unit in range(units):
        script.unit = f"BR-{unit}"
        if rng.random() < 0.7:
            script.start(float(rng.integers(0, 30)), f"B-{unit}", id=f"start-{unit}")
    for turn in range(count):
        script.unit = f"BR-{rng.integers(units)}"
        base = turn / count * hours * 3600
        time = max(0.0, base - (rng.random() * disorder if rng.random() < 0.3 else 0.0)) + 1
        also: dict[str, Any] = {"id": f"w{turn}", "known": max(time, base) + 60}
        _one(script, rng, time, also)
        if rng.random() < 0.05:
            script.events.append(script.events[rng.integers(len(script.events))])
    return script.events


def _one(script: Script, rng: np.random.Generator, time: float, also: dict[str, Any]) -> None:
    kind = rng.random()
    level = float(np.exp(0.15 * time / 3600) * (1 + 0.02 * rng.normal()))
    sample = f"S-{rng.integers(4)}"
    if kind < 0.05:
        _intervene(script, int(kind / 0.05 * 11), time, also)
    elif kind < 0.55:
        tags: dict[str, Any] = {"dissolved_oxygen": float(rng.normal(11, 3))}
        if rng.random() < 0.3:
            tags["ph"] = (7.0, "[pH]", ["good", "uncertain", "bad"][rng.integers(3)])
        if rng.random() < 0.05:
            level *= 5
        quality = "good" if rng.random() < 0.9 else "bad"
        script.read(time, also=also, biomass=(level, "g/L", quality), **tags)
    elif kind < 0.62:
        script.read(time, also=also, dissolved_oxygen=float(rng.choice([5.0, 50.0, 900.0])))
    elif kind < 0.70:
        script.feed(time, float(rng.random() * 0.01), **also)
    elif kind < 0.75:
        script.sample(time, float(rng.random() * 0.005), sample, **also)
    elif kind < 0.80:
        script.assay(time, level, sample, **also)
    elif kind < 0.83:
        script.correct(time, level * 1.01, sample, **also)
    elif kind < 0.85:
        script.withdraw(time, sample, **also)
    elif kind < 0.88:
        script.phase(time, "fed-batch" if kind < 0.87 else "harvest", **also)
    elif kind < 0.90:
        script.end(time, f"B-{script.unit[3:]}", **also)
    elif kind < 0.92:
        script.start(time, f"B-{script.unit[3:]}", parameters={"gain_sd": 0.1}, clock="source", id=also["id"])
    elif kind < 0.93:
        script.start(time, "B-x", parameters={"nonsense": 1.0}, id=also["id"])
    elif kind < 0.97:
        script.passed(time + 600, subject="" if rng.random() < 0.5 else script.unit, id=also["id"], known=time + 600)
    else:
        script.read(time, also=also, biomass=(level, "[arb'U]"))


def _intervene(script: Script, what: int, time: float, also: dict[str, Any]) -> None:
    """Do one of eleven things at the vessel: about one fact in 220 each, so that a short script has some."""
    match what:
        case 0:
            script.calibrate(time, **also)
        case 1:
            script.calibrate(time, 0.05, **also)
        case 2:
            script.change_probe(time, 0.3, **also)
        case 3:
            script.change_probe(time, tag="ph", **also)
        case 4 | 5:
            script.inoculate(time, **also)
        case 6 | 7:
            script.hold(time, **also)
        case 8:
            script.resume(time, **also)
        case _:
            script.exchange(time, 0.3, retained=what == 9, **also)


def with_cells(events: Sequence[Event]) -> list[Event]:
    """Give the same events of a culture of cells: biomass in 10*6/mL, every other sample's assays of glucose, and some
    batches with their own prior of mu_m."""
    return [later(event, data=_with_cells(event.data)) for event in events]


def _with_cells(data: Any) -> Any:
    if isinstance(data, b.Reading):
        units = {"g/L": "10*6/mL"}
        return b.Reading(tuple(b.Channel(c.tag, c.value, units.get(c.unit, c.unit), c.quality) for c in data.channels))
    if isinstance(data, b.BatchStarted) and "gain_sd" in data.parameters:
        return later(data, parameters=data.parameters | {"process.mu_m": 0.03, "process.mu_m.sd": 0.1})
    if isinstance(data, b.AssayWithdrawn):
        return later(data, tag="glucose") if data.sample in ("S-1", "S-3") else data
    if isinstance(data, b.AssayResulted | b.AssaySuperseded):
        if data.sample in ("S-1", "S-3"):
            return later(data, tag="glucose", value=25.0 - data.value, unit="mmol/L")
        return later(data, unit="10*6/mL")
    return data


def later(event: Any, **changes: Any) -> Any:
    """Give a changed copy of an event, or of its data."""
    return msgspec.structs.replace(event, **changes)


__all__ = ["BEGIN", "Script", "later", "records_of", "wild_events", "with_cells"]
