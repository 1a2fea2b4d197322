"""Every connector that is read from a file or from memory holds to the shipped checks; and the checks can fail."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from connectors import checks
from connectors.bioreactor_simulation import Simulation
from connectors.bioreactor_simulator import Simulator
from connectors.file import open_file
from connectors.http import parse as parse_answer
from connectors.jsonl import parse as parse_line
from connectors.memory import MemorySource
from connectors.outgoing import BadLine, Entry, Item, Source, as_line, encode
from schemas.bioreactor import Channel, PhaseChanged, Reading
from schemas.events import Event
from schemas.instants import SECOND, Instant
from tests.unit.connectors.plate import plate_csv

NOON = Instant(1_772_366_400 * SECOND)
Make = Callable[[], Source]


def events() -> list[Entry]:
    made = [Event(str(n), "s", "bioreactor.phase_changed", "B", NOON, NOON, PhaseChanged(f"p{n}"), n) for n in range(9)]
    return [*made, BadLine(b"{")]


@pytest.fixture(params=["memory", "jsonl", "jsonl.gz", "table", "simulated lines"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    lines = b"\n".join(as_line(record) for record in Simulator(Simulation(units=3)).stream(last_step=5))
    files = {
        "jsonl": ("a.jsonl", lines + b"\nbroken\n"),
        "jsonl.gz": ("a.jsonl.gz", gzip.compress(lines)),
        "simulated lines": ("s.ndjson", lines),
        "table": ("p.csv", plate_csv().encode()),
    }
    if request.param == "memory":
        return lambda: MemorySource(events())
    name, body = files[request.param]
    path = tmp_path / name
    path.write_bytes(body)
    return lambda: open_file(path)


def test_ids_are_stable(make: Make) -> None:
    checks.check_ids_are_stable(make)


def test_source_is_resumable(make: Make) -> None:
    checks.check_is_resumable(make)


def test_entries_survive_the_wire(make: Make) -> None:
    checks.check_entries(entry for item in make().items() for entry in item.entries)


@pytest.mark.parametrize("parse", [parse_line, lambda body: parse_answer(body, NOON)])
def test_parse_is_pure_and_never_raises(parse: checks.Parse) -> None:
    for payload in (*checks.HOSTILE, b"[7]", b"{}"):
        checks.check_parse_is_pure(parse, payload)
    checks.check_bad_input_never_raises(parse)


# --- the checks can fail ---------------------------------------------------------------------------------------


class _Broken:
    """A source with one planted defect."""

    made = 0

    def __init__(self, defect: str) -> None:
        self._defect = defect
        type(self).made += 1

    def items(self, after: str | None = None) -> Iterator[Item]:
        start = int(after or 0)
        if self._defect == "again" and after is not None:
            start -= 1
        if self._defect == "beyond" and after is not None:
            start += 1
        for number, entry in enumerate(events()[start:], start + 1):
            if isinstance(entry, Event) and self._defect in ("fresh ids", "same ids", "sequence"):
                new = {"fresh ids": {"id": f"{type(self).made}-{number}"}, "same ids": {"id": "1"}}
                entry = msgspec.structs.replace(entry, **new.get(self._defect, {"sequence": 5}))
            yield Item(str(number), (entry,))


@pytest.mark.parametrize("defect", ["again", "beyond"])
def test_source_that_reads_twice_or_skips_is_found(defect: str) -> None:
    with pytest.raises(AssertionError, match="after position"):
        checks.check_is_resumable(lambda: _Broken(defect))


@pytest.mark.parametrize(
    ("defect", "said"), [("fresh ids", "same entries"), ("same ids", "each id once"), ("sequence", "sequence above")]
)
def test_ids_that_are_not_stable_are_found(defect: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        checks.check_ids_are_stable(lambda: _Broken(defect))


def test_parse_with_a_memory_or_a_temper_is_found() -> None:
    seen: list[bytes] = []

    def remembers(payload: bytes) -> list[Entry]:
        seen.append(payload)
        return [BadLine(b"x")] * len(seen)

    def throws(payload: bytes) -> list[Entry]:
        raise ValueError(payload)

    with pytest.raises(AssertionError, match="same entries"):
        checks.check_parse_is_pure(remembers, b"")
    with pytest.raises(AssertionError, match="no exception"):
        checks.check_bad_input_never_raises(throws)


def test_bad_line_that_reads_well_and_unit_that_does_not_fit_are_found() -> None:
    good = MemorySource(events()).items()
    line = as_line_of(next(good).entries[0])
    with pytest.raises(AssertionError, match="refused"):
        checks.check_entries([BadLine(line)])
    wrong = Event("1", "s", "bioreactor.reading", "B", NOON, NOON, Reading((Channel("ph", 7.0, "Cel"),)))
    with pytest.raises(AssertionError, match="for ph"):
        checks.check_entries([wrong])


def as_line_of(entry: Entry) -> bytes:
    return as_line(encode(entry)[0])
