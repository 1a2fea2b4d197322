"""Event files: every line that says something becomes records, whatever it says."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import jsonl
from connectors.checks import HOSTILE, check_bad_input_never_raises, check_parse_is_pure
from connectors.jsonl import LARGEST_LINE, JsonLinesSource, outgoing, parse
from connectors.outgoing import BadLine
from schemas.errors import InputError, UsageError
from schemas.events import Event, read_record
from schemas.instants import SECOND, Instant

GOOD = (
    b'{"specversion":"1.0","id":"1","source":"s","type":"bioreactor.reading","subject":"BR-1",'
    b'"time":"2026-03-01T12:00:00Z","data":{"channels":[{"tag":"ph","value":7,"unit":"[pH]"}]}}'
)
NOON = 1_772_366_400 * SECOND


def test_record_time_is_the_event_time_unless_told() -> None:
    (own,) = parse(GOOD)
    (told,) = parse(GOOD, Instant(NOON + 5))
    assert isinstance(own, Event)
    assert isinstance(told, Event)
    assert (own.record_time, told.record_time) == (NOON, NOON + 5)


def test_line_ends_blank_lines_and_byte_order_mark_say_nothing() -> None:
    lines: list[bytes | str] = [b"\xef\xbb\xbf" + GOOD + b"\r\n", b"\n", b"   \n", "", GOOD.decode()]
    records = list(outgoing(lines))
    assert len(records) == 2
    assert records[0] == records[1]


def test_bad_line_keeps_its_bytes_and_its_subject() -> None:
    line = GOOD.replace(b'"value":7', b'"value":"seven"')
    (record,) = outgoing([line + b"\n"])
    assert (record.key, record.value) == (b"BR-1", line)
    with pytest.raises(InputError, match="Expected `float`"):
        read_record(record.key, record.value, record.headers)


def test_unreadable_line_goes_to_partition_0() -> None:
    (record,) = outgoing([b"\xff{"])
    assert (record.key, record.partition, record.value) == (None, 0, b"\xff{")


def test_hostile_lines_never_raise() -> None:
    check_bad_input_never_raises(parse, HOSTILE)


@given(st.binary(max_size=200))
def test_any_bytes_never_raise_and_parse_is_pure(payload: bytes) -> None:
    check_parse_is_pure(parse, payload)
    check_bad_input_never_raises(parse, [payload])


@pytest.mark.parametrize("packed", [False, True])
def test_file_resumes_after_any_position(tmp_path: Path, packed: bool) -> None:
    body = b"\n".join([GOOD, b"broken", b"", GOOD.replace(b'"1"', b'"2"', 1), GOOD.replace(b'"1"', b'"3"', 1)])
    path = tmp_path / ("a.jsonl.gz" if packed else "a.jsonl")
    path.write_bytes(gzip.compress(body) if packed else body)
    whole = list(JsonLinesSource(path).items())
    assert [len(item.entries) for item in whole] == [1, 1, 0, 1, 1]
    for place, item in enumerate(whole):
        assert list(JsonLinesSource(path).items(after=item.position)) == whole[place + 1 :]


def test_line_too_big_is_replaced_by_its_digest_and_its_neighbours_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "_CHUNK", 7)
    long = b'"' + b"a" * (LARGEST_LINE + 100)
    path = tmp_path / "a.jsonl"
    path.write_bytes(long + b"\n" + GOOD + b"\n")
    big, good = JsonLinesSource(path).items()
    (stand_in,) = big.entries
    assert isinstance(stand_in, BadLine)
    said = json.loads(stand_in.raw)["oversize_line"]
    assert (said["bytes"], stand_in) == (len(long), parse(long)[0])
    assert isinstance(good.entries[0], Event)
    assert list(JsonLinesSource(path).items(after=big.position)) == [good]


def test_cut_gzip_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(GOOD * 50)[:-12])
    with pytest.raises(UsageError, match="expected a whole file"):
        list(JsonLinesSource(path).items())


def test_missing_file_and_foreign_position_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="readable file"):
        list(JsonLinesSource(tmp_path / "no.jsonl").items())
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD)
    with pytest.raises(UsageError, match="byte offset"):
        list(JsonLinesSource(path).items(after="x"))
