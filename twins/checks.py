"""The contract checks that every twin inherits: call each with your model and records, a failure raises AssertionError.

    from twins import checks
    checks.check_all(model, records, orders=[shuffled])

`records` are raw records (`twins.frame.RawRecord`) of one partition, in offset order, as a transport would hand
them over. The checks fold them through the very contract of `twins/block.py`, with `MemoryPast` in the ledger's place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np

from schemas.effects import Effect, order_of, write_effect
from schemas.events import Headers
from schemas.partitions import ConfigurationChanged
from twins.block import Adopts, Block, Effects, Model
from twins.changing import change_row, read_change
from twins.frame import RawRecord, read_frame
from twins.past import MemoryPast

_CHANGED_AT = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC [us]: any time will do


@dataclass(frozen=True, slots=True)
class PlainRecord:
    """A raw record made by hand."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@runtime_checkable
class SaysBelief(Protocol):
    """A block that can say what the order of arrival must not change. Without it whole snapshots are compared."""

    def belief(self, key: str) -> bytes: ...


@runtime_checkable
class SaysCovariance(Protocol):
    """A block whose twins have a covariance."""

    def covariance(self, key: str) -> Sequence[Sequence[float]]: ...


@dataclass(slots=True)
class Folded:
    """What folding some records came to."""

    block: Block
    lines: list[bytes] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    frames: list[Effects] = field(default_factory=list)


def fold(
    model: Model,
    records: Sequence[RawRecord],
    cuts: Iterable[int] = (),
    block: Block | None = None,
    past: MemoryPast | None = None,
) -> Folded:
    """Fold records in frames that end before each of `cuts` (indices into records)."""
    folded = Folded(model.empty() if block is None else block)
    past = MemoryPast() if past is None else past
    edges = sorted({0, len(records), *(cut for cut in cuts if 0 < cut < len(records))})
    for first, after in pairwise(edges):
        frame = read_frame(f"{model.kind}.events", 0, records[first:after])
        effects = folded.block.apply(frame, past.load(folded.block.wanted(frame), frame.first))
        past.keep(frame, effects)
        folded.frames.append(effects)
        folded.effects += effects.all()
    folded.lines = [write_effect(effect) for effect in folded.effects]
    return folded


def check_same_events_same_bytes(model: Model, records: Sequence[RawRecord]) -> None:
    """The same records give the same effects and the same state, twice."""
    one, two = fold(model, records), fold(model, records)
    _same_lines(one, two)
    assert one.block.snapshot() == two.block.snapshot(), "two folds of the same records ended in different states"


def check_split_equals_whole(model: Model, records: Sequence[RawRecord], cuts: Iterable[int]) -> None:
    """Where frames end changes neither an effect nor a bit of the state."""
    whole, split = fold(model, records), fold(model, records, cuts)
    _same_lines(whole, split)
    assert whole.block.snapshot() == split.block.snapshot(), "where frames end changed the state"


def check_refold_goes_on(
    model: Model,
    records: Sequence[RawRecord],
    checkpoint: int,
    applied: int,
    before: Iterable[int],
    after: Iterable[int],
) -> None:
    """A life that ends at `applied` and is folded again from `checkpoint`, in other frames, leaves no trace.

    What the first life kept stays, as in the ledger, also above the checkpoint, from frames that ended elsewhere.
    """
    assert 0 <= checkpoint <= applied <= len(records)
    straight = fold(model, records)
    past = MemoryPast()
    body = fold(model, records[:checkpoint], before, past=past).block.snapshot()
    first, second = model.empty(), model.empty()
    first.restore(body)
    fold(model, records[checkpoint:applied], [cut - checkpoint for cut in before], first, past)
    second.restore(body)
    again = fold(model, records[checkpoint:], [cut - checkpoint for cut in after], second, past)
    known = records[applied].offset if applied < len(records) else records[-1].offset + 1
    assert _lines_from(again, known) == _lines_from(straight, known), "a refold in other frames said something else"
    assert again.block.snapshot() == straight.block.snapshot(), "a refold in other frames ended in another state"


def check_snapshot_round_trip(model: Model, records: Sequence[RawRecord], at: int) -> None:
    """A snapshot restored in the middle goes on as if nothing had been; taking it changes nothing."""
    straight = fold(model, records, [at])
    past = MemoryPast()
    block = model.empty()
    lines: list[bytes] = []
    for part in (records[:at], records[at:]):
        if not part:
            continue
        body = block.snapshot()
        assert block.snapshot() == body, "taking a snapshot changed the state"
        block = model.empty()
        block.restore(body)
        assert block.snapshot() == body, "a restored state gives another snapshot"
        frame = read_frame(f"{model.kind}.events", 0, part)
        effects = block.apply(frame, past.load(block.wanted(frame), frame.first))
        past.keep(frame, effects)
        lines += [write_effect(effect) for effect in effects.all()]
    assert lines == straight.lines, "a restored state gave other effects"
    assert block.snapshot() == straight.block.snapshot(), "a restored state came to another end"


def check_duplicates_change_nothing(model: Model, records: Sequence[RawRecord]) -> None:
    """Every accepted record sent again is one reject, reason `duplicate`, and changes no state."""
    once = fold(model, records)
    accepted = _accepted(model, once, records)
    after = records[-1].offset + 1
    again = [
        PlainRecord(after + n, record.timestamp, record.key, record.value, record.headers)
        for n, record in enumerate(accepted)
    ]
    cuts = range(len(records), len(records) + len(again), 7)
    twice = fold(model, [*records, *again], cuts)
    new = [effect for effect in twice.effects if order_of(effect.id)[2] >= after]
    assert [effect.data.get("reason") for effect in new] == ["duplicate"] * len(again), "a duplicate had another effect"
    assert twice.block.snapshot() == once.block.snapshot(), "a duplicate changed the state"


def check_any_order(
    model: Model, records: Sequence[RawRecord], orders: Iterable[Sequence[int]], settle: Sequence[RawRecord] = ()
) -> None:
    """Records within the horizon come to the same belief in any order of arrival.

    `orders` are permutations of range(len(records)); `settle` are records appended after each, in order, for twins
    that leave late facts until something newer arrives.
    """
    expected = fold(model, _numbered([*records, *settle]), range(0, len(records), 5))
    for order in orders:
        shuffled = _numbered([*(records[place] for place in order), *settle])
        got = fold(model, shuffled, range(0, len(records), 5))
        keys = expected.block.keys()
        for key in keys:
            assert _belief(got.block, key) == _belief(expected.block, key), (
                f"the order of arrival {list(order)} changed what is believed of {key}"
            )


def check_covariances(model: Model, records: Sequence[RawRecord]) -> None:
    """Covariances are finite, symmetric and positive semidefinite, whatever came."""
    block = fold(model, records).block
    if isinstance(block, SaysCovariance):
        keys = block.keys()
        for key in keys:
            covariance = np.array(block.covariance(key))
            assert np.isfinite(covariance).all(), f"the covariance of {key} is not finite"
            assert (covariance == covariance.T).all(), f"the covariance of {key} is not symmetric"
            least = float(np.linalg.eigvalsh(covariance).min())
            assert least >= -1e-12 * float(np.trace(covariance)), f"the covariance of {key} has eigenvalue {least}"


def check_bounded(model: Model, records: Sequence[RawRecord], bytes_a_twin: int) -> None:
    """The state does not grow with the number of records."""
    block = fold(model, records).block
    size, twins = len(block.snapshot()), max(1, len(block.keys()))
    assert size <= bytes_a_twin * twins + 4096, f"{size} bytes of state for {twins} twins"


def check_adopting_itself(model: Model, records: Sequence[RawRecord], at: int) -> None:
    """A block that takes over from one of the same configuration says nothing, and is the same to the byte."""
    past = MemoryPast()
    old = fold(model, records[:at], range(0, at, 5), past=past).block
    before = old.snapshot()
    block, effects = _adopted(model, old, model, records[at - 1].offset + 1, past)
    assert not effects.all(), "adopting the same configuration said something"
    assert block.snapshot() == before, "adopting the same configuration changed the state"
    assert old.snapshot() == before, "adopting changed the block that was taken over from"


def check_adoption(
    before: Model, after: Model, records: Sequence[RawRecord], at: int, settle: Sequence[RawRecord] = ()
) -> None:
    """Twins taken over in the middle come to believe what they would have, had `after` been there from the start.

    Both must let the same facts count. `settle` are records appended at the end, in order, for twins that leave late
    facts until something newer arrives. Alerts stay whole: each clear names a raise that stands.
    """
    every = [*records, *settle]
    first, rest = _numbered(every[:at]), _numbered(every[at:], at + 1)
    straight = fold(after, [*first, *rest], range(0, len(every), 5))
    past = MemoryPast()
    old = fold(before, first, range(0, at, 5), past=past)
    block, effects = _adopted(before, old.block, after, at, past)
    body = block.snapshot()
    block = after.empty()
    block.restore(body)
    assert block.snapshot() == body, "a state that was taken over gives another snapshot when restored"
    went_on = fold(after, rest, range(0, len(rest), 7), block, past)
    assert went_on.block.keys() == straight.block.keys(), "taking over lost a twin, or their order"
    for key in straight.block.keys():  # noqa: SIM118  a method of the contract, not of a dict
        assert _belief(went_on.block, key) == _belief(straight.block, key), f"{key} believes otherwise once taken over"
    said = [*old.effects, *effects.all(), *went_on.effects]
    assert len({effect.id for effect in said}) == len(said), "an effect's id was given twice"
    standing: set[str] = set()
    for effect in said:
        if effect.kind == "alert" and effect.data["action"] == "clear":
            assert effect.data["alert"] in standing, f"{effect.data['alert']} is cleared and does not stand"
            standing.remove(effect.data["alert"])
        elif effect.kind == "alert":
            standing.add(effect.data["alert"])


def _adopted(
    before: Model, old: Block, after: Model, offset: int, past: MemoryPast
) -> tuple[Block, Effects]:  # fmt: skip
    """Let a block of `after` take over from one of `before` by a record at an offset."""
    row = change_row(ConfigurationChanged(1, before.name, after.name, "0" * 64), 0, _CHANGED_AT)
    record = PlainRecord(offset, _CHANGED_AT // 1000, None, row.value, row.headers)
    frame = read_change(f"{after.kind}.events", 0, record)
    block = after.empty()
    assert frame is not None
    assert isinstance(block, Adopts)
    effects = block.adopt(old, frame, lambda wanted: past.load(wanted, offset))
    past.keep(frame, effects)
    return block, effects


def check_all(
    model: Model, records: Sequence[RawRecord], cuts: Iterable[int] = (1, 2, 3), bytes_a_twin: int = 1200
) -> None:
    """Run every check that needs no more than records in order."""
    check_same_events_same_bytes(model, records)
    check_split_equals_whole(model, records, cuts)
    check_snapshot_round_trip(model, records, len(records) // 2)
    third = len(records) // 3
    check_refold_goes_on(model, records, third, 2 * third, range(0, len(records), 7), range(0, len(records), 11))
    check_duplicates_change_nothing(model, records)
    check_covariances(model, records)
    check_bounded(model, records, bytes_a_twin)


def _accepted(model: Model, folded: Folded, records: Sequence[RawRecord]) -> list[RawRecord]:
    frame = read_frame(f"{model.kind}.events", 0, records)
    places = {
        fact.offset
        for fact, counted in zip(frame.facts, folded.frames[0].accepted.tolist(), strict=True)
        if counted and fact.event.subject  # what concerns a partition is no twin's fact
    }
    return [record for record in records if record.offset in places]


def _numbered(records: Sequence[RawRecord], first: int = 0) -> list[RawRecord]:
    return [
        PlainRecord(offset, record.timestamp, record.key, record.value, record.headers)
        for offset, record in enumerate(records, first)
    ]


def _lines_from(folded: Folded, offset: int) -> list[bytes]:
    """Lines of effects of records from an offset on."""
    return [line for line, effect in zip(folded.lines, folded.effects, strict=True) if order_of(effect.id)[2] >= offset]


def _belief(block: Block, key: str) -> bytes:
    return block.belief(key) if isinstance(block, SaysBelief) else block.snapshot()


def _same_lines(one: Folded, two: Folded) -> None:
    for a, b in zip(one.lines, two.lines, strict=False):
        assert a == b, f"effects differ:\n  {a.decode()}\n  {b.decode()}"
    assert len(one.lines) == len(two.lines), f"{len(one.lines)} and {len(two.lines)} effects"


__all__ = [
    "Folded",
    "PlainRecord",
    "check_adopting_itself",
    "check_adoption",
    "check_all",
    "check_any_order",
    "check_bounded",
    "check_covariances",
    "check_duplicates_change_nothing",
    "check_refold_goes_on",
    "check_same_events_same_bytes",
    "check_snapshot_round_trip",
    "check_split_equals_whole",
    "fold",
]
