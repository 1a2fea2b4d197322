"""Load for fault tests: a seeded fleet's records with duplicates, late and unreadable ones, fed at a steady rate."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from itertools import count, islice
from time import monotonic

import psycopg

from connectors.bioreactor_faults import Faults
from connectors.bioreactor_simulation import Simulation
from connectors.bioreactor_simulator import Simulator
from schemas.errors import LogError
from schemas.topics import input_topic
from streams.log import Row
from streams.transports import LogWriter, open_writer

TOPIC = input_topic("bioreactor").name
UNITS = 50
FAULTS = Faults(duplicate=0.03, late=0.03, lost=0.01, malformed=0.01, wrong_unit=0.01, spike=0.005, superseded=0.2)
_SECONDS_BETWEEN = 0.02


def rows(seed: int, units: int = UNITS, rate_hz: float = 1 / 20) -> Iterator[Row]:
    """Give records without end: readings, feeds, samples, assays; among them what a plant does wrong."""
    simulator = Simulator(Simulation(units=units, seed=seed, rate_hz=rate_hz, age_hours=4.0, faults=FAULTS))
    rng = random.Random(seed)
    for step in count():
        for one in simulator.records(step):
            yield one.key, one.value, one.headers
        if rng.random() < 0.05:
            yield None, b"{not json", None
        if rng.random() < 0.05:
            yield b"\xff\xfe", b"\x00" * rng.randrange(200), None


class Feeder:
    """Appends records at a rate, from a thread of its own, and remembers which the log said are durable.

    Where log and database are away it keeps trying: an `append` that gives up may have happened, so what it held is
    remembered as `unsure`, and sent again.
    """

    def __init__(self, broker: str | None, uri: str, records: Iterator[Row], per_second: float) -> None:
        self.acknowledged: list[Row] = []
        self.unsure: list[Row] = []
        self.longest_seconds = 0.0  # of one append
        self._records = records
        self._per_second = per_second
        self._writer: LogWriter = open_writer(broker, uri, "feeder")
        self._stop = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)

    def start(self) -> Feeder:
        self._thread.start()
        return self

    def append(self, number: int) -> None:
        """Append the next records at once, in this thread. Before `start`."""
        self._append(list(islice(self._records, number)))

    def append_rows(self, records: Sequence[Row]) -> None:
        """Append these at once, in this thread."""
        for start in range(0, len(records), 2000):
            self._append(list(records[start : start + 2000]))

    def stop(self) -> None:
        """Append what is in hand, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(90)
            assert not self._thread.is_alive(), "the feeder could not append within 90 s"
        self._writer.close()
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        few = max(1, round(self._per_second * _SECONDS_BETWEEN))
        try:
            while not self._stop.wait(few / self._per_second):
                self._append(list(islice(self._records, few)))
        except BaseException as error:
            self._problem = error

    def _append(self, few: list[Row]) -> None:
        began = monotonic()
        while True:
            try:
                self._writer.append(TOPIC, few, timeout=60.0)
                break
            except (LogError, psycopg.OperationalError):
                self.unsure += few
        self.acknowledged += few
        self.longest_seconds = max(self.longest_seconds, monotonic() - began)
