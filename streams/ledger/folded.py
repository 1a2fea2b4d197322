"""What one folded frame brings to its commit, and what of it the ledger does not hold yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.effects import Effect, write_effect
from schemas.events import write_headers, write_value
from schemas.instants import DAY
from schemas.partitions import ConfigurationChanged
from schemas.topics import OUTPUTS
from streams.consequences import told_of
from streams.ledger.claims import Checkpoint
from twins.block import Effects
from twins.frame import Frame


class Output(NamedTuple):
    """One message that leaves: an effect, a dead letter, a late fact."""

    id: str
    topic: str
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Skip:
    """A record that raised, and is left out for good."""

    offset: int
    error: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of configuration that a record made, and the state before it."""

    data: ConfigurationChanged
    before: Checkpoint


@dataclass(slots=True)
class Folded:
    """What folding one frame gave, with all that its commit needs."""

    frame: Frame
    effects: Effects
    epoch: int
    next_offset: int
    originals: dict[int, tuple[bytes | None, bytes | None]]  # key and value of refused and late records, by offset
    checkpoint: Checkpoint | None = None
    skips: list[Skip] = field(default_factory=list)
    alone: int | None = None  # offset of the one record, where it was folded with care
    changed: Changed | None = None  # then the frame holds that one record


class Said(NamedTuple):
    """One effect, its place in the log, when the log knew the record that it is said of [us], and its line."""

    known_at: int
    offset: int
    n: int
    effect: Effect
    line: bytes


class Fresh:
    """One folded frame, made ready before its transaction begins; `above` drops what the ledger holds already."""

    def __init__(self, folded: Folded) -> None:
        self.frame = folded.frame
        self.kind = folded.frame.topic.partition(".")[0]  # of the twins
        self._originals = folded.originals
        self.columns = folded.frame.columns
        self.accepted: NDArray[np.bool_] = folded.effects.accepted
        self._known = _known(folded.frame)
        self.said = [self._said(effect) for effect in folded.effects.all()]
        self.memory = folded.effects.memory
        late = set(folded.effects.late)
        self.outputs = [(one.offset, output) for one in self.said if (output := self._output(one, late)) is not None]

    def above(self, applied: int) -> Fresh:
        """Drop what came of records below `applied`.

        Memory stays: a block may sum up a frame in it, and then a refold in other frames needs the sums of its own. A
        row that is there already is the same to the byte.
        """
        if applied > self.frame.first:
            self.accepted = self.accepted & (self.columns.offsets >= applied)
            self.said = [one for one in self.said if one.offset >= applied]
            self.outputs = [(offset, output) for offset, output in self.outputs if offset >= applied]
        return self

    def known_of(self, offset: int) -> int:
        """When the log knew a record [us]."""
        return self._known.get(offset, next(iter(self._known.values()), 0))

    def _said(self, effect: Effect) -> Said:
        offset, n = place(effect)
        return Said(self.known_of(offset), offset, n, effect, write_effect(effect))

    def other_rows(self) -> list[int]:
        """Rows of facts that are not readings and count."""
        others = self.accepted.copy()
        for group in self.frame.readings:
            others[group.rows] = False
        return [int(i) for i in np.nonzero(others)[0] if self.columns.keys[i]]

    def _output(self, one: Said, late: set[int]) -> Output | None:
        """Make the message of an effect: itself, a dead letter, a late fact, or none."""
        effect, offset, topic = one.effect, one.offset, self.frame.topic
        if effect.kind == "consequence":
            event = told_of(effect)
            return Output(effect.id, topic, event.subject.encode(), write_value(event), write_headers(event))
        if effect.kind != "reject":
            return self._message(OUTPUTS.get(effect.kind, "twin.estimates"), effect, one.line)
        if offset in self._originals and effect.data["reason"] != "duplicate":
            return self._letter(f"{topic}.late" if offset in late else f"{topic}.dlq", effect, offset)
        return None

    def _message(self, topic: str, effect: Effect, line: bytes) -> Output:
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", effect.id.encode()),
            ("ce_source", b"twinstream"),
            ("ce_type", f"twin.{effect.kind}".encode()),
            ("ce_time", effect.event_time.encode()),
            ("ce_subject", effect.key.encode()),
            ("content-type", b"application/json"),
        ]
        return Output(effect.id, topic, effect.key.encode(), line, headers)

    def _letter(self, topic: str, effect: Effect, offset: int) -> Output:
        key, value = self._originals[offset]
        data = effect.data
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", effect.id.encode()),
            ("ce_source", b"twinstream"),
            ("ce_type", b"twin.reject"),
            ("ce_time", effect.event_time.encode()),
            *(
                (f"reject_{name}", str(data[name]).encode())
                for name in ("reason", "expected", "received", "where", "advice")
            ),
            ("origin_topic", self.frame.topic.encode()),
            ("origin_partition", str(self.frame.partition).encode()),
            ("origin_offset", str(offset).encode()),
        ]
        return Output(effect.id, topic, key, value or b"", headers)


def _known(frame: Frame) -> dict[int, int]:
    """Give when the log knew each record of a frame [us], by offset.

    A dict, because numpy lets go of the interpreter to search: a thread that folds would take it, once for each effect.
    """
    columns = frame.columns
    known = dict(zip(columns.offsets.tolist(), columns.known_at.tolist(), strict=True))
    known.update((refused.offset, refused.known_at) for refused in frame.refused if refused.offset not in known)
    return known


def known_days(folded: Sequence[Folded]) -> set[int]:
    """Days since 1970 on which the records of a round were known."""
    days: set[int] = set()
    for one in folded:
        days.update(np.unique(one.frame.columns.known_at // DAY).tolist())
        days.update(refused.known_at // DAY for refused in one.frame.refused)
    return days


def place(effect: Effect) -> tuple[int, int]:
    """Offset and n of an effect."""
    _, offset, n = effect.id.rsplit("/", 2)
    return int(offset), int(n)
