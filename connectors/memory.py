"""A source and a sink in memory: for embedding twinstream in another program, for notebooks, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from connectors.outgoing import Entry, Item, Outgoing
from schemas.errors import UsageError
from schemas.events import read_headers
from schemas.ids import event_hash


class MemorySource:
    """Entries held in a list, one item each. Positions count them."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries: Sequence[Entry] = tuple(entries)

    def items(self, after: str | None = None) -> Iterator[Item]:
        """Give the items from after a position.

        Raises
        ------
        UsageError
            If the position is no count of items.
        """
        if after is not None and not after.isdecimal():
            raise UsageError(f"expected a count of items as position, received {after!r}; start without one")
        for number in range(int(after or 0), len(self._entries)):
            yield Item(str(number + 1), (self._entries[number],))


class MemorySink:
    """Keeps records, each fact once per partition: writing the same (source, id) there again changes nothing.

    It holds `largest` records at most and refuses more, rather than growing without end.
    """

    def __init__(self, largest: int = 1_000_000) -> None:
        self.records: list[Outgoing] = []
        self._largest = largest
        self._known: set[tuple[str, int | None, int]] = set()

    def write(self, records: Iterable[Outgoing]) -> int:
        """Keep what is new; say how many that were. Lines without an id (bad ones) are always new.

        Raises
        ------
        UsageError
            If the sink is full.
        """
        before = len(self.records)
        for record in records:
            headers = read_headers(record.headers)
            if headers.ce_id:
                name = event_hash(headers.ce_source, headers.ce_id)
                place = (record.family, record.partition, name)
                if place in self._known:
                    continue
                self._known.add(place)
            if len(self.records) >= self._largest:
                raise UsageError(f"expected at most {self._largest} records, received more; raise `largest`")
            self.records.append(record)
        return len(self.records) - before
