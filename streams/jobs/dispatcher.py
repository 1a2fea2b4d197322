"""Takes what is asked on `resim.requests` into the job ledger, each request once, however many dispatchers run.

No consumer group takes part: where it stands is a row of the ledger, moved in the transaction that takes requests in.
No engine is loaded here, and none can end this process.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import psycopg
import structlog

from schemas.errors import InputError, LogError
from schemas.instants import format_instant
from streams.jobs.answers import Refusal
from streams.jobs.engines import EngineEntry, engines
from streams.jobs.intake import Intake, MovedError, Original, positions, take
from streams.jobs.queue_bounds import QueueBounds
from streams.jobs.requests import read_request
from streams.jobs.store import JobStore, Step, no_step
from streams.jobs.submitting import Submission
from streams.ledger.connect import away, blames_record, connect
from streams.outputs import make_outputs
from streams.transports.access import LogReader, open_reader
from twins.frame import RawRecord

TOPIC = "resim.requests"
MOST_RECORDS = 500  # taken in by one transaction
WAIT_SECONDS = 0.25
RETRY_SECONDS = 0.5
log = structlog.get_logger("twinstream.dispatcher")


class Dispatcher:
    """Reads requests and takes them in. One thread runs it; several processes may.

    Parameters
    ----------
    broker : str or None
        Address of Kafka; None for the embedded log.
    uri : str
        postgresql:// address of the ledger.
    """

    def __init__(
        self, broker: str | None, uri: str, name: str = "twinstream-dispatcher", at_step: Step = no_step
    ) -> None:
        self._uri = uri
        self._broker = broker
        self._name = name
        self._engines: Mapping[str, EngineEntry] = engines()
        self._bounds = QueueBounds()
        self._store = JobStore(uri, make_outputs(broker, uri), name, at_step, self._bounds)
        self._reader: LogReader | None = None
        self._positions: dict[int, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Dispatch until told to stop. Log or ledger away: wait and try again; nothing is dropped."""
        try:
            while not stop.is_set():
                try:
                    if not self.round():
                        self._open().wait(WAIT_SECONDS)
                except (psycopg.Error, LogError, OSError) as error:
                    if isinstance(error, psycopg.Error) and not away(error):
                        raise
                    log.warning("requests wait", error=str(error).strip()[:200])
                    self._positions = {}
                    stop.wait(RETRY_SECONDS)
        finally:
            self.close()

    def round(self) -> int:
        """Read each partition once and take in what is there; give how many records were."""
        reader = self._open()
        if not self._positions:
            self._positions = self._stand(reader)
        return sum(self._partition(reader, partition) for partition in sorted(self._positions))

    def close(self) -> None:
        """End its sessions."""
        self._store.close()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _partition(self, reader: LogReader, partition: int) -> int:
        offset = self._positions[partition]
        records = reader.read(TOPIC, partition, offset, MOST_RECORDS)
        if not records:
            return 0
        originals = [self._original(one, partition) for one in records]
        intake = Intake(TOPIC, partition, offset, records[-1].offset + 1, originals)
        try:
            self._take(intake)
        except MovedError:
            self._positions = self._stand(reader)
            return 0
        self._positions[partition] = intake.next_offset
        return len(records)

    def _take(self, intake: Intake) -> None:
        """Take records in together; one by one where the ledger refuses a value, so that it alone is left out."""
        try:
            self._commit(intake)
        except psycopg.Error as error:
            if not blames_record(error):
                raise
            if len(intake.originals) > 1:
                self._take_singly(intake)
                return
            intake.originals[0].found = Refusal("invalid", "values that the ledger can hold", str(error), "record", "")
            self._commit(intake)

    def _take_singly(self, intake: Intake) -> None:
        offset = intake.offset
        for one in intake.originals:
            self._take(Intake(intake.topic, intake.partition, offset, one.offset + 1, [one]))
            offset = one.offset + 1

    def _commit(self, intake: Intake) -> Submission:
        return self._store.take_in(lambda connection: take(connection, intake, self._bounds))

    def _original(self, record: RawRecord, partition: int) -> Original:
        place = f"{TOPIC}/{partition}/{record.offset}"
        found: Any
        try:
            found = read_request(record, place, self._engines)
        except InputError as error:
            found = Refusal(error.reason, error.expected, error.received, error.where, error.advice)
        return Original(record.offset, record.key, record.value or b"", format_instant(record.timestamp * 1000), found)

    def _stand(self, reader: LogReader) -> dict[int, int]:
        """Ask the ledger where to go on."""
        with connect(self._uri, name=self._name) as connection:
            return positions(connection, TOPIC, reader.beginnings(TOPIC))

    def _open(self) -> LogReader:
        if self._reader is None:
            self._reader = open_reader(self._broker, self._uri, {TOPIC}, self._name)
        return self._reader


__all__ = ["Dispatcher"]
