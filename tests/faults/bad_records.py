"""Records that no plant should send: seeded, each one a valid record spoilt in one of many ways, or nothing at all."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from streams.log import Row
from tests.faults.load import rows

_STRUCTURED = [("content-type", b"application/cloudevents+json")]
_UNITS = 20


def bad_records(number: int, seed: int, spoilt_share: float = 0.8) -> list[Row]:
    """Give records, most of them spoilt, in no order; among them valid ones, twice, late and early."""
    rng = random.Random(seed)
    valid = list(islice(rows(seed, units=_UNITS), number))
    mixed = [_SPOIL[rng.randrange(len(_SPOIL))](rng, row) if rng.random() < spoilt_share else row for row in valid]
    rng.shuffle(mixed)
    return mixed


def kinds() -> Iterator[str]:
    """Name the ways in which a record is spoilt."""
    return (one.__name__.removeprefix("_") for one in _SPOIL)


def _data(row: Row) -> dict[str, Any]:
    """A record's JSON data, or that of a plain reading where it has none."""
    try:
        data = json.loads(row[1] or b"")
    except ValueError:
        data = None
    return data if isinstance(data, dict) else {"channels": [{"tag": "biomass", "value": 1.0, "unit": "g/L"}]}


def _pairs(row: Row) -> list[tuple[str, bytes]]:
    headers = row[2]
    if not headers or isinstance(headers, bytes):
        return [("ce_type", b"bioreactor.reading"), ("ce_id", b"x"), ("ce_source", b"s"), ("ce_subject", b"BR-00001"),
                ("ce_time", b"2026-01-05T08:00:00Z")]  # fmt: skip
    return list(headers)


def _with(row: Row, name: str, value: bytes) -> Row:
    return row[0], row[1], [(one, value if one == name else old) for one, old in _pairs(row)]


def _text(rng: random.Random) -> str:
    """Text that breaks things: NUL, halves of surrogate pairs, control characters, quotes, very long."""
    return rng.choice(
        ["\x00", "a\x00b", "\ud800", "\udfff\ud800", "\x1b[2J", "'; drop table effect; --", "x" * 10_000, "", " ", "\n",
         "é" * 200, "\u202e", "NaN", "null", "\\u0000", "🧪" * 100]
    )  # fmt: skip


def _truncated(rng: random.Random, row: Row) -> Row:
    value = row[1] or b""
    return row[0], value[: rng.randrange(len(value) + 1)], row[2]


def _noise(rng: random.Random, row: Row) -> Row:
    return rng.choice([row[0], None, rng.randbytes(8)]), rng.randbytes(rng.randrange(300)), row[2]


def _bits(rng: random.Random, row: Row) -> Row:
    value = bytearray(row[1] or b"x")
    for _ in range(rng.randrange(1, 4)):
        value[rng.randrange(len(value))] ^= 1 << rng.randrange(8)
    return row[0], bytes(value), row[2]


def _nothing(rng: random.Random, row: Row) -> Row:
    return rng.choice([(row[0], None, row[2]), (row[0], b"", row[2]), (None, None, None), (b"", b"", [])])


def _number(rng: random.Random, row: Row) -> Row:
    """A value that is no measurement."""
    token = rng.choice(
        ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e308", "-1e308", "5e-324", "-0.0", "9" * 400, "1e-999",
         '"12"', "null", "true", "[1]", "{}", "0x10", "1_000", "+1", ".5", "1."]
    )  # fmt: skip
    data = json.dumps({"channels": [{"tag": "biomass", "value": "@", "unit": "g/L"}]}).replace('"@"', token)
    return row[0], data.encode(), row[2]


def _unit(rng: random.Random, row: Row) -> Row:
    unit = rng.choice(["[degF]", "K", "furlong", "", "%", "Pa", "g/l", "G/L", "\x00", "g/L ", "1/0", "🧪", "x" * 40])
    tag = rng.choice(["biomass", "temperature", "ph", "dissolved_oxygen", "pressure", "something"])
    data = {"channels": [{"tag": tag, "value": rng.choice([98.6, -1e308, 1e308, 0.0]), "unit": unit}]}
    return row[0], json.dumps(data).encode(), row[2]


def _channels(rng: random.Random, row: Row) -> Row:
    channel = {"tag": "biomass", "value": 1.0, "unit": "g/L"}
    channels = rng.choice(
        [[], [channel] * 257, [channel, channel], [channel | {"tag": _text(rng)}], [channel | {"no": 1}]]
    )
    return row[0], json.dumps({"channels": channels}).encode(), row[2]


def _deep(rng: random.Random, row: Row) -> Row:
    depth = rng.choice([33, 1000, 10_000, 100_000])
    open_, close = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    value = open_ * depth + b"1" + close * depth
    if rng.random() < 0.5:
        return (
            row[0],
            b'{"specversion":"1.0","id":"d","source":"s","type":"bioreactor.reading","data":' + value + b"}",
            _STRUCTURED,
        )
    return row[0], value, row[2]


def _large(rng: random.Random, row: Row) -> Row:
    if rng.random() < 0.9:  # a megabyte is a lot for thousands of records
        return row[0], b'{"channels":[{"tag":"' + b"t" * 5000 + b'","value":1,"unit":"g/L"}]}', row[2]
    return row[0], b" " * ((1 << 20) + 1), row[2]


def _field(rng: random.Random, row: Row) -> Row:
    """One field of the data is something else."""
    data = _data(row)
    name = rng.choice(list(data) or ["channels"])
    data[name] = rng.choice([None, -1, 10**400, 1e308, _text(rng), [], {}, True, [{}], {"value": 1e308, "unit": "L"}])
    return row[0], json.dumps(data).encode(), row[2]


def _missing(rng: random.Random, row: Row) -> Row:
    data = _data(row)
    data.pop(rng.choice(list(data) or [""]), None)
    return row[0], json.dumps(data).encode(), row[2]


def _extra(rng: random.Random, row: Row) -> Row:
    return row[0], json.dumps({**_data(row), _text(rng): _text(rng)}).encode(), row[2]


def _attribute(rng: random.Random, row: Row) -> Row:
    """A header that says something else."""
    pairs = _pairs(row)
    name = rng.choice([one for one, _ in pairs])
    value = rng.choice([_text(rng).encode("utf-8", "surrogatepass"), b"\xff\xfe", b"0", b"-1", b"99999999999999999999"])
    return _with(row, name, value)


def _time(rng: random.Random, row: Row) -> Row:
    text = rng.choice(
        [b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59Z", b"2026-02-30T00:00:00Z", b"2026-01-05T08:00:00",
         b"2026-01-05T08:00:00+99:00", b"1970-01-01T00:00:00Z", b"2199-12-31T00:00:00Z", b"now", b"1767600000",
         b"2026-01-05T24:00:00Z", b"2026-01-05T23:59:60Z", b"2025-12-01T00:00:00Z"]
    )  # fmt: skip
    return _with(row, rng.choice(["ce_time", "ce_recordtime"]), text)


def _kind(rng: random.Random, row: Row) -> Row:
    kind = rng.choice(
        [b"bioreactor.exploded", b"supply.shipped", b"", b"bioreactor.reading ", b"bioreactor.batch_ended",
         b"bioreactor.assay_withdrawn", b"time.passed", b"\x00"]
    )  # fmt: skip
    return _with(row, "ce_type", kind)


def _version(rng: random.Random, row: Row) -> Row:
    value = rng.choice([b"0", b"-1", b"3", b"999", b"1", b"x", b"1.5", b"\xd9\xa1"])
    return row[0], row[1], [*[(n, v) for n, v in _pairs(row) if n != "ce_schemaversion"], ("ce_schemaversion", value)]


def _content(rng: random.Random, row: Row) -> Row:
    value = rng.choice(
        [b"application/msgpack", b"application/avro", b"text/html", b"", b"application/cloudevents+json"]
    )
    return row[0], row[1], [*[(n, v) for n, v in _pairs(row) if n != "content-type"], ("content-type", value)]


def _key(rng: random.Random, row: Row) -> Row:
    return rng.choice([b"someone else", b"", b"\x00", b"\xff" * 300, None, b"x" * 5000]), row[1], row[2]


def _headers(rng: random.Random, row: Row) -> Row:
    pairs = _pairs(row)
    choice = rng.randrange(4)
    if choice == 0:
        return row[0], row[1], []
    if choice == 1:
        return row[0], row[1], [*pairs, *pairs]
    if choice == 2:
        return row[0], row[1], [*pairs, ("x" * 1000, b"y" * 5000)]
    return row[0], row[1], pairs[: rng.randrange(len(pairs))]


def _structured(rng: random.Random, row: Row) -> Row:
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": rng.choice(["a", _text(rng)]),
        "source": rng.choice(["s", _text(rng)]),
        "type": "bioreactor.reading",
        "subject": rng.choice(["BR-00001", _text(rng)]),
        "time": "2026-01-05T08:00:00Z",
        "sequence": rng.choice(["1", 10**30, -5, _text(rng)]),
        "data": {"channels": [{"tag": _text(rng), "value": 1.0, "unit": "g/L"}]},
    }
    if rng.random() < 0.3:
        event.pop(rng.choice(list(event)))
    key = rng.choice([None, b"BR-00001"])
    return key, json.dumps(event, ensure_ascii=rng.random() < 0.7).encode("utf-8", "surrogatepass"), _STRUCTURED


def _negative(rng: random.Random, row: Row) -> Row:
    """Quantities that no vessel holds."""
    value = rng.choice([-1.0, 0.0, 1e308, 5e-324, -1e308])
    unit = rng.choice(["L", "mL", "g", "[gal_us]"])
    made = {
        b"bioreactor.feed_added": {"volume": {"value": value, "unit": unit}},
        b"bioreactor.sample_drawn": {"volume": {"value": value, "unit": unit}, "sample": "S-1"},
        b"bioreactor.batch_started": {
            "batch": "B",
            "volume": {"value": value, "unit": unit},
            "parameters": {"mu_max": value},
        },
        b"bioreactor.assay_resulted": {"sample": "S-1", "tag": "biomass", "value": value, "unit": "g/L"},
    }
    kind = rng.choice(list(made))
    return row[0], json.dumps(made[kind]).encode(), _with(row, "ce_type", kind)[2]


_SPOIL: list[Callable[[random.Random, Row], Row]] = [
    _truncated, _noise, _bits, _nothing, _number, _unit, _channels, _deep, _large, _field, _missing, _extra, _attribute,
    _time, _kind, _version, _content, _key, _headers, _structured, _negative,
]  # fmt: skip

__all__ = ["bad_records", "kinds"]
