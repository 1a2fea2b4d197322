"""What every connector must hold to. A connector of a third party calls these in its own tests.

Each check raises AssertionError saying what was expected, what came, and of which entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from connectors.outgoing import BadLine, Entry, Item, Outgoing, Source, encode
from schemas.bioreactor import TAG_DIMENSIONS, AssayResulted, AssaySuperseded, FeedAdded, Reading, SampleDrawn
from schemas.errors import InputError
from schemas.events import LARGEST_RECORD, Event, read_record, read_structured
from schemas.instants import EARLIEST, LATEST
from schemas.units import find_unit

Parse = Callable[[bytes], Sequence[Entry]]

HOSTILE: tuple[bytes, ...] = (
    b"",
    b"\n\n",
    b"\x00\xff\xfe",
    b"{",
    b"[]",
    b"null",
    b'{"specversion":"1.0"}',
    b'{"id":"1","source":"s","type":"no.such","subject":"u","time":"2026-01-01T00:00:00Z"}',
    b'{"id":"1","source":"s","type":"bioreactor.reading","subject":"\\u0000","time":"yesterday","data":{}}',
    b"[" * 100_000,
    b'"' + b"a" * 3_000_000,
    b"a,b,c\n1,2\n",
)


def check_parse_is_pure(parse: Parse, payload: bytes) -> None:
    """The same bytes give equal entries, and the bytes are left as they were."""
    kept = bytes(payload)
    first, second = list(parse(payload)), list(parse(payload))
    assert first == second, f"expected the same entries twice, received {_difference(first, second)}"
    assert payload == kept, "expected the payload to be left alone, received a changed one"


def check_bad_input_never_raises(parse: Parse, payloads: Iterable[bytes] = HOSTILE) -> None:
    """Bad input comes out as bad lines (or as nothing, where nothing was said), never as an exception."""
    for payload in payloads:
        try:
            entries = list(parse(payload))
        except Exception as error:
            raise AssertionError(f"expected no exception, received {error!r}, for {payload[:60]!r}") from error
        check_entries(entries)


def check_ids_are_stable(make: Callable[[], Source]) -> None:
    """Two readings of one source give the same ids, each id once, and a sequence that only rises."""
    first, second = _entries(make().items()), _entries(make().items())
    assert first == second, f"expected the same entries from both readings, received {_difference(first, second)}"
    seen: set[tuple[str, str]] = set()
    newest: dict[str, int] = {}
    for entry in first:
        if isinstance(entry, BadLine):
            continue
        name = (entry.source, entry.id)
        assert name not in seen, f"expected each id once, received {name} twice"
        seen.add(name)
        if entry.sequence is not None:
            before = newest.get(entry.source, -1)
            assert entry.sequence > before, f"expected a sequence above {before}, received {entry.sequence}, in {name}"
            newest[entry.source] = entry.sequence


def check_is_resumable(make: Callable[[], Source], most: int = 50) -> None:
    """From after any position a new reading goes on with the next item: neither that one again nor beyond the next."""
    whole = list(make().items())
    places = range(0, len(whole), max(1, len(whole) // most))
    for place in places:
        rest = list(make().items(after=whole[place].position))
        expected = [item.entries for item in whole[place + 1 :]]
        received = [item.entries for item in rest]
        assert received == expected, (
            f"expected {len(expected)} items after position {whole[place].position!r}, received {len(received)}"
            f" or others: {_difference(received, expected)}"
        )


def check_entries(entries: Iterable[Entry]) -> None:
    """Facts survive the wire and use known units that fit their tags; bad lines are refused by their reader."""
    for entry in entries:
        if isinstance(entry, BadLine):
            assert len(entry.raw) <= LARGEST_RECORD, (
                f"expected a bad line to fit a record, received {len(entry.raw)} bytes"
            )
            assert _refused(entry.raw), f"expected a line that is refused, received {entry.raw[:120]!r}"
            continue
        assert EARLIEST <= entry.event_time < LATEST, f"expected a time from 1970 to 2200, received {entry.event_time}"
        check_units(entry)
        for record in encode(entry):
            check_record(record, entry)


def check_units(event: Event) -> None:
    """Every unit is on the closed list, of the dimension its tag has, or of volume for a volume."""
    data = event.data
    where = f"event {event.id} of {event.source}"
    if isinstance(data, Reading):
        pairs = [(channel.tag, channel.unit) for channel in data.channels]
    elif isinstance(data, AssayResulted | AssaySuperseded):
        pairs = [(data.tag, data.unit)]
    elif isinstance(data, FeedAdded | SampleDrawn):
        pairs = [("volume", data.volume.unit)]
    else:
        pairs = []
    for tag, code in pairs:
        dimension = find_unit(code, where).dimension
        allowed = TAG_DIMENSIONS.get(tag, (dimension,))
        assert dimension in allowed, f"expected a unit of {allowed} for {tag}, received {code}, in {where}"


def check_record(record: Outgoing, event: Event) -> None:
    """What was encoded reads back as the same event, keyed by its subject."""
    back = read_record(record.key, record.value, record.headers)
    assert back == event, f"expected {event}, received {back}, from its record"
    expected = event.subject.encode() or None
    assert record.key == expected, f"expected the key {expected!r}, received {record.key!r}"


def _refused(raw: bytes) -> bool:
    try:
        read_structured(raw)
    except InputError:
        return True
    return False


def _entries(items: Iterable[Item]) -> list[Entry]:
    return [entry for item in items for entry in item.entries]


def _difference(first: Sequence[object], second: Sequence[object]) -> str:
    for one, other in zip(first, second, strict=False):
        if one != other:
            return f"{one!r} and {other!r}"[:600]
    return f"{len(first)} and {len(second)} of them"
