"""The course of one unit, told as the rows that a worker would leave: a logistic fed-batch under a faulty probe."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.effects import Effect, write_effect
from schemas.ids import effect_id, event_hash
from schemas.instants import HOUR, format_instant
from schemas.placement import partition_of
from schemas.topics import PARTITIONS
from streams.ledger.reads import moment

KIND, TOPIC, MODEL = "bioreactor", "bioreactor.events", "growth@1+fill"
TAGS = ["biomass", "dissolved_oxygen", "temperature", "ph", "volume", "agitation", "glucose"]
UNITS = ["g/L", "%", "Cel", "[pH]", "L", "{rev}/min", "g/L"]
QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]
Z90, Z50 = 1.645, 0.674
MODELLED = "BR-02"  # the unit that a process model follows beside the growth filter
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
HOSTILE_TAG = "</script><script>document.title='owned'</script>"


@dataclass
class Log:
    """Offsets of the input topic, as its partitions would count them."""

    next: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))

    def append(self, partition: int) -> int:
        offset = self.next[partition]
        self.next[partition] = offset + 1
        return offset


@dataclass
class Rows:
    """Rows to copy, by table."""

    reading: list[tuple[Any, ...]] = field(default_factory=list)
    fact: list[tuple[Any, ...]] = field(default_factory=list)
    effect: list[tuple[Any, ...]] = field(default_factory=list)


class Unit:
    """One unit's run, told from its start to `end` [us]."""

    def __init__(self, key: str, no: int, log: Log, rows: Rows, rng: np.random.Generator, start: int, end: int) -> None:
        self.key, self.no, self.log, self.rows, self.rng = key, no, log, rows, rng
        self.partition = partition_of(key.encode(), PARTITIONS)
        self.start, self.end = start, end
        self.batch = f"YF-{rng.integers(1000, 9999)}"
        self.mu = rng.uniform(0.16, 0.24)
        self.top = rng.uniform(28, 46)
        self.last: dict[str, Any] = {}
        self.forecast: dict[str, Any] = {}
        self.alerts: list[dict[str, Any]] = []
        self.known_at = end

    def truth(self, hours: float) -> float:
        return float(self.top / (1 + (self.top / 0.6 - 1) * np.exp(-self.mu * hours)))

    def growth(self, hours: float) -> float:
        return float(self.mu * (1 - self.truth(hours) / self.top))

    def phase(self, hours: float) -> str:
        return "inoculation" if hours < 1 else "batch" if hours < 10 else "fed-batch" if hours < 34 else "harvest"

    def run(self, every_us: int, ended: bool = False, hostile: bool = False, gap: bool = False) -> None:
        tags = [*TAGS[:-1], HOSTILE_TAG] if hostile else TAGS
        self.tags = tags
        self.fact(
            self.start, "batch_started", {"batch": self.batch, "model": "growth", "volume": {"value": 0.8, "unit": "L"}}
        )
        for begins, name in ((0, "inoculation"), (1, "batch"), (10, "fed-batch"), (34, "harvest")):
            if self.start + begins * HOUR < self.end:
                self.fact(self.start + begins * HOUR + 1, "phase_changed", {"phase": name, "batch": self.batch})
        volume, samples = 0.8, 0
        for i, t in enumerate(range(self.start + every_us, self.end + 1, every_us)):
            hours = (t - self.start) / HOUR
            if gap and 12 < hours < 14:
                continue
            if hours > 10 and i % max(1, HOUR // every_us) == 0:
                volume += 0.012
                self.fact(t - 2, "feed_added", {"volume": {"value": 12.0, "unit": "mL"}, "feed": "glucose"})
            if i and i % max(1, 4 * HOUR // every_us) == 0:
                samples += 1
                volume -= 0.004
                self.fact(t - 1, "sample_drawn", {"volume": {"value": 4.0, "unit": "mL"}, "sample": f"S-{samples}"})
                if t + 2 * HOUR < self.end:
                    value = round(self.truth(hours) * float(self.rng.normal(1, 0.02)), 2)
                    self.fact(
                        t,
                        "assay_resulted",
                        {"sample": f"S-{samples}", "tag": "biomass", "value": value, "unit": "g/L"},
                        known=t + 2 * HOUR,
                    )
            self.step(t, hours, volume, every_us)
        if ended:
            self.fact(self.end, "batch_ended", {"batch": self.batch, "reason": "harvested"})
            self.estimate(self.end, (self.end - self.start) / HOUR, volume, 1.0, "none")

    def step(self, t: int, hours: float, volume: float, every_us: int) -> None:
        rng, x = self.rng, self.truth(hours)
        wrong = rng.random() < 0.012
        scatter = x * float(rng.normal(1, 0.035)) * (1.6 if wrong else 1.0) + float(rng.normal(0, 0.12))
        values = [
            scatter,
            max(4.0, 96 - 1.9 * x + float(rng.normal(0, 2.2))),
            30 + float(rng.normal(0, 0.05)),
            5.0 + float(rng.normal(0, 0.02)),
            volume,
            600 + 14 * x + float(rng.normal(0, 5)),
            max(0.02, 12 - 0.9 * x + float(rng.normal(0, 0.2))),
        ]
        quality = bytes([1 if rng.random() < 0.01 else 0, *([0] * 6)])
        known = moment(t + int(rng.integers(50, 400)) * 1000)
        offset = self.log.append(self.partition)
        self.rows.reading.append(
            (
                known,
                self.no,
                2 if self.tags[-1] == HOSTILE_TAG else 1,
                moment(t),
                moment(t),
                offset,
                event_hash("fill", f"{self.key}-{offset}"),
                values,
                quality,
            )
        )
        nis = float(rng.chisquare(1)) if not wrong else float(rng.uniform(9, 22))
        self.estimate(
            t, hours, volume, nis, "rejected" if wrong and nis > 10.8 else "accepted", values=values, offset=offset
        )
        if (t - self.start) % (6 * every_us) == 0:
            self.predict(t, hours, volume, offset)

    def estimate(
        self,
        t: int,
        hours: float,
        volume: float,
        nis: float,
        gate: str,
        values: list[float] | None = None,
        offset: int | None = None,
    ) -> None:
        x, mu = (
            self.truth(hours) * float(self.rng.normal(1, 0.006)),
            self.growth(hours) + float(self.rng.normal(0, 0.002)),
        )
        sd = 0.15 + 0.022 * x
        offset = self.log.append(self.partition) if offset is None else offset
        data: dict[str, Any] = {
            "batch": self.batch,
            "phase": self.phase(hours),
            "hours": round(hours, 4),
            "state": {
                "biomass": belief(x, sd, "g/L"),
                "growth_rate": belief(mu, 0.008, "/h"),
                "sensor_gain": belief(1.0 + 0.02 * np.sin(hours / 4), 0.03, "1"),
                "volume": belief(volume, 0.003, "L"),
                "biomass_mass": belief(x * volume, sd * volume, "g"),
            },
            "readings": {
                tag: {"value": value, "unit": unit, "quality": "good", "event_time": format_instant(t)}
                for tag, unit, value in zip(self.tags, UNITS, values or [], strict=False)
            },
            "filter": {
                "nis": round(nis, 4),
                "innovation": round(float(self.rng.normal(0, 0.4)), 4),
                "innovation_sd": 0.4,
                "gate": gate,
                "rejected_run": int(gate == "rejected"),
                "consistent": True,
            },
            "records": {"count": 1, "first": offset, "last": offset},
            "revised": False,
        }
        if self.key == MODELLED:
            data["process"] = process(hours, x)
        self.last = self.say("estimate", t, offset, 0, data)

    def predict(self, t: int, hours: float, volume: float, offset: int) -> None:
        ahead = np.linspace(0, max(1.0, 40 - hours), 25)
        spread = 0.3 + 0.022 * self.truth(hours) + 0.09 * ahead
        steps = np.array([-Z90, -Z50, 0, Z50, Z90])
        x = np.array([self.truth(hours + a) for a in ahead])
        mu = np.array([self.growth(hours + a) for a in ahead])
        data = {
            "batch": self.batch,
            "quantiles": QUANTILES,
            "at": [format_instant(int(t + a * HOUR)) for a in ahead],
            "values": {
                "biomass": (x[:, None] + spread[:, None] * steps).round(4).tolist(),
                "growth_rate": (mu[:, None] + (0.008 + 0.0006 * ahead)[:, None] * steps).round(5).tolist(),
                "volume": (volume + 0.012 * ahead[:, None] + 0.003 * steps).round(5).tolist(),
            },
            "units": {"biomass": "g/L", "growth_rate": "/h", "volume": "L"},
        }
        self.forecast = self.say("forecast", t, offset, 1, data)

    def alert(self, t: int, rule: str, priority: str, message: str, cleared_after_us: int | None = None) -> None:
        offset = self.log.append(self.partition)
        raise_id = effect_id(TOPIC, self.partition, offset, 0)
        data = {
            "action": "raise",
            "alert": raise_id,
            "rule": rule,
            "tag": rule.partition(".")[0],
            "priority": priority,
            "value": 18.2,
            "limit": 20.0,
            "unit": "%",
            "probability": 0.93 if rule.endswith("predicted") else None,
            "expected_at": None,
            "batch": self.batch,
            "phase": "fed-batch",
            "message": message,
        }
        raised = self.say("alert", t, offset, 0, data)
        if cleared_after_us is None:
            self.alerts.append(raised)
        else:
            offset = self.log.append(self.partition)
            self.say(
                "alert", t + cleared_after_us, offset, 0, {**data, "action": "clear", "message": "back within limits"}
            )

    def say(self, kind: Any, t: int, offset: int, n: int, data: dict[str, Any]) -> dict[str, Any]:
        effect = Effect(
            effect_id(TOPIC, self.partition, offset, n),
            kind,
            "qualified",
            KIND,
            self.key,
            format_instant(t),
            format_instant(t),
            MODEL,
            data,
        )
        line = write_effect(effect)
        known = t + 300 * 1000
        self.rows.effect.append(
            (moment(known), self.no, kind, "qualified", TOPIC, self.partition, offset, n, moment(t), moment(t), line)
        )
        document: dict[str, Any] = json.loads(line)
        return document

    def fact(self, t: int, name: str, data: dict[str, Any], known: int | None = None) -> None:
        offset = self.log.append(self.partition)
        identity = f"{self.key}-{offset}"
        known = known or t + 100_000
        self.rows.fact.append(
            (
                moment(known),
                self.no,
                moment(t),
                moment(known),
                offset,
                event_hash("fill", identity),
                f"bioreactor.{name}",
                "fill",
                identity,
                json.dumps(data),
            )
        )


def process(hours: float, biomass: float) -> dict[str, Any]:
    """Shape what a process model would say."""
    return {
        "model": "yeast@1",
        "lane": "unscented",
        "state": {
            "biomass": belief(biomass, 0.1, "g/L"),
            "ethanol": belief(0.4 * np.exp(-hours / 10), 0.05, "g/L"),
        },
        "outputs": {"growth_rate": belief(0.1, 0.01, "/h")},
        "parameters": {
            "qs_max": {"value": 3.4, "low": 3.1, "high": 3.7, "unit": "g/g/h", "seen": True, "doubt_left": 0.4},
            "Ks": {"value": 0.2, "low": 0.1, "high": 0.4, "unit": "g/L", "seen": False, "doubt_left": 0.99},
        },
        "channels": {
            "biomass": {
                "nis_mean": 1.02,
                "innovation": 0.1,
                "innovation_sd": 0.2,
                "rejected_run": 0,
                "consistent": True,
                "overcautious": False,
            }
        },
    }


def belief(mean: float, sd: float, unit: str) -> dict[str, Any]:
    """Shape one estimated quantity."""
    return {
        "mean": float(mean),
        "sd": float(sd),
        "low": float(mean - Z90 * sd),
        "high": float(mean + Z90 * sd),
        "unit": unit,
    }
