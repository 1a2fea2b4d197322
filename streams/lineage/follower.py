"""Follow a topic and write what its events say about lineage: a reader of its own beside the workers.

Each round is one transaction with the next offset of every partition that was read, so that a restart goes on where
the graph is, on the embedded log as on Kafka. Several followers of one topic do no harm: the second finds all written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import structlog

from schemas.epcis import EpcisEvent
from schemas.errors import InputError, LogError
from schemas.events import read_record
from streams.ledger.connect import away, connect
from streams.ledger.lineage_write import Place, next_offsets, write_facts
from streams.lineage.epcis import fact_of
from streams.lineage.facts import Fact, Source, edges_of
from streams.transports.access import LogReader
from twins.frame import RawRecord

ReadFact = Callable[[RawRecord, Source], Fact | None]

BATCH = 2000  # records of one partition in one transaction
_WAIT_SECONDS = 0.5
_AWAY_SECONDS = 0.5
_PATIENT = "patient:"  # what begins the key of a record about one patient
log = structlog.get_logger("twinstream.lineage")


def read_epcis(record: RawRecord, source: Source) -> Fact | None:
    """Read a record that holds an EPCIS event; give None for any other event.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    event = read_record(record.key, record.value, record.headers)
    if not isinstance(event.data, EpcisEvent):
        return None
    patient = event.subject if event.subject.startswith(_PATIENT) else None
    return fact_of(event.data, record.timestamp * 1000, source, patient)


class Follower:
    """Writes the graph from one topic. For one thread. The caller owns `reader`.

    `behind` is the number of records that waited when the last round began; `refused` how many could not be used
    since the start. They are rejects of the twin that folds the topic, and are not said again here.
    """

    def __init__(self, reader: LogReader, database: str, topic: str, read_fact: ReadFact = read_epcis) -> None:
        self._reader, self._database, self._topic, self._read = reader, database, topic, read_fact
        self._connection: psycopg.Connection[Any] | None = None
        self._next: dict[Place, int] | None = None
        self.behind = 0
        self.refused = 0

    def run(self, stopped: threading.Event) -> None:
        """Follow until told to stop. Log or database away: wait and try again; nothing is lost."""
        while not stopped.is_set():
            try:
                if not self.round():
                    self._reader.wait(_WAIT_SECONDS)
            except (psycopg.Error, LogError, OSError) as error:
                if isinstance(error, psycopg.Error) and not away(error):
                    raise
                log.warning("lineage waits", error=str(error).strip()[:200])
                self.close()
                stopped.wait(_AWAY_SECONDS)
        self.close()

    def round(self) -> int:
        """Read what is new and write it; give the number of records read."""
        connection = self._session()
        if self._next is None:
            self._next = next_offsets(connection)
        ends = self._reader.ends(self._topic)
        wanted = {part: self._next.get((self._topic, part), 0) for part in ends}
        self.behind = sum(max(0, ends[part] - wanted[part]) for part in ends)
        facts: list[Fact] = []
        read_until: dict[Place, int] = {}
        count = 0
        for part in sorted(ends):
            records = self._reader.read(self._topic, part, wanted[part], BATCH) if ends[part] > wanted[part] else []
            facts += [fact for record in records if (fact := self._fact(record, part)) is not None]
            count += len(records)
            if records:
                read_until[self._topic, part] = records[-1].offset + 1
        if read_until:
            self._write(connection, facts, read_until)
            self._next.update(read_until)
        return count

    def close(self) -> None:
        """End the session; the next round opens another and asks where the graph is."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._next = None

    def _session(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._database, autocommit=True, name="twinstream-lineage")
            self._next = None
        return self._connection

    def _fact(self, record: RawRecord, partition: int) -> Fact | None:
        try:
            return self._read(record, Source(self._topic, partition, record.offset))
        except InputError:
            self.refused += 1
            return None

    def _write(self, connection: psycopg.Connection[Any], facts: Sequence[Fact], read_until: dict[Place, int]) -> None:
        """Write a batch; where one fact cannot be held, all the others."""
        try:
            write_facts(connection, facts, read_until)
        except InputError:
            usable = [fact for fact in facts if _holds(fact)]
            if len(usable) == len(facts):
                raise
            self.refused += len(facts) - len(usable)
            write_facts(connection, usable, read_until)


def _holds(fact: Fact) -> bool:
    try:
        edges_of(fact)
    except InputError:
        return False
    return True
