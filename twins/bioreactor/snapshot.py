"""The state as bytes and back: a msgpack header, then the arrays as they lie in memory. Equal states, equal bytes."""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.errors import SnapshotError
from twins.bioreactor.answers import Run
from twins.bioreactor.rows import Batch, Items
from twins.bioreactor.state import LAYOUT, State

MAGIC = b"TWBR"
SNAPSHOT_VERSION = 3
_WIDE = (
    "value",
    "value_time",
    "quality",
    "alert",
    "alert_offset",
    "alert_n",
    "since",
    "seen",
    "chart",
    "links",
    "golden",
    "joint",
    "trigger",
)


class Header(Struct, frozen=True, omit_defaults=True):
    """All of the snapshot that is not an array, and what the arrays are."""

    version: int
    model: str
    keys: list[str]
    batches: list[Batch]
    items: list[tuple[int, Items]]
    columns: list[tuple[str, str]]
    clock: list[int]
    arrays: list[tuple[str, str, tuple[int, ...]]]
    marks_from: int = 0  # came later: not written while no configuration was changed
    answers: list[tuple[int, Run]] = []  # of re-simulations; left out where none was asked for
    learning: bytes = b""  # what the advisory lane has learned; left out where nothing is


_ENCODE = msgspec.msgpack.Encoder()
_DECODE = msgspec.msgpack.Decoder(Header)


def write_snapshot(state: State, model: str) -> bytes:
    """Write the whole state."""
    state.compact()
    used, wide = len(state), len(state.columns)
    arrays: list[tuple[str, NDArray[np.generic]]] = []
    for name in _names(state):
        array = getattr(state, name)[:used]
        if name in ("value", "value_time", "quality"):
            array = array[:, :wide]
        arrays.append((name, np.ascontiguousarray(array)))
    header = Header(
        SNAPSHOT_VERSION,
        model,
        state.keys,
        state.batches,
        sorted(state.items.items()),
        state.columns,
        state.clock,
        [(name, array.dtype.str, array.shape) for name, array in arrays],
        state.marks_from,
        sorted(state.answers.runs.items()),
        b"" if state.learning is None else state.learning.advisor.write(used),
    )
    head = _ENCODE.encode(header)
    return b"".join([MAGIC, len(head).to_bytes(8, "little"), head, *(array.tobytes() for _, array in arrays)])


def _names(state: State) -> tuple[str, ...]:
    """Name the arrays; some are there only where they are asked for, so that other snapshots are as they were."""
    some = (("probes", state.reconciling), ("fault", state.faulting))
    return (*LAYOUT, *_WIDE, *(name for name, asked in some if asked is not None))


def qualified(body: bytes) -> bytes:
    """Give a snapshot without what the advisory lane has learned; as it is where it cannot be read."""
    size = int.from_bytes(body[4:12], "little")
    try:
        header = _DECODE.decode(body[12 : 12 + size])
    except msgspec.MsgspecError:
        return body
    head = _ENCODE.encode(msgspec.structs.replace(header, learning=b""))
    return b"".join([MAGIC, len(head).to_bytes(8, "little"), head, body[12 + size :]])


def read_snapshot(state: State, body: bytes, model: str) -> None:
    """Fill an empty state from `write_snapshot`'s bytes.

    Raises
    ------
    SnapshotError
        If the bytes are no snapshot of this version and model, or are cut short.
    """
    if body[:4] != MAGIC or len(body) < 12:
        raise SnapshotError(f"expected a bioreactor snapshot, received {body[:4]!r}; restore an older checkpoint")
    size = int.from_bytes(body[4:12], "little")
    try:
        header = _DECODE.decode(body[12 : 12 + size])
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"expected a readable snapshot header, received {error}") from None
    if header.version != SNAPSHOT_VERSION or header.model != model:
        raise SnapshotError(
            f"expected a snapshot of version {SNAPSHOT_VERSION} and model {model}, received version {header.version} "
            f"and model {header.model}; fold the log from its start with the new model, or put the old one back"
        )
    used = len(header.keys)
    sizes = [np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64)) for _, dtype, shape in header.arrays]
    names = tuple(name for name, _, _ in header.arrays)
    if len(body) != 12 + size + sum(sizes) or names != _names(state) or len(header.batches) != used:
        raise SnapshotError(f"expected {12 + size + sum(sizes)} bytes of snapshot, received {len(body)}")
    state.make_room(max(64, used), max(8, len(header.columns)))
    at = 12 + size
    for (name, dtype, shape), length in zip(header.arrays, sizes, strict=True):
        array = np.frombuffer(body, dtype=dtype, count=int(np.prod(shape, dtype=np.int64)), offset=at).reshape(shape)
        target = getattr(state, name)
        if len(shape) not in (1, 2) or shape[0] != used or target.dtype != array.dtype:
            raise SnapshotError(f"expected {name} of {used} rows and {target.dtype}, received {shape} of {dtype}")
        if len(shape) == 1:
            target[:used] = array
        else:
            target[:used, : shape[1]] = array
        at += length
    for key in header.keys:
        state.enrol(key)
    if state.learning is not None:
        state.learning.advisor.read(header.learning, used)
    state.batches = list(header.batches)
    state.current = list(header.batches)
    state.items = dict(header.items)
    state.columns = list(header.columns)
    state.column_of = {pair: place for place, pair in enumerate(state.columns)}
    state.clock = list(header.clock)
    state.marks_from = header.marks_from
    state.answers.runs = dict(header.answers)
    derive(state)


def derive(state: State) -> None:
    """Derive what follows from a state that was just filled."""
    used = len(state)
    for slot, batch in enumerate(state.batches):
        state.parameters[slot] = state.table.index_of(batch.parameters)
        state.refresh(slot)
    state.waits[:used] = state.waits_of(np.arange(used))
    state.held[:used] = state.held_of(np.arange(used))
