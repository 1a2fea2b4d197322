"""Where a network's patients are: all moves of each that count, and the newest of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from schemas import supply as s
from schemas.errors import SnapshotError
from schemas.ids import event_hash
from twins.supply.kept import Row

Legs = tuple[s.LegName, ...]


class _Line(Struct, frozen=True, array_like=True):
    """One move: its fields but the legs ahead, which many moves share; these by number."""

    time: int
    known: int
    source: str
    id: str
    ahead: int
    fields: list[Any]  # Any: JSON, in the order of `_FIELDS`


class _Snapshot(Struct, frozen=True, array_like=True):
    ahead: list[tuple[int, Legs]]
    lines: list[msgspec.Raw]  # each a `_Line`


_FIELDS = [name for name in s.Moved.__struct_fields__ if name != "ahead"]
_ENCODE = msgspec.msgpack.Encoder(order="sorted")
_DECODE = msgspec.msgpack.Decoder(_Snapshot)
_DECODE_LINE = msgspec.msgpack.Decoder(_Line)


class Moves:
    """A set of moves: in any order of arrival it comes to the same. `newest` are the newest of each patient."""

    def __init__(self) -> None:
        self.newest: dict[str, Row] = {}
        self._of: dict[str, dict[int, Row]] = {}  # by patient, then by number
        self._ahead: dict[Legs, tuple[int, Legs]] = {}
        self._lines: dict[int, tuple[msgspec.Raw, int]] = {}  # as bytes, and the number of the legs ahead: for good

    def __len__(self) -> int:
        return len(self._of)

    def put(self, row: Row) -> None:
        """Take in a move."""
        name, ahead = row.data.patient, self._shared(row.data.ahead)[1]
        if ahead is not row.data.ahead:
            row = row._replace(data=msgspec.structs.replace(row.data, ahead=ahead))
        self._of.setdefault(name, {})[row.hash] = row
        old = self.newest.get(name)
        if old is None or (old.time, old.hash) < (row.time, row.hash):
            self.newest[name] = row

    def take_back(self, number: int) -> Row | None:
        """Let a move not count; give it, None where it is not here."""
        name = next((name for name, rows in self._of.items() if number in rows), None)
        if name is None:
            return None
        rows = self._of[name]
        row = rows.pop(number)
        self._lines.pop(number, None)
        if rows:
            self.newest[name] = max(rows.values(), key=lambda row: (row.time, row.hash))
        else:
            del self._of[name], self.newest[name]
        return row

    def forget(self, name: str) -> Row:
        """Forget a patient; give the newest move."""
        for number in self._of.pop(name):
            self._lines.pop(number, None)
        return self.newest.pop(name)

    def times(self) -> Iterator[tuple[str, list[tuple[int, int]]]]:
        """Give the times [us] and numbers of each patient's moves, in order."""
        for name, rows in sorted(self._of.items()):
            yield name, sorted((row.time, row.hash) for row in rows.values())

    def write(self) -> bytes:
        """Give all moves as bytes, the same in any order of arrival. What was written before is not encoded again."""
        lines = [self._line(row) for _, rows in sorted(self._of.items()) for _, row in sorted(rows.items())]
        used = {ahead for _, ahead in lines}
        self._ahead = {legs: (number, legs) for number, legs in self._ahead.values() if number in used}
        ahead = sorted(self._ahead.values(), key=lambda one: one[0])
        return _ENCODE.encode(_Snapshot(ahead, [line for line, _ in lines]))

    @classmethod
    def read(cls, body: bytes) -> Moves:
        """Take the moves from their bytes.

        Raises
        ------
        SnapshotError
            If the bytes are not that.
        """
        moves = cls()
        try:
            read = _DECODE.decode(body)
            ahead = dict(read.ahead)
            for line in map(_DECODE_LINE.decode, read.lines):
                fields = dict(zip(_FIELDS, line.fields, strict=True))
                data = msgspec.structs.replace(msgspec.convert(fields, s.Moved), ahead=ahead[line.ahead])
                name = line.source, line.id
                moves.put(Row(line.time, line.known, event_hash(*name), name, data))
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            raise SnapshotError(f"expected the moves of a network's patients, received {error}") from None
        return moves

    def _line(self, row: Row) -> tuple[msgspec.Raw, int]:
        found = self._lines.get(row.hash)
        if found is None:
            number = self._shared(row.data.ahead)[0]
            fields = [msgspec.to_builtins(getattr(row.data, name)) for name in _FIELDS]
            line = _Line(row.time, row.known, *row.name, number, fields)
            found = self._lines[row.hash] = msgspec.Raw(_ENCODE.encode(line)), number
        return found

    def _shared(self, ahead: Legs) -> tuple[int, Legs]:
        """Give the number of some legs, and the one tuple of them."""
        found = self._ahead.get(ahead)
        if found is None:
            digest = hashlib.blake2b(_ENCODE.encode(ahead), digest_size=8).digest()
            found = self._ahead[ahead] = int.from_bytes(digest, "big") >> 1, ahead
        return found
