"""The load: a fleet of simulated bioreactors that appends its readings when they are due. A process of its own.

    python -m benchmarks.load '{"twins": 1000, "seconds": 60, ...}'      the fields of `Load`

It writes one JSON line when the fleet's first step is durable, waits for a line with the instant to begin at,
and writes one more JSON line at the end. A share of the units crosses a limit at known steps.
"""

from __future__ import annotations

import gc
import json
import re
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import confluent_kafka
import msgspec
import numpy as np

from benchmarks.cultures import Cultures
from benchmarks.processes import module
from connectors.bioreactor_simulation import Simulation
from connectors.bioreactor_simulator import Simulator
from connectors.outgoing import Outgoing
from schemas.instants import SECOND, format_instant
from schemas.placement import partition_of
from schemas.topics import input_topic
from streams.log import Producer
from streams.transports.addresses import kafka_servers

TOPIC = input_topic("bioreactor")
_OXYGEN = re.compile(rb'("tag":"dissolved_oxygen","value":)[0-9.eE+-]+')
_OXYGEN_LOW = rb"\g<1>3"  # % of saturation; the limit by default is 10


@dataclass(frozen=True, slots=True)
class Load:
    """What to append. `crossing_seconds`: each unit crosses its limit once in so many seconds, for one reading.

    With `cultures` they are fed CHO cultures, each with one glucose assay within `assays_within` seconds (0: none).
    """

    database: str
    broker: str | None
    twins: int
    seconds: int
    tick_seconds: float = 0.1  # readings that fell due since the last tick are appended together
    moving: bool = False  # values move with the simulated process; else each unit says the same all the time
    crossing_seconds: int = 1000
    seed: int = 1
    cultures: bool = False
    assays_within: int = 0


class Sender(Protocol):
    """Appends records and notes when they were durable."""

    def send(self, records: Sequence[Outgoing], due: float) -> None: ...
    def finish(self) -> None: ...


def crossing(load: Load, step: int, first: int, last: int) -> list[int]:
    """Give the units that cross their limit at a step; they are back at the next."""
    every = load.crossing_seconds
    begin = first + (step - first) % every
    return list(range(begin, last, every)) if step > 0 else []


class Fleet:
    """Makes the records of a load, a part of a step at a time."""

    def __init__(self, load: Load, origin: float) -> None:
        self._load = load
        self._simulator = self._cultures(origin) if load.cultures else self._simulated(origin)
        self.first = self._simulator.records(0)

    def _cultures(self, origin: float) -> Cultures:
        load = self._load
        return Cultures(load.twins, load.seed, int(origin) * SECOND, load.assays_within, packed=load.broker is None)

    def _simulated(self, origin: float) -> Simulator:
        load = self._load
        simulation = Simulation(
            units=load.twins,
            seed=load.seed,
            origin=format_instant(int(origin) * SECOND),
            age_hours=30.0,
            feed_every_seconds=300.0,
            clock="wall",
        )
        return Simulator(simulation, fixed=not load.moving, packed=load.broker is None)

    def records(self, step: int, first: int, last: int) -> list[Outgoing]:
        """Make the records of units `first` to `last` (excluded) at a step."""
        records = self._simulator.records(step, first, last)
        low = {self._simulator.keys[unit].encode() for unit in crossing(self._load, step, first, last)}
        if low:
            for i, one in enumerate(records):
                if one.key in low and (value := _OXYGEN.sub(_OXYGEN_LOW, one.value)) is not one.value:
                    records[i] = one._replace(value=value)
        return records


class LogSender:
    """Appends to the embedded log by the product's producer."""

    def __init__(self, database: str) -> None:
        self._producer = Producer(database, "load")
        self.waits: list[float] = []
        self.sent = 0

    def send(self, records: Sequence[Outgoing], due: float) -> None:
        rows = [(one.key, one.value, one.headers) for one in records]
        answer: Future[Any] = self._producer.send(TOPIC.name, rows)
        answer.add_done_callback(lambda done: self._done(done, due))
        self.sent += len(rows)

    def finish(self) -> None:
        self._producer.close(60.0)

    def _done(self, done: Future[Any], due: float) -> None:
        done.result()
        self.waits.append(time.time() - due)


class KafkaSender:
    """Produces by librdkafka: the cheapest client there is, for the load should not be what is measured."""

    def __init__(self, broker: str) -> None:
        self._producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": ",".join(kafka_servers(broker)),
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "batch.num.messages": 10_000,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        self.waits: list[float] = []
        self.sent = 0

    def send(self, records: Sequence[Outgoing], due: float) -> None:
        produce = self._producer.produce
        for one in records[:-1]:
            produce(TOPIC.name, one.value, one.key, place(one.key), headers=pairs(one))
        last = records[-1]
        produce(
            TOPIC.name, last.value, last.key, place(last.key), headers=pairs(last),
            on_delivery=lambda error, _: self._done(error, due),
        )  # fmt: skip
        self._producer.poll(0)
        self.sent += len(records)

    def finish(self) -> None:
        left = self._producer.flush(60.0)
        if left:
            raise TimeoutError(f"expected Kafka to take all records, {left} are left")

    def _done(self, error: Any, due: float) -> None:
        if error is not None:
            raise ConnectionError(str(error))
        self.waits.append(time.time() - due)


def pairs(one: Outgoing) -> list[tuple[str, str | bytes | None]]:
    """Give the headers as librdkafka takes them."""
    assert not isinstance(one.headers, bytes)
    return list(one.headers)


def place(key: bytes | None) -> int:
    """Give the partition of a key."""
    return partition_of(key, TOPIC.partitions)


def run(load: Load) -> None:
    """Append the first step at once, then each part of each step when it is due."""
    # Event time is wall time: step 1 begins a moment after the start, whose second is said on stdin.
    sender = KafkaSender(load.broker) if load.broker else LogSender(load.database)
    ticks = max(1, round(1 / load.tick_seconds))
    origin = float(int(time.time()))
    fleet = Fleet(load, origin)
    for begin in range(0, len(fleet.first), 2000):
        sender.send(fleet.first[begin : begin + 2000], time.time())
    _say({"first": sender.sent})
    start = float(sys.stdin.readline())
    first_step = int(start - origin) + 1
    begun = sender.sent
    gc.collect()
    gc.freeze()
    late = 0.0
    parts = [(load.twins * part // ticks, load.twins * (part + 1) // ticks) for part in range(ticks)]
    for step in range(first_step, first_step + load.seconds):
        for part, (first, last) in enumerate(parts):
            records = fleet.records(step, first, last) if last > first else []
            due = origin + step + (part + 1) / ticks
            if (wait := due - time.time()) > 0:
                time.sleep(wait)
            else:
                late = max(late, -wait)
            if records:
                sender.send(records, due)
    sender.finish()
    waits = np.array(sender.waits[-load.seconds * ticks :])
    _say(
        {
            "sent": sender.sent,
            "sent_paced": sender.sent - begun,
            "late_max": late,
            "durable_p50": float(np.percentile(waits, 50)),
            "durable_p99": float(np.percentile(waits, 99)),
            "first_step": first_step,
            "cpu": time.process_time(),
        }
    )


def _say(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)


def command(load: Load) -> list[str]:
    """Give the command of a load's process."""
    return module("benchmarks.load", json.dumps(asdict(load)))


if __name__ == "__main__":
    run(msgspec.json.decode(sys.argv[1].encode(), type=Load))
