"""The facts of one supply twin, kept as a set: in any order, said twice, replaced, withdrawn, they come to the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from schemas import supply as s
from schemas.errors import InputError, InvalidFieldError, SnapshotError
from schemas.ids import event_hash
from schemas.partitions import TimePassed
from twins.frame import Fact
from twins.rejecting import duplicate_of

MOST_FACTS = 2_000_000  # of one twin: 100,000 patients who come to 20 steps each


class Row(NamedTuple):
    """One fact: when it happened and when it was known [us], its number, its source and id, what it says."""

    time: int
    known: int
    hash: int
    name: tuple[str, str]
    data: Any  # one of the structs of schemas/supply.py


class _Row(Struct, frozen=True, array_like=True):
    time: int
    known: int
    source: str
    id: str
    kind: str
    data: msgspec.Raw


class _Snapshot(Struct, frozen=True, array_like=True):
    clock: int
    rows: list[_Row]
    dead: list[int]
    other: list[int]  # numbers of facts that are kept nowhere else


class _Written(Struct, frozen=True, array_like=True):
    """A snapshot whose rows were encoded before."""

    clock: int
    rows: list[msgspec.Raw]
    dead: list[int]
    other: list[int]


STRUCTS: Mapping[str, type[Struct]] = {struct.__name__: struct for struct in s.EVENTS.values()}
_ENCODE = msgspec.msgpack.Encoder(order="sorted")
_DECODE = msgspec.msgpack.Decoder(_Snapshot)


class Kept:
    """All facts of one twin that are kept whole, and the newest time that any of them proves [us].

    `dead` are the numbers of facts that do not count: replaced or withdrawn, here already or not.
    """

    def __init__(self) -> None:
        self.clock = 0
        self.dead: set[int] = set()
        self._rows: dict[int, Row] = {}
        self._of: dict[type[Struct], dict[int, Row]] = {}  # the same by kind
        self._other: set[int] = set()
        self._written: dict[int, msgspec.Raw] = {}  # rows as bytes: a fact never changes

    def __len__(self) -> int:
        return len(self._rows) + len(self._other)

    def why_not(self, fact: Fact) -> InputError | None:
        """Say why a fact cannot be used; None where it can."""
        if isinstance(fact.event.data, TimePassed):
            return None
        if fact.hash in self._rows or fact.hash in self._other:
            return duplicate_of(fact)
        return too_many() if len(self) >= MOST_FACTS else None

    def take(self, fact: Fact, keep: bool = True) -> Row | None:
        """Take in a fact that can be used; of one that is not to be kept whole only the number stays."""
        event = fact.event
        self.clock = max(self.clock, event.event_time)
        if isinstance(event.data, TimePassed):
            return None
        if not isinstance(event.data, s.ResimulationResult):  # it comes when the pool has it, whatever the twin's time
            self.clock = max(self.clock, event.record_time)
        if isinstance(event.data, s.FactWithdrawn):
            self.dead.add(event_hash(event.data.fact.source, event.data.fact.id))
        elif isinstance(event.data, s.Fact) and event.data.supersedes is not None:
            self.dead.add(event_hash(event.data.supersedes.source, event.data.supersedes.id))
        elif isinstance(event.data, s.EpcisEvent) and event.data.error_declaration is not None:
            self.dead.add(event_hash(event.source, event.data.hash))  # the event that it declares wrong has this name
        row = Row(event.event_time, event.record_time, fact.hash, (event.source, event.id), event.data)
        if keep and not isinstance(event.data, s.FactWithdrawn):
            self._put(row)
        else:
            self._other.add(fact.hash)
        return row

    def _put(self, row: Row) -> None:
        self._rows[row.hash] = row
        self._of.setdefault(type(row.data), {})[row.hash] = row

    def note(self, number: int, dead: bool = False) -> None:
        """Note that a fact that is kept elsewhere was here, or that one does not count."""
        (self.dead if dead else self._other).add(number)

    def settle(self, numbers: Iterable[int]) -> None:
        """Keep of some facts only that they were here."""
        for number in numbers:
            row = self._rows.pop(number, None)
            if row is not None:
                del self._of[type(row.data)][number]
                self._written.pop(number, None)
                self._other.add(number)

    def of(self, *kinds: type[Struct]) -> Iterator[Row]:
        """Give the facts of some kinds that count, by time, then number: the order of arrival plays no part."""
        if self._of.keys().isdisjoint(kinds):
            return iter(())
        found = [row for kind in kinds for row in self._of.get(kind, {}).values() if row.hash not in self.dead]
        if len(found) > 1:
            found.sort(key=_in_time)
        return iter(found)

    def newest(self, kind: type[Struct], until: int | None = None) -> Row | None:
        """Give the newest fact of a kind that counts, at or before an instant; None where there is none."""
        if kind not in self._of:
            return None
        times = [
            row for row in self._of[kind].values()
            if row.hash not in self.dead and (until is None or row.time <= until)
        ]  # fmt: skip
        return times[0] if len(times) == 1 else max(times, key=_in_time, default=None)

    def hashes(self) -> list[int]:
        """Give the numbers of all facts, ascending."""
        return sorted([*self._rows, *self._other])

    def write(self) -> bytes:
        """Give all facts as bytes, the same in any order of arrival."""
        rows = [self._line(row) for _, row in sorted(self._rows.items())]
        return _ENCODE.encode(_Written(self.clock, rows, sorted(self.dead), sorted(self._other)))

    def _line(self, row: Row) -> msgspec.Raw:
        found = self._written.get(row.hash)
        if found is None:
            data = msgspec.Raw(_ENCODE.encode(row.data))
            line = _Row(row.time, row.known, *row.name, type(row.data).__name__, data)
            found = self._written[row.hash] = msgspec.Raw(_ENCODE.encode(line))
        return found

    @classmethod
    def read(cls, body: bytes) -> Kept:
        """Take the facts from their bytes.

        Raises
        ------
        SnapshotError
            If the bytes are not that.
        """
        kept = cls()
        try:
            read = _DECODE.decode(body)
            for row in read.rows:
                data = msgspec.msgpack.decode(row.data, type=STRUCTS[row.kind])
                number = event_hash(row.source, row.id)
                kept._put(Row(row.time, row.known, number, (row.source, row.id), data))
        except (msgspec.MsgspecError, KeyError) as error:
            raise SnapshotError(f"expected the facts of a supply twin, received {error}") from None
        kept.clock, kept.dead, kept._other = read.clock, set(read.dead), set(read.other)
        return kept


def _in_time(row: Row) -> tuple[int, int]:
    return row.time, row.hash


def too_many() -> InputError:
    """Give the refusal of one fact too many."""
    return InvalidFieldError(
        expected=f"at most {MOST_FACTS} facts of one twin", received="one more", where="subject",
        advice="does a source make up an id for every record?",
    )  # fmt: skip
