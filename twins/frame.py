"""A frame: the records that one poll brought for one partition, read once, with its readings as columns.

`read_frame` is the only place where bytes become facts and values become canonical. What cannot be used
is set aside as a reject; its neighbours go on. A twin sees `facts` alone, in offset order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from schemas.bioreactor import PLAUSIBLE, PLAUSIBLE_ELSE, TAG_DIMENSIONS, Channel, Reading
from schemas.errors import InputError, InvalidFieldError, UnitError, printable
from schemas.events import Event, Headers, read_record
from schemas.ids import check_id, event_hash
from schemas.instants import EARLIEST, LATEST, format_instant
from schemas.partitions import ConfigurationChanged
from schemas.topics import FUTURE_TOLERANCE
from schemas.units import CANONICAL, Unit, find_unit
from twins.plain import PlainReadings, PlainRows, Shape

GOOD, UNCERTAIN, BAD = 0, 1, 2
UNKNOWN_TIME = 0  # 1970: the time of a record that nobody could read
_QUALITY = {"good": GOOD, "uncertain": UNCERTAIN, "bad": BAD}


class RawRecord(Protocol):
    """One record as a transport hands it over. Those of aiokafka's parser are, as they stand."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """Append time [ms since 1970]: when the log knew it."""
        ...

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


@dataclass(frozen=True, slots=True)
class Fact:
    """One usable record: its place in the log, its append time [us], its event, its duplicate hash."""

    offset: int
    known_at: int
    event: Event
    hash: int


@dataclass(frozen=True, slots=True)
class Refused:
    """One record, or one channel of it (`channel` true), that is not used, and why."""

    offset: int
    known_at: int
    key: str
    event_time: int
    record_time: int
    reason: str
    expected: str
    received: str
    where: str
    advice: str
    channel: bool = False


@dataclass(frozen=True, slots=True)
class ChannelSet:
    """The tags that came together, in their order, and how their values become canonical."""

    tags: tuple[str, ...]
    units: tuple[str, ...]  # canonical
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Readings:
    """All readings of a frame that share one channel set, as columns.

    `rows` (m,) are indices into `Frame.facts`, ascending; `values` (m, c) are canonical and finite;
    `quality` (m, c) is 0 good, 1 uncertain, 2 bad. An implausible value has quality bad.
    """

    channels: ChannelSet
    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Columns:
    """The facts of a frame by column, each of length n; times in us."""

    offsets: NDArray[np.int64]
    known_at: NDArray[np.int64]
    event_time: NDArray[np.int64]
    record_time: NDArray[np.int64]
    hashes: NDArray[np.int64]
    keys: list[str]  # of the twins


class Facts(Sequence[Fact]):
    """The facts of a frame, in offset order. A plain reading's is made when somebody asks: most are never asked for."""

    __slots__ = ("_items",)

    def __init__(self, items: Sequence[Fact | RawRecord]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> Fact: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Fact]: ...
    def __getitem__(self, place: int | slice) -> Fact | Sequence[Fact]:
        if isinstance(place, slice):
            return Facts(self._items[place])
        item = self._items[place]
        return item if isinstance(item, Fact) else _fact(item)


@dataclass(frozen=True, slots=True)
class Frame:
    """Records `first` to `last` (offsets) of one partition, read."""

    topic: str
    partition: int
    first: int
    last: int
    facts: Sequence[Fact]
    readings: list[Readings]
    refused: list[Refused] = field(default_factory=list)
    _columns: Columns | None = field(default=None, repr=False, compare=False)

    @property
    def columns(self) -> Columns:
        """The facts by column."""
        return self._columns if self._columns is not None else _columns_of(self.facts)


def read_frame(topic: str, partition: int, records: Sequence[RawRecord]) -> Frame:
    """Read the records of one partition, in offset order. Many frames: keep a `FrameReader`."""
    return FrameReader(topic, partition).read(records)


class FrameReader:
    """Reads frames of one partition. It learns to read plain readings faster; what it reads does not depend on it."""

    def __init__(self, topic: str, partition: int) -> None:
        self._topic = topic
        self._partition = partition
        self._plain = PlainReadings()

    def read(self, records: Sequence[RawRecord]) -> Frame:
        """Read records, in offset order."""
        rows = _Rows(len(records))
        likely = self._plain.likely(records)
        unlikely = sorted(set(range(len(records))).difference(likely)) if len(likely) < len(records) else ()
        self._read_plain(records, likely, rows)
        for place in unlikely:
            self._read_any(records[place], place, rows)
        return self._frame(records, rows)

    def _read_plain(self, records: Sequence[RawRecord], places: Sequence[int], rows: _Rows) -> None:
        """Read what looks plain all at once. Where that fails, halve it, until the one is found that is not plain."""
        if not places:
            return
        chosen = records if len(places) == len(records) else [records[place] for place in places]
        plain = self._plain.read(chosen)
        if plain is not None:
            rows.put(places, chosen, plain)
        elif len(places) > 1:
            middle = len(places) // 2
            self._read_plain(records, places[:middle], rows)
            self._read_plain(records, places[middle:], rows)
        else:
            self._plain.forget(chosen[0].key)
            self._read_any(chosen[0], places[0], rows)

    def _read_any(self, record: RawRecord, place: int, rows: _Rows) -> None:
        """Read one record, whatever it is; set it aside with a reason where it is nothing."""
        event: Event | None = None
        try:
            event = read_record(record.key, record.value, record.headers)
            if event.event_time > event.record_time + FUTURE_TOLERANCE:
                raise _from_future(event)
            if type(event.data) is Reading:
                self._take_reading(event.subject, event.data, rows, place)
            if type(event.data) is ConfigurationChanged:
                raise _not_approved(event, event.data)
        except InputError as error:
            rows.refused.append(_refuse(record, event, error))
            return
        number = event_hash(event.source, event.id)
        rows.items[place] = Fact(record.offset, known_at_of(record), event, number)
        rows.keys[place] = event.subject
        rows.event_times[place] = event.event_time
        rows.record_times[place] = event.record_time
        rows.digests[place] = number.to_bytes(8, "big", signed=True)

    def _take_reading(self, subject: str, data: Reading, rows: _Rows, place: int) -> None:
        """Put a reading that was read the long way with those of the same tags and units."""
        shape = tuple([(channel.tag, channel.unit) for channel in data.channels])
        if shape not in rows.groups:
            channel_set(shape)  # raises where a tag, a unit or their pairing is wrong
        group = rows.group(shape)
        for j, channel in enumerate(data.channels):
            if channel.quality != "good":
                group.poor.append((place, j, _QUALITY[channel.quality]))
        group.said[place] = data.channels
        self._plain.learn(subject, shape)

    def _frame(self, records: Sequence[RawRecord], rows: _Rows) -> Frame:
        """Put the columns together, without the records that were refused."""
        kept = [place for place, item in enumerate(rows.items) if item is not None]
        if len(kept) == len(records):
            taken, items, keys = records, rows.items, rows.keys
            times, recorded, digests = rows.event_times, rows.record_times, rows.digests
        else:
            taken = [records[place] for place in kept]
            items, keys = [rows.items[place] for place in kept], [rows.keys[place] for place in kept]
            times = [rows.event_times[place] for place in kept]
            recorded = [rows.record_times[place] for place in kept]
            digests = [rows.digests[place] for place in kept]
        hashes = np.frombuffer(b"".join(digests), dtype=">i8").astype(np.int64)
        hashes[hashes == 0] = 1  # as `event_hash` has it
        columns = Columns(
            np.array([record.offset for record in taken], dtype=np.int64),
            _known_at(taken),
            np.array(times, dtype=np.int64),
            np.array(recorded, dtype=np.int64),
            hashes,
            keys,
        )
        facts = Facts(items)  # type: ignore[arg-type]  # those that are None are gone
        row_of = np.zeros(len(records), dtype=np.int64)
        row_of[kept] = np.arange(len(kept))
        first = sorted(rows.groups.items(), key=lambda pair: min(pair[1].said))
        readings = [_readings(shape, group, row_of, facts, rows.refused) for shape, group in first]
        rows.refused.sort(key=lambda one: one.offset)
        return Frame(
            self._topic, self._partition, records[0].offset, records[-1].offset, facts, readings, rows.refused, columns
        )


class _Rows:
    """What was read of a frame's records, by their place in it; of one that was refused, nothing."""

    __slots__ = ("digests", "event_times", "groups", "items", "keys", "record_times", "refused")

    def __init__(self, count: int) -> None:
        self.items: list[Fact | RawRecord | None] = [None] * count
        self.keys = [""] * count
        self.event_times: list[int] = [0] * count
        self.record_times: list[int] = [0] * count
        self.digests = [b""] * count
        self.groups: dict[Shape, _Group] = {}
        self.refused: list[Refused] = []

    def group(self, shape: Shape) -> _Group:
        """Give the readings with these tags and units."""
        group = self.groups.get(shape)
        if group is None:
            group = self.groups[shape] = _Group()
        return group

    def put(self, places: Sequence[int], records: Sequence[RawRecord], plain: PlainRows) -> None:
        """Take plain readings in."""
        if len(places) == len(self.items):
            self.items, self.keys, self.digests = list(records), plain.subjects, plain.digests
            self.event_times, self.record_times = list(plain.event_times), list(plain.record_times)
        else:
            for place, record, subject, event_time, record_time, digest in zip(
                places, records, plain.subjects, plain.event_times, plain.record_times, plain.digests, strict=True
            ):
                self.items[place], self.keys[place], self.digests[place] = record, subject, digest
                self.event_times[place], self.record_times[place] = event_time, record_time
        if plain.shapes.count(plain.shapes[0]) == len(places):
            self.group(plain.shapes[0]).said.update(zip(places, plain.channels, strict=True))
            return
        for place, shape, channels in zip(places, plain.shapes, plain.channels, strict=True):
            self.group(shape).said[place] = channels


class _Group:
    """Readings with the same tags and units: their channels by place, and what is not good."""

    __slots__ = ("poor", "said")

    def __init__(self) -> None:
        self.said: dict[int, Sequence[Channel]] = {}
        self.poor: list[tuple[int, int, int]] = []  # (place, channel, quality)


def known_at_of(record: RawRecord) -> int:
    """Give when the log knew a record [us]. A topic not declared by us may let its producers say anything."""
    return min(max(record.timestamp * 1000, EARLIEST), LATEST - 1)


def _known_at(records: Sequence[RawRecord]) -> NDArray[np.int64]:
    """`known_at_of` of many."""
    milliseconds = np.array([record.timestamp for record in records], dtype=np.int64)
    near = np.clip(milliseconds, EARLIEST // 1000 - 1, LATEST // 1000 + 1)  # their product with 1000 fits
    return np.clip(near * 1000, EARLIEST, LATEST - 1)


def _fact(record: RawRecord) -> Fact:
    event = read_record(record.key, record.value, record.headers)
    return Fact(record.offset, known_at_of(record), event, event_hash(event.source, event.id))


def _columns_of(facts: Sequence[Fact]) -> Columns:
    return Columns(
        np.array([fact.offset for fact in facts], dtype=np.int64),
        np.array([fact.known_at for fact in facts], dtype=np.int64),
        np.array([fact.event.event_time for fact in facts], dtype=np.int64),
        np.array([fact.event.record_time for fact in facts], dtype=np.int64),
        np.array([fact.hash for fact in facts], dtype=np.int64),
        [fact.event.subject for fact in facts],
    )


@lru_cache(maxsize=4096)
def channel_set(shape: Shape) -> ChannelSet:
    """Check tags and units of a reading once per distinct set, and say how to make them canonical.

    Raises
    ------
    UnitError, InvalidFieldError
        For an unknown unit, a unit of another dimension than its tag's, a tag said twice, a bad name.
    """
    tags = tuple(check_id(tag, "tag") for tag, _ in shape)
    if len(set(tags)) != len(tags):
        raise InvalidFieldError(expected="each tag once in a reading", received=f"{tags}"[:120], where="channels")
    units = [check_unit(tag, code) for tag, code in shape]
    bounds = [PLAUSIBLE.get(tag, PLAUSIBLE_ELSE) for tag in tags]
    return ChannelSet(
        tags,
        tuple(CANONICAL[unit.dimension] for unit in units),
        np.array([unit.scale for unit in units]),
        np.array([unit.shift for unit in units]),
        np.array([low for low, _ in bounds]),
        np.array([high for _, high in bounds]),
    )


def check_unit(tag: str, code: str) -> Unit:
    """Find the unit of a tag's value; refuse one of another dimension than the tag's."""
    unit = find_unit(code, where=f"unit of {tag}")
    dimensions = TAG_DIMENSIONS.get(tag)
    if dimensions is not None and unit.dimension not in dimensions:
        raise UnitError(
            expected=f"a unit of {' or '.join(dimensions)} (such as {CANONICAL[dimensions[0]]})",
            received=code,
            where=f"unit of {tag}",
            advice="correct the mapping of this tag",
        )
    return unit


def _readings(
    shape: Shape, group: _Group, row_of: NDArray[np.int64], facts: Sequence[Fact], refused: list[Refused]
) -> Readings:
    channels = channel_set(shape)
    places = np.fromiter(group.said, dtype=np.int64, count=len(group.said))
    said = [channel.value for channels_said in group.said.values() for channel in channels_said]
    values = np.array(said, dtype=np.float64).reshape(len(places), len(shape))
    if (np.diff(places) < 0).any():
        order = np.argsort(places)
        places, values = places[order], values[order]
    rows = row_of[places]
    quality = np.zeros(values.shape, dtype=np.uint8)
    for place, j, how in group.poor:
        quality[np.searchsorted(places, place), j] = how
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is implausible, and refused as that
        values = (values + channels.shift) * channels.scale
    wrong = ~((values >= channels.low) & (values <= channels.high)) & (quality != BAD)
    if wrong.any():
        for i, j in zip(*np.nonzero(wrong), strict=True):
            refused.append(_implausible(facts[int(rows[i])], channels, int(j), float(values[i, j])))
        quality[wrong] = BAD
    values[~np.isfinite(values)] = 0.0
    return Readings(channels, rows, values, quality)


def _implausible(fact: Fact, channels: ChannelSet, j: int, value: float) -> Refused:
    event = fact.event
    return Refused(
        fact.offset,
        fact.known_at,
        event.subject,
        event.event_time,
        event.record_time,
        "implausible_value",
        f"{channels.tags[j]} between {channels.low[j]:g} and {channels.high[j]:g} {channels.units[j]}",
        f"{value:g}",
        f"{event.subject}, event {event.id}, tag {channels.tags[j]}",
        "the channel is set aside as bad, the others are used; check the probe and its unit",
        channel=True,
    )


def _from_future(event: Event) -> InvalidFieldError:
    return InvalidFieldError(
        expected="an event time at most 5 min after its record time",
        received=f"{format_instant(event.event_time)} recorded at {format_instant(event.record_time)}",
        where=f"time of event {event.id}",
        advice="set the source's clock",
    )


def _not_approved(event: Event, data: ConfigurationChanged) -> InvalidFieldError:
    """One that counts never comes here: see `twins/changing.py`."""
    return InvalidFieldError(
        expected="an approved change from the configuration in use that was not made before",
        received=f"change {data.change} from {data.before} to {data.after}",
        where=f"event {event.id}",
        advice="`twinstream change list` shows what was approved; only a worker writes such a record",
    )


def _refuse(record: RawRecord, event: Event | None, error: InputError) -> Refused:
    key = printable(record.key.decode("utf-8", "replace")[:128]) if record.key else ""
    # An unreadable record has no time of its own, and its append time would make a fold differ from the live run.
    when = event.event_time if event is not None else UNKNOWN_TIME
    return Refused(
        record.offset,
        known_at_of(record),
        key,
        when,
        event.record_time if event is not None else when,
        error.reason,
        error.expected,
        error.received,
        error.where,
        error.advice,
    )


def offsets_of(facts: Iterable[Fact]) -> list[int]:
    """Give the offsets of facts, in order."""
    return [fact.offset for fact in facts]
