"""`twinstream ingest epcis FILE|-`: a document of EPCIS events (JSON-LD or XML, gzip too) as a source."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from connectors.epcis.documents import LARGEST_DOCUMENT, read_document
from connectors.epcis.records import Identification, entries_of
from connectors.jsonl import whole_file
from connectors.outgoing import Entry, Item
from schemas.errors import UsageError
from schemas.ids import check_id
from schemas.instants import Instant

SOURCE = "epcis"


class EpcisSource:
    """A file with one document. A position counts the events given, refused ones too.

    An event is one item: the facts of all twins that it names. `-` reads standard input, once.
    """

    def __init__(
        self,
        location: str | Path,
        record_time: Instant | None = None,
        table: Identification | None = None,
        source: str = SOURCE,
    ) -> None:
        self.location = str(location)
        self._record_time = record_time
        self._table = table or Identification()
        self._source = check_id(source, "source")

    def items(self, after: str | None = None) -> Iterator[Item]:
        """Give the events from after a position. Raises UsageError for a file or position of no use."""
        if after is not None and not after.isdecimal():
            raise UsageError(f"expected a count of events as position, received {after!r}; start without one")
        known = self._record_time if self._record_time is not None else Instant(time.time_ns() // 1000)
        groups = parse(self._payload(), known, self._table, self._source)
        for number in range(int(after or 0), len(groups)):
            yield Item(str(number + 1), groups[number])

    def _payload(self) -> bytes:
        if self.location == "-":
            return sys.stdin.buffer.read(LARGEST_DOCUMENT + 1)
        with whole_file(Path(self.location)) as stream:
            return stream.read(LARGEST_DOCUMENT + 1)


def parse(
    payload: bytes, record_time: Instant, table: Identification | None = None, source: str = SOURCE
) -> list[tuple[Entry, ...]]:
    """Read a document held in memory: one tuple of entries per event. Pure; never raises for bad input.

    Parameters
    ----------
    payload : bytes
        A document of at most `LARGEST_DOCUMENT` bytes.
    record_time : Instant
        When it was captured [us].
    """
    return list(entries_of(read_document(payload), table or Identification(), source, record_time))
