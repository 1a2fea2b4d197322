"""What a worker and its engine processes say to each other: frames of msgpack over a pipe, bounded, data only.

A frame is its length in four bytes, big-endian, and the message. Whoever reads checks shape and size: an engine that
writes something else into the pipe is ended like one that died.
"""

from __future__ import annotations

import struct

import msgspec
from msgspec import Struct

from schemas.jobs import Reproducibility
from streams.jobs.engines import EngineEntry
from streams.jobs.ports import Checkpoint, Lease
from twins.block import Memory
from twins.engine import Device

MOST_FRAME_BYTES = 256 << 20  # two checkpoints and a past, at their own bounds
_LENGTH = struct.Struct(">I")


class Begin(Struct, frozen=True, tag=True):
    """To an engine process, first: what it may be asked for, and where it runs."""

    engines: list[EngineEntry]
    device: Device
    first_seconds: float
    piece_seconds: float
    checkpoint_seconds: float


class Do(Struct, frozen=True, tag=True):
    """To an engine process: a job. `spec` is JSON; `checkpoints` are newest first."""

    lease: Lease
    kind: str
    spec: bytes
    past: list[Memory]
    checkpoints: list[Checkpoint]


class Stop(Struct, frozen=True, tag=True):
    """To an engine process: stop that job at the end of this piece; `keep`: with a last checkpoint."""

    lease: Lease
    keep: bool


class Warming(Struct, frozen=True, tag=True):
    """From an engine process: it is about to load that engine, which may be its end."""

    kind: str


class Ready(Struct, frozen=True, tag=True):
    """From an engine process: it waits for a job. `missing`: kinds it cannot serve, and why."""

    kinds: list[str]
    missing: dict[str, str]


class Told(Struct, frozen=True, tag=True):
    """From an engine process: how far the job is."""

    lease: Lease
    done: float
    total: float
    note: str
    rates: dict[str, float]


class Kept(Struct, frozen=True, tag=True):
    """From an engine process: a checkpoint."""

    lease: Lease
    versions: dict[str, str]
    body: bytes


class Answered(Struct, frozen=True, tag=True):
    """From an engine process: the answer; `summary` and `document` are JSON."""

    lease: Lease
    summary: bytes
    document: bytes
    reproducibility: Reproducibility
    bucket: int
    versions: dict[str, str]
    resumed: list[str]


class Stopped(Struct, frozen=True, tag=True):
    """From an engine process: it stopped that job, as it was told."""

    lease: Lease


class Failed(Struct, frozen=True, tag=True):
    """From an engine process: the job cannot go on. `again`: another attempt may do better."""

    lease: Lease
    error: str
    again: bool
    device_lost: bool = False


ToEngine = Begin | Do | Stop
FromEngine = Warming | Ready | Told | Kept | Answered | Stopped | Failed

_ENCODER = msgspec.msgpack.Encoder()
_TO_ENGINE: msgspec.msgpack.Decoder[ToEngine] = msgspec.msgpack.Decoder(ToEngine)
_FROM_ENGINE: msgspec.msgpack.Decoder[FromEngine] = msgspec.msgpack.Decoder(FromEngine)


def frame(message: ToEngine | FromEngine) -> bytes:
    """Give a message as it goes through the pipe.

    Raises
    ------
    ValueError
        If it is larger than a frame may be.
    """
    body = _ENCODER.encode(message)
    if len(body) > MOST_FRAME_BYTES:
        raise ValueError(f"expected a message of at most {MOST_FRAME_BYTES} bytes, received {len(body)}")
    return _LENGTH.pack(len(body)) + body


def read_to_engine(body: bytes) -> ToEngine:
    """Read what a worker said. Raises msgspec.ValidationError or DecodeError if it is none of that."""
    return _TO_ENGINE.decode(body)


def read_from_engine(body: bytes) -> FromEngine:
    """Read what an engine process said. Raises msgspec.ValidationError or DecodeError if it is none of that."""
    return _FROM_ENGINE.decode(body)


class Frames:
    """Cuts frames out of bytes as they come.

    Examples
    --------
    >>> cut = Frames()
    >>> cut.feed(b"\\x00\\x00\\x00\\x02h"), cut.feed(b"i\\x00\\x00")
    ([], [b'hi'])
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, some: bytes) -> list[bytes]:
        """Take some bytes, and give the frames that are whole.

        Raises
        ------
        ValueError
            If a frame says that it is larger than one may be.
        """
        self._rest += some
        whole: list[bytes] = []
        while len(self._rest) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._rest)
            if size > MOST_FRAME_BYTES:
                raise ValueError(f"expected a message of at most {MOST_FRAME_BYTES} bytes, received {size}")
            end = _LENGTH.size + size
            if len(self._rest) < end:
                break
            whole.append(bytes(self._rest[_LENGTH.size : end]))
            del self._rest[:end]
        return whole
